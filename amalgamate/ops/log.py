"""Log: y = the natural logarithm of x (ONNX Log; Caffe Log, y = log(shift + scale x) / log(base))."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary
from amalgamate.ops.affine import Affine, affine


@dataclass(frozen=True)
class Log(Unary):
    sources = {"onnx": "Log", "caffe": "Log"}

    def function(self, x: Array) -> Array:
        return np.log(x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.LOG, 0.0, 0.0)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        base, scale, shift = (float(src.attr(k, d)) for k, d in (("base", -1.0), ("scale", 1.0), ("shift", 0.0)))
        if base != -1 and (base <= 0 or base == 1):
            src.refuse(f"base={base} is not a base of logarithms")
        rate = 1.0 if base == -1 else 1 / math.log(base)  # -1 stands for e
        inner = affine(src, src.inputs[0], scale, shift)
        if rate == 1:
            src.emit(cls(), inner, src.outputs)
        else:
            src.emit(Affine(rate), src.emit(cls(), inner), src.outputs)
