"""Relu: y = max(x, 0) (ONNX Relu; Caffe ReLU, whose negative_slope makes it LeakyRelu)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary
from amalgamate.ops.leaky_relu import LeakyRelu


@dataclass(frozen=True)
class Relu(Unary):
    sources = {"onnx": "Relu", "caffe": "ReLU"}

    def function(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.CLIP, 0.0, math.inf)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        slope = float(src.attr("negative_slope", 0.0))
        src.emit(LeakyRelu(slope) if slope else cls(), src.inputs, src.outputs)
