"""Gather: the slices of x at `indices` along one axis (ONNX Gather). Negative indices count from the end; one that is out of
range is clamped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, unwired
from amalgamate.ops._axes import check_axis, onnx_axis


@dataclass(frozen=True)
class Gather(Op):
    axis: int = 0
    rank: int = unwired(-1)  # of the indices, where it is known: a list of them leaves the axes in their places

    laid_out = (0,)
    sources = {"onnx": "Gather"}

    def shape(self, x: Shape, indices: Shape) -> Shape:
        axis = check_axis(self, self.axis, x)
        return (*x[:axis], *indices, *x[axis + 1 :])

    def reference(self, x: Array, indices: Array) -> Array:
        n = x.shape[self.axis]
        return x.take(np.where(indices < 0, indices + n, indices).clip(0, n - 1), axis=self.axis)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Gather(perm.index(self.axis), rank=1) if self.rank == 1 else None

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[int, Shape, Array]] = [
            (0, (5, 4, 3), np.array([0, 1, -1], np.int64)),
            (1, (5, 4, 3), np.array([[3, 0], [-4, 2]], np.int64)),
            (1, (2, 6), np.array(-2, np.int64)),
            (0, (7,), np.array([6, 9, -9], np.int64)),
        ]
        for axis, shape, indices in examples:
            x = rng.standard_normal(shape).astype(np.float32)
            for constants in [(), (1,)]:
                name = f"axis {axis} of {shape}, constants {constants}"
                yield Case(Gather(axis), [x, indices], constants=constants, name=name)
        table = rng.standard_normal((9, 5)).astype(np.float32)
        yield Case(Gather(0), [table, np.array([[8, 0, 3]], np.int64)], constants=(0,), name="a table of embeddings")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        x, axis = src.shape(0), onnx_axis(src, int(src.attr("axis", 0)), len(src.shape(0)))
        indices = src.const(1)
        inputs = list(src.inputs)
        if indices is not None:
            if indices.size and not (-x[axis] <= indices.min() and indices.max() < x[axis]):
                src.refuse(f"an index is outside the {x[axis]} elements of axis {axis}")
            if indices.dtype != np.int64:
                inputs[1] = src.constant(indices.astype(np.int64), "indices")
        src.emit(cls(axis, rank=len(src.shape(1))), inputs, src.outputs)
