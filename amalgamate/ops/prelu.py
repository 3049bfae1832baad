"""Prelu: y = x where x >= 0, slope x elsewhere; the slope is broadcast (ONNX PRelu, Caffe PReLU)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source
from amalgamate.ops._binary import Binary, per_axis


@dataclass(frozen=True)
class Prelu(Binary):
    sources = {"onnx": "PRelu", "caffe": "PReLU"}

    def function(self, a: Array, b: Array) -> Array:
        return np.where(a < 0, a * b, a)

    def shape(self, a: Shape, b: Shape) -> Shape:
        if super().shape(a, b) != a:
            self.misfit(f"the slope {list(b)} does not fit the input {list(a)}")
        return a

    def cases(self) -> Iterator[Case]:
        for case in super().cases():
            x, slope = case.inputs
            if x is not None and slope is not None and np.broadcast_shapes(x.shape, slope.shape) == x.shape:
                yield case

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        slope = src.inputs[1]
        shared = src.shape(1) == (1,)
        src.emit(cls(), [src.inputs[0], slope if shared else per_axis(src, slope, 1)], src.outputs)
