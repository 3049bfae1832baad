"""Depth to space: blocks of channels become blocks of pixels (ONNX DepthToSpace; CRD is PyTorch's PixelShuffle)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial, choice


@dataclass(frozen=True)
class DepthToSpace(Spatial):
    block: int = 2
    mode: str = choice("DCR", "DCR", "CRD")  # channels are [block, block, depth], or [depth, block, block]

    sources = {"onnx": "DepthToSpace"}
    pitched_in = True
    pitched_out = True

    def shape_nchw(self, x: Shape) -> Shape:
        if len(x) != 4 or self.block < 1 or x[1] % self.block**2:
            self.misfit(f"{list(x)} in blocks of {self.block} x {self.block}")
        return (x[0], x[1] // self.block**2, x[2] * self.block, x[3] * self.block)

    def reference_nchw(self, x: Array) -> Array:
        n, c, h, w = self.shape_nchw(x.shape)
        b, rows, columns = self.block, x.shape[2], x.shape[3]
        if self.mode == "DCR":
            split = x.reshape(n, b, b, c, rows, columns).transpose(0, 3, 4, 1, 5, 2)
        else:
            split = x.reshape(n, c, b, b, rows, columns).transpose(0, 1, 4, 2, 5, 3)
        return split.reshape(n, c, h, w)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for mode in ("DCR", "CRD"):
            for block, shape in [(2, (2, 12, 3, 5)), (3, (1, 9, 2, 2)), (4, (1, 48, 4, 3)), (1, (1, 3, 2, 2))]:
                x = rng.standard_normal(shape).astype(np.float32)
                yield Case(DepthToSpace(block=block, mode=mode), [x], name=f"{mode} {block} of {shape}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(block=int(src.attr("blocksize", 1)), mode=src.attr("mode", "DCR")), src.inputs, src.outputs)
