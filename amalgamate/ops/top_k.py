"""TopK: the k largest (or smallest) elements along an axis, best first, and where they stand; of equal ones the first.

ONNX TopK. A NaN counts as the largest. `sorted` = 0 allows any order, so the results are always sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Source
from amalgamate.ops._along import Along, examples
from amalgamate.ops._axes import onnx_axis
from amalgamate.ops._unary import only_float


@dataclass(frozen=True)
class TopK(Along):
    k: int = 1
    smallest: bool = False

    sources = {"onnx": "TopK"}

    def shape(self, x: Shape) -> tuple[Shape, ...]:
        axis = self.check(x)
        if not 0 < self.k <= x[axis]:
            self.misfit(f"k = {self.k} of {x[axis]} elements")
        y = (*x[:axis], self.k, *x[axis + 1 :])
        return y, y

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return (inputs[0], "int64")

    def reference(self, x: Array) -> tuple[Array, Array]:
        key = x if self.smallest else -x
        order = np.argsort(np.where(np.isnan(x), np.inf if self.smallest else -np.inf, key), self.axis, kind="stable")
        order = np.take(order, range(self.k), self.axis).astype(np.int64)
        return np.take_along_axis(x, order, self.axis), order

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        return 8 * self.k

    def cases(self) -> Iterator[Case]:
        for x, axis in examples():
            for k in sorted({1, min(5, x.shape[axis]), x.shape[axis]}):
                for smallest in (False, True):
                    op = TopK(axis, k, smallest)
                    yield Case(op, [np.round(x)], name=f"{op} {x.shape}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src, 1)
        k = src.need(1, "k") if src.has(1) else np.asarray(src.attr("k"))
        axis = onnx_axis(src, int(src.attr("axis", -1)), len(src.shape(0)))
        op = cls(axis, int(k.reshape(-1)[0]), not src.attr("largest", 1))
        src.emit(op, src.inputs[:1], src.outputs)
