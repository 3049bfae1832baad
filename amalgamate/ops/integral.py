"""Integral: functions of one constant that exporters write beside shapes (ONNX Floor, Ceil, Round, Not, Sign)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Op, Source, choice

FUNCTIONS = {"Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Not": np.logical_not, "Sign": np.sign}


@dataclass(frozen=True)
class Integral(Op):
    function: str = choice("Floor", *FUNCTIONS)

    sources = {"onnx": tuple(FUNCTIONS)}
    folds_only = True

    def shape(self, x: Dims) -> Dims:
        return x

    def reference(self, x: Array) -> Array:
        return np.asarray(FUNCTIONS[self.function](x))

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(src.type), src.inputs, src.outputs)
