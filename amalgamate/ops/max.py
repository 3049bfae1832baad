"""Max: the larger of a and b, NaN where either is (ONNX Max of any number of inputs; Caffe Eltwise MAX)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._binary import Binary


@dataclass(frozen=True)
class Max(Binary):
    sources = {"onnx": "Max"}

    def function(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b)
