"""What max_pool and avg_pool share: where windows stand, and their attributes in ONNX and Caffe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Op, Source, Spatial


@dataclass(frozen=True)
class Pooling(Spatial):
    """A window over 1 to 3 spatial axes. An empty kernel stands for the whole map."""

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()  # all beginnings, then all ends
    dilation: tuple[int, ...] = ()
    ceil_mode: bool = False

    pitched_in = True
    pitched_out = True

    def axes(self, spatial: Shape) -> list[Axis]:
        """How the window moves along every spatial axis of a map of this size, or E103."""
        rank = len(spatial)
        if not self.kernel:
            return [Axis(n, n, 1, 1, 0, 0, False) for n in spatial]
        if not len(self.kernel) == len(self.stride) == len(self.dilation) == len(self.pads) / 2 == rank or rank > 3:
            self.misfit(f"a window of {len(self.kernel)} axes on {rank} spatial axes")
        before, after = self.pads[:rank], self.pads[rank:]
        return [
            Axis(n, self.kernel[i], self.stride[i], self.dilation[i], before[i], after[i], self.ceil_mode)
            for i, n in enumerate(spatial)
        ]

    def shape_nchw(self, x: Shape) -> Shape:
        return (*x[:2], *(axis.windows(self) for axis in self.axes(x[2:])))


@dataclass(frozen=True)
class Axis:
    """A window of `kernel` taps moving along an axis of `size` elements between `before` and `after` of padding."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    ceil_mode: bool

    def windows(self, op: Op) -> int:
        """How many windows fit; with ceil_mode also a last partial one, if it starts inside the axis or the padding before
        it (ONNX Pool operators; Caffe's pooling_layer.cpp clips in the same way). Raises E103 where none does."""
        if min(self.kernel, self.stride, self.dilation) < 1 or min(self.before, self.after) < 0:
            op.misfit("kernel, stride and dilation must be at least 1, padding at least 0")
        extent = (self.kernel - 1) * self.dilation + 1
        if max(self.before, self.after) >= extent:
            op.misfit(f"padding {self.before}, {self.after} is not smaller than the window of {extent}")
        room = self.size + self.before + self.after - extent
        if room < 0:
            op.misfit(f"a window of {extent} does not fit {self.size} elements padded by {self.before}, {self.after}")
        count = room // self.stride + 1
        partial = self.ceil_mode and room % self.stride and count * self.stride < self.size + self.before
        return count + 1 if partial else count

    def taps(self, op: Op) -> Array:
        """Input index of every tap of every window, [windows, kernel]; outside 0..size-1 in the padding."""
        starts = np.arange(self.windows(op)) * self.stride - self.before
        return starts[:, None] + np.arange(self.kernel) * self.dilation


def onnx_fields(src: Source) -> dict[str, Any]:
    """kernel, stride, pads, dilation and ceil_mode of an ONNX pooling node, auto_pad resolved at the node's shape."""
    spatial = src.shape(0)[2:]
    rank = len(spatial)
    kernel = tuple(src.attr("kernel_shape", ()))
    if len(kernel) != rank or rank not in (1, 2, 3):
        src.refuse(f"a window of {len(kernel)} axes on {rank} spatial axes; 1 to 3 are supported")
    stride = tuple(src.attr("strides", (1,) * rank))
    dilation = tuple(src.attr("dilations", (1,) * rank))
    pads = tuple(src.attr("pads", (0,) * (2 * rank)))
    if not len(stride) == len(dilation) == len(pads) / 2 == rank or min(*kernel, *stride, *dilation) < 1:
        src.refuse("strides, dilations or pads do not fit kernel_shape, or one is out of range")
    auto, ceil_mode = src.attr("auto_pad", "NOTSET"), bool(src.attr("ceil_mode", 0))
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        axes = zip(spatial, kernel, stride, dilation, strict=True)
        totals = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in axes]
        less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        pads, ceil_mode = (less + more if auto == "SAME_UPPER" else more + less), False
    elif auto == "VALID":
        pads = (0,) * (2 * rank)
    return {"kernel": kernel, "stride": stride, "pads": pads, "dilation": dilation, "ceil_mode": ceil_mode}


def caffe_fields(src: Source) -> dict[str, Any]:
    """The same of a Caffe Pooling layer, which rounds up unless round_mode says otherwise."""
    if src.attr("global_pooling", False):
        return {}

    def pair(key: str, axis: str, default: int) -> tuple[int, int]:
        both = src.attr(key + "_size" if key == "kernel" else key, default)
        h, w = both if isinstance(both, (list, tuple)) and len(both) == 2 else (_one(both), _one(both))
        return int(src.attr(f"{axis}_h", h)), int(src.attr(f"{axis}_w", w))

    pad = pair("pad", "pad", 0)
    return {
        "kernel": pair("kernel", "kernel", 0),
        "stride": pair("stride", "stride", 1),
        "pads": pad + pad,
        "dilation": (1, 1),
        "ceil_mode": src.attr("round_mode", "CEIL") in ("CEIL", 0),
    }


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) else value


def examples() -> Iterator[tuple[Shape, dict[str, Any]]]:
    """Input shapes and attributes as known networks have them, and their odd cousins."""
    table: list[tuple[Shape, Shape, Shape, Shape, Shape, bool]] = [  # input, kernel, stride, pads, dilation, ceil_mode
        ((1, 8, 13, 13), (3, 3), (2, 2), (0, 0, 0, 0), (1, 1), False),
        ((2, 19, 12, 12), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), False),
        ((1, 67, 9, 9), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), False),
        ((1, 16, 8, 6), (2, 2), (2, 2), (0, 0, 0, 0), (1, 1), False),
        ((1, 33, 12, 11), (3, 3), (2, 2), (0, 0, 0, 0), (1, 1), True),
        ((1, 3, 7, 8), (3, 3), (3, 2), (1, 0, 0, 1), (1, 1), True),
        ((1, 5, 3, 3), (2, 2), (2, 2), (1, 1, 1, 1), (1, 1), True),
        ((1, 5, 11, 10), (2, 3), (1, 2), (1, 2, 0, 3), (3, 2), False),
        ((2, 7, 20), (4,), (3,), (1, 2), (1,), False),
        ((1, 4, 5, 6, 7), (2, 3, 2), (1, 2, 2), (0, 1, 1, 1, 1, 0), (1, 1, 2), False),
    ]
    for shape, kernel, stride, pads, dilation, ceil_mode in table:
        yield shape, {"kernel": kernel, "stride": stride, "pads": pads, "dilation": dilation, "ceil_mode": ceil_mode}
    yield (2, 70, 7, 7), {}
    yield (1, 3, 1, 5), {}
