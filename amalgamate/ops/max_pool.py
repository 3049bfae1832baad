"""Max pooling: the largest element under each window (ONNX MaxPool, GlobalMaxPool; Caffe Pooling MAX).

An empty kernel stands for the whole map. Padding never wins. 1 to 3 spatial axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Rows, Source
from amalgamate.ops._pooling import Pooling, caffe_fields, examples, onnx_fields
from amalgamate.ops.avg_pool import AvgPool


@dataclass(frozen=True)
class MaxPool(Pooling):
    sources = {"onnx": ("MaxPool", "GlobalMaxPool"), "caffe": "Pooling"}

    def reference_nchw(self, x: Array) -> Array:
        for i, axis in enumerate(self.axes(x.shape[2:]), 2):
            taps = axis.taps(self)
            inside = ((taps >= 0) & (taps < axis.size)).reshape(taps.shape + (1,) * (x.ndim - i - 1))
            x = np.where(inside, x.take(taps.clip(0, axis.size - 1), axis=i), np.float32(-np.inf)).max(axis=i + 1)
        return x

    def rows(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> Rows | None:
        return Rows((self.kernel[0] - 1) * self.dilation[0] + 1, self.stride[0]) if len(self.kernel) == 2 else None

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape, fields in examples():
            yield Case(MaxPool(**fields), [rng.standard_normal(shape).astype(np.float32)], name=f"{shape} {fields}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        fields = {} if src.type == "GlobalMaxPool" else onnx_fields(src)
        if any(src.outputs[1:]):
            src.refuse("its second output, Indices, is used")
        src.emit(cls(**fields), src.inputs, src.outputs[:1])

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """Both kinds of Caffe's Pooling; its average counts the padding."""
        kind = src.attr("pool", "MAX")
        if len(src.outputs) > 1:
            src.refuse("its second top, the mask")
        if kind in ("MAX", 0):
            src.emit(cls(**caffe_fields(src)), src.inputs, src.outputs)
        elif kind in ("AVE", 1):
            src.emit(AvgPool(**caffe_fields(src), count_include_pad=True), src.inputs, src.outputs)
        else:
            src.refuse(f"pool: {kind}")
