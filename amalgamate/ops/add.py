"""Add: y = a + b (ONNX Add, Sum and Mean of any number of inputs; Caffe Eltwise and Bias)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._binary import Binary, chain, per_axis
from amalgamate.ops._unary import only_float
from amalgamate.ops.affine import Affine, affine
from amalgamate.ops.max import Max
from amalgamate.ops.mul import Mul


@dataclass(frozen=True)
class Add(Binary):
    sources = {"onnx": ("Add", "Sum", "Mean"), "caffe": ("Eltwise", "Bias")}

    def function(self, a: Array, b: Array) -> Array:
        return a + b

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        if src.type == "Mean" and len(src.inputs) > 1:
            total = src.graph.fresh(f"{src.name}_sum")
            chain(src, cls(), src.inputs, [total])
            src.emit(Affine(1 / len(src.inputs)), [total], src.outputs)
        else:
            chain(src, cls(), src.inputs, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        if src.type == "Bias":
            src.emit(cls(), [src.inputs[0], per_axis(src, src.inputs[1], int(src.attr("axis", 1)))], src.outputs)
            return
        operation = src.attr("operation", "SUM")
        shapes = {src.shape(i) for i in range(len(src.inputs))}
        if len(shapes) != 1:
            src.refuse(f"the shapes differ: {', '.join(map(str, sorted(shapes)))}")
        if operation in ("PROD", 0):
            chain(src, Mul(), src.inputs, src.outputs)
        elif operation in ("MAX", 2):
            chain(src, Max(), src.inputs, src.outputs)
        else:
            factors = [float(c) for c in np.atleast_1d(src.attr("coeff", ()))] or [1.0] * len(src.inputs)
            if len(factors) != len(src.inputs):
                src.refuse(f"{len(factors)} values of coeff for {len(src.inputs)} inputs")
            scaled = [affine(src, name, factor, 0.0)[0] for name, factor in zip(src.inputs, factors, strict=True)]
            chain(src, cls(), scaled, src.outputs)
