"""Sqrt: y = the square root of x (ONNX Sqrt)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Sqrt(Unary):
    sources = {"onnx": "Sqrt"}

    def function(self, x: Array) -> Array:
        return np.sqrt(x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.SQRT, 0.0, 0.0)
