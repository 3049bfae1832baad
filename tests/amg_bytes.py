"""A .amg file as its parts, to be damaged on purpose: fields by the offsets of docs/format.md, checksums made right."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from amalgamate.graph import Graph, ImageSpec, Tensor
from amalgamate.ops.concat import Concat
from amalgamate.ops.conv import Conv
from amalgamate.ops.exp import Exp
from amalgamate.ops.max_pool import MaxPool
from amalgamate.ops.relu import Relu
from amalgamate.ops.softmax import Softmax
from amalgamate.writers.model_file import checksum
from harness import amg

SECTIONS = (
    ("tensors", 64), ("steps", 16), ("words", 4), ("inputs", 4), ("outputs", 4),
    ("symbols", 12), ("metas", 8), ("labels", 4), ("images", 48), ("strings", 1),
)  # fmt: skip
COUNTS = {name: 48 + 4 * i for i, (name, _) in enumerate(SECTIONS)}
TOTAL, WEIGHTS_SUM, WEIGHTS = 24, 32, 40
SIZES = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


class Bytes:
    """Mutable bytes of a model file."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.at: dict[str, int] = {}
        offset = 128
        for name, size in SECTIONS:
            self.at[name] = offset
            offset += self.count(name) * size
        self.strings_end = offset
        self.weights = -(-offset // 64) * 64

    def count(self, section: str) -> int:
        return self.get(COUNTS[section])

    def get(self, offset: int, size: int = 4) -> int:
        return int(struct.unpack_from(SIZES[size], self.data, offset)[0])

    def put(self, offset: int, value: int, size: int = 4) -> Bytes:
        struct.pack_into(SIZES[size], self.data, offset, value % (1 << 8 * size))
        return self

    def field(self, section: str, index: int, offset: int, value: int, size: int = 4) -> Bytes:
        """Sets a field of a record."""
        return self.put(self.record(section, index) + offset, value, size)

    def record(self, section: str, index: int) -> int:
        return self.at[section] + dict(SECTIONS)[section] * (index % self.count(section))

    def string(self, text: str) -> int:
        """The offset of a text within the string table."""
        table = bytes(self.data[self.at["strings"] : self.strings_end])
        return table.index(b"\0" + text.encode() + b"\0") + 1

    def text(self, offset: int) -> str:
        start = self.at["strings"] + offset
        return self.data[start : self.data.index(0, start)].decode()

    def step(self, name: str) -> int:
        """The index of the step with a name."""
        names = [self.text(self.get(self.record("steps", i))) for i in range(self.count("steps"))]
        return names.index(name)

    def words(self, step: int) -> tuple[int, int, int, int]:
        """Of a step: the offset of its first word, and its numbers of inputs, outputs and attributes."""
        offset = self.at["words"]
        for i in range(step + 1):
            at = self.record("steps", i)
            counts = self.get(at + 8, 2), self.get(at + 10, 2), self.get(at + 12)
            if i == step:
                return offset, *counts
            offset += 4 * sum(counts)
        raise AssertionError("no such step")

    def attr(self, step: int, index: int, value: int) -> Bytes:
        offset, inputs, outputs, _ = self.words(step)
        return self.put(offset + 4 * (inputs + outputs + index), value)

    def sealed(self) -> bytes:
        """The bytes with the size of the file and both checksums made right."""
        self.put(TOTAL, len(self.data), 8)
        start = len(self.data) - self.get(WEIGHTS, 8)
        if 128 <= start <= len(self.data) and start % 4 == 0:
            self.put(WEIGHTS_SUM, checksum(bytes(self.data[start : len(self.data) // 4 * 4])), 8)
            self.put(8, checksum(bytes(self.data[16:start])), 8)
        return bytes(self.data)


def fire_graph() -> Graph:
    """Pool, squeeze, two ways, joined: small, and with homes of both kinds, labels, meta data and an image."""
    rng = np.random.default_rng(0)
    graph = Graph("fire", {"data": Tensor("data", (1, 3, 9, 9))}, [], ["data"])
    graph.image = ImageSpec("data", "bgr", (104.0, 117.0, 123.0), resize=10, crop=(9, 9))
    graph.labels, graph.meta = [f"class {i}" for i in range(8)], {"producer": "test"}
    graph.symbols = {"data": {0: "batch"}}

    def conv(x: str, channels: int, kernel: int, name: str) -> str:
        inside = graph.tensors[x].shape[1]
        w = graph.constant(rng.standard_normal((channels, inside, kernel, kernel)).astype(np.float32), "w")
        b = graph.constant(rng.standard_normal(channels).astype(np.float32), "b")
        op = Conv(kernel=(kernel, kernel), strides=(1, 1), pads=(kernel // 2,) * 4, dilations=(1, 1))
        return graph.add(op, [x, w, b], name=name).outputs[0]

    x = graph.add(
        MaxPool(kernel=(3, 3), stride=(2, 2), pads=(0, 0, 0, 0), dilation=(1, 1)), ["data"], name="pool"
    ).outputs[0]
    x = graph.add(Relu(), [conv(x, 5, 1, "squeeze")], name="squeezed").outputs[0]
    parts = [conv(x, 4, 1, "one"), conv(x, 4, 3, "three")]
    x = graph.add(Concat(axis=1), parts, name="join").outputs[0]
    x = graph.add(Exp(), [x], name="exp").outputs[0]
    graph.outputs = list(graph.add(Softmax(axis=1), [x], ["prob"], name="prob").outputs)
    return graph


@cache
def fire() -> bytes:
    return amg(fire_graph())


def homed_graph() -> Graph:
    """h = [a, b] where a = relu x, b = exp x; r = relu h; y = [r, a]: a is read after h may have been overwritten."""
    graph = Graph("homes", {"x": Tensor("x", (3, 4))}, [], ["x"])
    a = graph.add(Relu(), ["x"], ["a"]).outputs[0]
    b = graph.add(Exp(), ["x"], ["b"]).outputs[0]
    h = graph.add(Concat(axis=1), [a, b], ["h"]).outputs[0]
    r = graph.add(Relu(), [h], ["r"]).outputs[0]
    graph.outputs = list(graph.add(Concat(axis=1), [r, a], ["y"]).outputs)
    return graph
