"""Sub: y = a - b (ONNX Sub)."""

from __future__ import annotations

from dataclasses import dataclass

from amalgamate.graph import Array
from amalgamate.ops._binary import Binary


@dataclass(frozen=True)
class Sub(Binary):
    sources = {"onnx": "Sub"}

    def function(self, a: Array, b: Array) -> Array:
        return a - b
