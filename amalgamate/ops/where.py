"""Where: x where the condition is not 0, else y, broadcast against each other (ONNX Where)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op


@dataclass(frozen=True)
class Where(Op):
    sources = {"onnx": "Where"}

    def shape(self, condition: Shape, x: Shape, y: Shape) -> Shape:
        try:
            return np.broadcast_shapes(condition, x, y)
        except ValueError:
            self.misfit(f"{list(condition)}, {list(x)} and {list(y)} do not broadcast")

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return (inputs[1],)

    def reference(self, condition: Array, x: Array, y: Array) -> Array:
        return np.where(condition != 0, x, y)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[Shape, Shape, Shape]] = [
            ((2, 3, 4), (2, 3, 4), (2, 3, 4)), ((3, 1), (1, 4), ()), ((1, 1, 5, 5), (2, 3, 5, 5), (1,)), ((4,), (2, 4), (2, 1)),
        ]  # fmt: skip
        for condition, x, y in examples:
            mask = rng.integers(0, 2, condition).astype(np.int64)
            values = [rng.standard_normal(s).astype(np.float32) for s in (x, y)]
            yield Case(Where(), [mask, *values], constants=(0,), name=f"{condition}, {x}, {y}")
        numbers = [np.arange(6, dtype=np.int64).reshape(2, 3), np.array([9], np.int64)]
        yield Case(Where(), [np.array([[1], [0]], np.int64), *numbers], name="int64")
