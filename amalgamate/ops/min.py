"""Min: the smaller of a and b, NaN where either is (ONNX Min of any number of inputs)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops._binary import Binary


@dataclass(frozen=True)
class Min(Binary):
    sources = {"onnx": "Min"}

    def function(self, a: Array, b: Array) -> Array:
        return np.minimum(a, b)
