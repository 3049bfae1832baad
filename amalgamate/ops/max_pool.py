"""Max pooling: the largest element under each window (ONNX MaxPool, GlobalMaxPool; Caffe Pooling MAX).

An empty kernel stands for the whole map. Padding never wins. 1 to 3 spatial axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial
from amalgamate.ops._pooling import caffe_fields, examples, onnx_fields, out_size, windows
from amalgamate.ops.avg_pool import AvgPool


@dataclass(frozen=True)
class MaxPool(Spatial):
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()  # all beginnings, then all ends
    dilation: tuple[int, ...] = ()
    ceil_mode: bool = False

    sources = {"onnx": ("MaxPool", "GlobalMaxPool"), "caffe": "Pooling"}
    pitched_in = True
    pitched_out = True

    def shape_nchw(self, x: Shape) -> Shape:
        return (*x[:2], *(out_size(self, n, *a, self.ceil_mode) for n, *a in self.axes(x[2:])))

    def axes(self, spatial: Shape) -> list[tuple[int, int, int, int, int, int]]:
        """(size, kernel, stride, dilation, padding before, padding after) of every spatial axis."""
        rank = len(spatial)
        if not self.kernel:
            return [(n, n, 1, 1, 0, 0) for n in spatial]
        dilation = self.dilation or (1,) * rank
        if not len(self.kernel) == len(self.stride) == len(dilation) == len(self.pads) / 2 == rank or rank > 3:
            self.misfit(f"a window of {len(self.kernel)} axes on {rank} spatial axes")
        return list(zip(spatial, self.kernel, self.stride, dilation, self.pads[:rank], self.pads[rank:], strict=True))

    def reference_nchw(self, x: Array) -> Array:
        for axis, (n, k, s, d, before, after) in enumerate(self.axes(x.shape[2:]), 2):
            taps = windows(n, out_size(self, n, k, s, d, before, after, self.ceil_mode), k, s, d, before)
            inside = ((taps >= 0) & (taps < n)).reshape(taps.shape + (1,) * (x.ndim - axis - 1))
            x = np.where(inside, x.take(taps.clip(0, n - 1), axis=axis), -np.inf).max(axis=axis + 1).astype(x.dtype)
        return x

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
        if kind in ("MAX", 0):
            src.emit(cls(**caffe_fields(src)), src.inputs, src.outputs[:1])
        elif kind in ("AVE", 1):
            src.emit(AvgPool(**caffe_fields(src), count_include_pad=True), src.inputs, src.outputs)
        else:
            src.refuse(f"pool: {kind}")
