"""Matmul: y = activation(a b) over the last two axes, the axes before them broadcast (NumPy's matmul, ONNX MatMul).

With trans_a or trans_b the last two axes of that operand are exchanged first. An operand of one axis is a row on the left
and a column on the right. Where b is a constant matrix dense is used instead; it imports both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op


@dataclass(frozen=True)
class Matmul(Op):
    pitched_in = True
    pitched_out = True

    trans_a: bool = False
    trans_b: bool = False
    activation: Op | None = None

    def _matrices(self, a: Shape, b: Shape) -> tuple[Shape, Shape]:
        """Both shapes with at least two axes, transposed."""
        if not a or not b:
            self.misfit("an operand has no axes")
        a, b = ((1, *a) if len(a) == 1 else a), ((*b, 1) if len(b) == 1 else b)
        a = (*a[:-2], a[-1], a[-2]) if self.trans_a else a
        return a, ((*b[:-2], b[-1], b[-2]) if self.trans_b else b)

    def shape(self, a: Shape, b: Shape) -> Shape:
        if (self.trans_a and len(a) < 2) or (self.trans_b and len(b) < 2):
            self.misfit("one axis cannot be transposed")
        left, right = self._matrices(a, b)
        try:
            batch = np.broadcast_shapes(left[:-2], right[:-2])
        except ValueError:
            self.misfit(f"{list(a)} and {list(b)} do not broadcast")
        if left[-1] != right[-2]:
            self.misfit(f"{list(a)} times {list(b)}: {left[-1]} is not {right[-2]}")
        return (*batch, *left[-2:-1][: len(a) > 1], *right[-1:][: len(b) > 1])

    def reference(self, a: Array, b: Array) -> Array:
        a = np.swapaxes(a, -1, -2) if self.trans_a else a
        b = np.swapaxes(b, -1, -2) if self.trans_b else b
        y = np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
        return y if self.activation is None else self.activation.run(y)[0]

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        a, b = inputs[0], inputs[1]
        assert a is not None and b is not None
        return prod(outputs[0]) * self._matrices(a, b)[0][-1]

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """A slice of b as panels, and a where it must be transposed (matmul_read in runtime_src/ops/matmul.c)."""
        assert inputs[0] is not None and inputs[1] is not None
        left, right = self._matrices(inputs[0], inputs[1])
        m, k, n = *left[-2:], right[-1]
        return k * min(64, -(-n // 16) * 16) * 4 + (m * k * 4 if self.trans_a else 0)

    def cases(self) -> Iterator[Case]:
        from amalgamate.ops.relu import Relu

        rng = np.random.default_rng(5)
        shapes: list[tuple[Shape, Shape, bool, bool]] = [
            ((3, 4), (4, 5), False, False), ((37, 19), (19, 70), False, False), ((2, 3, 5), (5, 4), False, False),
            ((2, 1, 9, 6), (3, 6, 17), False, False), ((4,), (4,), False, False), ((4,), (2, 4, 3), False, False),
            ((2, 3, 4), (4,), False, False), ((6, 5), (6, 33), True, False), ((5, 6), (33, 6), False, True),
            ((2, 6, 5), (2, 33, 6), True, True), ((1, 1), (1, 1), False, False), ((1, 100), (100, 65), False, False),
        ]  # fmt: skip
        for a, b, ta, tb in shapes:
            operands: list[Array | None] = [rng.standard_normal(s).astype(np.float32) for s in (a, b)]
            yield Case(Matmul(ta, tb), operands, name=f"{a} {b} {ta} {tb}")
        yield Case(Matmul(activation=Relu()), operands, name="relu")
        yield Case(Matmul(), operands, (0,), "constant left")
