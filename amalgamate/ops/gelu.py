"""Gelu: y = x Phi(x), Phi the normal distribution function; or its approximation by tanh (ONNX Gelu)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Case, choice
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Gelu(Unary):
    approximate: str = choice("none", "none", "tanh")

    sources = {"onnx": "Gelu"}

    def function(self, x: Array) -> Array:
        if self.approximate == "tanh":
            u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
            return np.asarray(x / (1 + np.exp(-2 * u)))  # (1 + tanh u) / 2 = 1 / (1 + e^-2u)
        return np.asarray(x * np.vectorize(math.erfc, otypes=[np.float64])(-x / math.sqrt(2)) / 2)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.GELU_TANH if self.approximate == "tanh" else Kind.GELU, 0.0, 0.0)

    def cases(self) -> Iterator[Case]:
        for op in (Gelu(), Gelu("tanh")):
            for case in Unary.cases(op):
                yield replace(case, name=f"{op.approximate} {case.name}")
