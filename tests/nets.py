"""Small networks as ONNX files, for tests of what is made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path: Path, name: str, nodes: list[onnx.NodeProto], inputs: dict[str, list[int]], outputs: dict[str, list[int]],
          weights: dict[str, np.ndarray]) -> Path:  # fmt: skip
    values = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in side.items()]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, name, *values, [numpy_helper.from_array(w, n) for n, w in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def tiny(path: Path, name: str = "tiny", x: str = "x", y: str = "y") -> Path:
    """y = relu(x), [1, 5]."""
    return _save(path, name, [helper.make_node("Relu", [x], [y])], {x: [1, 5]}, {y: [1, 5]}, {})


def two_in_two_out(path: Path) -> Path:
    """s = a + b and p = a b, [2, 3]."""
    nodes = [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Mul", ["a", "b"], ["p"])]
    shapes = {name: [2, 3] for name in "absp"}
    return _save(path, "both", nodes, {n: shapes[n] for n in "ab"}, {n: shapes[n] for n in "sp"}, {})


def lenet(path: Path) -> Path:
    """LeNet-5 on [1, 1, 28, 28] with random weights: prob [1, 10]; 430 thousand parameters."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:])) or 1
        return (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)

    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["data", "w1", "b1"], ["c1"]),
        helper.make_node("MaxPool", ["c1"], ["p1"], **pool),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"]),
        helper.make_node("MaxPool", ["c2"], ["p2"], **pool),
        helper.make_node("Flatten", ["p2"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["d3"], transB=1),
        helper.make_node("Relu", ["d3"], ["r3"]),
        helper.make_node("Gemm", ["r3", "w4", "b4"], ["d4"], transB=1),
        helper.make_node("Softmax", ["d4"], ["prob"]),
    ]
    shapes = {1: (20, 1, 5, 5), 2: (50, 20, 5, 5), 3: (500, 800), 4: (10, 500)}
    data = {f"w{i}": weights(*shape) for i, shape in shapes.items()} | {
        f"b{i}": weights(s[0]) for i, s in shapes.items()
    }
    return _save(path, "lenet", nodes, {"data": [1, 1, 28, 28]}, {"prob": [1, 10]}, data)
