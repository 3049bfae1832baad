"""Writes the benchmark networks as ONNX files with seeded He-normal weights.

    python benchmarks/networks.py FOLDER [NAME ...]

The topologies are the published ones; only the weights are synthetic, so latency, memory and arithmetic are those of the
real network. BatchNormalization stays a node of its own, the way exporters write it: folding it is the tool's work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A minimal ONNX graph builder; tensors are NCHW, named by the node that makes them."""

    def __init__(self, name: str, chw: tuple[int, int, int]) -> None:
        self.name, self.rng = name, np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.inits: list[onnx.TensorProto] = []
        self.chan = {"data": chw[0]}  # channels of each tensor
        self.chw, self.n = chw, 0

    def _w(self, value: np.ndarray) -> str:
        self.n += 1
        name = f"w{self.n}"
        self.inits.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def _op(self, op: str, ins: list[str], channels: int, **attrs: Any) -> str:
        self.n += 1
        out = f"{op.lower()}{self.n}"
        self.nodes.append(helper.make_node(op, ins, [out], out, **attrs))
        self.chan[out] = channels
        return out

    def conv(
        self, x: str, c: int, k: int, s: int = 1, p: int = 0, g: int = 1, relu: bool | str = True, bn: bool = False
    ) -> str:
        """k x k convolution to c channels, stride s, padding p, g groups; then normalised and activated."""
        cin = self.chan[x] // g
        w = self._w(self.rng.standard_normal((c, cin, k, k)) * np.sqrt(2 / (cin * k * k)))
        ins = [x, w] + ([] if bn else [self._w(self.rng.standard_normal(c) * 0.05)])
        y = self._op("Conv", ins, c, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, group=g)
        if bn:
            y = self.bn(y)
        return self.act(y, relu)

    def bn(self, x: str) -> str:
        c = self.chan[x]
        r = self.rng
        return self._op(
            "BatchNormalization",
            [
                x,
                self._w(1 + 0.1 * r.standard_normal(c)),
                self._w(0.1 * r.standard_normal(c)),
                self._w(0.1 * r.standard_normal(c)),
                self._w(1 + 0.1 * r.random(c)),
            ],
            c,
            epsilon=1e-5,
        )

    def act(self, x: str, kind: bool | str) -> str:
        if not kind:
            return x
        if kind == "relu6":
            lo, hi = self._w(np.array(0.0)), self._w(np.array(6.0))
            return self._op("Clip", [x, lo, hi], self.chan[x])
        return self._op("Relu", [x], self.chan[x])

    def pool(self, x: str, kind: str, k: int, s: int, p: int = 0, ceil: int = 0) -> str:
        attrs: dict[str, Any] = {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4, "ceil_mode": ceil}
        if kind == "AveragePool":
            attrs["count_include_pad"] = 1
        return self._op(kind, [x], self.chan[x], **attrs)

    def maxpool(self, x: str, k: int, s: int, p: int = 0, ceil: int = 0) -> str:
        return self.pool(x, "MaxPool", k, s, p, ceil)

    def avgpool(self, x: str, k: int, s: int, p: int = 0, ceil: int = 0) -> str:
        return self.pool(x, "AveragePool", k, s, p, ceil)

    def gap(self, x: str) -> str:
        return self._op("GlobalAveragePool", [x], self.chan[x])

    def concat(self, xs: list[str]) -> str:
        return self._op("Concat", xs, sum(self.chan[x] for x in xs), axis=1)

    def add(self, a: str, b: str) -> str:
        return self._op("Add", [a, b], self.chan[a])

    def lrn(self, x: str) -> str:
        return self._op("LRN", [x], self.chan[x], size=5, alpha=1e-4, beta=0.75, bias=1.0)

    def flat(self, x: str, features: int) -> str:
        return self._op("Flatten", [x], features, axis=1)

    def fc(self, x: str, c: int, relu: bool = False) -> str:
        f = self.chan[x]
        y = self._op(
            "Gemm", [x, self._w(self.rng.standard_normal((c, f)) * np.sqrt(2 / f)), self._w(np.zeros(c))], c, transB=1
        )
        return self.act(y, relu)

    def done(self, x: str) -> onnx.ModelProto:
        rank2 = self.nodes[-1].op_type in ("Gemm", "Flatten")
        self.nodes.append(helper.make_node("Softmax", [x], ["prob"], "prob", axis=1))
        shape = [1, self.chan[x]] + ([] if rank2 else [1, 1])
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, *self.chw])],
            [helper.make_tensor_value_info("prob", TensorProto.FLOAT, shape)],
            self.inits,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def lenet() -> onnx.ModelProto:
    n = Net("lenet", (1, 28, 28))
    x = n.maxpool(n.conv("data", 20, 5, relu=False), 2, 2)
    x = n.maxpool(n.conv(x, 50, 5, relu=False), 2, 2)
    x = n.fc(n.flat(x, 800), 500, relu=True)
    return n.done(n.fc(x, 10))


