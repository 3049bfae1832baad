"""Neg: y = -x (ONNX Neg)."""

from __future__ import annotations

from dataclasses import dataclass

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Neg(Unary):
    sources = {"onnx": "Neg"}

    def function(self, x: Array) -> Array:
        return -x

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.AFFINE, -1.0, 0.0)
