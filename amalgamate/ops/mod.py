"""Mod: the remainder of a / b, with the sign of the divisor, or of the dividend with fmod (ONNX Mod). Of int64 by 0 it is 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array
from amalgamate.graph import Shape as Dims
from amalgamate.ops import Case, Op


@dataclass(frozen=True)
class Mod(Op):
    fmod: bool = False

    sources = {"onnx": "Mod"}

    def shape(self, a: Dims, b: Dims) -> Dims:
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            self.misfit(f"{list(a)} and {list(b)} do not broadcast")

    def reference(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.fmod(a, b) if self.fmod else np.mod(a, b))

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        a = np.array([[-4.3, 7.2, 5.0, 4.3, -7.2, 8.0, 0.0, -6.0, 3.0]], np.float32)
        b = np.array([[2.1, -3.4, 8.0, -2.1, 3.4, 5.0, -3.0, 3.0, np.inf]], np.float32)
        whole = np.array([[-4, 7, 5, 4, -7, 8, 0, 3, -(2**63)]], np.int64)
        for fmod in (False, True):
            yield Case(Mod(fmod), [a, b], name=f"float32, fmod {fmod}")
            yield Case(Mod(fmod), [whole, np.array([[2], [-3], [0], [-1]], np.int64)], name=f"int64, fmod {fmod}")
