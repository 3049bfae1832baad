"""Selu: y = gamma x where x >= 0, gamma alpha (e^x - 1) elsewhere (ONNX Selu)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Selu(Unary):
    alpha: float = 1.6732632
    gamma: float = 1.050701

    sources = {"onnx": "Selu"}

    def function(self, x: Array) -> Array:
        return self.gamma * np.where(x < 0, self.alpha * np.expm1(x), x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.ELU, self.alpha * self.gamma, self.gamma)
