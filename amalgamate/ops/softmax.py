"""Softmax: y = e^x / sum of e^x along an axis, free of overflow (ONNX Softmax, Caffe Softmax)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source
from amalgamate.ops._along import Along, examples
from amalgamate.ops._axes import onnx_axis
from amalgamate.ops._unary import only_float
from amalgamate.ops.reshape import Reshape


@dataclass(frozen=True)
class Softmax(Along):
    sources = {"onnx": "Softmax", "caffe": "Softmax"}
    in_place = True
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        self.check(x)
        return x

    def reference(self, x: Array) -> Array:
        e = np.exp(x.astype(np.float64) - x.max(self.axis, keepdims=True))
        return np.asarray(e / e.sum(self.axis, keepdims=True)).astype(np.float32)

    def cases(self) -> Iterator[Case]:
        for x, axis in examples():
            yield Case(type(self)(axis), [x], name=f"{x.shape} along {axis}")
        x = np.array([[1e38, 0, -1e38, 3], [np.nan, 1, 2, 3], [-np.inf, 0, 1, -200]], np.float32)
        yield Case(type(self)(1), [x], name="special values")
        yield Case(type(self)(0), [np.ascontiguousarray(x.T)], name="special values, first axis")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """Before operator set 13 the axes from `axis` on count as one."""
        only_float(src)
        x = src.shape(0)
        if not x:
            src.refuse("a scalar has no axis")
        axis = onnx_axis(src, int(src.attr("axis", -1 if src.version >= 13 else 1)), len(x))
        long = [i for i in range(axis, len(x)) if x[i] != 1]
        if src.version >= 13 or not long:
            src.emit(cls(axis), src.inputs, src.outputs)
        elif len(long) == 1:
            src.emit(cls(long[0]), src.inputs, src.outputs)
        else:
            flat = src.emit(Reshape((0, -1) if axis == 1 else (-1, prod(x[axis:])) if axis else (1, -1)), src.inputs)
            src.emit(Reshape((0 if axis == 1 else -1, *x[1:])), src.emit(cls(1), flat), src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(onnx_axis(src, int(src.attr("axis", 1)), len(src.shape(0)))), src.inputs, src.outputs)
