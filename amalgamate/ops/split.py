"""Split: parts of given sizes along one axis (ONNX Split, Caffe Slice)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import check_axis, onnx_axis
from amalgamate.ops.slice import Slice

MOST = 16  # outputs of a step in the runtime


@dataclass(frozen=True)
class Split(Op):
    axis: int = 0
    sizes: tuple[int, ...] = ()

    sources = {"onnx": "Split", "caffe": "Slice"}
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        axis = check_axis(self, self.axis, x)
        if sum(self.sizes) != x[axis] or min(self.sizes, default=-1) < 0:
            self.misfit(f"sizes {list(self.sizes)} do not add up to the {x[axis]} elements of axis {axis}")
        return tuple((*x[:axis], n, *x[axis + 1 :]) for n in self.sizes)

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return (inputs[0],) * len(self.sizes)

    def reference(self, x: Array) -> tuple[Array, ...]:
        return tuple(np.split(x, list(accumulate(self.sizes))[:-1], axis=self.axis))

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Split(perm.index(self.axis), self.sizes)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[int, Shape, Shape]] = [
            (1, (2, 1, 4), (2, 7, 3)), (0, (3, 3), (6,)), (2, (1, 5), (2, 3, 6)), (0, (4,), (4, 2)),
        ]  # fmt: skip
        for axis, sizes, shape in examples:
            yield Case(Split(axis, sizes), [rng.standard_normal(shape).astype(np.float32)], name=f"{sizes} of {shape}")
        yield Case(Split(0, (1, 2)), [np.arange(3, dtype=np.int64)], name="int64")

    @classmethod
    def emit_parts(cls, src: Source, axis: int, sizes: tuple[int, ...]) -> None:
        """One split, or one slice per output where there are more than a step can have, or where some are empty."""
        n = src.shape(0)[axis]
        if sum(sizes) != n or len(sizes) != len(src.outputs) or min(sizes) < 0:
            src.refuse(f"sizes {list(sizes)} for {len(src.outputs)} parts of the {n} elements of axis {axis}")
        if len(sizes) <= MOST and min(sizes) > 0:
            src.emit(cls(axis, sizes), src.inputs[:1], src.outputs)
            return
        for output, end, size in zip(src.outputs, accumulate(sizes), sizes, strict=True):
            if output:
                src.emit(Slice((axis,), (end - size,), (end,), (1,)), src.inputs[:1], [output])

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """Without sizes: equal parts, the last one smaller if need be (opset 18)."""
        axis = onnx_axis(src, int(src.attr("axis", 0)), len(src.shape(0)))
        given = src.need(1, "the sizes") if src.has(1) else src.attr("split")
        if given is None:
            n, parts = src.shape(0)[axis], len(src.outputs)
            each = -(-n // parts)
            given = [each] * (parts - 1) + [n - each * (parts - 1)]
        cls.emit_parts(src, axis, tuple(int(n) for n in given))

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """slice_point gives the first index of every part but the first; without it the parts are equal."""
        if not src.shape(0):
            src.refuse("an input without axes")
        axis = onnx_axis(src, int(src.attr("axis", src.attr("slice_dim", 1))), len(src.shape(0)))
        n, points = src.shape(0)[axis], src.attr("slice_point", ())
        points = list(points) if isinstance(points, (list, tuple)) else [points]
        if not points:
            if n % len(src.outputs):
                src.refuse(f"{len(src.outputs)} equal parts of {n} elements")
            points = [n // len(src.outputs) * i for i in range(1, len(src.outputs))]
        bounds = [0, *points, n]
        cls.emit_parts(src, axis, tuple(b - a for a, b in pairwise(bounds)))
