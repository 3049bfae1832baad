"""Clip: y = min(max(x, low), high); ReLU6 is Clip(0, 6) (ONNX Clip, bounds as attributes or inputs; Caffe Clip, ReLU6)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from amalgamate.graph import Array
from amalgamate.ops import Case, Source
from amalgamate.ops._unary import Kind, Unary, only_float
from amalgamate.ops.max import Max
from amalgamate.ops.min import Min


@dataclass(frozen=True)
class Clip(Unary):
    low: float = -math.inf
    high: float = math.inf

    sources = {"onnx": "Clip", "caffe": ("Clip", "ReLU6")}

    def function(self, x: Array) -> Array:
        return np.minimum(np.maximum(x, self.low), self.high)

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.CLIP, self.low, self.high)

    def cases(self) -> Iterator[Case]:
        for op in (Clip(), Clip(0, 6), Clip(-1.5), Clip(high=2), Clip(1, -1)):
            for case in Unary.cases(op):
                yield replace(case, name=f"[{op.low}, {op.high}] {case.name}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        bounds = {"low": src.attr("min"), "high": src.attr("max")}  # attributes before opset 11, inputs from then on
        for i, key in ((1, "low"), (2, "high")):
            if src.has(i):
                bounds[key] = src.const(i)
                if bounds[key] is None or src.const(0) is not None:
                    bound_by_inputs(src)
                    return
        src.emit(cls(**{k: float(v) for k, v in bounds.items() if v is not None}), src.inputs[:1], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        low, high = (
            (0.0, 6.0) if src.type == "ReLU6" else (float(src.attr("min", -math.inf)), float(src.attr("max", math.inf)))
        )
        src.emit(cls(low, high), src.inputs, src.outputs)


def bound_by_inputs(src: Source) -> None:
    """Clip with bounds that are computed, or of integers: min(max(x, low), high)."""
    x, low, high = [*src.inputs, "", ""][:3]
    if high:
        raised = src.emit(Max(), [x, low]) if low else [x]
        src.emit(Min(), [*raised, high], src.outputs)
    else:
        src.emit(Max(), [x, low], src.outputs)
