"""Compare: relations of two tensors, element by element, broadcast (ONNX Equal, Less, And, ...). Truth is int64: 0 or 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Case, Op, Source, choice

RELATIONS = {
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


@dataclass(frozen=True)
class Compare(Op):
    relation: str = choice("Equal", *RELATIONS)

    sources = {"onnx": tuple(RELATIONS)}

    def shape(self, a: Dims, b: Dims) -> Dims:
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            self.misfit(f"{list(a)} and {list(b)} do not broadcast")

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return ("int64",)

    def reference(self, a: Array, b: Array) -> Array:
        return RELATIONS[self.relation](a, b).astype(np.int64)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for relation in RELATIONS:
            for a, b in [((2, 3, 4), (2, 3, 4)), ((3, 1), (1, 4)), ((), (2, 5)), ((1, 6), (2, 1, 1))]:
                numbers = [rng.integers(-1, 2, shape).astype(np.float32) for shape in (a, b)]
                yield Case(Compare(relation), [*numbers], name=f"{relation} of {a}, {b}")
            yield Case(Compare(relation), [n.astype(np.int64) for n in numbers], name=f"{relation} of int64")
        odd = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
        yield Case(Compare("Equal"), [odd, np.array([np.nan, np.inf, np.inf, 0.0], np.float32)], name="Equal of NaN")
        yield Case(Compare("LessOrEqual"), [odd, odd[::-1].copy()], name="LessOrEqual of NaN")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(src.type), src.inputs, src.outputs)
