"""Abs: y = |x| (ONNX Abs, Caffe AbsVal)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Abs(Unary):
    sources = {"onnx": "Abs", "caffe": "AbsVal"}

    def function(self, x: Array) -> Array:
        return np.abs(x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.ABS, 0.0, 0.0)
