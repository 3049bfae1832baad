"""Layer normalisation: everything from an axis on to mean 0 and variance 1, then scaled and shifted element by element.

y = scale (x - mean) / sqrt(variance + epsilon) + bias. ONNX LayerNormalization. Ba et al., 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import check_axis, onnx_axis
from amalgamate.ops._unary import only_float
from amalgamate.ops.add import Add
from amalgamate.ops.affine import Affine
from amalgamate.ops.div import Div
from amalgamate.ops.mul import Mul
from amalgamate.ops.reduce import Reduce
from amalgamate.ops.sqrt import Sqrt
from amalgamate.ops.sub import Sub


@dataclass(frozen=True)
class LayerNorm(Op):
    """Inputs x, scale [x.shape[axis:]], and perhaps bias of the same shape."""

    axis: int = 0
    epsilon: float = 1e-5

    sources = {"onnx": "LayerNormalization"}
    laid_out = (0,)
    in_place = True

    def shape(self, x: Shape, scale: Shape, bias: Shape | None = None) -> Shape:
        tail = x[check_axis(self, self.axis, x) :]
        if scale != tail or bias not in (None, tail):
            self.misfit(f"scale {list(scale)} and bias {list(bias or ())} do not fit {list(tail)}")
        return x

    def reference(self, x: Array, scale: Array, bias: Array | None = None) -> Array:
        exact, axes = x.astype(np.float64), tuple(range(self.axis, x.ndim))
        centred = exact - exact.mean(axes, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + self.epsilon)
        return np.asarray(normal * scale + (0 if bias is None else bias)).astype(np.float32)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        kept = range(self.axis, len(perm))
        return self if perm[self.axis :] == tuple(kept) else None

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape, axis in [((37,), 0), ((3, 5, 64), 2), ((2, 3, 5, 7), 2), ((4, 1), 1), ((2, 3, 257), 1)]:
            x = (rng.standard_normal(shape) + 3).astype(np.float32)
            scale, bias = (rng.standard_normal(shape[axis:]).astype(np.float32) for _ in range(2))
            yield Case(LayerNorm(axis), [x, scale, bias], (1, 2), name=f"{shape} from {axis}")
            yield Case(LayerNorm(axis, 1e-2), [x, scale], (1,), name=f"{shape} from {axis} without bias")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        x, epsilon = src.shape(0), float(src.attr("epsilon", 1e-5))
        op = cls(onnx_axis(src, int(src.attr("axis", -1)), len(x)), epsilon)
        tail = x[op.axis :]
        fits = [src.shape(i) == tail for i in range(1, len(src.inputs)) if src.has(i)]
        if all(fits):
            src.emit(op, src.inputs, src.outputs[:1])
        else:
            ones = src.constant(np.ones(tail, np.float32), "scale")
            scaled = src.emit(
                Mul(), [*src.emit(op, [src.inputs[0], ones]), src.inputs[1]], () if src.has(2) else src.outputs[:1]
            )
            if src.has(2):
                src.emit(Add(), [*scaled, src.inputs[2]], src.outputs[:1])
        if len(src.outputs) > 1:
            _statistics(src, tuple(range(op.axis, len(x))), epsilon)


def _statistics(src: Source, axes: tuple[int, ...], epsilon: float) -> None:
    """The second and third output: the means, and 1 / sqrt(variance + epsilon)."""
    mean = src.emit(Reduce("mean", axes), src.inputs[:1], src.outputs[1:2])
    if len(src.outputs) > 2:
        (centred,) = src.emit(Sub(), [src.inputs[0], *mean])
        variance = src.emit(Reduce("mean", axes), src.emit(Mul(), [centred, centred]))
        deviation = src.emit(Sqrt(), src.emit(Affine(1.0, epsilon), variance))
        src.emit(Div(), [src.constant(np.array(1, np.float32), "one"), *deviation], src.outputs[2:3])
