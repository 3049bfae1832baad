"""Conv: y[o] = activation(bias[o] + sum over channels i of the group and taps t of x[i, at t] w[o, i, t] (+ add[o])).

ONNX Conv, Caffe Convolution. x [N, C, spatial...], weights [O, C / group, kernel...], bias [O], add as y; 1 or 2 spatial
axes. The fourth input, the residual, is what a pass fuses; it is laid out as y is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Packed, Rows, Source
from amalgamate.ops._window import Window, caffe_window, halves, onnx_window, packed_bytes
from amalgamate.ops._winograd import winograd_cut


@dataclass(frozen=True)
class Conv(Window):
    sources = {"onnx": "Conv", "caffe": "Convolution"}
    laid_out = (0, 3)
    pitched_in = True
    pitched_out = True

    def shape(self, *inputs: Shape | None) -> Shape:
        out: Shape = super().shape(*inputs[:3])  # type: ignore[arg-type, assignment]
        if len(inputs) > 3 and inputs[3] not in (None, out):
            self.misfit(f"the tensor to add is {inputs[3]}, not {out}")
        return out

    def shape_nchw(self, x: Shape, w: Shape, b: Shape | None = None) -> Shape:
        self.checked(x[2:])
        if len(w) != len(x) or w[1] * self.group != x[1] or w[0] % self.group or tuple(w[2:]) != self.kernel:
            self.misfit(f"weights {list(w)} on an input {list(x)} with kernel {self.kernel} and group {self.group}")
        self.checked_bias(b, w[0])
        rank = len(self.kernel)
        room = [
            n + self.pads[i] + self.pads[rank + i] - e
            for i, (n, e) in enumerate(zip(x[2:], self.extents(), strict=True))
        ]
        if min(room) < 0:
            self.misfit(f"a kernel of {self.extents()} does not fit {list(x[2:])} padded by {self.pads}")
        return (x[0], w[0], *(r // s + 1 for r, s in zip(room, self.strides, strict=True)))

    def reference(self, *inputs: Array | None) -> Array:
        x, w, b, add = (*inputs, None, None)[:4]
        assert x is not None and w is not None
        y = self._sums(np.moveaxis(x, -1, 1) if self.channels_last else x, w)
        if b is not None:
            y = y + b.reshape(-1, *(1,) * len(self.kernel))
        y = np.moveaxis(y, 1, -1) if self.channels_last else y
        return self.activated(y if add is None else y + add)

    def _sums(self, x: Array, w: Array) -> Array:
        rank, axes = len(self.kernel), tuple(range(2, x.ndim))
        x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *((self.pads[i], self.pads[rank + i]) for i in range(rank))])
        windows = np.lib.stride_tricks.sliding_window_view(x, self.extents(), axes)
        steps = (slice(None, None, step) for step in (*self.strides, *self.dilations))
        windows = windows[(slice(None), slice(None), *steps)]
        kernel_axes = tuple(range(windows.ndim - rank, windows.ndim))
        parts = [
            np.tensordot(xg, wg.astype(np.float64), ((1, *kernel_axes), (1, *axes)))
            for xg, wg in zip(np.split(windows, self.group, 1), np.split(w, self.group), strict=True)
        ]
        return np.moveaxis(np.concatenate(parts, -1), -1, 1)

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        assert inputs[1] is not None
        return prod(outputs[0]) * prod(inputs[1][1:])

    def weights(self, index: int, data: Array) -> Packed | None:
        if index != 1 or self.dynamic:
            return None
        last = np.moveaxis(data, 1, -1)  # [O, kernel..., I]
        return Packed("panels", np.ascontiguousarray(last.reshape(self.group, data.shape[0] // self.group, -1)))

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """As conv_plan in runtime_src/ops/conv.c computes it."""
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        taps, k = prod(self.kernel), prod(w[1:])
        winograd = winograd_cut(self, x, w, outputs[0])
        if winograd:
            return winograd.bytes
        if self.plain:
            return self.packed(w)
        tile_floats = 14 * prod(map(min, self.strides, self.kernel)) * x[-1]
        tiles = max(1, min(16, 512 // taps, 131072 // tile_floats))
        padded = any(self.pads[len(self.kernel) - 1 :: len(self.kernel)])
        short = x[-1] < 16 and self.group == 1 and self.strides[-1] <= self.kernel[-1] and padded
        patches = -(-tiles * 14 * k // 16) * 64 if short else 0
        return tiles * 14 * taps * 8 + -(-self.kernel[-1] * x[-1] // 16) * 64 + patches + self.packed(w)

    def small_scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        direct = 2 * prod(self.kernel) * 8 + -(-self.kernel[-1] * x[-1] // 16) * 64
        return self.packed(w) + (0 if self.plain else direct)

    @property
    def plain(self) -> bool:
        """Whether it is a matrix product as it stands."""
        return prod(self.kernel) == 1 and set(self.strides) == {1} and not any(self.pads) and self.group == 1

    def packed(self, w: Shape) -> int:
        """Bytes of weights that are packed at run time."""
        return packed_bytes(self.group, w[0] // self.group, prod(w[1:])) if self.dynamic else 0

    def rows(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> Rows | None:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        if len(self.kernel) != 2 or self.dynamic or winograd_cut(self, x, w, outputs[0]):
            return None
        return Rows(self.extents()[0], self.strides[0])

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(7)
        for x, w, fields in EXAMPLES:
            for dynamic in (False, True) if prod(x) < 2000 else (False,):
                operands: list[Array | None] = [
                    rng.standard_normal(shape).astype(np.float32) for shape in (x, w, w[:1])
                ]
                op = Conv(kernel=w[2:], dynamic=dynamic, **fields)  # type: ignore[arg-type]
                constants = () if dynamic else (1, 2)
                yield Case(op, operands, constants, f"{x} {w} {fields}{' dynamic' * dynamic}")
        yield from self._fused_cases(rng)

    def _fused_cases(self, rng: np.random.Generator) -> Iterator[Case]:
        from amalgamate.ops.clip import Clip
        from amalgamate.ops.leaky_relu import LeakyRelu
        from amalgamate.ops.relu import Relu

        for group, activation in (
            (1, Relu()),
            (1, Clip(0.0, 6.0)),
            (1, LeakyRelu(0.2)),
            (20, Relu()),
            (20, LeakyRelu(0.2)),
            (5, None),
        ):
            x, w, y = (1, 20, 9, 8), (20, 20 // group, 3, 3), (1, 20, 9, 8)
            operands: list[Array | None] = [rng.standard_normal(s).astype(np.float32) for s in (x, w, w[:1], y)]
            op = Conv(kernel=(3, 3), pads=(1, 1, 1, 1), group=group, activation=activation)
            yield Case(op, operands, (1, 2), f"residual, group {group}, {activation}")
            yield Case(op, [*operands[:2], None, operands[3]], (1,), f"residual, no bias, group {group}, {activation}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        fields = onnx_window(src)
        spatial, kernel = src.shape(0)[2:], fields["kernel"]
        if len(spatial) != len(kernel):
            src.refuse(f"weights with {len(kernel)} spatial axes on an input with {len(spatial)}")
        auto = src.attr("auto_pad", "NOTSET")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            ones = (1,) * len(kernel)
            axes = zip(spatial, kernel, fields["strides"] or ones, fields["dilations"] or ones, strict=True)
            fields["pads"] = halves([max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in axes], auto)
        elif auto == "VALID":
            fields["pads"] = ()
        src.emit(cls(**fields), src.inputs, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(**caffe_window(src)), src.inputs, src.outputs)


# Input, weights, fields: odd channels, tails in rows and lanes, strides, uneven pads, dilation, groups, tiny maps.
EXAMPLES: list[tuple[Shape, Shape, dict[str, object]]] = [
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((1, 3, 9, 7), (5, 3, 3, 3), {}),
    ((2, 3, 8, 8), (17, 3, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 4, 13, 11), (33, 4, 3, 3), {"pads": (1, 1, 1, 1), "strides": (2, 2)}),
    ((1, 16, 15, 15), (48, 16, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 64, 13, 13), (16, 64, 1, 1), {}),
    ((2, 7, 5, 6), (40, 7, 1, 1), {"strides": (2, 1)}),
    ((1, 20, 1, 1), (35, 20, 1, 1), {}),
    ((1, 3, 23, 21), (20, 3, 7, 7), {"pads": (3, 3, 3, 3), "strides": (2, 2)}),
    ((1, 5, 9, 10), (6, 5, 2, 3), {"pads": (0, 1, 2, 0), "strides": (1, 2), "dilations": (2, 3)}),
    ((1, 6, 7, 7), (8, 3, 3, 3), {"group": 2, "pads": (1, 1, 1, 1)}),
    ((1, 40, 9, 9), (60, 20, 3, 3), {"group": 2, "pads": (1, 1, 1, 1)}),
    ((1, 130, 7, 8), (150, 130, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 130, 4, 12), (150, 130, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 12, 6, 6), (24, 4, 1, 1), {"group": 3}),
    ((1, 1, 5, 5), (3, 1, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((1, 2, 3, 3), (3, 2, 3, 3), {"pads": (4, 3, 3, 4)}),
    ((2, 32, 9, 9), (32, 1, 3, 3), {"group": 32, "pads": (1, 1, 1, 1)}),
    ((1, 21, 11, 10), (21, 1, 3, 3), {"group": 21, "pads": (1, 1, 1, 1), "strides": (2, 2)}),
    ((1, 19, 8, 9), (19, 1, 5, 3), {"group": 19, "pads": (2, 0, 1, 2), "dilations": (1, 2)}),
    ((1, 18, 7, 7), (36, 1, 3, 3), {"group": 18, "pads": (1, 1, 1, 1)}),
    ((1, 3, 4, 4), (9, 1, 2, 2), {"group": 3, "strides": (2, 2)}),
    ((1, 5, 20), (7, 5, 3), {"pads": (1, 1)}),
    ((2, 4, 17), (20, 4, 5), {"strides": (3,), "dilations": (2,), "pads": (2, 3)}),
    ((1, 24, 30), (24, 1, 4), {"group": 24, "pads": (1, 2), "strides": (2,)}),
]
