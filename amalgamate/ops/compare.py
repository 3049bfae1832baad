"""Compare: relations of constants, element by element, as written beside shapes (ONNX Equal, Less, And, ...)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Op, Source, choice

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
    folds_only = True

    def shape(self, a: Dims, b: Dims) -> Dims:
        return np.broadcast_shapes(a, b)

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return ("bool",)

    def reference(self, a: Array, b: Array) -> Array:
        return np.asarray(RELATIONS[self.relation](a, b))

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(src.type), src.inputs, src.outputs)
