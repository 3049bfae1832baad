"""Hostile ONNX graphs: out of order, against the schemas, with sizes that overflow or would fill memory: each is refused.

Numbers in names are the classes of bad input: 14 cycles, 16 operands, 20 overflow, 22 strides, 26 axes, and so on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from amalgamate.errors import AmalgamateError
from onnx_text import model, outcome, read, refused, run, save, with_weights

ONE = "(float[1, 4] x) => (float[1, 4] y) { y = Add(x, c) }"
CONV = """(float[1, 4, 6, 6] x) => (float[A, B, C, D] y) {
    y = Conv<kernel_shape = [3, 3], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], group = 1>(x, w) }"""

# -- 14 to 17: the graph -------------------------------------------------------------------------------------------

GRAPHS = {
    "cycle": "(float[1] x) => (float[1] y) { a = Add(x, b) b = Relu(a) y = Relu(b) }",
    "self": "(float[1] x) => (float[1] y) { y = Add(x, y) }",
    "forward": "(float[1] x) => (float[1] y) { y = Relu(a) a = Relu(x) }",
    "nowhere": "(float[1] x) => (float[1] y) { y = Add(x, nothing) }",
    "twice": "(float[1] x) => (float[1] y) { a = Relu(x) a = Neg(x) y = Add(a, x) }",
    "overwritten": "(float[1] x) => (float[1] y) { x = Relu(x) y = Add(x, x) }",
    "inputs": "(float[1] x, float[1] x) => (float[1] y) { y = Relu(x) }",
    "outputs": "(float[1] x) => (float[1] y, float[1] y) { y = Relu(x) }",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_14_15_17_graphs_out_of_order(name: str, tmp_path: Path) -> None:
    refused(model(GRAPHS[name]), tmp_path, "E110")


def test_15_an_initialiser_twice(tmp_path: Path) -> None:
    made = with_weights(ONE, c=np.zeros((1, 4), np.float32))
    made.graph.initializer.append(made.graph.initializer[0])
    refused(made, tmp_path, "E110", "'c'")


def test_15_an_output_that_nothing_makes(tmp_path: Path) -> None:
    refused(model("(float[1] x) => (float[1] z) { y = Relu(x) }"), tmp_path, "E107", "'z'")


def test_no_outputs_at_all(tmp_path: Path) -> None:
    refused(model("(float[1] x) => () { y = Relu(x) }"), tmp_path, "E103", "no output")


@pytest.mark.parametrize(
    "node",
    ["y = Relu()", "y = Relu(x, x)", "y = Conv(x)", "y, z = Relu(x)", "y = Add(, x)", "y = Relu<alpha = 1.0>(x)",
     "y = Flatten<axis = 1.5>(x)", "y = Concat(x, x)", "y = LeakyRelu<alpha = 0.1, alpha = 0.2>(x)"],
)  # fmt: skip
def test_16_operands_and_attributes(node: str, tmp_path: Path) -> None:
    refused(model(f"(float[1, 4] x) => (float[1, 4] y) {{ {node} }}"), tmp_path, "E103", "node")


# -- 19 to 27: shapes and operators ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 4), (2**31, 4), (1, 2**40)])
def test_19_axes_of_inputs(shape: tuple[int, ...], tmp_path: Path) -> None:
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")
    for dim, size in zip(made.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    refused(made, tmp_path, "E103", "x")


BAD_CONV: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "stride 0": ({"strides": [0, 1]}, (2, 4, 3, 3)),
    "stride -1": ({"strides": [1, -1]}, (2, 4, 3, 3)),
    "strides of another rank": ({"strides": [1]}, (2, 4, 3, 3)),
    "dilation 0": ({"dilations": [0, 0]}, (2, 4, 3, 3)),
    "group 0": ({"group": 0}, (2, 4, 3, 3)),
    "group -1": ({"group": -1}, (2, 4, 3, 3)),
    "channels that groups do not divide": ({"group": 3}, (3, 1, 3, 3)),
    "outputs that groups do not divide": ({"group": 2}, (3, 2, 3, 3)),
    "channels of the weights": ({}, (2, 5, 3, 3)),
    "rank of the weights": ({}, (2, 4, 3)),
    "kernel of the weights": ({"kernel_shape": [5, 5]}, (2, 4, 3, 3)),
    "a kernel larger than the input": ({"kernel_shape": [7, 7]}, (2, 4, 7, 7)),
    "negative pads": ({"pads": [-3, 0, 0, 0]}, (2, 4, 3, 3)),
    "pads of another rank": ({"pads": [0, 0]}, (2, 4, 3, 3)),
    "huge pads": ({"pads": [2**62, 0, 0, 0]}, (2, 4, 3, 3)),
    "huge strides": ({"strides": [2**62, 1]}, (2, 4, 3, 3)),
    "unknown auto_pad": ({"auto_pad": "SOMEHOW"}, (2, 4, 3, 3)),
}


@pytest.mark.parametrize("name", BAD_CONV)
def test_22_23_24_25_convolution(name: str, tmp_path: Path) -> None:
    changes, shape = BAD_CONV[name]
    made = with_weights(CONV, w=np.ones(shape, np.float32))
    node = made.graph.node[0]
    kept = [a for a in node.attribute if a.name not in {*changes, "kernel_shape"}]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in changes.items())])
    result = outcome(save(made, tmp_path / "m.onnx"))
    assert isinstance(result, AmalgamateError), str(result)
    assert result.code in ("E103", "E104"), str(result)
    assert "y" in result.where or "y" in result.what or "Conv" in str(result)


BAD_NODES = [
    "y = Concat<axis = 7>(x, x)",
    "y = Softmax<axis = -9>(x)",
    "y = Transpose<perm = [0, 0]>(x)",
    "y = Transpose<perm = [0, 1, 2]>(x)",
    "y = Transpose<perm = [0, 9223372036854775807]>(x)",
    "y = Flatten<axis = 5>(x)",
    "t = Constant<value_ints = [3, 3]>() y = Reshape(x, t)",
    "t = Constant<value_ints = [-1, -1]>() y = Reshape(x, t)",
    "t = Constant<value_ints = [4294967296, 4294967296]>() y = Reshape(x, t)",
    "t = Constant<value_ints = [0, 0, 0, 0]>() y = Reshape(x, t)",
    "s = Constant<value_ints = [0]>() y = Squeeze(x, s)  ",
    "s = Constant<value_ints = [5]>() y = Unsqueeze(x, s)",
    "s = Constant<value_ints = [9]>() y = ReduceSum(x, s)",
    "i = Constant<value_ints = [99]>() y = Gather(x, i)",
    "i = Constant<value_int = 0>() y = Gather<axis = 3>(x, i)",
    "p = Constant<value_ints = [1]>() y = Pad(x, p)",
    "p = Constant<value_ints = [-9, 0, 0, 0]>() y = Pad(x, p)",
    "p = Constant<value_ints = [4611686018427387904, 0, 0, 0]>() y = Pad(x, p)",
    "p = Constant<value_ints = [1, 2, 3]>() y = Tile(x, p)",
    "p = Constant<value_ints = [4294967296, 4294967296]>() y = Tile(x, p)",
    "p = Constant<value_ints = [4294967296, 4294967296, 1, 1]>() y = Expand(x, p)",
    "s = Constant<value_ints = [1, 2]>() y, z = Split<axis = 1>(x, s)",
    "b = Constant<value_ints = [0]>() e = Constant<value_ints = [0]>() y = Slice(x, b, e)",
    "k = Constant<value_ints = [100]>() y, z = TopK(x, k)",
    "k = Constant<value_ints = [-1]>() y, z = TopK(x, k)",
    "y = MaxPool<kernel_shape = [2, 2]>(x)",
    "y = DepthToSpace<blocksize = 0>(x)",
    "y = LRN<size = 0>(x)",
    "y = Gemm(x, x)",
    "y = MatMul(x, x)",
    "c = Constant<value_floats = [1.0, 2.0, 3.0]>() y = Add(x, c)",
    "y = Cast<to = 99>(x)",
    "y = ArgMax<axis = 8>(x)",
    "s = Constant<value = float[3] {1.0, 2.0, 3.0}>() y = Resize(x, , s)",
    "s = Constant<value = float[2] {0.0, 1.0}>() y = Resize(x, , s)",
    "s = Constant<value = float[2] {1e30, 1e30}>() y = Resize(x, , s)",
    "s = Constant<value_ints = [-1, 4]>() y = Resize(x, , , s)",
]


@pytest.mark.parametrize("nodes", BAD_NODES)
def test_19_to_26_operators(nodes: str, tmp_path: Path) -> None:
    made = model(f"(float[2, 4] x) => (float[A, B] y) {{ {nodes} }}")
    result = outcome(save(made, tmp_path / "m.onnx"))
    assert isinstance(result, AmalgamateError), str(result)
    assert result.code in ("E103", "E104"), str(result)


BOMBS = [
    "s = Constant<value_ints = [100000, 100000, 100000]>() y = ConstantOfShape(s)",
    "s = Constant<value_ints = [1000000, 1000000]>() c = Constant<value_float = 1.0>() y = Expand(c, s)",
    "s = Constant<value_ints = [1000000000000]>() c = Constant<value_floats = [1.0]>() y = Tile(c, s)",
    "a = Constant<value_float = 0.0>() b = Constant<value_float = 1e30>() c = Constant<value_float = 1.0>() y = Range(a, b, c)",
    "a = Constant<value_int=0>() b = Constant<value_int=9000000000000000000>() c = Constant<value_int=1>() y = Range(a, b, c)",
    "a = Constant<value_int = 0>() b = Constant<value_int = 9>() c = Constant<value_int = 0>() y = Range(a, b, c)",
    "c = Constant<value_floats = [1.0]>() p = Constant<value_ints = [0, 1000000000000]>() y = Pad(c, p)",
]


@pytest.mark.parametrize("nodes", BOMBS)
def test_10_constants_that_would_fill_memory(nodes: str, tmp_path: Path) -> None:
    made = model(f"(float[2, 4] x) => (float[A, B] y) {{ {nodes} }}")
    refused(made, tmp_path, "E104", "elements" if "value_int = 9>" not in nodes else "Range")


def test_27_weights_that_are_not_numbers(tmp_path: Path) -> None:
    strange = np.array([[np.nan, np.inf, -np.inf, 1e-45]], np.float32)
    graph = read(with_weights(ONE, c=strange), tmp_path)
    assert np.array_equal(run(graph, x=np.zeros((1, 4)))[0], strange, equal_nan=True)


@pytest.mark.parametrize(
    "name", ["*/ system(0); /*", 'a"b', "%s%n", "a\nb", "??/", "int", "../../x", "", " ", "é", "a" * 5000]
)
def test_37_names_that_would_break_c_stay_what_they_are(name: str, tmp_path: Path) -> None:
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")
    made.graph.name = made.graph.node[0].name = name
    made.graph.input[0].name = made.graph.node[0].input[0] = name
    if not name:
        refused(made, tmp_path, "E103")
        return
    graph = read(made, tmp_path)
    assert graph.inputs == [name]
    assert graph.name == name
