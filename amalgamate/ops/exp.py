"""Exp: y = e^x (ONNX Exp; Caffe Exp, y = base^(shift + scale x))."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary
from amalgamate.ops.affine import affine


@dataclass(frozen=True)
class Exp(Unary):
    sources = {"onnx": "Exp", "caffe": "Exp"}

    def function(self, x: Array) -> Array:
        return np.exp(x)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.EXP, 0.0, 0.0)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        base, scale, shift = (float(src.attr(k, d)) for k, d in (("base", -1.0), ("scale", 1.0), ("shift", 0.0)))
        if base != -1 and base <= 0:
            src.refuse(f"base={base} is not positive")
        rate = 1.0 if base == -1 else math.log(base)  # -1 stands for e
        src.emit(cls(), affine(src, src.inputs[0], rate * scale, rate * shift), src.outputs)
