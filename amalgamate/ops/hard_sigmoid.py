"""HardSigmoid: y = min(max(alpha x + beta, 0), 1) (ONNX HardSigmoid)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class HardSigmoid(Unary):
    alpha: float = 0.2
    beta: float = 0.5

    sources = {"onnx": "HardSigmoid"}

    def function(self, x: Array) -> Array:
        return np.clip(self.alpha * x + self.beta, 0, 1)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.HARD_SIGMOID, self.alpha, self.beta)
