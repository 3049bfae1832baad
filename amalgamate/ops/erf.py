"""Erf: y = the error function of x (ONNX Erf)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Erf(Unary):
    sources = {"onnx": "Erf"}

    def function(self, x: Array) -> Array:
        return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.ERF, 0.0, 0.0)
