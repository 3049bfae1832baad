"""Range: start, start + delta, ... below limit, all constants (ONNX Range)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Op


@dataclass(frozen=True)
class Range(Op):
    sources = {"onnx": "Range"}
    folds_only = True

    def shape(self, start: Dims, limit: Dims, delta: Dims) -> Dims:
        self.misfit("the length depends on values")

    def reference(self, start: Array, limit: Array, delta: Array) -> Array:
        return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)
