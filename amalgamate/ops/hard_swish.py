"""HardSwish: y = x min(max(x + 3, 0), 6) / 6 (ONNX HardSwish)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class HardSwish(Unary):
    sources = {"onnx": "HardSwish"}

    def function(self, x: Array) -> Array:
        return np.asarray(x * np.clip(x + 3, 0, 6) / 6)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.HARD_SWISH, 0.0, 0.0)
