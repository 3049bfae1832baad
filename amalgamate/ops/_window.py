"""What conv and conv_transpose share: their fields, and the attributes of ONNX and Caffe that set them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Op, Source, Spatial


@dataclass(frozen=True)
class Window(Spatial):
    """A kernel of one or two spatial axes that moves over a map; empty fields are filled with ones, pads with zeros."""

    kernel: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()  # all beginnings, then all ends
    dilations: tuple[int, ...] = ()
    group: int = 1
    dynamic: bool = False  # the weights are not a constant: the C half packs them in every run
    activation: Op | None = None

    def __post_init__(self) -> None:
        rank = len(self.kernel)
        for name, default in (("strides", (1,) * rank), ("pads", (0,) * (2 * rank)), ("dilations", (1,) * rank)):
            object.__setattr__(self, name, tuple(getattr(self, name)) or default)

    def checked(self, spatial: Shape) -> None:
        """Raises E103 where the fields are out of range or do not fit this many axes."""
        rank = len(self.kernel)
        if rank != len(spatial) or rank not in (1, 2):
            self.misfit(f"a kernel of {rank} axes on {len(spatial)} spatial axes; 1 or 2 are supported")
        if not len(self.strides) == len(self.dilations) == len(self.pads) / 2 == rank:
            self.misfit("kernel, strides, dilations and pads differ in their number of axes")
        if min(*self.kernel, *self.strides, *self.dilations, self.group) < 1 or min(self.pads) < 0:
            self.misfit("kernel, strides, dilations and group must be at least 1, pads at least 0")

    def extents(self) -> list[int]:
        """Elements from the first to the last tap along every axis."""
        return [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]

    def checked_bias(self, bias: Shape | None, outputs: int) -> None:
        if bias is not None and bias != (outputs,):
            self.misfit(f"the bias is {list(bias)}, not [{outputs}]")

    def activated(self, y: Array) -> Array:
        """y through the fused activation, as float32."""
        y = y.astype(np.float32)
        return y if self.activation is None else self.activation.run(y)[0]


def packed_bytes(groups: int, outputs: int, k: int) -> int:
    """Bytes of weights [groups, outputs, k] as panels."""
    return groups * -(-outputs // 16) * 16 * k * 4


def onnx_window(src: Source) -> dict[str, Any]:
    """The fields of an ONNX Conv or ConvTranspose node, but for auto_pad; kernel_shape inferred from the weights."""
    weights = src.shape(1)
    rank = len(weights) - 2
    if rank not in (1, 2):
        src.refuse(f"{rank} spatial axes; 1 and 2 are supported")
    kernel = tuple(src.attr("kernel_shape", weights[2:]))
    if kernel != tuple(weights[2:]):
        src.refuse(f"kernel_shape {list(kernel)} contradicts weights {list(weights)}")
    return {
        "kernel": kernel,
        "strides": tuple(src.attr("strides", ())),
        "pads": tuple(src.attr("pads", ())),
        "dilations": tuple(src.attr("dilations", ())),
        "group": int(src.attr("group", 1)),
        "dynamic": src.const(1) is None,
    }


def halves(totals: Sequence[int], auto_pad: str) -> tuple[int, ...]:
    """Total padding per axis as beginnings and ends; SAME_LOWER puts an odd one at the beginning."""
    less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return more + less if auto_pad == "SAME_LOWER" else less + more


def caffe_window(src: Source) -> dict[str, Any]:
    """The fields of a Caffe convolution_param: each of kernel_size, stride, pad is one number, one per axis, or _h and _w."""
    weights = src.shape(1)
    rank = len(weights) - 2
    if rank != 2 or int(src.attr("axis", 1)) != 1:
        src.refuse(f"{rank} spatial axes after axis {src.attr('axis', 1)}; 2 after axis 1 are supported")

    def pair(name: str, stem: str, default: int) -> tuple[int, int]:
        if f"{stem}_h" in src.attrs or f"{stem}_w" in src.attrs:
            return int(src.attr(f"{stem}_h", default)), int(src.attr(f"{stem}_w", default))
        value = src.attr(name, default)
        values = [int(v) for v in value] if isinstance(value, (list, tuple)) else [int(value)]
        values = values or [default]
        return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])

    pad = pair("pad", "pad", 0)
    return {
        "kernel": tuple(weights[2:]),
        "strides": pair("stride", "stride", 1),
        "pads": pad + pad,
        "dilations": pair("dilation", "dilation", 1),
        "group": int(src.attr("group", 1)),
        "dynamic": src.const(1) is None,
    }
