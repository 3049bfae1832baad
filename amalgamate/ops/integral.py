"""Integral: functions that give whole numbers, element by element (ONNX Floor, Ceil, Round to even, Sign; Not, of int64)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Case, Op, Source, choice

FUNCTIONS = {"Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Sign": np.sign, "Not": np.logical_not}


@dataclass(frozen=True)
class Integral(Op):
    function: str = choice("Floor", *FUNCTIONS)

    sources = {"onnx": tuple(FUNCTIONS)}
    in_place = True

    def shape(self, x: Dims) -> Dims:
        return x

    def reference(self, x: Array) -> Array:
        return np.asarray(FUNCTIONS[self.function](x)).astype(x.dtype)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        values = np.array([[-2.5, -1.5, -0.5, -0.0, 0.0, 0.5], [1.5, 2.5, 2.4, -2.6, np.inf, 3e9]], np.float32)
        for function in FUNCTIONS:
            yield Case(Integral(function), [values], name=function)
            yield Case(Integral(function), [np.array([-3, 0, 2**60], np.int64)], name=f"{function} of int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        src.emit(cls(src.type), src.inputs, src.outputs)
