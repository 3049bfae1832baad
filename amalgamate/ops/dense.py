"""Dense: y = activation(x W^T + bias), a fully connected layer (ONNX Gemm and MatMul, Caffe InnerProduct).

x [..., K], weights [N, K] constant, bias [N]; y [..., N]. Where an operand that should be a constant is not, the import
emits matmul instead. alpha, beta and transpositions are folded into the constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Packed, Source
from amalgamate.ops.add import Add
from amalgamate.ops.affine import Affine, affine
from amalgamate.ops.matmul import Matmul
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.transpose import Transpose


@dataclass(frozen=True)
class Dense(Op):
    sources = {"onnx": ("Gemm", "MatMul"), "caffe": "InnerProduct"}
    pitched_in = True
    pitched_out = True

    activation: Op | None = None

    def shape(self, x: Shape, w: Shape, b: Shape | None = None) -> Shape:
        if len(x) < 1 or len(w) != 2 or w[1] != x[-1]:
            self.misfit(f"weights {list(w)} on an input {list(x)}")
        if b is not None and b != (w[0],):
            self.misfit(f"the bias is {list(b)}, not [{w[0]}]")
        return (*x[:-1], w[0])

    def reference(self, x: Array, w: Array, b: Array | None = None) -> Array:
        y = np.matmul(x.astype(np.float64), w.T.astype(np.float64))
        y = (y if b is None else y + b).astype(np.float32)
        return y if self.activation is None else self.activation.run(y)[0]

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        assert inputs[0] is not None
        return prod(outputs[0]) * inputs[0][-1]

    def weights(self, index: int, data: Array) -> Packed | None:
        return Packed("panels", data[None]) if index == 1 else None

    def cases(self) -> Iterator[Case]:
        from amalgamate.ops.clip import Clip
        from amalgamate.ops.sigmoid import Sigmoid

        rng = np.random.default_rng(3)
        sizes: list[tuple[Shape, int]] = [
            ((1, 1), 1), ((1, 33), 5), ((1, 200), 77), ((2, 16), 16), ((5, 7), 48), ((15, 64), 33),
            ((16, 31), 32), ((37, 9), 50), ((2, 3, 10), 17), ((40,), 20), ((30, 300), 40),
        ]  # fmt: skip
        for x, n in sizes:
            operands: list[Array | None] = [rng.standard_normal(s).astype(np.float32) for s in (x, (n, x[-1]), (n,))]
            yield Case(Dense(), operands, (1, 2), f"{x} to {n}")
            yield Case(Dense(Clip(-1.0, 2.0)), operands[:2], (1,), f"{x} to {n}, clipped, no bias")
        yield Case(Dense(Sigmoid()), operands, (1, 2), "sigmoid")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        if src.type == "MatMul":
            _from_matmul(src)
        else:
            _from_gemm(src)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """InnerProduct: axes from `axis` on are flattened to K; `transpose` says that the weights are [K, N]."""
        x, axis = src.shape(0), int(src.attr("axis", 1))
        axis += len(x) if axis < 0 else 0
        weights = src.need(1, "its weights").reshape(src.shape(1)[-2:])
        weights = np.ascontiguousarray(weights.T) if src.attr("transpose", False) else weights
        name = src.inputs[0]
        if axis != len(x) - 1:
            flat = Reshape((*(0,) * axis, -1) if axis else (1, -1))
            name = src.emit(flat, [name])[0]
        bias = src.inputs[2:3]
        if bias and len(src.shape(2)) != 1:
            bias = [src.constant(src.need(2, "its bias").reshape(-1), "bias")]
        if axis:
            src.emit(cls(), [name, src.constant(weights, "weights"), *bias], src.outputs)
        else:
            y = src.emit(cls(), [name, src.constant(weights, "weights"), *bias])[0]
            src.emit(Reshape((-1,)), [y], src.outputs)


def _from_matmul(src: Source) -> None:
    b = src.const(1)
    if b is not None and b.ndim == 2 and src.const(0) is None:
        src.emit(Dense(), [src.inputs[0], src.constant(np.ascontiguousarray(b.T), "weights")], src.outputs)
    else:
        src.emit(Matmul(), src.inputs, src.outputs)


def _from_gemm(src: Source) -> None:
    """Y = alpha A' B' + beta C, where C broadcasts to [M, N] from any rank up to 2 (ONNX Gemm)."""
    alpha, beta = float(src.attr("alpha", 1.0)), float(src.attr("beta", 1.0))
    trans_a, trans_b = bool(src.attr("transA", 0)), bool(src.attr("transB", 0))
    n = src.shape(1)[0 if trans_b else 1]
    weights, bias = src.const(1), src.const(2)
    with_bias = src.has(2) and beta != 0.0
    fits = not with_bias or (
        bias is not None and bias.size in (1, n) and bias.shape in ((), (1,), (n,), (1, 1), (1, n))
    )
    if weights is None or src.const(0) is not None:
        y: tuple[Op, list[str]] = Matmul(trans_a=trans_a, trans_b=trans_b), src.inputs[:2]
    else:
        x = src.emit(Transpose((1, 0)), src.inputs[:1])[0] if trans_a else src.inputs[0]
        rows = (weights if trans_b else weights.T) * np.float32(alpha)
        alpha = 1.0
        y = Dense(), [x, src.constant(np.ascontiguousarray(rows), "weights")]
        if with_bias and fits:
            assert bias is not None
            vector = np.broadcast_to(bias.reshape(-1) * np.float32(beta), (n,))
            y[1].append(src.constant(np.ascontiguousarray(vector, dtype=np.float32), "bias"))
            with_bias = False
    _scaled(src, y, alpha, beta if with_bias else 0.0)


def _scaled(src: Source, product: tuple[Op, list[str]], alpha: float, beta: float) -> None:
    """Emits alpha product + beta C."""
    op, inputs = product
    if alpha == 1.0 and beta == 0.0:
        src.emit(op, inputs, src.outputs)
        return
    y = src.emit(op, inputs)
    if beta == 0.0:
        src.emit(Affine(alpha, 0.0), y, src.outputs)
    else:
        src.emit(Add(), affine(src, y[0], alpha, 0.0) + affine(src, src.inputs[2], beta, 0.0), src.outputs)
