"""Weights of a Caffe network: the layers' blobs of a binary `NetParameter`, read from protobuf's wire format directly.

Field numbers are those of caffe.proto: `layer` (LayerParameter), `layers` (V1LayerParameter) and, inside it, `layer`
(V0LayerParameter). Only names and blobs are decoded; everything else is skipped. The memory used is bounded by the
size of the file, and by MAX_LAYERS and MAX_BLOBS where a file says much in few bytes. Every fault is E102.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array

MAX_LAYERS = 1 << 16
MAX_BLOBS = 1 << 10  # of a layer
MAX_AXES = 32  # Caffe's own kMaxBlobAxes

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Where a layer keeps its name and its blobs, per generation; `inner` is the V0 layer inside a V1 one.
_NET_LAYER, _NET_LAYERS = 100, 2
_LAYER = {"name": 1, "blobs": 7, "inner": 0}
_V1 = {"name": 4, "blobs": 6, "inner": 1}
_V0 = {"name": 1, "blobs": 50, "inner": 0}

# BlobProto
_DATA, _SHAPE, _DOUBLES = 5, 7, 8
_LEGACY = {1: 0, 2: 1, 3: 2, 4: 3}  # num, channels, height, width -> axis
_SHAPE_DIM = 1


@dataclass
class _Span:
    """Bytes [at, end) of the file: one message."""

    data: memoryview
    at: int
    end: int
    where: str

    def fail(self, what: str) -> NoReturn:
        raise AmalgamateError("E102", what, f"{self.where}, byte {self.at}")

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= self.end:
                self.fail("the file or a message ends inside a number")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value >= 1 << 64:
                    self.fail("a number does not fit in 64 bits")
                return value
        self.fail("a number has more than 10 bytes")

    def span(self, length: int) -> _Span:
        """The next `length` bytes, which are consumed."""
        if length > self.end - self.at:
            self.fail(f"a field of {length} bytes does not fit in the {self.end - self.at} that are left")
        inner = _Span(self.data, self.at, self.at + length, self.where)
        self.at += length
        return inner

    def fields(self) -> Iterator[tuple[int, int, _Span | int]]:
        """Every field: its number, its wire type, and a number (varints) or the span of its bytes."""
        while self.at < self.end:
            tag = self.varint()
            number, wire = tag >> 3, tag & 7
            if not 1 <= number < 1 << 29:
                self.fail(f"field number {number} is out of range")
            if wire == _VARINT:
                yield number, wire, self.varint()
            elif wire == _BYTES:
                yield number, wire, self.span(self.varint())
            elif wire in (_FIXED32, _FIXED64):
                yield number, wire, self.span(4 if wire == _FIXED32 else 8)
            else:
                self.fail(f"wire type {wire} of field {number} is none of a Caffe model's")

    def bytes(self) -> memoryview:
        return self.data[self.at : self.end]

    def text(self) -> str:
        try:
            return str(self.bytes(), "utf-8")
        except UnicodeDecodeError:
            self.fail("a name is not UTF-8")


@dataclass
class _Numbers:
    """A repeated float or double field: pieces of bytes, packed or one by one."""

    size: int
    first: memoryview | None = None
    rest: bytearray = field(default_factory=bytearray)

    def add(self, piece: _Span) -> None:
        if (piece.end - piece.at) % self.size:
            piece.fail(f"packed numbers of {self.size} bytes fill {piece.end - piece.at} bytes")
        if self.first is None:
            self.first = piece.bytes()
        else:
            self.rest += piece.bytes()

    def array(self) -> Array:
        """All numbers, in order, as float32."""
        dtype = np.dtype("<f4" if self.size == 4 else "<f8")
        head = np.frombuffer(self.first or b"", dtype)
        whole = np.concatenate([head, np.frombuffer(self.rest, dtype)]) if self.rest else head
        with np.errstate(over="ignore"):
            return whole.astype(np.float32)


def _dims(span: _Span, dims: list[int]) -> list[int]:
    """`dims` and those of the BlobShape in `span` behind them: protobuf joins the pieces of a message."""
    for number, wire, value in span.fields():
        if number != _SHAPE_DIM:
            continue
        if isinstance(value, int):
            dims.append(value)
        elif wire == _BYTES:
            while value.at < value.end and len(dims) <= MAX_AXES:
                dims.append(value.varint())
        if len(dims) > MAX_AXES:
            span.fail(f"a blob has more than {MAX_AXES} axes")
    return dims


def _blob(span: _Span) -> Array:
    """A BlobProto: its shape (new, or four old dimensions, or none) and its data (float or double)."""
    floats, doubles = _Numbers(4), _Numbers(8)
    dims: list[int] | None = None
    legacy: list[int] | None = None
    for number, wire, value in span.fields():
        if number == _DATA and isinstance(value, _Span) and wire in (_BYTES, _FIXED32):
            floats.add(value)
        elif number == _DOUBLES and isinstance(value, _Span) and wire in (_BYTES, _FIXED64):
            doubles.add(value)
        elif number == _SHAPE and isinstance(value, _Span) and wire == _BYTES:
            dims = _dims(value, dims or [])
        elif number in _LEGACY and isinstance(value, int):
            legacy = legacy or [0, 0, 0, 0]
            legacy[_LEGACY[number]] = value
    if doubles.first is not None and floats.first is not None:
        span.fail("a blob has both float and double data")
    numbers = (doubles if doubles.first is not None else floats).array()
    shape = dims if dims is not None else legacy if legacy is not None else [numbers.size]
    if len(shape) > MAX_AXES or any(d >= 1 << 31 for d in shape) or math.prod(shape) != numbers.size:
        span.fail(f"a blob of shape {_signed(shape)} holds {numbers.size} numbers")
    return numbers.reshape(shape)


def _signed(dims: list[int]) -> list[int]:
    return [d - (1 << 64) if d >= 1 << 63 else d for d in dims]


def _layer(span: _Span, numbers: dict[str, int]) -> tuple[str, list[Array]]:
    name = ""
    blobs: list[Array] = []
    inner: tuple[str, list[Array]] = ("", [])
    for number, wire, value in span.fields():
        if not isinstance(value, _Span) or wire != _BYTES:
            continue
        if number == numbers["name"]:
            name = value.text()
        elif number == numbers["blobs"]:
            if len(blobs) >= MAX_BLOBS:
                span.fail(f"layer '{name}' has more than {MAX_BLOBS} blobs")
            blobs.append(_blob(value))
        elif number == numbers["inner"]:
            inner = _layer(value, _V0)
    return name or inner[0], blobs or inner[1]


def parse(data: bytes | memoryview, where: str = "caffemodel") -> dict[str, list[Array]]:
    """The float32 blobs of each layer that has any, by the layer's name, in the shapes that the file states."""
    net = _Span(memoryview(data), 0, len(data), where)
    found: dict[str, list[Array]] = {}
    count = 0
    for number, wire, value in net.fields():
        if number in (_NET_LAYER, _NET_LAYERS) and isinstance(value, _Span) and wire == _BYTES:
            count += 1
            if count > MAX_LAYERS:
                net.fail(f"there are more than {MAX_LAYERS} layers")
            name, blobs = _layer(value, _LAYER if number == _NET_LAYER else _V1)
            if blobs:
                found[name] = blobs
    return found


def plausible(data: bytes | memoryview) -> bool:
    """Whether `data` is, at its outermost level, a protobuf message with layers: what a caffemodel is known by."""
    numbers = set()
    try:
        for number, wire, _ in _Span(memoryview(data), 0, len(data), "").fields():
            numbers.add((number, wire))
    except AmalgamateError:
        return False
    return bool(numbers & {(_NET_LAYER, _BYTES), (_NET_LAYERS, _BYTES)})
