"""What elementwise operators of two inputs share: y = f(a, b) with NumPy's broadcasting, through kernels/binary.h in C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._unary import SPECIAL, only_float
from amalgamate.ops.reshape import Reshape


@dataclass(frozen=True)
class Binary(Op):
    """y = activation(f(a, b)). A subclass defines `function`."""

    activation: Op | None = None

    in_place = True
    pitched_in = True
    pitched_out = True

    def function(self, a: Array, b: Array) -> Array:
        """f on arrays of equal type, float64 unless both are integers."""
        raise NotImplementedError

    def shape(self, a: Shape, b: Shape) -> Shape:
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            self.misfit(f"shapes {list(a)} and {list(b)} cannot be broadcast")

    def reference(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            exact = [v if a.dtype.kind == b.dtype.kind != "f" else v.astype(np.float64) for v in (a, b)]
            y = np.asarray(self.function(*exact)).astype(a.dtype)
        return y if self.activation is None else self.activation.run(y)[0]

    def permuted(self, perm: tuple[int, ...]) -> Op:
        return self

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for a, b in SHAPES:
            x, y = (rng.uniform(0.5, 2, s) * rng.choice([-1, 1], s) for s in (a, b))
            yield Case(self, [x.astype(np.float32), y.astype(np.float32)], name=f"{a} and {b}")
        x, y = np.meshgrid(SPECIAL, SPECIAL)
        yield Case(self, [x.astype(np.float32), y.astype(np.float32)], name="special values")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        chain(src, cls(), src.inputs, src.outputs)


SHAPES: list[tuple[Shape, Shape]] = [
    ((), ()),
    ((37,), (37,)),
    ((2, 3, 5, 7), (2, 3, 5, 7)),
    ((2, 3, 5, 7), (1,)),
    ((), (3, 19)),
    ((2, 5, 5, 19), (19,)),
    ((2, 19, 5, 5), (19, 1, 1)),
    ((1, 3, 1, 5), (2, 1, 4, 1)),
    ((4, 1), (3, 1, 18)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 3, 1)),
]


def chain(src: Source, op: Op, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Combines any number of inputs from the left: op(op(a, b), c)."""
    if len(inputs) == 1:
        src.alias(inputs[0], outputs[0])
        return
    total = inputs[0]
    for i, name in enumerate(inputs[1:], 2):
        (total,) = src.emit(op, [total, name], outputs if i == len(inputs) else ())


def per_axis(src: Source, name: str, axis: int) -> str:
    """Tensor `name`, whose axes lie along those of input 0 from `axis` on as Caffe has them, ready to be broadcast."""
    rank, own = len(src.shape(0)), len(src.graph.tensors[name].shape)
    if not own:  # a scalar goes everywhere, whatever `axis` says
        return name
    trailing = rank - (axis % rank if rank else 0) - own
    if not -rank <= axis < rank or trailing < 0:
        src.refuse(f"{own} axes from axis {axis} on of a tensor with {rank} axes")
    return src.emit(Reshape((0,) * own + (1,) * trailing), [name])[0] if trailing else name
