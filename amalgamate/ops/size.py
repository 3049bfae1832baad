"""Size: the number of elements of a tensor, which is known at build time (ONNX Size)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.ops import Op, Source


@dataclass(frozen=True)
class Size(Op):
    sources = {"onnx": "Size"}
    folds_only = True

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.alias(src.constant(np.asarray(prod(src.shape(0)), dtype=np.int64)), src.outputs[0])
