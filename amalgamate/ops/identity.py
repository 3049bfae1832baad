"""Identity: y = x (ONNX Identity and Dropout at inference, Caffe Dropout, Split and Silence). A pass removes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source


@dataclass(frozen=True)
class Identity(Op):
    sources = {"onnx": ("Identity", "Dropout"), "caffe": ("Dropout", "Split", "Silence")}
    in_place = True
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        return x

    def reference(self, x: Array) -> Array:
        return x

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        yield Case(Identity(), [rng.standard_normal((2, 3, 5)).astype(np.float32)])
        yield Case(Identity(), [np.arange(7, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """Dropout's mask, where it is read, is all true; a Dropout that trains is refused."""
        if src.type == "Dropout":
            training = src.need(2, "training_mode") if src.has(2) else src.attr("is_test", 1) == 0 and src.version < 7
            ratio = src.need(1, "ratio") if src.has(1) else src.attr("ratio", 0.5)
            if bool(training) and float(ratio) != 0:
                src.refuse("it is in training mode")
        src.alias(src.inputs[0], src.outputs[0])
        if len(src.outputs) > 1 and src.outputs[1]:
            mask = src.constant(np.ones(src.shape(0), dtype=np.int64), "mask")
            src.alias(mask, src.outputs[1])

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """Every top of a Split is its bottom; a Silence has none."""
        for output in src.outputs:
            src.alias(src.inputs[0], output)
