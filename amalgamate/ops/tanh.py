"""Tanh: y = tanh x (ONNX Tanh, Caffe TanH)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Tanh(Unary):
    sources = {"onnx": "Tanh", "caffe": "TanH"}

    def function(self, x: Array) -> Array:
        return np.tanh(x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.TANH, 0.0, 0.0)
