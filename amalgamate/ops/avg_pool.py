"""Average pooling: the mean of the elements under each window (ONNX AveragePool, GlobalAveragePool; Caffe Pooling AVE).

An empty kernel stands for the whole map. The divisor is the number of taps inside the input or, with count_include_pad,
inside the padded input (which is also Caffe's rule). 1 to 3 spatial axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Case, Source
from amalgamate.ops._pooling import Pooling, examples, onnx_fields


@dataclass(frozen=True)
class AvgPool(Pooling):
    count_include_pad: bool = False

    sources = {"onnx": ("AveragePool", "GlobalAveragePool")}

    def reference_nchw(self, x: Array) -> Array:
        total = x.astype(np.float64)
        for i, axis in enumerate(self.axes(x.shape[2:]), 2):
            taps, behind = axis.taps(self), (1,) * (x.ndim - i - 1)
            inside = (taps >= 0) & (taps < axis.size)
            counted = (taps < axis.size + axis.after) if self.count_include_pad else inside
            parts = np.where(inside.reshape(taps.shape + behind), total.take(taps.clip(0, axis.size - 1), axis=i), 0)
            total = parts.sum(axis=i + 1) / np.maximum(counted.sum(axis=1), 1).reshape((-1, *behind))
        return total.astype(x.dtype)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape, fields in examples():
            for counted in (False, True):
                op = AvgPool(**fields, count_include_pad=counted)
                yield Case(op, [rng.standard_normal(shape).astype(np.float32)], name=f"{shape} {fields} {counted}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        if src.type == "GlobalAveragePool":
            src.emit(cls(), src.inputs, src.outputs)
        else:
            counted = bool(src.attr("count_include_pad", 0))
            src.emit(cls(**onnx_fields(src), count_include_pad=counted), src.inputs, src.outputs)
