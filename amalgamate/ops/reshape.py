"""Reshape: the same elements in another shape (ONNX Reshape, Flatten, Squeeze, Unsqueeze; Caffe Flatten, Reshape).

A target of 0 copies the input's axis at the same place (unless allowzero), one of -2 - i its axis i; one -1 takes what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import onnx_axes, onnx_axis, resolve, word


@dataclass(frozen=True)
class Reshape(Op):
    target: tuple[int, ...] = ()
    allowzero: bool = False

    sources = {"onnx": ("Reshape", "Flatten", "Squeeze", "Unsqueeze"), "caffe": ("Flatten", "Reshape")}
    in_place = True

    def shape(self, x: Shape) -> Shape:
        if not self.allowzero and any(n == 0 for n in self.target[len(x) :]):
            self.misfit(f"target {list(self.target)} copies an axis that {list(x)} does not have")
        if any(-2 - n >= len(x) for n in self.target):
            self.misfit(f"target {list(self.target)} copies an axis that {list(x)} does not have")
        axes = (i if n == 0 and not self.allowzero else -2 - n for i, n in enumerate(self.target))
        copied = (x[i] if i >= 0 else n for i, n in zip(axes, self.target, strict=True))
        return resolve(self, tuple(copied), prod(x))

    def reference(self, x: Array) -> Array:
        return x.reshape(self.shape(x.shape))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        plain = [((2, 3, 4), (0, -1)), ((2, 3, 4), (4, 6)), ((6,), (1, 6, 1)), ((1, 1), ()), ((), (1,))]
        for shape, target in [*plain, ((2, 1, 4, 5), (0, -4, -5, 1))]:
            yield Case(Reshape(target), [rng.standard_normal(shape).astype(np.float32)], name=f"{shape} to {target}")
        yield Case(Reshape((2, 2)), [np.arange(4, dtype=np.int64)], name="int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        x = src.shape(0)
        if src.type == "Reshape":
            given = src.need(1, "the shape") if src.has(1) else np.asarray(src.attr("shape", ()))
            target = tuple(word(n) for n in given.reshape(-1))
            if any(n < -1 for n in target):
                src.refuse(f"the shape {list(target)} has an axis below -1")
            allowzero = bool(src.attr("allowzero", 0)) and 0 in target
            op = cls(target, True) if allowzero else cls(_batch_copied(x, target))
        elif src.type == "Flatten":
            axis = int(src.attr("axis", 1))
            op = cls(_flattened(x, axis if axis == len(x) else onnx_axis(src, axis, len(x))))
        else:
            op = _one_axes(src, x)
        src.emit(op, src.inputs[:1], src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        x = src.shape(0)
        axis = int(src.attr("axis", 1 if src.type == "Flatten" else 0))
        if src.type == "Flatten":
            first, last = onnx_axis(src, axis, len(x)), onnx_axis(src, int(src.attr("end_axis", -1)), len(x))
            dims = (*x[:first], prod(x[first : last + 1]), *x[last + 1 :])
            op = cls(_following(x, [*range(first), None, *range(last + 1, len(x))], dims))
        else:
            op = _caffe_reshape(src, x, axis)
        src.emit(op, src.inputs, src.outputs)


def _batch_copied(x: Shape, target: tuple[int, ...]) -> tuple[int, ...]:
    """`target` with a first axis that equals the input's copied from it, so that it follows another batch size."""
    if x and target and target[0] == x[0]:
        return (0, *target[1:])
    return target


def _flattened(x: Shape, axis: int) -> tuple[int, ...]:
    """The target of Flatten. A batch of 1 that would be flattened with the rest stays the batch, as in Reshape."""
    if axis == 0:
        return (0, -1) if x and x[0] == 1 else (1, -1)
    return (0, -1) if axis == 1 and len(x) > 1 else (-1, prod(x[axis:]))


def _following(x: Shape, origin: Sequence[int | None], dims: Shape) -> tuple[int, ...]:
    """`dims` as a target that follows other sizes: 0 where axis i is the input's axis i, -1 for the first other."""
    target, free = [], True
    for i, (axis, n) in enumerate(zip(origin, dims, strict=True)):
        if axis == i:
            target.append(0)
        elif free and (axis is None or n != 1):
            target.append(-1)
            free = False
        else:
            target.append(n)
    return tuple(target)


def _one_axes(src: Source, x: Shape) -> Reshape:
    """Squeeze or Unsqueeze; the axes are an attribute before opset 13, an input from then on."""
    given = src.need(1, "axes").reshape(-1) if src.has(1) else src.attr("axes")
    if src.type == "Squeeze":
        axes = [i for i, n in enumerate(x) if n == 1] if given is None else onnx_axes(src, given, len(x))
        if any(x[a] != 1 for a in axes):
            src.refuse(f"axes {list(axes)} of shape {list(x)} are not all 1")
        origin: list[int | None] = [i for i in range(len(x)) if i not in axes]
        return Reshape(_following(x, origin, tuple(n for i, n in enumerate(x) if i not in axes)))
    if given is None:
        src.refuse("it names no axes")
    axes = onnx_axes(src, given, len(x) + len(given))
    dims, origin, source = [], [], iter(range(len(x)))
    for i in range(len(x) + len(axes)):
        axis = None if i in axes else next(source)
        dims.append(1 if axis is None else x[axis])
        origin.append(axis)
    shifted = [i for i, axis in enumerate(origin) if axis is not None and axis != i]
    free = shifted[0] if shifted else -1
    return Reshape(tuple(-1 if i == free else 0 if origin[i] == i else n for i, n in enumerate(dims)))


def _caffe_reshape(src: Source, x: Shape, axis: int) -> Reshape:
    """`shape { dim: ... }` replaces num_axes axes from `axis` on; a dim of 0 copies the input's axis at that place."""
    given = src.attr("shape", {})
    dims = given.get("dim", ()) if isinstance(given, dict) else given
    dims = tuple(dims) if isinstance(dims, (list, tuple)) else (dims,)
    first = axis if axis >= 0 else len(x) + 1 + axis
    count = int(src.attr("num_axes", -1))
    last = len(x) if count == -1 else first + count
    if not 0 <= first <= last <= len(x):
        src.refuse(f"axis {axis} and num_axes {count} of a tensor with {len(x)} axes")
    middle = tuple(int(n) for n in dims)
    if any(n < -1 for n in middle):
        src.refuse(f"the shape {list(middle)} has an axis below -1")
    return Reshape(_batch_copied(x, (0,) * first + middle + tuple(x[last:])))
