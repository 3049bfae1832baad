"""Space to depth: blocks of pixels become blocks of channels, the inverse of depth to space (ONNX SpaceToDepth)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial, choice


@dataclass(frozen=True)
class SpaceToDepth(Spatial):
    block: int = 2
    mode: str = choice("DCR", "DCR", "CRD")  # channels become [block, block, depth], or [depth, block, block]

    sources = {"onnx": "SpaceToDepth"}
    pitched_in = True
    pitched_out = True

    def shape_nchw(self, x: Shape) -> Shape:
        if len(x) != 4 or self.block < 1 or x[2] % self.block or x[3] % self.block:
            self.misfit(f"{list(x)} in blocks of {self.block} x {self.block}")
        return (x[0], x[1] * self.block**2, x[2] // self.block, x[3] // self.block)

    def reference_nchw(self, x: Array) -> Array:
        n, c, h, w = self.shape_nchw(x.shape)
        split = x.reshape(n, x.shape[1], h, self.block, w, self.block)
        return split.transpose((0, 3, 5, 1, 2, 4) if self.mode == "DCR" else (0, 1, 3, 5, 2, 4)).reshape(n, c, h, w)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for mode in ("DCR", "CRD"):
            for block, shape in [(2, (2, 3, 6, 4)), (3, (1, 1, 6, 3)), (2, (1, 17, 2, 8))]:
                x = rng.standard_normal(shape).astype(np.float32)
                yield Case(SpaceToDepth(block=block, mode=mode), [x], name=f"{mode} {block} of {shape}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(block=int(src.attr("blocksize", 1)), mode=src.attr("mode", "DCR")), src.inputs, src.outputs)
