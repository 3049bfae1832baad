"""What max_pool and avg_pool share: where windows stand, and their attributes in ONNX and Caffe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Op, Source


def out_size(op: Op, n: int, kernel: int, stride: int, dilation: int, before: int, after: int, ceil_mode: bool) -> int:
    """How many windows fit on an axis of n, padded; with ceil_mode also a last partial one, if it starts inside n or
    the padding before it (ONNX Pool operators; Caffe's pooling_layer.cpp clips in the same way)."""
    if min(kernel, stride, dilation) < 1 or min(before, after) < 0:
        op.misfit("kernel, stride and dilation must be at least 1, padding at least 0")
    extent = (kernel - 1) * dilation + 1
    if max(before, after) >= extent:
        op.misfit(f"padding {before}, {after} is not smaller than the window of {extent}")
    room = n + before + after - extent
    if room < 0:
        op.misfit(f"a window of {extent} does not fit {n} elements padded by {before}, {after}")
    size = room // stride + 1
    if ceil_mode and room % stride and size * stride < n + before:
        size += 1
    return size


def windows(n: int, size: int, kernel: int, stride: int, dilation: int, before: int) -> Array:
    """Input index of every tap of every window, [size, kernel]; outside 0..n-1 in the padding."""
    return np.arange(size)[:, None] * stride - before + np.arange(kernel) * dilation


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
    """Input shapes and attributes that pooling layers of known networks, and their odd cousins, have."""
    yield (1, 8, 13, 13), {"kernel": (3, 3), "stride": (2, 2), "pads": (0, 0, 0, 0)}
    yield (2, 19, 12, 12), {"kernel": (3, 3), "stride": (2, 2), "pads": (1, 1, 1, 1)}
    yield (1, 67, 9, 9), {"kernel": (3, 3), "stride": (1, 1), "pads": (1, 1, 1, 1)}
    yield (1, 16, 8, 6), {"kernel": (2, 2), "stride": (2, 2), "pads": (0, 0, 0, 0)}
    yield (1, 33, 12, 11), {"kernel": (3, 3), "stride": (2, 2), "pads": (0, 0, 0, 0), "ceil_mode": True}
    yield (1, 3, 7, 8), {"kernel": (3, 3), "stride": (3, 2), "pads": (1, 0, 0, 1), "ceil_mode": True}
    yield (1, 5, 3, 3), {"kernel": (2, 2), "stride": (2, 2), "pads": (1, 1, 1, 1), "ceil_mode": True}
    yield (1, 5, 11, 10), {"kernel": (2, 3), "stride": (1, 2), "pads": (1, 2, 0, 3), "dilation": (3, 2)}
    yield (2, 7, 20), {"kernel": (4,), "stride": (3,), "pads": (1, 2), "dilation": (1,)}
    yield (1, 4, 5, 6, 7), {"kernel": (2, 3, 2), "stride": (1, 2, 2), "pads": (0, 1, 1, 1, 1, 0), "dilation": (1, 1, 2)}
    yield (2, 70, 7, 7), {}
    yield (1, 3, 1, 5), {}
