"""Pad: grows (or, with negative pads, crops) axes at both ends (ONNX Pad with constant pads).

mode constant writes `value`, reflect mirrors without repeating the edge, edge repeats it, wrap goes round. What a negative
pad cuts off is gone before the other pads look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, choice
from amalgamate.ops._axes import onnx_axes, word


@dataclass(frozen=True)
class Pad(Op):
    pads: tuple[int, ...] = ()  # all beginnings, then all ends, one per axis
    mode: str = choice("constant", "constant", "reflect", "edge", "wrap")
    value: float = 0.0

    sources = {"onnx": "Pad"}

    def shape(self, x: Shape) -> Shape:
        if len(self.pads) != 2 * len(x):
            self.misfit(f"pads {list(self.pads)} for {len(x)} axes")
        before, after = self.pads[: len(x)], self.pads[len(x) :]
        for n, b, a in zip(x, before, after, strict=True):
            left, grown = n + min(b, 0) + min(a, 0), max(b, a) > 0
            if left < (1 if grown and self.mode != "constant" else 0):
                self.misfit(f"pads {list(self.pads)} leave nothing of {list(x)}")
        return tuple(n + b + a for n, b, a in zip(x, before, after, strict=True))

    def reference(self, x: Array) -> Array:
        widths = list(zip(self.pads[: x.ndim], self.pads[x.ndim :], strict=True))
        x = x[tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))]
        grown = [(max(b, 0), max(a, 0)) for b, a in widths]
        if self.mode == "constant":
            return np.pad(x, grown, constant_values=x.dtype.type(self.value))
        return np.pad(x, grown, mode=self.mode)  # type: ignore[call-overload,no-any-return]

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        half = len(self.pads) // 2
        return Pad(tuple(self.pads[i] for i in perm) + tuple(self.pads[half + i] for i in perm), self.mode, self.value)

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[Shape, Pad]] = [
            ((2, 3), Pad((1, 0, 2, 4), "constant", 1.5)),
            ((1, 4, 5, 3), Pad((0, 1, 1, 0, 0, 2, 0, 0))),
            ((1, 4, 5, 3), Pad((0, 1, 2, 0, 0, 3, 2, 0), "reflect")),
            ((1, 4, 5, 3), Pad((0, 1, 1, 2, 0, 0, 3, 1), "edge")),
            ((2, 3, 4), Pad((1, 0, 5, 0, 4, 2), "wrap")),
            ((4, 5), Pad((-1, 2, 0, -2), "constant", -1.0)),
            ((4, 5), Pad((-1, 2, 1, -2), "reflect")),
            ((3,), Pad((7, 8), "reflect")),
            ((1, 2), Pad((2, 0, 1, 0), "reflect")),
        ]
        for shape, op in examples:
            yield Case(op, [rng.standard_normal(shape).astype(np.float32)], name=f"{op} of {shape}")
        yield Case(Pad((1, 2), "constant", 7.0), [np.arange(3, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """Pads, value and axes are attributes before opset 11, constant inputs from then on (axes from 18)."""
        rank = len(src.shape(0))
        given = src.need(1, "the padding").reshape(-1) if src.has(1) else src.attr("pads", src.attr("paddings", ()))
        value = float(src.need(2, "the value").reshape(-1)[0]) if src.has(2) else float(src.attr("value", 0.0))
        axes = onnx_axes(src, src.need(3, "axes").reshape(-1), rank) if src.has(3) else tuple(range(rank))
        if len(given) != 2 * len(axes):
            src.refuse(f"{len(given)} pads for {len(axes)} axes")
        pads = [0] * (2 * rank)
        for i, axis in enumerate(axes):
            pads[axis], pads[rank + axis] = word(given[i]), word(given[len(axes) + i])
        mode = src.attr("mode", "constant")
        if mode not in ("constant", "reflect", "edge", "wrap"):
            src.refuse(f"mode {mode}; constant, reflect, edge and wrap are supported")
        src.emit(cls(tuple(pads), mode, value), src.inputs[:1], src.outputs)
