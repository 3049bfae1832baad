"""Mod: the remainder of constants, with the sign of the divisor, or of the dividend with fmod (ONNX Mod)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Op


@dataclass(frozen=True)
class Mod(Op):
    fmod: bool = False

    sources = {"onnx": "Mod"}
    folds_only = True

    def shape(self, a: Dims, b: Dims) -> Dims:
        return np.broadcast_shapes(a, b)

    def reference(self, a: Array, b: Array) -> Array:
        return np.asarray(np.fmod(a, b) if self.fmod else np.mod(a, b))
