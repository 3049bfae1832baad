"""Lp pooling: (sum |x|^p)^(1/p) under each window (ONNX LpPool, GlobalLpPool), said with powers and an average pooling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from amalgamate.ops import Op, Source
from amalgamate.ops._pooling import onnx_fields
from amalgamate.ops.abs import Abs
from amalgamate.ops.avg_pool import AvgPool
from amalgamate.ops.mul import Mul
from amalgamate.ops.pow import Pow, power


@dataclass(frozen=True)
class LpPool(Op):
    sources = {"onnx": ("LpPool", "GlobalLpPool")}
    folds_only = True

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """The padding is zero and counts, so that the mean times the taps of a window is their sum."""
        p, spatial, (x,) = float(src.attr("p", 2)), src.shape(0)[2:], src.inputs
        if p <= 0:
            src.refuse(f"p={p}")
        pool = AvgPool() if src.type == "GlobalLpPool" else AvgPool(**onnx_fields(src), count_include_pad=True)
        pool = replace(pool, ceil_mode=False, pads=_whole_windows(pool, spatial))
        taps = src.constant(np.asarray(prod(pool.kernel or spatial), dtype=np.float32), "taps")
        if p == 2:
            powers = src.emit(Mul(), [x, x])
        else:
            powers = src.emit(Pow(), [*src.emit(Abs(), [x]), src.constant(np.asarray(p, np.float32), "p")])
        power(src, src.emit(Mul(), [*src.emit(pool, powers), taps])[0], 1 / p)


def _whole_windows(pool: AvgPool, spatial: tuple[int, ...]) -> tuple[int, ...]:
    """The padding of `pool`, longer at the ends where ceil_mode lets a last window reach over it."""
    if not pool.ceil_mode:
        return pool.pads
    ends = tuple((axis.windows(pool) - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - axis.size - axis.before
                 for axis in pool.axes(spatial))  # fmt: skip
    return pool.pads[: len(ends)] + tuple(
        max(end, after) for end, after in zip(ends, pool.pads[len(ends) :], strict=True)
    )
