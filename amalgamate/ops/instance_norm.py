"""Instance normalisation: each channel of each image to mean 0 and variance 1, then scaled and shifted.

y = scale (x - mean) / sqrt(variance + epsilon) + bias. ONNX InstanceNormalization, Caffe MVN. Ulyanov et al., 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, Spatial
from amalgamate.ops.affine import Affine
from amalgamate.ops.div import Div
from amalgamate.ops.mul import Mul
from amalgamate.ops.reduce import Reduce
from amalgamate.ops.sqrt import Sqrt
from amalgamate.ops.sub import Sub


@dataclass(frozen=True)
class InstanceNorm(Spatial):
    """Inputs x [N, C, ...], scale [C], bias [C]."""

    epsilon: float = 1e-5
    activation: Op | None = None

    sources = {"onnx": "InstanceNormalization", "caffe": "MVN"}
    in_place = True
    pitched_in = True
    pitched_out = True

    def shape_nchw(self, x: Shape, scale: Shape, bias: Shape) -> Shape:
        if scale != (x[1],) or bias != (x[1],):
            self.misfit(f"scale {list(scale)} and bias {list(bias)} do not fit {x[1]} channels")
        return x

    def reference_nchw(self, x: Array, scale: Array, bias: Array) -> Array:
        exact, spatial = x.astype(np.float64), tuple(range(2, x.ndim))
        centred = exact - exact.mean(spatial, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(spatial, keepdims=True) + self.epsilon)
        along = (-1,) + (1,) * len(spatial)
        y = np.asarray(normal * scale.reshape(along) + bias.reshape(along)).astype(np.float32)
        return y if self.activation is None else self.activation.run(y)[0]

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        return 8 * outputs[0][0] * outputs[0][-1]

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape in [(2, 3, 4), (1, 37, 3, 5), (3, 16, 11, 13), (1, 2, 3, 2, 3)]:
            x = (rng.standard_normal(shape) + 3).astype(np.float32)
            scale, bias = (rng.standard_normal(shape[1]).astype(np.float32) for _ in range(2))
            yield Case(self, [x, scale, bias], (1, 2), name=f"{shape}")

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """Caffe divides by the deviation + eps, and may leave the variance, so its parts are emitted one by one."""
        axes = tuple(range(1 if src.attr("across_channels", False) else 2, len(src.shape(0))))
        if not axes:
            src.refuse("the input has no spatial axes")
        scaled = src.attr("normalize_variance", True)
        mean = src.emit(Reduce("mean", axes), src.inputs)
        (centred,) = src.emit(Sub(), [src.inputs[0], *mean], () if scaled else src.outputs)
        if scaled:
            variance = src.emit(Reduce("mean", axes), src.emit(Mul(), [centred, centred]))
            deviation = src.emit(Affine(1.0, float(src.attr("eps", 1e-9))), src.emit(Sqrt(), variance))
            src.emit(Div(), [centred, *deviation], src.outputs)
