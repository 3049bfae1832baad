"""Resize: interpolates maps to another height and width (ONNX Resize and Upsample, Caffe Interp).

An output pixel o looks at the source coordinate that `coordinates` gives it, and mixes taps around it: one (nearest), two
(linear) or four (cubic, Keys with a = cubic_a); with antialias, as many as the filter covers once it is stretched by 1 / scale.
Taps beyond the edge read the edge or, with exclude_outside, weigh nothing. Coordinates are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source, Spatial, choice
from amalgamate.ops._resizing import COORDINATES, NEAREST, caffe_fields, onnx_fields


@dataclass(frozen=True)
class Resize(Spatial):
    mode: str = choice("nearest", "nearest", "linear", "cubic")
    coordinates: str = choice("half_pixel", *COORDINATES)
    nearest: str = choice("round_prefer_floor", *NEAREST)
    scale_h: float = 0.0  # 0: size / height
    scale_w: float = 0.0
    size_h: int = 0  # 0: floor(scale * height)
    size_w: int = 0
    antialias: bool = False
    exclude_outside: bool = False
    cubic_a: float = -0.75
    extrapolation: float = (
        0.0  # of tf_crop_and_resize, like the box (fractions of the map) that it fills the output with
    )
    top: float = 0.0
    bottom: float = 1.0
    left: float = 0.0
    right: float = 1.0

    sources = {"onnx": ("Resize", "Upsample"), "caffe": "Interp"}
    pitched_in = True
    pitched_out = True

    def axes(self, spatial: Shape) -> list[tuple[int, float, int, float, float]]:
        """(size, scale, output size, start and end of the box) of every spatial axis."""
        if len(spatial) not in (1, 2):
            self.misfit(f"{len(spatial)} spatial axes; 1 or 2 are supported")
        found = []
        boxes = [(self.top, self.bottom), (self.left, self.right)]
        given = [(self.scale_h, self.size_h), (self.scale_w, self.size_w)]
        for n, (scale, size), box in zip(spatial, given[-len(spatial) :], boxes[-len(spatial) :], strict=True):
            out = size or floor(np.float32(scale) * np.float32(n))  # in single precision, as ONNX infers shapes
            if out < 1 or (scale and (scale * n < 0.5 or abs(scale * n - out) > 1)):
                self.misfit(f"{n} elements by a scale of {scale} to {size}")
            found.append((n, float(np.float32(scale)) or out / n, out, *box))
        return found

    def shape_nchw(self, x: Shape) -> Shape:
        return (*x[:2], *(out for _, _, out, _, _ in self.axes(x[2:])))

    def reference_nchw(self, x: Array) -> Array:
        y = x.astype(np.float64)
        outside = np.zeros((), dtype=np.bool_)
        for i, (n, scale, out, start, end) in enumerate(self.axes(x.shape[2:]), 2):
            at = self.source(n, scale, out, start, end)
            y = np.moveaxis(np.moveaxis(y, i, -1) @ self.weights_of(at, n, scale).T, -1, i)
            beyond = (at < 0) | (at > n - 1)
            outside = outside[..., None] | beyond if i == 3 else beyond
        if self.coordinates == "tf_crop_and_resize":
            y = np.where(outside, np.float64(self.extrapolation), y)
        return y.astype(x.dtype)

    def reach(self, n: int, scale: float) -> int:
        """Taps on either side of a coordinate; 0 where one tap is all."""
        if self.mode == "nearest" or n == 1:
            return 0
        return int(np.ceil((1 if self.mode == "linear" else 2) / (min(scale, 1.0) if self.antialias else 1.0)))

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        x = inputs[0]
        assert x is not None
        axes = [(1, 1.0, 1, 0.0, 1.0), *self.axes(x[1:-1])][-2:]
        columns = axes[1][2]
        rows, taps = (max(2 * self.reach(n, scale), 1) for n, scale, *_ in axes)
        parts = [columns * 4, columns * taps * 4, rows * 8, rows * 4, axes[1][0] * x[-1] * 4]
        return sum(-(-part // 64) * 64 for part in parts)

    def source(self, n: int, scale: float, out: int, start: float, end: float) -> Array:
        """The source coordinate of every output pixel along an axis (ONNX Resize, coordinate_transformation_mode)."""
        o, whole = np.arange(out, dtype=np.float64), scale * n
        if self.coordinates == "align_corners":
            return o * 0 if whole == 1 else o * (n - 1) / (whole - 1)
        if self.coordinates == "asymmetric":
            return o / scale
        if self.coordinates == "tf_crop_and_resize":
            inner = o * 0 + (end - start) * (n - 1) / 2 if whole == 1 else o * (end - start) * (n - 1) / (whole - 1)
            return inner + start * (n - 1)
        if self.coordinates == "pytorch_half_pixel" and whole == 1:
            return o * 0 - 0.5
        shift = n / 2 * (1 - out / whole) if self.coordinates == "half_pixel_symmetric" else 0.0
        return shift + (o + 0.5) / scale - 0.5

    def weights_of(self, at: Array, n: int, scale: float) -> Array:
        """What each output pixel takes of each input pixel: a matrix [len(at), n]."""
        matrix = np.zeros((len(at), n))
        if self.reach(n, scale) == 0:
            index = {
                "round_prefer_floor": np.ceil(at - 0.5),
                "round_prefer_ceil": np.floor(at + 0.5),
                "floor": np.floor(at),
                "ceil": np.ceil(at),
            }[self.nearest]
            matrix[np.arange(len(at)), index.clip(0, n - 1).astype(np.int64)] = 1
            return matrix
        stretch, reach = min(scale, 1.0) if self.antialias else 1.0, self.reach(n, scale)
        for row, x in zip(matrix, at, strict=True):
            taps = int(np.floor(x)) + np.arange(1 - reach, reach + 1)
            weights = self.filter(np.abs(taps - x) * stretch)
            if self.exclude_outside:
                weights = np.where((taps < 0) | (taps >= n), 0, weights)
            np.add.at(row, taps.clip(0, n - 1), weights / (weights.sum() or 1.0))
        return matrix

    def filter(self, d: Array) -> Array:
        """The weight of a tap at distance d (Keys 1981 for cubic)."""
        if self.mode == "linear":
            return np.asarray(np.maximum(1 - d, 0))
        a = float(np.float32(self.cubic_a))
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0)))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[Shape, Resize]] = [
            ((1, 19, 4, 5), Resize(coordinates="asymmetric", nearest="floor", scale_h=2.0, scale_w=2.0)),
            ((2, 3, 5, 4), Resize(size_h=7, size_w=3, nearest="ceil")),
            ((1, 16, 4, 5), Resize(mode="linear", scale_h=2.0, scale_w=2.0)),
            ((1, 3, 6, 5), Resize(mode="linear", coordinates="align_corners", size_h=11, size_w=9)),
            ((2, 5, 6, 8), Resize(mode="linear", coordinates="pytorch_half_pixel", size_h=1, size_w=3)),
            ((1, 4, 9, 8), Resize(mode="linear", coordinates="half_pixel_symmetric", scale_h=0.6, scale_w=0.7)),
            ((1, 20, 5, 4), Resize(mode="cubic", scale_h=1.7, scale_w=2.5, exclude_outside=True, cubic_a=-0.5)),
            ((1, 2, 9, 8), Resize(mode="cubic", size_h=3, size_w=12, antialias=True)),
            ((1, 2, 9, 8), Resize(mode="linear", scale_h=0.3, scale_w=0.6, antialias=True)),
            ((2, 6, 7), Resize(mode="linear", size_w=10)),
        ]
        for shape, op in examples:
            yield Case(op, [rng.standard_normal(shape).astype(np.float32)], name=f"{op} of {shape}")
        crop = Resize(
            mode="linear", coordinates="tf_crop_and_resize", size_h=4, size_w=5, extrapolation=9.0, top=0.4, right=1.2
        )
        yield Case(
            crop, [rng.standard_normal((1, 3, 6, 6)).astype(np.float32)], name="a box that reaches beyond the map"
        )

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(**onnx_fields(src)), src.inputs[:1], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(**caffe_fields(src)), src.inputs[:1], src.outputs)
