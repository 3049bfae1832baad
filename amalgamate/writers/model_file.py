"""The .amg file: a plan as the bytes that docs/format.md specifies and runtime_src/load.c reads."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import ImageSpec
from amalgamate.pack import Constant
from amalgamate.plan import Plan

MAGIC = b"\x89AMG\r\n\x1a\n"
VERSION = (1, 2)  # of files with tensors whose rows lie apart
HALVES_OR_ROWS = (1, 1)  # of other files with weights in half precision or tensors made by rows
OLDEST = (1, 0)
ENDIAN = 0x01020304
SUM_FACTOR = 0x3C6EF372FE94F82A
CHUNK = 1 << 20  # words summed at a time
HEADER = 128
ALIGN = 64
NONE = 0xFFFFFFFF
DTYPES = {"float32": 1, "int64": 2}
BY_ROWS = {"fast": 1, "small": 2}
LAYOUTS = {"plain": 0, "panels": 1, "lane_rows": 2}
ORDERS = {"rgb": 0, "bgr": 1, "gray": 2}


def checksum(data: bytes | memoryview) -> int:
    """With w the 32-bit words: sum over i of w[i] (1 + K (count - i)) modulo 2^64. The length is a multiple of 4."""
    words = np.frombuffer(data, "<u4")
    total = 0
    for start in range(0, len(words), CHUNK):
        part = words[start : start + CHUNK].astype(np.uint64)
        factor = np.arange(len(words) - start, len(words) - start - len(part), -1, dtype=np.int64).astype(np.uint64)
        factor = factor * np.uint64(SUM_FACTOR) + np.uint64(1)
        total += int((part * factor).sum(dtype=np.uint64))
    return total % (1 << 64)


def write(plan: Plan) -> bytes:
    """The model file of a plan. Equal plans give equal bytes. Raises E120 where a value is beyond the format."""
    try:
        return _Writer(plan).file()
    except (struct.error, KeyError) as e:
        raise AmalgamateError("E120", f"the model does not fit into a model file: {e}", plan.graph.name) from e


class _Strings:
    """The string table: each text once, NUL-terminated UTF-8; offset 0 is the empty string."""

    def __init__(self) -> None:
        self.table, self.at = bytearray(b"\0"), {"": 0}

    def __call__(self, text: str) -> int:
        if text not in self.at:
            if "\0" in text:
                raise AmalgamateError("E120", "a name contains a NUL character", repr(text))
            self.at[text] = len(self.table)
            self.table += text.encode("utf-8", "replace") + b"\0"
        return self.at[text]


class _Writer:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.graph, self.strings = plan, plan.graph, _Strings()
        self.active = [*self.graph.inputs, *(o for n in self.graph.nodes for o in n.outputs)]
        names = [*self.active[: len(self.graph.inputs)], *plan.constants, *self.active[len(self.graph.inputs) :]]
        self.index = {name: i for i, name in enumerate(names)}
        self.apart = frozenset(plan.apart)
        self.weights_bytes = 0

    def file(self) -> bytes:
        """Header, records, strings, padding, weights."""
        tensors = [self.tensor(name) for name in self.index]
        steps, words = self.steps()
        inputs = [struct.pack("<I", self.index[n]) for n in self.graph.inputs]
        outputs = [struct.pack("<I", self.index[n]) for n in self.graph.outputs]
        symbols = self.symbols()
        meta = {"name": self.graph.name, **self.graph.meta}
        metas = [struct.pack("<II", self.strings(k), self.strings(v)) for k, v in meta.items() if k]
        labels = [struct.pack("<I", self.strings(text)) for text in self.graph.labels]
        images = [self.image(self.graph.image)] if self.graph.image else []
        sections = [tensors, steps, words, inputs, outputs, symbols, metas, labels, images]
        records = b"".join(b"".join(s) for s in sections)
        control = _pad(b"\0" * HEADER + records + bytes(self.strings.table))[HEADER:]
        weights = b"".join(_pad(c.data.tobytes()) for c in self.plan.constants.values())
        total = HEADER + len(control) + len(weights)
        head = struct.pack("<IHHQQQ", ENDIAN, *self.version(), total, checksum(weights), len(weights))
        head += struct.pack("<10I", *(len(s) for s in sections), len(self.strings.table))
        summed = head.ljust(HEADER - 16, b"\0") + control
        return MAGIC + struct.pack("<Q", checksum(summed)) + summed + weights

    def version(self) -> tuple[int, int]:
        """The lowest that has what the file uses."""
        if self.apart:
            return VERSION
        newer = self.plan.rows or any(c.half for c in self.plan.constants.values())
        return HALVES_OR_ROWS if newer else OLDEST

    def tensor(self, name: str) -> bytes:
        constant = self.plan.constants.get(name)
        if constant:
            at = self.weights_bytes
            self.weights_bytes += -(-constant.bytes // ALIGN) * ALIGN
            return self.record("", constant.dtype, constant.dims, constant, NONE, at)
        tensor = self.graph.tensors[name]
        inner = name not in self.graph.inputs
        home = self.plan.homes.get(name)
        return self.record(
            "" if inner and name not in self.graph.outputs else name,
            tensor.dtype,
            () if inner else tensor.shape,
            None,
            NONE if home is None else self.index[home],
            0,
            BY_ROWS[self.plan.arena] if name in self.plan.rows else 0,
            name in self.apart,
        )

    def record(
        self,
        name: str,
        dtype: str,
        dims: Iterable[int],
        constant: Constant | None,
        home: int,
        at: int,
        by_rows: int = 0,
        apart: bool = False,
    ) -> bytes:
        dims = tuple(dims)
        if len(dims) > 8:
            raise AmalgamateError("E120", f"{len(dims)} axes, at most 8 are possible", name)
        kind = struct.pack("<I2B", self.strings(name), DTYPES[dtype], len(dims))
        kind += (
            struct.pack("<4B2x", 1, constant.half, LAYOUTS[constant.layout], 0)
            if constant
            else bytes((0, 0, 0, by_rows, apart, 0))
        )
        place = struct.pack("<IQQ", home, at, constant.bytes if constant else 0)
        return kind + place + struct.pack("<8I", *dims, *(0,) * (8 - len(dims)))

    def steps(self) -> tuple[list[bytes], list[bytes]]:
        records, words = [], []
        for node, operands in zip(self.graph.nodes, self.plan.operands, strict=True):
            attrs = node.op.words()
            counts = struct.pack("<HHI", len(operands), len(node.outputs), len(attrs))
            records.append(struct.pack("<II", self.strings(node.name), self.strings(node.op.name)) + counts)
            words += [struct.pack("<I", self.index[n] if n else NONE) for n in operands]
            words += [struct.pack("<I", self.index[n]) for n in node.outputs]
            words += [struct.pack("<i", word) for word in attrs]
        return records, words

    def symbols(self) -> list[bytes]:
        return [
            struct.pack("<III", i, axis, self.strings(symbol))
            for i, name in enumerate(self.graph.inputs)
            for axis, symbol in sorted(self.graph.symbols.get(name, {}).items())
        ]

    def image(self, spec: ImageSpec) -> bytes:
        resize = spec.resize
        mode = 0 if resize is None else 1 if isinstance(resize, int) else 2
        sides = (0, 0) if resize is None else (resize, 0) if isinstance(resize, int) else resize
        order = ORDERS[spec.order]
        channels = 1 if spec.order == "gray" else 3
        head = struct.pack("<IBBBx", self.graph.inputs.index(spec.input), order, spec.channels_last, mode)
        mean, std = (
            tuple(v)[:channels] + (d,) * (3 - len(tuple(v)[:channels])) for v, d in ((spec.mean, 0.0), (spec.std, 1.0))
        )
        return head + struct.pack("<4I6f", *sides, *(spec.crop or (0, 0)), *mean, *std)


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGN)
