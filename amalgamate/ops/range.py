"""Range: start, start + delta, ... below limit, all constants (ONNX Range)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Op, Source


@dataclass(frozen=True)
class Range(Op):
    sources = {"onnx": "Range"}
    folds_only = True

    def shape(self, start: Dims, limit: Dims, delta: Dims) -> Dims:
        self.misfit("the length depends on values")

    def reference(self, start: Array, limit: Array, delta: Array) -> Array:
        return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        start, limit, delta = (float(src.need(i, what).item()) for i, what in enumerate(("start", "limit", "delta")))
        if not np.isfinite((start, limit, delta)).all() or delta == 0:
            src.refuse(f"from {start} to {limit} in steps of {delta}")
        src.afford(ceil(max(0.0, (limit - start) / delta)))
        src.emit(cls(), src.inputs, src.outputs)
