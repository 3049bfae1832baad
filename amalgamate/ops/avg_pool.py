"""Average pooling: the mean of the elements under each window (ONNX AveragePool, GlobalAveragePool; Caffe Pooling AVE).

An empty kernel stands for the whole map. The divisor is the number of taps inside the input or, with count_include_pad,
inside the padded input (which is also Caffe's rule). 1 to 3 spatial axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial
from amalgamate.ops._pooling import examples, onnx_fields, out_size, windows


@dataclass(frozen=True)
class AvgPool(Spatial):
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()  # all beginnings, then all ends
    dilation: tuple[int, ...] = ()
    ceil_mode: bool = False
    count_include_pad: bool = False

    sources = {"onnx": ("AveragePool", "GlobalAveragePool")}
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
        total = x.astype(np.float64)
        for axis, (n, k, s, d, before, after) in enumerate(self.axes(x.shape[2:]), 2):
            taps = windows(n, out_size(self, n, k, s, d, before, after, self.ceil_mode), k, s, d, before)
            behind = (1,) * (x.ndim - axis - 1)
            inside = (taps >= 0) & (taps < n)
            counted = (taps < n + after) if self.count_include_pad else inside
            parts = np.where(inside.reshape(taps.shape + behind), total.take(taps.clip(0, n - 1), axis=axis), 0)
            total = parts.sum(axis=axis + 1) / np.maximum(counted.sum(axis=1), 1).reshape((-1, *behind))
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
