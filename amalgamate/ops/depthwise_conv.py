"""Depthwise convolution: a Conv whose every group is one channel, with constant weights; passes/choose_depthwise.py makes it.

x [N, C, spatial...], weights [C * multiplier, 1, kernel...]; otherwise as Conv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Packed
from amalgamate.ops.conv import Conv


@dataclass(frozen=True)
class DepthwiseConv(Conv):
    sources = {}

    def shape_nchw(self, x: Shape, w: Shape, b: Shape | None = None) -> Shape:
        if self.group != x[1] or self.dynamic:
            self.misfit(f"{self.group} groups of {x[1]} channels, or weights that are not constant")
        return super().shape_nchw(x, w, b)

    def weights(self, index: int, data: Array) -> Packed | None:
        return Packed("lane_rows", np.ascontiguousarray(data.reshape(data.shape[0], -1).T)) if index == 1 else None

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """As depthwise_conv_read in runtime_src/ops/depthwise_conv.c computes it."""
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        rows = self.kernel[0] if len(self.kernel) > 1 else 1
        return rows * x[-2] * -(-w[0] // 16) * 64 if w[0] > self.group else 0

    def small_scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        return self.scratch(inputs, outputs)

    def cases(self) -> Iterator[Case]:
        for case in super().cases():
            op, x = case.op, case.inputs[0]
            if isinstance(op, Conv) and x is not None and op.group == x.shape[1] and not op.dynamic:
                yield replace(case, op=of(op))


def of(conv: Conv) -> DepthwiseConv:
    """The same convolution as this operator."""
    return DepthwiseConv(**{f.name: getattr(conv, f.name) for f in fields(conv)})
