"""Damaged and hostile ONNX files: each is refused with an error that names the fault; nothing else escapes, nothing hangs.

Numbers in names are the classes of bad input: 1 truncated, 2 garbage, 3 trailing, 5 offsets, 10 counts, 12 nesting, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from amalgamate import importers
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Graph
from onnx_text import model, read, run, save

ONE = "(float[1, 4] x) => (float[1, 4] y) { y = Add(x, c) }"
CONV = """(float[1, 4, 6, 6] x) => (float[A, B, C, D] y) {
    y = Conv<kernel_shape = [3, 3], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], group = 1>(x, w) }"""


def with_weights(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    made = model(text)
    made.graph.initializer.extend(numpy_helper.from_array(data, name) for name, data in weights.items())
    return made


def small() -> onnx.ModelProto:
    """A model with a weight, a shape, and two outputs."""
    text = """(float[N, 4] x) => (float[A, B] y, float[C, D] z) {
        a = Gemm<alpha = 0.5, transB = 1>(x, w)  z = Relu(a)  y = Reshape(a, to) }"""
    return with_weights(text, w=np.ones((6, 4), np.float32), to=np.array([3, -1]))


def refused(made: onnx.ModelProto, folder: Path, code: str, *parts: str, **options: Any) -> None:
    with pytest.raises(AmalgamateError) as caught:
        read(made, folder, **options)
    assert caught.value.code == code, str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def outcome(path: Path) -> Graph | AmalgamateError:
    """What reading gives; any other exception passes through and fails the test."""
    try:
        return importers.read(path)
    except AmalgamateError as error:
        return error


# -- 1 to 3, 12: the bytes ----------------------------------------------------------------------------------------


def test_1_truncated_at_every_offset(tmp_path: Path) -> None:
    whole = small().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole)
    intact = str(importers.read(path))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        result = outcome(path)
        assert isinstance(result, AmalgamateError) or str(result) == intact, length
        if length < len(whole) - 16:
            assert isinstance(result, AmalgamateError), length
            assert result.code in ("E101", "E102"), (length, str(result))


@pytest.mark.parametrize(
    "data", [b"\0" * 100, b"\xff" * 100, b"\x08\x07" * 50, b"\x3a\x00", b"\x3a\xff\xff\xff\xff\x0f"]
)
def test_2_garbage(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    result = outcome(path)
    assert isinstance(result, AmalgamateError)
    assert result.code in ("E101", "E102")


def test_3_trailing_garbage(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(small().SerializeToString() + b"\xff\xff\xff")
    result = outcome(path)
    assert isinstance(result, AmalgamateError)
    assert result.code == "E102"


def test_9_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(small().SerializeToString().replace(b"\x01z", b"\x01\xff"))
    result = outcome(path)
    assert isinstance(result, AmalgamateError)
    assert result.code == "E102"


def test_12_deep_nesting(tmp_path: Path) -> None:
    """A type within a type, 5,000 deep; protobuf itself stops at 100."""
    inner = b""
    for _ in range(5000):
        inner = b"\x22" + _varint(len(inner) + len(_varint(len(inner))) + 1) + b"\x0a" + _varint(len(inner)) + inner
    made = small()
    value = made.graph.input[0].SerializeToString() + b"\x12" + _varint(len(inner)) + inner
    graph = made.graph.SerializeToString() + b"\x5a" + _varint(len(value)) + value
    del made.graph.node[:]
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08\x3a" + _varint(len(graph)) + graph + b"\x42\x02\x10\x11")
    result = outcome(path)
    assert isinstance(result, AmalgamateError)
    assert result.code == "E102"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_12_recursive_functions(tmp_path: Path) -> None:
    functions = '<domain: "mine", opset_import: ["": 17, "mine": 1]> F (a) => (b) { b = mine.F(a) }'
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = mine.F(x) }", 17, ', "mine": 1', functions)
    refused(made, tmp_path, "E103", "function")


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_bytes_give_a_graph_or_an_error(changes: list[tuple[int, int]], tmp_path_factory: Any) -> None:
    data = bytearray(small().SerializeToString())
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(bytes(data))
    result = outcome(path)
    if isinstance(result, Graph):
        result.verify()


# -- 5, 25, 37: tensors and external data --------------------------------------------------------------------------


def external(
    location: str, offset: object = None, length: object = None, dims: tuple[int, ...] = (1, 4)
) -> onnx.ModelProto:
    made = model(ONE)
    tensor = made.graph.initializer.add(name="c", data_type=TensorProto.FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return made


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../secret.bin", "a/../../secret.bin", "", "C:\\secret.bin", "..\\secret.bin", "a\0b"]
)
def test_37_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (tmp_path / "models" / "a").mkdir(parents=True)
    refused(external(location), tmp_path / "models", "E103", "folder")


def test_37_external_data_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "secret.bin")
    (tmp_path / "models" / "up").symlink_to(tmp_path)
    refused(external("link.bin"), tmp_path / "models", "E103", "link")
    refused(external("up/secret.bin"), tmp_path / "models", "E103", "link")


def test_external_data_that_is_missing_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(external("none.bin"), tmp_path, "E100", "none.bin")
    refused(external("folder"), tmp_path, "E100", "folder")


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (-1, 16),
        (0, -1),
        (1, 16),
        (17, 0),
        (2**63, 16),
        (2**64 - 8, 16),
        (0, 2**64),
        (0, 8),
        ("x", 16),
        ("1e1", 16),
        (" 0", 16),
        ("", 16),
    ],
)
def test_5_offsets_of_external_data(offset: object, length: object, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(16))
    refused(external("data.bin", offset, length), tmp_path, "E103", "'c'")


DIMS = [[-1, 4], [2**62, 4], [2**31, 2**31], [2**63 - 1] * 8, [1, 3], [1, 5], [0, 4], [1] * 40]


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("kind", ["raw", "typed", "external", "none"])
def test_10_19_20_25_shapes_and_data_that_differ(dims: list[int], kind: str, tmp_path: Path) -> None:
    if kind == "external":
        (tmp_path / "data.bin").write_bytes(bytes(16))
        made = external("data.bin", 0, 16, tuple(dims))
    else:
        made = model(ONE)
        tensor = made.graph.initializer.add(name="c", data_type=TensorProto.FLOAT, dims=dims)
        if kind == "raw":
            tensor.raw_data = bytes(16)
        if kind == "typed":
            tensor.float_data.extend([0.0] * 4)
    refused(made, tmp_path, "E104" if dims == [0, 4] and kind == "none" else "E103")  # no data fills no elements


@pytest.mark.parametrize("data_type", [0, 8, 14, 15, 99, -1])
def test_13_types_that_hold_no_numbers(data_type: int, tmp_path: Path) -> None:
    made = model(ONE)
    made.graph.initializer.add(name="c", dims=[1, 4], raw_data=bytes(16)).data_type = data_type
    refused(made, tmp_path, "E104", "'c'")


@pytest.mark.parametrize(
    ("dims", "indices"),
    [
        ((1, 4), [4]),
        ((1, 4), [-1]),
        ((1, 4), [0, 1]),
        ((2**31, 2**31), [0]),
        ((0, 4), [0]),
        ((-1, 4), [0]),
        ((1, 4), [[0, 4]]),
    ],
)
def test_32_sparse_tensors(dims: tuple[int, ...], indices: list[Any], tmp_path: Path) -> None:
    made = model(ONE)
    values = numpy_helper.from_array(np.ones(1, np.float32), "c")
    made.graph.sparse_initializer.add(values=values, indices=numpy_helper.from_array(np.array(indices)), dims=dims)
    refused(made, tmp_path, "E103", "'c'")


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


CHANGES: dict[str, Callable[[onnx.ModelProto], object]] = {
    "no graph": lambda m: m.ClearField("graph"),
    "no operator set": lambda m: m.ClearField("opset_import"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_2_models_that_lack_a_part(name: str, tmp_path: Path) -> None:
    made = small()
    CHANGES[name](made)
    refused(made, tmp_path, "E102")
