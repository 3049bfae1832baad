"""ConvTranspose: every input pixel adds its multiple of the kernel to the output (ONNX ConvTranspose, Caffe Deconvolution).

y[o, s i + d t - pad] += x[c, i] w[c, o, t] over channels c of the group and taps t; then bias[o] and the activation.
x [N, C, spatial...], weights [C, O / group, kernel...], bias [O]; 1 or 2 spatial axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Packed, Source
from amalgamate.ops._window import Window, caffe_window, halves, onnx_window, packed_bytes


@dataclass(frozen=True)
class ConvTranspose(Window):
    sources = {"onnx": "ConvTranspose", "caffe": "Deconvolution"}
    pitched_in = True
    pitched_out = True

    output_padding: tuple[int, ...] = ()  # more elements at the end of every axis

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "output_padding", tuple(self.output_padding) or (0,) * len(self.kernel))

    def full(self, spatial: Shape) -> list[int]:
        """Elements per axis that the kernel reaches, before padding is cut off."""
        return [(n - 1) * s + e for n, s, e in zip(spatial, self.strides, self.extents(), strict=True)]

    def shape_nchw(self, x: Shape, w: Shape, b: Shape | None = None) -> Shape:
        self.checked(x[2:])
        if len(self.output_padding) != len(self.kernel) or min(self.output_padding) < 0:
            self.misfit("output_padding is not one number of at least 0 per axis")
        if len(w) != len(x) or w[0] != x[1] or x[1] % self.group or tuple(w[2:]) != self.kernel:
            self.misfit(f"weights {list(w)} on an input {list(x)} with kernel {self.kernel} and group {self.group}")
        self.checked_bias(b, w[1] * self.group)
        rank = len(self.kernel)
        out = [n - self.pads[i] - self.pads[rank + i] + self.output_padding[i] for i, n in enumerate(self.full(x[2:]))]
        if min(out) < 1:
            self.misfit(f"padding {self.pads} leaves nothing of {self.full(x[2:])}")
        return (x[0], w[1] * self.group, *out)

    def reference_nchw(self, x: Array, w: Array, b: Array | None = None) -> Array:
        rank, out = len(self.kernel), self.shape_nchw(x.shape, w.shape)
        room = [max(n, self.pads[i] + out[2 + i]) for i, n in enumerate(self.full(x.shape[2:]))]
        y = np.zeros((x.shape[0], self.group, w.shape[1], *room))
        xg: np.ndarray[Any, Any] = x.reshape(x.shape[0], self.group, -1, *x.shape[2:]).astype(np.float64)
        wg: np.ndarray[Any, Any] = w.reshape(self.group, -1, *w.shape[1:]).astype(np.float64)
        for taps in product(*(range(k) for k in self.kernel)):
            tap = wg.reshape(*wg.shape[:3], -1)[..., np.ravel_multi_index(taps, self.kernel)]
            added = np.einsum("ngi...,gio->ngo...", xg, tap)
            starts = [t * d for t, d in zip(taps, self.dilations, strict=True)]
            at = (slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, x.shape[2:], self.strides, strict=True))
            y[(slice(None), slice(None), slice(None), *at)] += added
        y = y.reshape(x.shape[0], -1, *room)
        cut = (slice(self.pads[i], self.pads[i] + out[2 + i]) for i in range(rank))
        y = y[(slice(None), slice(None), *cut)]
        return self.activated(y if b is None else y + b.reshape(-1, *(1,) * rank))

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        return prod(x) * prod(w[1:])

    def weights(self, index: int, data: Array) -> Packed | None:
        if index != 1 or self.dynamic:
            return None
        grouped = data.reshape(self.group, -1, data.shape[1], prod(self.kernel))  # [group, I, O / group, taps]
        matrix = grouped.transpose(0, 2, 3, 1).reshape(self.group, data.shape[1], -1)
        return Packed("panels", np.ascontiguousarray(matrix))

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """As conv_transpose_read in runtime_src/ops/conv_transpose.c computes it."""
        return self._scratch(inputs, 14)

    def small_scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        return self._scratch(inputs, 2)

    def _scratch(self, inputs: Sequence[Shape | None], height: int) -> int:
        """Where tiles have at most so many rows."""
        x, w = inputs[0], inputs[1]
        assert x is not None and w is not None
        taps, group_inputs = prod(self.kernel), w[0] // self.group
        packed = packed_bytes(self.group, w[1], taps * group_inputs) if self.dynamic else 0
        return max(1, min(16, 512 // taps)) * (height + 1) * taps * 8 + -(-x[-1] // 16) * 64 + packed

    def cases(self) -> Iterator[Case]:
        from amalgamate.ops.relu import Relu
        from amalgamate.ops.sigmoid import Sigmoid

        rng = np.random.default_rng(8)
        examples: list[tuple[Shape, Shape, dict[str, object]]] = [
            ((1, 1, 1, 1), (1, 1, 1, 1), {}),
            ((1, 5, 7, 6), (5, 18, 3, 3), {"strides": (2, 2), "pads": (1, 1, 1, 1), "output_padding": (1, 1)}),
            ((2, 16, 5, 5), (16, 33, 2, 2), {"strides": (2, 2), "activation": Relu()}),
            ((1, 6, 5, 4), (6, 4, 4, 3), {"strides": (1, 3), "pads": (1, 0, 2, 1), "group": 2}),
            ((1, 3, 4, 5), (3, 2, 2, 3), {"strides": (3, 2), "dilations": (2, 2), "output_padding": (2, 1)}),
            (
                (1, 8, 6, 20),
                (8, 1, 4, 4),
                {"strides": (2, 2), "pads": (1, 1, 1, 1), "group": 8, "activation": Sigmoid()},
            ),
            ((1, 4, 9), (4, 7, 3), {"strides": (2,), "pads": (1, 0)}),
            ((1, 2, 3, 3), (2, 2, 1, 1), {"strides": (3, 3)}),
        ]
        for x, w, fields in examples:
            group = fields.get("group", 1)
            assert isinstance(group, int)
            operands: list[Array | None] = [rng.standard_normal(s).astype(np.float32) for s in (x, w, (w[1] * group,))]
            for dynamic in (False, True):
                op = ConvTranspose(kernel=w[2:], dynamic=dynamic, **fields)  # type: ignore[arg-type]
                yield Case(op, operands, () if dynamic else (1, 2), f"{x} {w} {fields}{' dynamic' * dynamic}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """output_shape decides the padding; what even no padding would not reach is output_padding (ONNX ConvTranspose)."""
        fields = onnx_window(src)
        spatial, rank = src.shape(0)[2:], len(fields["kernel"])
        if len(spatial) != rank:
            src.refuse(f"weights with {rank} spatial axes on an input with {len(spatial)}")
        op = cls(**fields, output_padding=tuple(src.attr("output_padding", ())))
        auto = src.attr("auto_pad", "NOTSET")
        wanted = tuple(src.attr("output_shape", ()))[-rank:]
        if not wanted and auto in ("SAME_UPPER", "SAME_LOWER"):
            wanted = tuple(n * s for n, s in zip(spatial, op.strides, strict=True))
        if wanted:
            reach = [f + o for f, o in zip(op.full(spatial), op.output_padding, strict=True)]
            totals = [max(r - n, 0) for r, n in zip(reach, wanted, strict=True)]
            more = tuple(o + max(n - r, 0) for o, r, n in zip(op.output_padding, reach, wanted, strict=True))
            pads = halves(totals, "SAME_UPPER" if auto == "SAME_UPPER" else "SAME_LOWER")
            op = cls(**{**fields, "pads": pads}, output_padding=more)
        elif auto == "VALID":
            op = cls(**{**fields, "pads": ()}, output_padding=op.output_padding)
        src.emit(op, src.inputs, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        src.emit(cls(**caffe_window(src)), src.inputs, src.outputs)
