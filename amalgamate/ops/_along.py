"""What operators that work along one axis, or reduce some, share: their axis in ONNX, under a permutation, and dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Op, Source
from amalgamate.ops._axes import check_axis
from amalgamate.ops.reshape import Reshape


@dataclass(frozen=True)
class Along(Op):
    """An operator along `axis`, which is counted from the front."""

    axis: int = 0

    def check(self, x: Shape) -> int:
        return check_axis(self, self.axis, x)

    def permuted(self, perm: tuple[int, ...]) -> Op:
        return replace(self, axis=perm.index(self.axis))


def examples() -> Iterator[tuple[Array, int]]:
    """Tensors, each with an axis to work along."""
    rng = np.random.default_rng(1)
    for shape, axis in [
        ((1,), 0),
        ((37,), 0),
        ((3, 129), 1),
        ((19, 5), 0),
        ((2, 5, 3, 7), 1),
        ((2, 3, 4, 33), 2),
        ((2, 3, 1), 1),
    ]:
        yield (3 * rng.standard_normal(shape)).astype(np.float32), axis


def squeeze(src: Source, name: str, axes: Sequence[int], outputs: Sequence[str]) -> None:
    """Emits `name` without its `axes`, all of size 1; the first axis that moves to another place follows other sizes."""
    shape = src.graph.tensors[name].shape
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    moved = [axis for i, axis in enumerate(kept) if axis != i]
    free = next((axis for axis in moved if shape[axis] != 1), -1)
    target = tuple(0 if axis == i else -1 if axis == free else shape[axis] for i, axis in enumerate(kept))
    src.emit(Reshape(target), [name], outputs)
