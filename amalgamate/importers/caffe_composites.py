"""Caffe layers that no single operator of ours is, said by several: ArgMax, SSD's Normalize, ShuffleNet's ShuffleChannel.

Sources: argmax_layer.cpp of BVLC/caffe, normalize_layer.cpp of weiliu89/caffe (branch ssd), shuffle_channel_layer.cpp of
farmingyard/ShuffleNet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from amalgamate.ops import Source
from amalgamate.ops.affine import Affine
from amalgamate.ops.arg_max import ArgMax
from amalgamate.ops.cast import Cast
from amalgamate.ops.concat import Concat
from amalgamate.ops.div import Div
from amalgamate.ops.identity import Identity
from amalgamate.ops.mul import Mul
from amalgamate.ops.reduce import Reduce
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.sqrt import Sqrt
from amalgamate.ops.top_k import TopK
from amalgamate.ops.transpose import Transpose


def _normalize(src: Source) -> None:
    """y = x / sqrt(sum of x^2 + eps) * scale, the sum over channels, and over height and width if across_spatial."""
    x, rank = src.inputs[0], len(src.shape(0))
    if rank != 4:
        src.refuse(f"an input of {rank} axes. Supported: 4")
    scale = src.need(1, "its scale").reshape(1, -1, 1, 1)
    axes = (1, 2, 3) if src.attr("across_spatial", True) else (1,)
    total = src.emit(Reduce("sum", axes), src.emit(Mul(), [x, x]))
    length = src.emit(Sqrt(), src.emit(Affine(1.0, float(src.attr("eps", 1e-10))), total))
    unit = src.emit(Div(), [x, *length])
    src.emit(Mul(), [*unit, src.constant(np.asarray(scale, np.float32), "factors")], src.outputs)


def _shuffle_channel(src: Source) -> None:
    """Channels in `group` rows of C / group, read column by column."""
    shape, group = src.shape(0), int(src.attr("group", 1))
    if len(shape) != 4 or shape[1] % group:
        src.refuse(f"{group} groups of an input {list(shape)}")
    rows = src.emit(Reshape((0, group, shape[1] // group, -1)), src.inputs)
    columns = src.emit(Transpose((0, 2, 1, 3)), rows)
    src.emit(Reshape((0, *shape[1:])), columns, src.outputs)


def _arg_max(src: Source) -> None:
    """Indices as floats. With `axis`: along it, or the values there if out_max_val. Without: of each flattened element of
    the batch, [N, 1, k], or [N, 2, k] with the values behind. Of equal elements the last, but the first where k > 1."""
    x, k, values = src.inputs[0], int(src.attr("top_k", 1)), bool(src.attr("out_max_val", False))
    rank, axis = len(src.shape(0)), src.attr("axis")
    if not rank or (axis is not None and not -rank <= axis < rank):
        src.refuse(f"axis {axis} of an input of {rank} axes")
    (flat,) = [x] if axis is not None else src.emit(Reshape((0, -1)), [x])
    along = 1 if axis is None else axis % rank
    if k == 1:
        largest, places = src.emit(Reduce("max", (along,)), [flat])[0], src.emit(ArgMax(along, last=True), [flat])[0]
    else:
        largest, places = src.emit(TopK(along, k), [flat])
    if axis is not None:
        src.emit(Identity() if values else Cast("float32"), [largest if values else places], src.outputs)
        return
    (indices,) = src.emit(Cast("float32"), [places])
    found = src.emit(Concat(1), [indices, largest]) if values else [indices]
    src.emit(Reshape((0, 2 if values else 1, k, *(1,) * (rank - 3))), found, src.outputs)


COMPOSITES: dict[str, Callable[[Source], None]] = {
    "ArgMax": _arg_max,
    "Normalize": _normalize,
    "ShuffleChannel": _shuffle_channel,
}
