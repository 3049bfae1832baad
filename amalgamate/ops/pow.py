"""Pow: y = a to the power of b (ONNX Pow; Caffe Power, y = (shift + scale x)^power)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._binary import Binary
from amalgamate.ops.affine import Affine, affine
from amalgamate.ops.mul import Mul
from amalgamate.ops.sqrt import Sqrt


@dataclass(frozen=True)
class Pow(Binary):
    sources = {"onnx": "Pow", "caffe": "Power"}

    def function(self, a: Array, b: Array) -> Array:
        return np.power(a, b)

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        exponent, types = src.const(1), [src.graph.tensors[name].dtype for name in src.inputs]
        if src.const(0) is not None and exponent is not None:
            src.emit(cls(), src.inputs, src.outputs)
        elif types[0] != "float32" or (types[1] != "float32" and exponent is None):
            src.refuse(f"it raises {types[0]} to {types[1]}. Supported: float32, or values known at build time")
        elif exponent is None:
            src.emit(cls(), src.inputs, src.outputs)
        elif exponent.size == 1 and exponent.ndim <= len(src.shape(0)):
            power(src, src.inputs[0], float(exponent.item()))
        else:
            src.emit(cls(), [src.inputs[0], src.constant(exponent.astype(np.float32), "exponent")], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        scale, shift = float(src.attr("scale", 1.0)), float(src.attr("shift", 0.0))
        exponent = float(src.attr("power", 1.0))
        if exponent == 1:
            src.emit(Affine(scale, shift), src.inputs, src.outputs)
        else:
            power(src, affine(src, src.inputs[0], scale, shift)[0], exponent)


def power(src: Source, x: str, exponent: float) -> None:
    """Emits the outputs of `src` as x to a power known now, by cheaper means where there are any."""
    if exponent == 1:
        src.alias(x, src.outputs[0])
    elif exponent == 2:
        src.emit(Mul(), [x, x], src.outputs)
    elif exponent == 0.5:
        src.emit(Sqrt(), [x], src.outputs)
    else:
        src.emit(Pow(), [x, src.constant(np.array(exponent, np.float32), "exponent")], src.outputs)
