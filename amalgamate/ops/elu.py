"""Elu: y = x where x >= 0, alpha (e^x - 1) elsewhere (ONNX Elu, Caffe ELU)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Elu(Unary):
    alpha: float = 1.0

    sources = {"onnx": "Elu", "caffe": "ELU"}

    def function(self, x: Array) -> Array:
        return np.where(x < 0, self.alpha * np.expm1(x), x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.ELU, self.alpha, 1.0)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(float(src.attr("alpha", 1.0))), src.inputs, src.outputs)
