"""Concat: tensors side by side along one axis (ONNX Concat, Caffe Concat)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source
from amalgamate.ops._axes import check_axis, onnx_axis

MOST = 64  # inputs of a step in the runtime


@dataclass(frozen=True)
class Concat(Op):
    axis: int = 1

    sources = {"onnx": "Concat", "caffe": "Concat"}
    pitched_in = True
    pitched_out = True
    joins = True

    def shape(self, *inputs: Shape) -> Shape:
        axis = check_axis(self, self.axis, inputs[0])
        rests = {(*x[:axis], *x[axis + 1 :]) for x in inputs}
        if len(rests) != 1 or len({len(x) for x in inputs}) != 1:
            self.misfit(f"inputs of shapes {', '.join(str(list(x)) for x in inputs)} differ off axis {axis}")
        return (*inputs[0][:axis], sum(x[axis] for x in inputs), *inputs[0][axis + 1 :])

    def reference(self, *inputs: Array) -> Array:
        return np.concatenate(inputs, axis=self.axis)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return Concat(perm.index(self.axis))

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        examples: list[tuple[int, list[Shape]]] = [
            (1, [(2, 3, 5), (2, 1, 5), (2, 4, 5)]),
            (2, [(1, 2, 3), (1, 2, 1)]),
            (0, [(3,), (2,)]),
            (1, [(2, 2)]),
        ]
        for axis, shapes in examples:
            yield Case(Concat(axis), [rng.standard_normal(s).astype(np.float32) for s in shapes], name=f"axis {axis}")
        yield Case(Concat(0), [np.arange(3, dtype=np.int64), np.arange(2, dtype=np.int64)], name="int64")
        parts = [rng.standard_normal((2, 3)).astype(np.float32) for _ in range(2)]
        yield Case(Concat(1), [parts[0], parts[1]], constants=(1,), name="one constant")

    @classmethod
    def emit_all(cls, src: Source, axis: int, inputs: list[str], output: str) -> None:
        """One concat, or a tree of them where there are more inputs than a step can have."""
        while len(inputs) > MOST:
            groups = [inputs[i : i + MOST] for i in range(0, len(inputs), MOST)]
            inputs = [src.emit(cls(axis), g)[0] if len(g) > 1 else g[0] for g in groups]
        src.emit(cls(axis), inputs, [output])

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        axis = onnx_axis(src, int(src.attr("axis", 1)), len(src.shape(0)))
        cls.emit_all(src, axis, src.inputs, src.outputs[0])

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        axis = int(src.attr("axis", src.attr("concat_dim", 1)))
        cls.emit_all(src, onnx_axis(src, axis, len(src.shape(0))), src.inputs, src.outputs[0])
