"""Local response normalisation: y = x / (bias + alpha / n sum)^beta, the sum over squares of `size` neighbours.

Across channels n is size; within a channel the neighbours are a square of size x size pixels, n is size^2 and bias 1.
ONNX LRN, Caffe LRN. Krizhevsky et al., 2012, section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial, choice


@dataclass(frozen=True)
class Lrn(Spatial):
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0
    region: str = choice("across", "across", "within")

    sources = {"onnx": "LRN", "caffe": "LRN"}
    pitched_in = True
    pitched_out = True

    def shape_nchw(self, x: Shape) -> Shape:
        if self.size < 1 or (self.region == "within" and (len(x) > 4 or self.size % 2 == 0)):
            self.misfit(f"size {self.size} {self.region} channels of a tensor with {len(x)} axes")
        return x

    def reference_nchw(self, x: Array) -> Array:
        squares = x.astype(np.float64) ** 2
        if self.region == "across":
            total = box(squares, 1, self.size)
        else:
            total = squares
            for axis in range(2, x.ndim):
                total = box(total, axis, self.size)
        count = self.size if self.region == "across" else self.size ** (x.ndim - 2)
        return np.asarray(x / (self.bias + self.alpha / count * total) ** self.beta).astype(np.float32)

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        return prod(outputs[0]) * self.size

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        x = inputs[0] or ()
        channels = x[-1]
        if self.region == "within":
            return 4 * x[-2] * channels
        before, after = sides(self.size, channels)
        return 4 * (before + channels + after + 16)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        settings = [
            (5, 0.2, 0.75, 1.0),
            (4, 0.3, 0.5, 2.0),
            (3, 0.5, 1.0, 1.0),
            (99, 0.1, 0.6, 1.0),
            (2**31 - 1, 1e9, 0.6, 1.0),
            (1, 0.1, 2.5, 1.0),
        ]
        ops = [Lrn(size=s, alpha=a, beta=b, bias=k) for s, a, b, k in settings]
        ops += [Lrn(size=s, alpha=a, beta=b, region="within") for s, a, b, _ in settings if s in (3, 5)]
        for shape in [(1, 7, 4), (2, 37, 3, 5), (1, 96, 2, 7), (1, 2, 3, 3)]:
            x = (3 * rng.standard_normal(shape)).astype(np.float32)
            for op in ops:
                yield Case(op, [x], name=f"{op} {shape}")

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        size = int(src.attr("local_size", 5))
        if size % 2 == 0:
            src.refuse(f"local_size={size}. Supported: odd sizes, as in Caffe")
        alpha, beta, bias = (float(src.attr(k, d)) for k, d in (("alpha", 1.0), ("beta", 0.75), ("k", 1.0)))
        within = src.attr("norm_region", "ACROSS_CHANNELS") == "WITHIN_CHANNEL"
        op = cls(
            size=size, alpha=alpha, beta=beta, bias=1.0 if within else bias, region="within" if within else "across"
        )
        src.emit(op, src.inputs, src.outputs)


def sides(size: int, length: int) -> tuple[int, int]:
    """How many of `size` neighbours are before and after, of an axis that has no more than `length`."""
    return min((size - 1) // 2, length), min(size // 2, length)


def box(x: Array, axis: int, size: int) -> Array:
    """Sums over `size` neighbours along `axis`, (size - 1) // 2 of them before; those outside count as 0."""
    pads = [(0, 0)] * x.ndim
    before, after = pads[axis] = sides(size, x.shape[axis])
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, pads), before + 1 + after, axis)
    return np.asarray(windows.sum(-1))
