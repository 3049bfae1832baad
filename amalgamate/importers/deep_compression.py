"""Deep Compression's `.net` file: pruned weights as relative indices and codes into a codebook per layer.

Little-endian, for the L convolutions and inner products of the network in its order: u32 nnz[L]; then per layer
f32 codebook[2^bits] (8 bits for a convolution, 4 for an inner product), f32 bias[num_output], codes of `bits` bits
each, and 4-bit relative indices, low nibble first. The position of entry i is that of entry i - 1, plus index[i] + 1,
into the flattened weights; where no entry lies the weight is 0. (Han, Mao, Dally: Deep Compression, ICLR 2016.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array


@dataclass(frozen=True)
class Trainable:
    """What the file does not say about one of its layers: `bits` of a code, and the number of outputs."""

    name: str
    bits: int
    outputs: int

    def size(self, nnz: int) -> int:
        """Bytes of this layer in the file, without its count in the header."""
        return 4 * (1 << self.bits) + 4 * self.outputs + (nnz * self.bits + 7) // 8 + (nnz + 1) // 2


@dataclass(frozen=True)
class Compressed:
    """A layer as it lies in the file."""

    layer: Trainable
    nnz: int
    codebook: Array
    bias: Array
    codes: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    index: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    where: str

    def decode(self, count: int) -> Array:
        """The `count` dense weights, flattened; E102 where an entry lies beyond them."""
        weights = np.zeros(count, np.float32)
        if self.nnz > count:
            self._fail(f"{self.nnz} entries for {count} weights")
        if self.nnz:
            position = np.cumsum(_nibbles(self.index, self.nnz).astype(np.int64) + 1) - 1
            if position[-1] >= count:
                self._fail(f"the index runs to {position[-1]}, beyond the {count} weights")
            codes = self.codes if self.layer.bits == 8 else _nibbles(self.codes, self.nnz)
            weights[position] = self.codebook[codes]
        return weights

    def _fail(self, what: str) -> None:
        raise AmalgamateError("E102", f"layer '{self.layer.name}': {what}", self.where)


def _nibbles(packed: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], count: int) -> Array:
    """The first `count` 4-bit numbers, low nibble first."""
    return np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:count]


def announced(data: bytes, layers: Sequence[Trainable]) -> int | None:
    """How long the file must be by its header, or None where it is too short to hold one."""
    if len(data) < 4 * len(layers):
        return None
    counts = np.frombuffer(data, "<u4", len(layers))
    return 4 * len(layers) + sum(layer.size(int(n)) for layer, n in zip(layers, counts, strict=True))


def parse(data: bytes, layers: Sequence[Trainable], where: str = "net") -> list[Compressed]:
    """The layers of the file, checked against its length; E102 where it is truncated, too long, or not finite."""
    length = announced(data, layers)
    if length is None:
        raise AmalgamateError("E102", f"{len(data)} bytes cannot hold the counts of {len(layers)} layers", where)
    if length != len(data):
        fault = "is truncated" if len(data) < length else "has trailing bytes"
        fix = "Is it the file of this network?"
        raise AmalgamateError("E102", f"the file {fault}: {len(data)} bytes, its counts need {length}", where, fix)
    counts = np.frombuffer(data, "<u4", len(layers))
    found: list[Compressed] = []
    at = 4 * len(layers)

    def take(size: int) -> bytes:
        nonlocal at
        at += size
        return data[at - size : at]

    for layer, count in zip(layers, counts, strict=True):
        nnz = int(count)
        codebook = np.frombuffer(take(4 << layer.bits), "<f4")
        bias = np.frombuffer(take(4 * layer.outputs), "<f4")
        codes = np.frombuffer(take((nnz * layer.bits + 7) // 8), np.uint8)
        index = np.frombuffer(take((nnz + 1) // 2), np.uint8)
        if not (np.isfinite(codebook).all() and np.isfinite(bias).all()):
            raise AmalgamateError("E102", f"layer '{layer.name}': the codebook or bias is not finite", where)
        found.append(Compressed(layer, nnz, codebook, bias, codes, index, where))
    return found
