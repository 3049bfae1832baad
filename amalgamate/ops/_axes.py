"""Axis arithmetic that many operators share: negative axes, free axes of a target, values as attribute words."""

from __future__ import annotations

from collections.abc import Iterable

from amalgamate.graph import Shape
from amalgamate.ops import Op, Source

INT32_MAX = 2**31 - 1


def onnx_axis(src: Source, axis: int, rank: int) -> int:
    """`axis` counted from the front; refuses one outside -rank..rank-1."""
    if not -rank <= axis < max(rank, 1):
        src.refuse(f"axis {axis} of a tensor with {rank} axes")
    return axis % rank if rank else 0


def onnx_axes(src: Source, axes: Iterable[int], rank: int) -> tuple[int, ...]:
    """All `axes` counted from the front; refuses one that is out of range or stands twice."""
    found = tuple(onnx_axis(src, int(a), rank) for a in axes)
    if len(set(found)) != len(found):
        src.refuse(f"axes {list(axes)} name an axis twice")
    return found


def check_axis(op: Op, axis: int, shape: Shape) -> int:
    """`axis` of `shape`, or E103."""
    if not 0 <= axis < len(shape):
        op.misfit(f"axis {axis} of a tensor with {len(shape)} axes")
    return axis


def word(value: int) -> int:
    """`value` clamped to a signed 32-bit word: exporters write INT64_MAX for 'to the end'."""
    return max(-INT32_MAX - 1, min(INT32_MAX, int(value)))


def resolve(op: Op, target: tuple[int, ...], count: int) -> Shape:
    """`target` with one -1 replaced so that the product is `count`, or E103."""
    known = 1
    for n in target:
        known *= 1 if n == -1 else n
    if target.count(-1) > 1 or any(n < -1 for n in target):
        op.misfit(f"target {list(target)} has more than one free axis, or a negative one")
    if -1 in target:
        if known == 0 or count % known:
            op.misfit(f"{count} elements do not fit {list(target)}")
        return tuple(count // known if n == -1 else n for n in target)
    if known != count:
        op.misfit(f"{count} elements do not fit {list(target)}")
    return target
