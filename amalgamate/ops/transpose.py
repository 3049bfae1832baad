"""Transpose: the axes in another order, out.shape[i] = x.shape[perm[i]] (ONNX Transpose, Caffe Permute)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source


@dataclass(frozen=True)
class Transpose(Op):
    perm: tuple[int, ...] = ()

    sources = {"onnx": "Transpose", "caffe": "Permute"}
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        if sorted(self.perm) != list(range(len(x))):
            self.misfit(f"perm {list(self.perm)} is no order of the {len(x)} axes")
        return tuple(x[i] for i in self.perm)

    def reference(self, x: Array) -> Array:
        return x.transpose(self.perm)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Transpose(tuple(perm.index(self.perm[i]) for i in perm))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((1, 0), (7, 5)), ((1, 0), (33, 65)), ((0, 2, 3, 1), (2, 3, 5, 7)), ((0, 2, 3, 1), (1, 19, 4, 9)),
            ((0, 3, 1, 2), (2, 5, 7, 3)), ((0, 3, 1, 2), (1, 6, 7, 40)), ((2, 1, 0), (3, 4, 5)),
            ((0, 2, 1, 3), (2, 3, 4, 5)), ((4, 2, 0, 3, 1), (2, 3, 2, 3, 4)), ((0,), (6,)), ((), ()), ((1, 0), (1, 9)),
        ]  # fmt: skip
        for perm, shape in examples:
            yield Case(Transpose(perm), [rng.standard_normal(shape).astype(np.float32)], name=f"{perm} of {shape}")
        yield Case(Transpose((1, 0)), [np.arange(15, dtype=np.int64).reshape(3, 5)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        rank = len(src.shape(0))
        src.emit(cls(tuple(src.attr("perm", range(rank)[::-1]))), src.inputs, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """SSD's Permute: `order` names the first axes, the rest follow as they stand."""
        order = src.attr("order", ())
        named = tuple(order) if isinstance(order, (list, tuple)) else (order,)
        rest = tuple(i for i in range(len(src.shape(0))) if i not in named)
        src.emit(cls(named + rest), src.inputs, src.outputs)
