"""LogSoftmax: y = x - log of the sum of e^x along an axis, free of overflow (ONNX LogSoftmax)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops.softmax import Softmax


@dataclass(frozen=True)
class LogSoftmax(Softmax):
    sources = {"onnx": "LogSoftmax"}

    def reference(self, x: Array) -> Array:
        centred = x.astype(np.float64) - x.max(self.axis, keepdims=True)
        return np.asarray(centred - np.log(np.exp(centred).sum(self.axis, keepdims=True))).astype(np.float32)