def alexnet() -> onnx.ModelProto:
    n = Net("alexnet", (3, 227, 227))
    x = n.maxpool(n.lrn(n.conv("data", 96, 11, 4)), 3, 2)
    x = n.maxpool(n.lrn(n.conv(x, 256, 5, 1, 2, g=2)), 3, 2)
    x = n.conv(x, 384, 3, 1, 1)
    x = n.conv(x, 384, 3, 1, 1, g=2)
    x = n.maxpool(n.conv(x, 256, 3, 1, 1, g=2), 3, 2)
    x = n.fc(n.flat(x, 9216), 4096, relu=True)
    x = n.fc(x, 4096, relu=True)
    return n.done(n.fc(x, 1000))


def _fire(n: Net, x: str, s: int, e: int) -> str:
    x = n.conv(x, s, 1)
    return n.concat([n.conv(x, e, 1), n.conv(x, e, 3, 1, 1)])


def squeezenet10() -> onnx.ModelProto:
    n = Net("squeezenet10", (3, 227, 227))
    x = n.maxpool(n.conv("data", 96, 7, 2), 3, 2, ceil=1)
    for s, e in ((16, 64), (16, 64), (32, 128)):
        x = _fire(n, x, s, e)
    x = n.maxpool(x, 3, 2, ceil=1)
    for s, e in ((32, 128), (48, 192), (48, 192), (64, 256)):
        x = _fire(n, x, s, e)
    x = _fire(n, n.maxpool(x, 3, 2, ceil=1), 64, 256)
    return n.done(n.gap(n.conv(x, 1000, 1)))


def squeezenet11() -> onnx.ModelProto:
    n = Net("squeezenet11", (3, 224, 224))
    x = n.maxpool(n.conv("data", 64, 3, 2), 3, 2, ceil=1)
    for s, e in ((16, 64), (16, 64)):
        x = _fire(n, x, s, e)
    x = n.maxpool(x, 3, 2, ceil=1)
    for s, e in ((32, 128), (32, 128)):
        x = _fire(n, x, s, e)
    x = n.maxpool(x, 3, 2, ceil=1)
    for s, e in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = _fire(n, x, s, e)
    return n.done(n.gap(n.conv(x, 1000, 1)))


def _cbr(n: Net, x: str, c: int, k: int, s: int = 1, p: int = 0, g: int = 1, relu: bool | str = True) -> str:
    return n.conv(x, c, k, s, p, g, relu, bn=True)


def inception_bn() -> onnx.ModelProto:
    n = Net("inception_bn", (3, 224, 224))

    def a(x: str, n1: int, r3: int, n3: int, rd3: int, nd3: int, kind: str, proj: int) -> str:
        c1 = _cbr(n, x, n1, 1)
        c3 = _cbr(n, _cbr(n, x, r3, 1), n3, 3, 1, 1)
        d = _cbr(n, _cbr(n, _cbr(n, x, rd3, 1), nd3, 3, 1, 1), nd3, 3, 1, 1)
        p = n.avgpool(x, 3, 1, 1) if kind == "avg" else n.maxpool(x, 3, 1, 1)
        return n.concat([c1, c3, d, _cbr(n, p, proj, 1)])

    def b(x: str, r3: int, n3: int, rd3: int, nd3: int) -> str:
        c3 = _cbr(n, _cbr(n, x, r3, 1), n3, 3, 2, 1)
        d = _cbr(n, _cbr(n, _cbr(n, x, rd3, 1), nd3, 3, 1, 1), nd3, 3, 2, 1)
        return n.concat([c3, d, n.maxpool(x, 3, 2, 1)])

    x = n.maxpool(_cbr(n, "data", 64, 7, 2, 3), 3, 2, ceil=1)
    x = n.maxpool(_cbr(n, _cbr(n, x, 64, 1), 192, 3, 1, 1), 3, 2, ceil=1)
    x = b(a(a(x, 64, 64, 64, 64, 96, "avg", 32), 64, 64, 96, 64, 96, "avg", 64), 128, 160, 64, 96)
    x = a(a(x, 224, 64, 96, 96, 128, "avg", 128), 192, 96, 128, 96, 128, "avg", 128)
    x = a(a(x, 160, 128, 160, 128, 160, "avg", 128), 96, 128, 192, 160, 192, "avg", 128)
    x = b(x, 128, 192, 192, 256)
    x = a(a(x, 352, 192, 320, 160, 224, "avg", 128), 352, 192, 320, 192, 224, "max", 128)
    return n.done(n.fc(n.flat(n.gap(x), 1024), 1000))


