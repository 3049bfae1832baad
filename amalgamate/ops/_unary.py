"""What elementwise operators of one input share: y = f(x), through kernels/activate.h in C, or fused behind a layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source


class Kind(IntEnum):
    """AMG_ACT_* of kernels/activate.h."""

    NONE = 0
    CLIP = 1
    LEAKY_RELU = 2
    ELU = 3
    SIGMOID = 4
    TANH = 5
    HARD_SIGMOID = 6
    HARD_SWISH = 7
    GELU = 8
    GELU_TANH = 9
    SOFTPLUS = 10
    SWISH = 11
    EXP = 12
    LOG = 13
    SQRT = 14
    ABS = 15
    AFFINE = 16
    ERF = 17


@dataclass(frozen=True)
class Unary(Op):
    """y = f(x). A subclass defines `function` and `as_activation`; its fields are floats or choices."""

    in_place = True
    pitched_in = True
    pitched_out = True

    def __post_init__(self) -> None:
        for f in fields(self):  # so that Clip(0, 6) is not written as integers
            if "choices" not in f.metadata:
                object.__setattr__(self, f.name, float(np.float32(getattr(self, f.name))))

    def function(self, x: Array) -> Array:
        """f in float64 (in the type of the constant itself where that is an integer)."""
        raise NotImplementedError

    def shape(self, x: Shape) -> Shape:
        return x

    def reference(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            exact = x.astype(np.float64) if x.dtype.kind == "f" else x
            return np.asarray(self.function(exact)).astype(x.dtype)

    def permuted(self, perm: tuple[int, ...]) -> Op:
        return self

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(1)
        for shape in [(), (1,), (37,), (2, 5, 3, 7), (3, 129)]:
            yield Case(self, [(4 * rng.standard_normal(shape)).astype(np.float32)], name=f"{shape}")
        yield Case(self, [SPECIAL], name="special values")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        only_float(src)
        src.emit(cls(**src.matching(cls)), src.inputs, src.outputs)


_LARGEST, _LEAST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).smallest_subnormal)
_MAGNITUDES = [0.0, np.inf, _LARGEST, _LEAST, 1e-38, 1e-8, 0.5, 1.0, 3.0, 14.5, 17.0, 88.0, 88.73, 103.0, 105.0, 1e6]
SPECIAL: Array = np.array([sign * m for m in _MAGNITUDES for sign in (1, -1)] + [np.nan], np.float32)


def only_float(src: Source, count: int | None = None) -> None:
    """Refuses integers among the first `count` inputs (all) that are not known at build time: C computes with float32."""
    tensors = [src.graph.tensors[name] for name in src.inputs[:count] if name]
    for tensor in tensors:
        if tensor.dtype != "float32" and not all(t.constant for t in tensors):
            src.refuse(f"input '{tensor.name}' is {tensor.dtype}. Supported: float32, or values known at build time")
