"""Slice: start:end:step on some axes, as in NumPy (ONNX Slice, by attributes before opset 10; Caffe Crop).

Negative starts and ends count from the end; both are clamped as ONNX says, so that 2**31 - 1 is 'to the end' and a start
before the beginning is the beginning, also for a negative step (where NumPy takes nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import INT32_MAX, check_axis, onnx_axes, onnx_axis, word


@dataclass(frozen=True)
class Slice(Op):
    axes: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()

    sources = {"onnx": "Slice", "caffe": "Crop"}
    pitched_in = True
    pitched_out = True

    def indices(self, x: Shape) -> list[range]:
        """The indices taken from every axis of a tensor of shape `x`."""
        taken = [range(n) for n in x]
        for axis, start, end, step in zip(self.axes, self.starts, self.ends, self.steps, strict=True):
            n = x[check_axis(self, axis, x)]
            if step == 0:
                self.misfit("a step is 0")
            start, end = (i + n if i < 0 else i for i in (start, end))
            low, high = (0, n) if step > 0 else (-1, n - 1)
            taken[axis] = range(max(low if step > 0 else 0, min(high, start)), max(low, min(high, end)), step)
        return taken

    def shape(self, x: Shape) -> Shape:
        return tuple(len(r) for r in self.indices(x))

    def reference(self, x: Array) -> Array:
        for axis, indices in enumerate(self.indices(x.shape)):
            x = x.take(np.asarray(indices, dtype=np.int64), axis=axis)
        return x

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Slice(tuple(perm.index(a) for a in self.axes), self.starts, self.ends, self.steps)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[Shape, Slice]] = [
            ((5, 6), Slice((0, 1), (1, 2), (4, INT32_MAX), (1, 1))),
            ((5, 6), Slice((1,), (-1,), (-INT32_MAX - 1,), (-1,))),
            ((2, 7, 5, 3), Slice((2, 1), (0, -5), (5, 6), (2, 3))),
            ((2, 7, 5, 3), Slice((3,), (1,), (2,), (1,))),
            ((9,), Slice((0,), (7,), (1,), (-3,))),
            ((4, 3), Slice((0,), (100,), (-100,), (-2,))),
        ]
        for shape, op in examples:
            yield Case(op, [rng.standard_normal(shape).astype(np.float32)], name=f"{op} of {shape}")
        yield Case(Slice((0,), (-2,), (INT32_MAX,), (1,)), [np.arange(5, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        rank = len(src.shape(0))

        def given(index: int, key: str) -> tuple[int, ...] | None:
            value = src.need(index, key).reshape(-1) if src.has(index) else src.attr(key)
            return None if value is None else tuple(word(v) for v in value)

        starts, ends = given(1, "starts"), given(2, "ends")
        if starts is None or ends is None or len(starts) != len(ends):
            src.refuse("starts and ends are not lists of one length")
        axes = onnx_axes(src, given(3, "axes") or range(len(starts)), rank)
        steps = given(4, "steps") or (1,) * len(starts)
        if not len(axes) == len(starts) == len(steps) or 0 in steps:
            src.refuse("axes and steps do not go with starts, or a step is 0")
        src.emit(cls(axes, starts, ends, steps), src.inputs[:1], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """Crop cuts the first bottom to the second's size from `axis` (2) on, at `offset`: none, one for all axes, or each."""
        x, like = src.shape(0), src.shape(1)
        axes = tuple(range(onnx_axis(src, int(src.attr("axis", 2)), len(x)), len(x)))
        given = src.attr("offset", ())
        offsets = [int(o) for o in given] if isinstance(given, (list, tuple)) else [int(given)]
        offsets = (offsets or [0]) * (len(axes) if len(offsets) < 2 else 1)
        if not axes or len(offsets) != len(axes) or len(like) != len(x):
            src.refuse(f"{len(offsets)} offsets for {len(axes)} axes, or bottoms of different rank")
        ends = tuple(offset + like[axis] for offset, axis in zip(offsets, axes, strict=True))
        if min(offsets) < 0 or any(end > x[axis] for end, axis in zip(ends, axes, strict=True)):
            src.refuse(f"it reaches beyond {list(x)}")
        src.emit(cls(axes, tuple(offsets), ends, (1,) * len(axes)), src.inputs[:1], src.outputs)
