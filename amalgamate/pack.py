"""Weights as the runtime reads them: plain, in panels of 16 outputs, or in rows padded to 16 lanes.

One layout serves every instruction set: 16 lanes are one AVX-512 register, two of AVX2, four of SSE2, NEON or WebAssembly.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape

LANES = 16
WEIGHTS_TYPES = ("float32", "float16")
HALF_FROM = 64  # elements of a constant that half precision is worth
HALF_RANGE = (2.0**-14, 65504.0)  # of normal numbers in half precision


@dataclass(frozen=True)
class Constant:
    """A constant of a model file: `dims` as its layout counts them, `data` the elements in the order of the file.

    `dtype` is what the runtime computes with; `data` of float16 become float32 when the model is opened.
    """

    name: str
    dtype: str
    layout: str  # plain, panels, lane_rows
    dims: Shape
    data: Array

    @property
    def bytes(self) -> int:
        return int(self.data.nbytes)

    @property
    def half(self) -> bool:
        return self.data.dtype == np.float16

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.dims))}] {self.layout}, {self.bytes} bytes"


def panels(matrix: Array) -> Array:
    """[groups, n, k] -> [groups, ceil(n / 16), k, 16]: panels of 16 outputs, the last one padded with zeros."""
    groups, n, k = matrix.shape
    blocks = -(-n // LANES)
    padded = np.zeros((groups, blocks * LANES, k), np.float32)
    padded[:, :n] = matrix
    return np.ascontiguousarray(padded.reshape(groups, blocks, LANES, k).transpose(0, 1, 3, 2))


def lane_rows(matrix: Array) -> Array:
    """[k, n] -> [k, ceil(n / 16) * 16]: rows padded with zeros."""
    k, n = matrix.shape
    padded = np.zeros((k, -(-n // LANES) * LANES), np.float32)
    padded[:, :n] = matrix
    return padded


def pack(graph: Graph, weights_type: str = "float32") -> tuple[dict[str, Constant], list[list[str]]]:
    """The constants that nodes read, in that order, and each node's inputs under the names that constants now have.

    A constant that two nodes want in different layouts is stored twice, equal ones once. `weights_type` "float16" stores
    weights in half precision where they have the range.
    """
    if weights_type not in WEIGHTS_TYPES:
        fix = f"Choose one of {', '.join(WEIGHTS_TYPES)}"
        raise AmalgamateError("E107", f"weights of type '{weights_type}'", "--weights-type", fix)
    constants: dict[str, Constant] = {}
    stored: dict[tuple[object, ...], str] = {}
    operands: list[list[str]] = []
    for node in graph.nodes:
        names = list(node.inputs)
        for i, name in enumerate(names):
            data = graph.data(name)
            if data is not None:
                constant = _constant(f"{name}#{len(constants)}", data, node.op.weights(i, data))
                constant = _halved(constant) if weights_type == "float16" else constant
                digest = hashlib.sha256(constant.data.tobytes()).digest()
                names[i] = stored.setdefault((constant.layout, constant.dims, constant.dtype, digest), constant.name)
                if names[i] == constant.name:
                    constants[constant.name] = constant
        operands.append(names)
    return constants, operands


def _constant(name: str, data: Array, packed: object) -> Constant:
    """A constant laid out as its operator wants it (`Packed`, or None for plain)."""
    from amalgamate.ops import Packed

    if not isinstance(packed, Packed):
        if str(data.dtype) not in ("float32", "int64"):
            raise AmalgamateError(
                "E104", f"constants of type {data.dtype} are not supported", name, "Use float32 or int64"
            )
        return Constant(name, str(data.dtype), "plain", tuple(data.shape), np.ascontiguousarray(data))
    layout = {"panels": panels, "lane_rows": lane_rows}[packed.layout]
    dims = tuple(packed.matrix.shape)
    return Constant(name, "float32", packed.layout, dims, np.ascontiguousarray(layout(packed.matrix), np.float32))


def _halved(constant: Constant) -> Constant:
    """The constant in half precision, rounded to nearest even; as it is where that saves little or loses much.

    That is one of integers, with a single axis (a bias), of few elements, or whose largest magnitude is not a normal number
    in half precision; so what rounding changes is at most 2^-11 of the largest magnitude.
    """
    if constant.dtype != "float32" or len(constant.dims) < 2 or constant.data.size < HALF_FROM:
        return constant
    least, most = HALF_RANGE
    if not least <= np.abs(constant.data).max() <= most:
        return constant
    return replace(constant, data=constant.data.astype(np.float16))
