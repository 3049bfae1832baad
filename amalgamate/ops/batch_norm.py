"""Batch normalisation: y = activation(scale x + shift) per channel, mean and variance merged into scale and shift.

ONNX BatchNormalization (inference); Caffe BatchNorm, and Scale along the channels. Ioffe and Szegedy, 2015.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, Spatial
from amalgamate.ops._binary import per_axis
from amalgamate.ops.add import Add
from amalgamate.ops.affine import Affine
from amalgamate.ops.div import Div
from amalgamate.ops.mul import Mul
from amalgamate.ops.sqrt import Sqrt
from amalgamate.ops.sub import Sub


@dataclass(frozen=True)
class BatchNorm(Spatial):
    """Inputs x [N, C, ...], scale [C], shift [C]."""

    activation: Op | None = None

    sources = {"onnx": "BatchNormalization", "caffe": ("BatchNorm", "Scale")}
    in_place = True
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape, scale: Shape, shift: Shape) -> Shape:
        if len(x) < 2:
            self.misfit(f"the input has {len(x)} axes, at least 2 are needed")
        channels = x[-1] if self.channels_last else x[1]
        if scale != (channels,) or shift != (channels,):
            self.misfit(f"scale {list(scale)} and shift {list(shift)} do not fit {channels} channels")
        return x

    def reference_nchw(self, x: Array, scale: Array, shift: Array) -> Array:
        along = (-1,) + (1,) * (x.ndim - 2)
        y = (x.astype(np.float64) * scale.reshape(along) + shift.reshape(along)).astype(np.float32)
        return y if self.activation is None else self.activation.run(y)[0]

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape in [(2, 3), (1, 19, 1), (2, 37, 3, 5), (1, 16, 2, 1, 3)]:
            x, scale, shift = (rng.standard_normal(s).astype(np.float32) for s in (shape, shape[1], shape[1]))
            yield Case(self, [x, scale, shift], (1, 2), name=f"{shape}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        if src.attr("training_mode", 0) or len(src.outputs) > 1:
            src.refuse("it is in training mode. Supported: inference")
        if not src.attr("spatial", 1):
            src.refuse("spatial=0. Supported: 1, statistics per channel")
        normalise(src, src.inputs, float(src.attr("epsilon", 1e-5)))

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        if src.type == "Scale":
            scale_layer(src)
            return
        if not src.attr("use_global_stats", True):
            src.refuse("use_global_stats is false: it would normalise by the statistics of the batch")
        mean, variance, factor = (src.need(i, "a blob").astype(np.float64) for i in (1, 2, 3))
        divisor = 1 / factor.item() if factor.item() else 0.0
        one, zero = np.ones(mean.shape), np.zeros(mean.shape)
        names = [src.constant(v, "blob") for v in (one, zero, mean * divisor, variance * divisor)]
        normalise(src, [src.inputs[0], *names], float(src.attr("eps", 1e-5)))


def normalise(src: Source, inputs: list[str], epsilon: float) -> None:
    """Emits gamma (x - mean) / sqrt(variance + epsilon) + beta of inputs x, gamma, beta, mean, variance."""
    constants = [src.graph.data(name) for name in inputs[1:]]
    if all(c is not None for c in constants):
        gamma, beta, mean, variance = (c.astype(np.float64) for c in constants if c is not None)
        with np.errstate(all="ignore"):
            scale = gamma / np.sqrt(variance + epsilon)
            shift = beta - mean * scale
        merged = [src.constant(v.astype(np.float32), stem) for v, stem in ((scale, "scale"), (shift, "shift"))]
    else:
        _, gamma_name, beta_name, mean_name, variance_name = inputs
        deviation = src.emit(Sqrt(), src.emit(Affine(1.0, epsilon), [variance_name]))
        (scale_name,) = src.emit(Div(), [gamma_name, *deviation])
        merged = [scale_name, *src.emit(Sub(), [beta_name, *src.emit(Mul(), [mean_name, scale_name])])]
    src.emit(BatchNorm(), [inputs[0], *merged], src.outputs)


def scale_layer(src: Source) -> None:
    """Caffe Scale: factors from a blob or the second bottom, along the axes from `axis` on, and perhaps a bias of their shape."""
    x, scale, bias = (*src.inputs, "")[:3]
    axis, rank = int(src.attr("axis", 1)), len(src.shape(0))
    data, shift = src.const(1), src.const(2)
    if data is not None and data.ndim == 1 and rank > 1 and axis in (1, 1 - rank):
        zeros = src.constant(np.zeros(data.shape, np.float32), "shift") if shift is None else bias
        src.emit(BatchNorm(), [x, scale, zeros], src.outputs)
    elif bias:
        scaled = src.emit(Mul(), [x, per_axis(src, scale, axis)])
        src.emit(Add(), [*scaled, per_axis(src, bias, axis)], src.outputs)
    else:
        src.emit(Mul(), [x, per_axis(src, scale, axis)], src.outputs)
