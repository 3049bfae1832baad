"""Reduce: mean, sum, max, min or product over some axes, which stay with size 1 (ONNX ReduceX, Caffe Reduction).

The other reductions of ONNX are these with elementwise operators before and after: ReduceL2 is sqrt(sum(x x)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, choice
from amalgamate.ops._along import squeeze
from amalgamate.ops._axes import check_axis, onnx_axes, onnx_axis
from amalgamate.ops._unary import only_float
from amalgamate.ops.abs import Abs
from amalgamate.ops.add import Add
from amalgamate.ops.affine import affine
from amalgamate.ops.exp import Exp
from amalgamate.ops.identity import Identity
from amalgamate.ops.log import Log
from amalgamate.ops.mul import Mul
from amalgamate.ops.sqrt import Sqrt
from amalgamate.ops.sub import Sub

FUNCTIONS: dict[str, Callable[..., Array]] = {
    "mean": np.mean,
    "sum": np.sum,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
}


@dataclass(frozen=True)
class Reduce(Op):
    kind: str = choice("mean", *FUNCTIONS)
    axes: tuple[int, ...] = ()

    sources = {
        "onnx": (
            "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd",
            "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare",
        ),
        "caffe": "Reduction",
    }  # fmt: skip
    pitched_in = True
    pitched_out = True

    def shape(self, x: Shape) -> Shape:
        for axis in self.axes:
            check_axis(self, axis, x)
        return tuple(1 if i in self.axes else n for i, n in enumerate(x))

    def reference(self, x: Array) -> Array:
        exact = x.astype(np.float64) if x.dtype.kind == "f" else x
        return np.asarray(FUNCTIONS[self.kind](exact, axis=self.axes, keepdims=True)).astype(x.dtype)

    def permuted(self, perm: tuple[int, ...]) -> Op:
        return replace(self, axes=tuple(sorted(perm.index(axis) for axis in self.axes)))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        shapes: list[tuple[Shape, tuple[int, ...]]] = [
            ((37,), (0,)),
            ((3, 129), (1,)),
            ((300, 5), (0,)),
            ((2, 5, 3, 37), (1, 2)),
            ((2, 5, 3, 37), (1, 3)),
            ((3, 2, 5, 2, 7), (0, 2, 4)),
            ((3, 2, 5, 2, 7), (1, 3)),
            ((2, 1, 3), (1,)),
            ((2, 3), ()),
            ((), ()),
            ((4, 5000), (0, 1)),
        ]
        for shape, axes in shapes:
            x = rng.uniform(0.5, 1.5, shape).astype(np.float32)
            for kind in FUNCTIONS:
                if kind != "prod" or x.size < 1000:
                    yield Case(Reduce(kind, axes), [x], name=f"{kind} {shape} over {axes}")
        x = np.array([[1, np.nan, 3, 0, 5], [np.inf, 2, -np.inf, -1, 1], [-0.5, 1, 2, 3, 4]], np.float32)
        for kind, axis in (("max", 0), ("max", 1), ("min", 0), ("min", 1), ("sum", 0), ("sum", 1)):
            yield Case(Reduce(kind, (axis,)), [x], name=f"{kind} of special values over {axis}")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src, 1)
        rank = len(src.shape(0))
        given = src.need(1, "axes").reshape(-1) if src.has(1) else src.attr("axes", ())
        axes = tuple(sorted(onnx_axes(src, given, rank)))
        if not axes and not src.attr("noop_with_empty_axes", 0):
            axes = tuple(range(rank))
        dropped = () if src.attr("keepdims", 1) else axes
        result = [src.graph.fresh(f"{src.name}_kept")] if dropped else src.outputs
        reduction(src, src.type.removeprefix("Reduce"), axes, result)
        if dropped:
            squeeze(src, result[0], dropped, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        rank = len(src.shape(0))
        axes = tuple(range(onnx_axis(src, int(src.attr("axis", 0)), rank), rank))
        kind = {"SUM": "Sum", "ASUM": "L1", "SUMSQ": "SumSquare", "MEAN": "Mean"}[src.attr("operation", "SUM")]
        kept = src.graph.fresh(f"{src.name}_kept")
        reduction(src, kind, axes, [kept])
        squeeze(src, affine(src, kept, float(src.attr("coeff", 1.0)), 0.0)[0], axes, src.outputs)


def reduction(src: Source, kind: str, axes: tuple[int, ...], outputs: list[str]) -> None:
    """Emits ONNX's Reduce`kind` of input 0; over no axes only what comes before and after is left."""

    def over(kind: str, x: Sequence[str], outputs: Sequence[str] = ()) -> list[str]:
        return src.emit(Reduce(kind, axes) if axes else Identity(), x, outputs)

    x = src.inputs[:1]
    if kind == "L1":
        over("sum", src.emit(Abs(), x), outputs)
    elif kind == "SumSquare":
        over("sum", src.emit(Mul(), x * 2), outputs)
    elif kind == "L2":
        src.emit(Sqrt(), over("sum", src.emit(Mul(), x * 2)), outputs)
    elif kind == "LogSum":
        src.emit(Log(), over("sum", x), outputs)
    elif kind == "LogSumExp":
        most = over("max", x)
        total = over("sum", src.emit(Exp(), src.emit(Sub(), x + most)))
        src.emit(Add(), src.emit(Log(), total) + most, outputs)
    else:
        over(kind.lower(), x, outputs)