def mobilenet_v1() -> onnx.ModelProto:
    n = Net("mobilenet_v1", (3, 224, 224))
    x = _cbr(n, "data", 32, 3, 2, 1)
    for c, s in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1)):
        x = _cbr(n, x, n.chan[x], 3, s, 1, g=n.chan[x])
        x = _cbr(n, x, c, 1)
    return n.done(n.fc(n.flat(n.gap(x), 1024), 1000))


def mobilenet_v2() -> onnx.ModelProto:
    n = Net("mobilenet_v2", (3, 224, 224))
    x = _cbr(n, "data", 32, 3, 2, 1, relu="relu6")
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for t, c, r, s in blocks:
        for i in range(r):
            cin, st, y = n.chan[x], s if i == 0 else 1, x
            if t > 1:
                y = _cbr(n, y, cin * t, 1, relu="relu6")
            y = _cbr(n, y, cin * t, 3, st, 1, g=cin * t, relu="relu6")
            y = _cbr(n, y, c, 1, relu=False)
            x = n.add(x, y) if st == 1 and cin == c else y
    x = n.gap(_cbr(n, x, 1280, 1, relu="relu6"))
    return n.done(n.fc(n.flat(x, 1280), 1000))


def _resnet(name: str, blocks: tuple[int, ...], bottleneck: bool) -> onnx.ModelProto:
    n = Net(name, (3, 224, 224))
    x = n.maxpool(_cbr(n, "data", 64, 7, 2, 3), 3, 2, 1)
    for i, r in enumerate(blocks):
        w = 64 << i
        out = w * 4 if bottleneck else w
        for j in range(r):
            s = 2 if i and j == 0 else 1
            if bottleneck:
                y = _cbr(n, _cbr(n, _cbr(n, x, w, 1), w, 3, s, 1), out, 1, relu=False)
            else:
                y = _cbr(n, _cbr(n, x, w, 3, s, 1), w, 3, 1, 1, relu=False)
            skip = x if s == 1 and n.chan[x] == out else _cbr(n, x, out, 1, s, relu=False)
            x = n.act(n.add(y, skip), "relu")
    x = n.gap(x)
    return n.done(n.fc(n.flat(x, n.chan[x]), 1000))


def resnet18() -> onnx.ModelProto:
    return _resnet("resnet18", (2, 2, 2, 2), False)


def resnet50() -> onnx.ModelProto:
    return _resnet("resnet50", (3, 4, 6, 3), True)


def vgg16() -> onnx.ModelProto:
    n = Net("vgg16", (3, 224, 224))
    x = "data"
    for c, r in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(r):
            x = n.conv(x, c, 3, 1, 1)
        x = n.maxpool(x, 2, 2)
    x = n.fc(n.flat(x, 25088), 4096, relu=True)
    return n.done(n.fc(n.fc(x, 4096, relu=True), 1000))


NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    make.__name__: make
    for make in (
        lenet, alexnet, squeezenet10, squeezenet11, inception_bn, mobilenet_v1, mobilenet_v2, resnet18, resnet50, vgg16,
    )
}  # fmt: skip


def write(folder: Path, name: str, batch: int = 1) -> Path:
    """The ONNX file of network `name` in `folder`, NAME-b16.onnx for a batch of 16, made unless it is there."""
    path = folder / (f"{name}.onnx" if batch == 1 else f"{name}-b{batch}.onnx")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        model = NETWORKS[name]()
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch
        onnx.save(model, path)
    return path


if __name__ == "__main__":
    for chosen in sys.argv[2:] or NETWORKS:
        made = write(Path(sys.argv[1]), chosen)
        print(f"{made}  {made.stat().st_size:,} bytes")
