"""Swish: y = x / (1 + e^(-alpha x)); SiLU where alpha is 1 (ONNX Swish, Caffe Swish)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Swish(Unary):
    alpha: float = 1.0

    sources = {"onnx": "Swish", "caffe": "Swish"}

    def function(self, x: Array) -> Array:
        return np.asarray(x / (1 + np.exp(-self.alpha * x)))

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.SWISH, self.alpha, 0.0)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(float(src.attr("beta", 1.0))), src.inputs, src.outputs)
