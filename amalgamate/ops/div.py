"""Div: y = a / b, towards zero between integers (ONNX Div and Reciprocal)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._binary import Binary
from amalgamate.ops._unary import only_float


@dataclass(frozen=True)
class Div(Binary):
    sources = {"onnx": ("Div", "Reciprocal")}

    def function(self, a: Array, b: Array) -> Array:
        return a / b if a.dtype.kind == "f" else (np.abs(a) // np.abs(b)) * np.sign(a) * np.sign(b)

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        one = [src.constant(np.array(1, np.float32), "one")] if src.type == "Reciprocal" else []
        src.emit(cls(), one + src.inputs, src.outputs)
