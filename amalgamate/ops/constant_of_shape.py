"""ConstantOfShape: a tensor filled with one value, its shape given by constants (ONNX ConstantOfShape)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.ops import Op, Source


@dataclass(frozen=True)
class ConstantOfShape(Op):
    sources = {"onnx": "ConstantOfShape"}
    folds_only = True

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        value = np.asarray(src.attr("value", np.zeros(1, np.float32))).reshape(-1)
        dims = tuple(int(n) for n in src.need(0, "the shape").reshape(-1))
        if len(value) != 1 or min(dims, default=1) < 0:
            src.refuse(f"shape {list(dims)} filled with {len(value)} values")
        src.afford(prod(dims))
        src.alias(src.constant(np.full(dims, value[0], dtype=value.dtype)), src.outputs[0])
