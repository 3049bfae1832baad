"""Mul: y = a b (ONNX Mul; Caffe Eltwise PROD)."""

from __future__ import annotations

from dataclasses import dataclass

from amalgamate.graph import Array
from amalgamate.ops._binary import Binary


@dataclass(frozen=True)
class Mul(Binary):
    sources = {"onnx": "Mul"}

    def function(self, a: Array, b: Array) -> Array:
        return a * b
