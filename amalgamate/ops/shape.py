"""Shape: the dimensions of a tensor, which are known at build time (ONNX Shape, with start and end from opset 15)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.ops import Op, Source


@dataclass(frozen=True)
class Shape(Op):
    sources = {"onnx": "Shape"}
    folds_only = True

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        end = src.attr("end")
        dims = src.shape(0)[src.attr("start", 0) : end]
        src.alias(src.constant(np.asarray(dims, dtype=np.int64)), src.outputs[0])
