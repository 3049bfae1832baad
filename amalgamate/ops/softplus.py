"""Softplus: y = log(1 + e^x) (ONNX Softplus, Caffe BNLL)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Softplus(Unary):
    sources = {"onnx": "Softplus", "caffe": "BNLL"}

    def function(self, x: Array) -> Array:
        return np.logaddexp(x, 0)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.SOFTPLUS, 0.0, 0.0)
