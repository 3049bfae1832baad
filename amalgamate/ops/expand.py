"""Expand: broadcasts to a shape, axes of 1 repeated (ONNX Expand with a constant shape)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source


@dataclass(frozen=True)
class Expand(Op):
    target: tuple[int, ...] = ()  # broadcast against the input's shape, so 1 keeps an axis

    sources = {"onnx": "Expand"}
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        for a, b in zip(x[::-1], self.target[::-1], strict=False):
            if a != b and 1 not in (a, b):
                self.misfit(f"{list(x)} does not broadcast with {list(self.target)}")
        return np.broadcast_shapes(x, self.target)

    def reference(self, x: Array) -> Array:
        return np.broadcast_to(x, self.shape(x.shape))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[Shape, Shape]] = [
            ((3, 1), (2, 1, 6)), ((2, 3, 1), (4,)), ((1, 5), (3, 5)), ((), (2, 2)), ((2, 3), (1,)), ((1,), (7,)),
        ]  # fmt: skip
        for shape, target in examples:
            yield Case(Expand(target), [rng.standard_normal(shape).astype(np.float32)], name=f"{shape} to {target}")
        yield Case(Expand((2, 3)), [np.arange(3, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """An axis that the input already has is written as 1, so that it follows another batch size."""
        x = src.shape(0)
        target = [int(n) for n in src.need(1, "the shape").reshape(-1)]
        if min(target, default=1) < 0:
            src.refuse(f"shape {target}")
        for i in range(1, min(len(x), len(target)) + 1):
            target[-i] = 1 if target[-i] == x[-i] else target[-i]
        src.emit(cls(tuple(target)), src.inputs[:1], src.outputs)
