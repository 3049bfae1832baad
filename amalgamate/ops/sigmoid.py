"""Sigmoid: y = 1 / (1 + e^-x) (ONNX Sigmoid, Caffe Sigmoid)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Sigmoid(Unary):
    sources = {"onnx": "Sigmoid", "caffe": "Sigmoid"}

    def function(self, x: Array) -> Array:
        return 1 / (1 + np.exp(-x))

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.SIGMOID, 0.0, 0.0)
