"""Affine: y = scale x + shift with two numbers; per channel it is BatchNorm (Caffe Power with power 1)."""

from __future__ import annotations

from dataclasses import dataclass

from amalgamate.graph import Array
from amalgamate.ops import Source
from amalgamate.ops._unary import Kind, Unary


@dataclass(frozen=True)
class Affine(Unary):
    scale: float = 1.0
    shift: float = 0.0

    def function(self, x: Array) -> Array:
        return self.scale * x + self.shift

    def as_activation(self) -> tuple[int, float, float]:
        return (Kind.AFFINE, self.scale, self.shift)


def affine(src: Source, x: str, scale: float, shift: float) -> list[str]:
    """The inputs of what follows scale * x + shift: x itself where that is all."""
    return [x] if scale == 1 and shift == 0 else src.emit(Affine(scale, shift), [x])
