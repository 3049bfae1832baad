"""Tile: the whole tensor repeated along its axes (ONNX Tile with constant repeats, Caffe Tile)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import onnx_axis


@dataclass(frozen=True)
class Tile(Op):
    repeats: tuple[int, ...] = ()  # one per axis

    sources = {"onnx": "Tile", "caffe": "Tile"}
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        if len(self.repeats) != len(x) or min(self.repeats, default=0) < 0:
            self.misfit(f"repeats {list(self.repeats)} for {len(x)} axes")
        return tuple(n * r for n, r in zip(x, self.repeats, strict=True))

    def reference(self, x: Array) -> Array:
        return np.tile(x, self.repeats)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Tile(tuple(self.repeats[i] for i in perm))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape, repeats in [((2, 3), (2, 2)), ((2, 3, 4), (1, 3, 1)), ((5,), (4,)), ((2, 1, 2, 3), (2, 3, 1, 2))]:
            yield Case(Tile(repeats), [rng.standard_normal(shape).astype(np.float32)], name=f"{shape} by {repeats}")
        yield Case(Tile((3,)), [np.arange(2, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        repeats = src.need(1, "repeats").reshape(-1)
        src.emit(cls(tuple(int(r) for r in repeats)), src.inputs[:1], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        rank = len(src.shape(0))
        axis = onnx_axis(src, int(src.attr("axis", 1)), rank)
        repeats = tuple(int(src.attr("tiles", 1)) if i == axis else 1 for i in range(rank))
        src.emit(cls(repeats), src.inputs, src.outputs)
