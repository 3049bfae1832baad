"""Gather elements: y[i][j][k] = x[i][indices[i][j][k]][k], on any axis (ONNX GatherElements). Negative indices count from the
end; one that is out of range is clamped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import check_axis, onnx_axis


@dataclass(frozen=True)
class GatherElements(Op):
    axis: int = 0

    sources = {"onnx": "GatherElements"}

    def shape(self, x: Shape, indices: Shape) -> Shape:
        axis = check_axis(self, self.axis, x)
        if len(x) != len(indices) or any(i > n for a, (n, i) in enumerate(zip(x, indices, strict=True)) if a != axis):
            self.misfit(f"indices of shape {list(indices)} into {list(x)}")
        return indices

    def reference(self, x: Array, indices: Array) -> Array:
        n = x.shape[self.axis]
        within = x[tuple(slice(None) if a == self.axis else slice(i) for a, i in enumerate(indices.shape))]
        return np.take_along_axis(within, np.where(indices < 0, indices + n, indices).clip(0, n - 1), axis=self.axis)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return GatherElements(perm.index(self.axis))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[int, Shape, Shape]] = [
            (0, (3, 4), (2, 3)), (1, (3, 4), (3, 6)), (1, (2, 3, 4), (1, 5, 4)), (2, (2, 3, 4), (2, 2, 1)), (0, (5,), (7,)),
        ]  # fmt: skip
        for axis, shape, wanted in examples:
            indices = np.asarray(rng.integers(-shape[axis] - 1, shape[axis] + 1, wanted), np.int64)
            x = rng.standard_normal(shape).astype(np.float32)
            yield Case(GatherElements(axis), [x, indices], name=f"axis {axis} of {shape} at {wanted}")
        yield Case(GatherElements(0), [np.arange(4, dtype=np.int64), np.array([3, 1], np.int64)], (1,), name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(onnx_axis(src, int(src.attr("axis", 0)), len(src.shape(0)))), src.inputs, src.outputs)
