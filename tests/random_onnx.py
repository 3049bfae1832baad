"""Random networks as ONNX models: layers that real networks have, with options that real exporters write.

`draw` picks one of its options; it is hypothesis, so that a failing network shrinks to a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Draw = Callable[[Sequence[Any]], Any]
EPSILON = 1e-2  # of normalisations: rows that are almost constant would otherwise enlarge rounding a hundredfold


class Net:
    """A model under construction; `shapes` knows every tensor's shape from ONNX's own inference."""

    def __init__(self, draw: Draw, *shape: int) -> None:
        self.draw, self.rng = draw, np.random.default_rng(5)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {"x": shape}

    def weight(self, *shape: int, scale: float = 1.0, base: float = 0.0) -> str:
        data = base + scale * self.rng.standard_normal(shape)
        return self.constant(data.astype(np.float32))

    def constant(self, data: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(data), name))
        return name

    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attrs: Any) -> list[str]:
        """A node; its output shapes are inferred at once."""
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, f"n{len(self.nodes)}", **attrs))
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.shapes.items() if n in inputs]
        outs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names]
        used = [w for w in self.weights if w.name in inputs]
        graph = helper.make_graph([self.nodes[-1]], "g", values, outs, used)
        made = onnx.shape_inference.infer_shapes(self._model(graph), strict_mode=True, data_prop=True)
        for value in made.graph.output:
            self.shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        return names

    def op(self, op: str, *inputs: str, **attrs: Any) -> str:
        return self.add(op, inputs, **attrs)[0]

    def model(self, *outputs: str) -> onnx.ModelProto:
        """The model that gives `outputs`, for any batch size."""
        values = [helper.make_tensor_value_info(o, TensorProto.FLOAT, ("N", *self.shapes[o][1:])) for o in outputs]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", *self.shapes["x"][1:]))
        made = self._model(helper.make_graph(self.nodes, "net", [x], values, self.weights))
        onnx.checker.check_model(made)
        return made

    @staticmethod
    def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    # -- layers on [N, C, H, W] ---------------------------------------------------------------------------------

    def conv(self, x: str) -> str:
        c, h, w = self.shapes[x][1:]
        kernel = [self.draw([k for k in (1, 2, 3, 5) if k <= n]) for n in (h, w)]
        group = self.draw([g for g in {1, 2, c} if c % g == 0])
        out = group * self.draw([1, 2, 3, 8])
        inputs = [x, self.weight(out, c // group, *kernel, scale=(c // group * kernel[0] * kernel[1]) ** -0.5)]
        inputs += [self.weight(out, scale=0.1)] if self.draw([True, False]) else []
        attrs: dict[str, Any] = {
            "kernel_shape": kernel,
            "group": group,
            "strides": [self.draw([1, 2]), self.draw([1, 2])],
        }
        if self.draw([True, False]):
            attrs["auto_pad"] = self.draw(["SAME_UPPER", "SAME_LOWER", "VALID"])
        else:
            attrs["pads"] = [self.draw(range(kernel[i % 2])) for i in range(4)]
            if all(n + attrs["pads"][i] + attrs["pads"][i + 2] > 2 * (kernel[i] - 1) for i, n in enumerate((h, w))):
                attrs["dilations"] = [self.draw([1, 2]), self.draw([1, 2])]
        return self.add("Conv", inputs, **attrs)[0]

    def conv_transpose(self, x: str) -> str:
        c = self.shapes[x][1]
        group = self.draw([g for g in {1, c} if c % g == 0])
        kernel, strides = [self.draw([1, 2, 3]), self.draw([2, 3])], [self.draw([1, 2]), self.draw([1, 2])]
        inputs = [x, self.weight(c, self.draw([1, 3]), *kernel, scale=(c // group) ** -0.5)]
        extra = [self.draw(range(s)) for s in strides]
        return self.add(
            "ConvTranspose", inputs, kernel_shape=kernel, strides=strides, group=group, output_padding=extra
        )[0]

    def pool(self, x: str) -> str:
        h, w = self.shapes[x][2:]
        kernel = [self.draw([k for k in (1, 2, 3) if k <= n]) for n in (h, w)]
        attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": [self.draw([1, 2, 3]), self.draw([1, 2])]}
        attrs["pads"] = [self.draw(range(kernel[i % 2])) for i in range(4)]
        if self.draw([True, False]):
            late = any(_late(n, i, **attrs) for i, n in enumerate((h, w)))
            return self.op("MaxPool", x, ceil_mode=0 if late else self.draw([0, 1]), **attrs)
        return self.op("AveragePool", x, count_include_pad=self.draw([0, 1]), **attrs)

    def norm(self, x: str) -> str:
        c = self.shapes[x][1]
        scale, shift = self.weight(c, scale=0.1, base=1), self.weight(c, scale=0.1)
        kind = self.draw(["BatchNormalization", "InstanceNormalization", "LRN"])
        if kind == "LRN":
            return self.op("LRN", x, size=self.draw([1, 3, 5]), alpha=1e-2, beta=0.75)
        if kind == "InstanceNormalization":
            return self.op(kind, x, scale, shift, epsilon=EPSILON)
        variance = self.constant(np.linspace(0.5, 2, c, dtype=np.float32))
        return self.op(kind, x, scale, shift, self.weight(c, scale=0.1), variance)

    def activation(self, x: str) -> str:
        kind = self.draw(
            ["Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "PRelu", "Softplus"]
        )
        if kind == "Clip":
            return self.op(kind, x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        if kind == "PRelu":
            return self.op(kind, x, self.weight(self.shapes[x][1], 1, 1, scale=0.2))
        return self.op(kind, x)

    def channelwise(self, x: str) -> str:
        shape = self.draw([(self.shapes[x][1], 1, 1), (1,), (), self.shapes[x][1:], (1, 1, self.shapes[x][3])])
        other = self.weight(*shape, scale=0.2, base=1)
        pair = [x, other] if self.draw([True, False]) else [other, x]
        return self.add(self.draw(["Add", "Mul", "Sub", "Max", "Min"]), pair)[0]

    def residual(self, x: str) -> str:
        y = self.same_conv(x, self.shapes[x][1])
        return self.op("Relu", self.op("Add", *(self.draw([[x, y], [y, x]]))))

    def same_conv(self, x: str, out: int) -> str:
        c = self.shapes[x][1]
        return self.op("Conv", x, self.weight(out, c, 3, 3, scale=(9 * c) ** -0.5), pads=[1, 1, 1, 1])

    def branches(self, x: str) -> str:
        parts = [self.op("Relu", self.same_conv(x, self.draw([1, 3, 16]))) for _ in range(self.draw([1, 2]))]
        parts.append(x)
        return self.add("Concat", self.draw([parts, parts[::-1]]), axis=1)[0]

    def squeeze_excite(self, x: str) -> str:
        c = self.shapes[x][1]
        pooled = self.op("GlobalAveragePool", x) if self.draw([True, False]) else self.op("ReduceMean", x, axes=[2, 3])
        gate = self.op("Sigmoid", self.op("Conv", pooled, self.weight(c, c, 1, 1, scale=c**-0.5)))
        return self.op("Mul", x, gate)

    def shuffle(self, x: str) -> str:
        c, h, w = self.shapes[x][1:]
        group = self.draw([g for g in (1, 2, 3) if c % g == 0])
        apart = self.op("Reshape", x, self.constant(np.array([0, group, c // group, h, w])))
        return self.op(
            "Reshape", self.op("Transpose", apart, perm=[0, 2, 1, 3, 4]), self.constant(np.array([0, c, h, w]))
        )

    def move(self, x: str) -> str:
        c, h, w = self.shapes[x][1:]
        kind = self.draw(["pad", "slice", "split", "resize", "flip", "depth"])
        if kind == "pad":
            mode = self.draw(["constant", "edge", "reflect"])
            pads = [
                0,
                0,
                *(self.draw(range(min(2, n))) for n in (h, w)),
                0,
                0,
                *(self.draw(range(min(3, n))) for n in (h, w)),
            ]
            return self.op("Pad", x, self.constant(np.array(pads)), mode=mode)
        if kind == "slice":
            axis = self.draw([1, 2, 3])
            start, step = self.draw([0, -1]), 1
            step = -1 if start else self.draw([1, 2])
            end = np.iinfo(np.int64).min if start else np.iinfo(np.int64).max
            return self.op("Slice", x, *(self.constant(np.array([v])) for v in (start, end, axis, step)))
        if kind == "split" and c > 1:
            a, b = self.add("Split", [x, self.constant(np.array([1, c - 1]))], 2, axis=1)
            return self.op("Concat", self.op("Relu", b), a, axis=1)
        if kind == "resize":
            scales = self.constant(np.array([1, 1, self.draw([1, 2]), self.draw([1, 2])], np.float32))
            mode = self.draw(["nearest", "linear"])
            how = self.draw(["half_pixel", "asymmetric", "align_corners"])
            rounding = {"nearest_mode": "floor"} if mode == "nearest" else {}
            return self.op("Resize", x, "", scales, mode=mode, coordinate_transformation_mode=how, **rounding)
        if kind == "depth" and h % 2 == 0 and w % 2 == 0:
            return self.op("SpaceToDepth", x, blocksize=2)
        return self.op("Transpose", self.op("Transpose", x, perm=[0, 2, 3, 1]), perm=[0, 3, 2, 1])

    # -- the end of a network ------------------------------------------------------------------------------------

    def head(self, x: str) -> str:
        kind = self.draw(["gemm", "pooled", "tokens", "softmax"])
        if kind == "softmax":
            return self.op("Softmax", x, axis=self.draw([1, 2, 3, -1]))
        if kind == "tokens":
            return self.tokens(x)
        if kind == "pooled":
            x = self.op(self.draw(["GlobalAveragePool", "GlobalMaxPool"]), x)
        flat = self.op("Flatten", x)
        if np.prod(self.shapes[flat]) > 20000:
            return flat
        features = self.shapes[flat][1]
        transposed = self.draw([0, 1])
        shape = (7, features) if transposed else (features, 7)
        weight = self.weight(*shape, scale=features**-0.5)
        y = self.op("Gemm", flat, weight, *([self.weight(7)] if self.draw([True, False]) else []), transB=transposed)
        return self.op(self.draw(["Softmax", "LogSoftmax"]), y, axis=1)

    def tokens(self, x: str) -> str:
        """[N, C, H, W] as H*W tokens of C features: a normalisation, a product, and attention."""
        c = self.shapes[x][1]
        rows = self.op("Transpose", self.op("Reshape", x, self.constant(np.array([0, c, -1]))), perm=[0, 2, 1])
        scale, shift = self.weight(c, scale=0.1, base=1), self.weight(c, scale=0.1)
        rows = self.op("LayerNormalization", rows, scale, shift, epsilon=EPSILON)
        rows = self.op("MatMul", rows, self.weight(c, c, scale=c**-0.5))
        if self.shapes[rows][1] > 64:
            return rows
        scores = self.op("MatMul", rows, self.op("Transpose", rows, perm=[0, 2, 1]))
        return self.op("MatMul", self.op("Softmax", scores, axis=-1), rows)


def _late(n: int, axis: int, kernel_shape: list[int], strides: list[int], pads: list[int]) -> bool:
    """Whether rounding up starts a window behind the input: such windows count only from operator set 19 on."""
    return -(-(n + pads[axis] + pads[axis + 2] - kernel_shape[axis]) // strides[axis]) * strides[axis] >= n + pads[axis]


LAYERS = ("conv", "conv", "conv_transpose", "pool", "norm", "activation", "channelwise", "residual", "branches",
          "squeeze_excite", "shuffle", "move")  # fmt: skip


def network(draw: Draw) -> onnx.ModelProto:
    """One to eight layers and a head; sometimes an inner tensor is an output too."""
    net = Net(draw, 1, draw([1, 3, 4, 17]), draw([4, 5, 8, 13]), draw([4, 7, 12]))
    x, outputs = "x", []
    for _ in range(draw(range(1, 9))):
        x = getattr(net, draw(LAYERS))(x)
        if draw([False, False, False, True]):
            outputs.append(x)
        if np.prod(net.shapes[x]) > 50000:
            break
    return net.model(*dict.fromkeys([*outputs, net.head(x)]))
