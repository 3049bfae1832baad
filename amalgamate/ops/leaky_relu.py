"""LeakyRelu: y = x where x >= 0, alpha x elsewhere (ONNX LeakyRelu, Caffe ReLU with negative_slope)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class LeakyRelu(Unary):
    alpha: float = 0.01

    sources = {"onnx": "LeakyRelu"}

    def function(self, x: Array) -> Array:
        return np.where(x < 0, self.alpha * x, x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.LEAKY_RELU, self.alpha, 0.0)
