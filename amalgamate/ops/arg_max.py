"""ArgMax: where the largest (or smallest) element along an axis stands, the axis staying with size 1; a NaN is both.

ONNX ArgMax, ArgMin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source
from amalgamate.ops._along import Along, examples, squeeze
from amalgamate.ops._axes import onnx_axis
from amalgamate.ops._unary import only_float


@dataclass(frozen=True)
class ArgMax(Along):
    """Of equal elements the first one, or the last one."""

    smallest: bool = False
    last: bool = False

    sources = {"onnx": ("ArgMax", "ArgMin")}

    def shape(self, x: Shape) -> Shape:
        axis = self.check(x)
        return (*x[:axis], 1, *x[axis + 1 :])

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return ("int64",)

    def reference(self, x: Array) -> Array:
        find = np.argmin if self.smallest else np.argmax
        if not self.last:
            return np.asarray(find(x, self.axis, keepdims=True)).astype(np.int64)
        return np.asarray(x.shape[self.axis] - 1 - find(np.flip(x, self.axis), self.axis, keepdims=True)).astype(
            np.int64
        )

    def cases(self) -> Iterator[Case]:
        for x, axis in examples():
            for smallest, last in np.ndindex(2, 2):
                op = ArgMax(axis, bool(smallest), bool(last))
                yield Case(op, [np.round(x)], name=f"{op} {x.shape}")
        x = np.array([[1, np.nan, 3, np.nan], [np.inf, 2, -np.inf, np.inf], [0.0, -0.0, 0.0, -1.0]], np.float32)
        for smallest, last in np.ndindex(2, 2):
            yield Case(ArgMax(1, bool(smallest), bool(last)), [x], name="special values")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        axis = onnx_axis(src, int(src.attr("axis", 0)), len(src.shape(0)))
        op = cls(axis, src.type == "ArgMin", bool(src.attr("select_last_index", 0)))
        if src.attr("keepdims", 1):
            src.emit(op, src.inputs, src.outputs)
        else:
            squeeze(src, src.emit(op, src.inputs)[0], (axis,), src.outputs)
