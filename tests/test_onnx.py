"""Reading ONNX: what a file may say in several ways comes out as the same graph."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from amalgamate import importers
from amalgamate.errors import AmalgamateError
from amalgamate.importers import onnx as importer
from amalgamate.importers import onnx_proto
from onnx_text import model, read, run, save

X = np.array([[-2.0, -1.0, 0.5, 3.0]], np.float32)


def fault(code: str, *parts: str, action: object) -> str:
    """Runs `action`, expects the error `code` whose text holds every one of `parts`, and returns the text."""
    with pytest.raises(AmalgamateError) as caught:
        action()  # type: ignore[operator]
    text = str(caught.value)
    assert caught.value.code == code, text
    for part in parts:
        assert part in text, text
    return text


# -- operator sets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", importer.OPSETS)
def test_every_operator_set(opset: int, tmp_path: Path) -> None:
    graph = read(model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }", opset), tmp_path)
    assert np.array_equal(run(graph, x=X)[0], np.maximum(X, 0))
    assert graph.meta["opset"] == str(opset)


@pytest.mark.parametrize("opset", [6, importer.OPSETS[-1] + 1])
def test_other_operator_sets_are_refused(opset: int, tmp_path: Path) -> None:
    def change(m: onnx.ModelProto) -> None:
        m.opset_import[0].version = opset

    text = "(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"
    fault("E104", f"operator set {opset}", "7 to", action=lambda: read(model(text), tmp_path, change))


# -- constants ----------------------------------------------------------------------------------------------------

ADD = "(float[1, 4] x) => (float[1, 4] y) { y = Add(x, c) }"


def with_constant(tensor: TensorProto) -> onnx.ModelProto:
    made = model(ADD)
    tensor.name = "c"
    made.graph.initializer.append(tensor)
    return made


def test_initialisers_among_the_inputs(tmp_path: Path) -> None:
    made = with_constant(numpy_helper.from_array(X))
    made.graph.initializer.append(numpy_helper.from_array(X, "unused"))
    for name in ("c", "unused"):
        made.graph.input.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]))
    graph = read(made, tmp_path)
    assert graph.inputs == ["x"]
    assert np.array_equal(run(graph, x=X)[0], X + X)


@pytest.mark.parametrize(
    "elem_type",
    [TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN],
)
@pytest.mark.parametrize("raw", [True, False])
def test_floating_constants_become_float32(elem_type: int, raw: bool, tmp_path: Path) -> None:
    values = np.array([0.5, -2.0, 1.0, 1.5], np.float32)  # exact in every type
    kind = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
    if raw:
        tensor = onnx.helper.make_tensor("c", elem_type, [1, 4], values.astype(kind).tobytes(), raw=True)
    else:
        tensor = onnx.helper.make_tensor("c", elem_type, [1, 4], values)
    graph = read(with_constant(tensor), tmp_path)
    assert graph.tensors["c"].dtype == "float32"
    assert np.array_equal(run(graph, x=X)[0], X + values)


@pytest.mark.parametrize(
    "name", ["INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64", "BOOL", "INT4"]
)
@pytest.mark.parametrize("raw", [True, False])
def test_integer_constants_become_int64(name: str, raw: bool) -> None:
    elem_type = getattr(TensorProto, name)
    values = np.array([[0, 1, 1], [1, 0, 1]])
    if raw:
        tensor = numpy_helper.from_array(values.astype(onnx.helper.tensor_dtype_to_np_dtype(elem_type)), "c")
    else:
        tensor = onnx.helper.make_tensor("c", elem_type, values.shape, values.ravel())
    data = onnx_proto.array(tensor, Path())
    assert data.dtype == np.int64
    assert np.array_equal(data, values)


def test_a_double_beyond_float32_is_infinite() -> None:
    data = onnx_proto.array(numpy_helper.from_array(np.array([1e300, -1e300, 2.0])), Path())
    assert np.array_equal(data, np.array([np.inf, -np.inf, 2.0], np.float32))


def test_scalars_keep_their_shape() -> None:
    assert onnx_proto.array(numpy_helper.from_array(np.float32(3)), Path()).shape == ()


def test_bytes_are_little_endian() -> None:
    tensor = onnx.helper.make_tensor("c", TensorProto.INT32, [1], bytes([1, 2, 0, 0]), raw=True)
    assert onnx_proto.array(tensor, Path()).tolist() == [513]


CONSTANTS = {
    "value_float = 2.0": np.float32(2),
    "value_floats = [1.0, 2.0, 3.0, 4.0]": np.array([1, 2, 3, 4], np.float32),
    "value = float[2, 1] {1.0, 2.0}": np.array([[1], [2]], np.float32),
}


@pytest.mark.parametrize("attribute", CONSTANTS)
def test_constant_nodes(attribute: str, tmp_path: Path) -> None:
    text = f"(float[1, 4] x) => (float[N, 4] y) {{ c = Constant<{attribute}>() y = Add(x, c) }}"
    assert np.array_equal(run(read(model(text), tmp_path), x=X)[0], X + CONSTANTS[attribute])


def test_sparse_constant_nodes(tmp_path: Path) -> None:
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = Add(x, c) }")
    values, indices = numpy_helper.from_array(np.array([5], np.float32)), numpy_helper.from_array(np.array([2]))
    sparse = onnx.SparseTensorProto(values=values, indices=indices, dims=[4])
    made.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], sparse_value=sparse))
    expected = X + np.array([0, 0, 5, 0], np.float32)
    assert np.array_equal(run(read(made, tmp_path), x=X)[0], expected)


def test_constant_shapes_fold(tmp_path: Path) -> None:
    text = """(float[2, 3, 4] x) => (float[M, N] y) {
        s = Shape(x)  zero = Constant<value_int = 0>()  n = Gather(s, zero)  axes = Constant<value_ints = [0]>()
        n1 = Unsqueeze(n, axes)  rest = Constant<value_ints = [-1]>()  to = Concat<axis = 0>(n1, rest)
        y = Reshape(x, to) }"""
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    graph = read(model(text), tmp_path)
    assert [n.op.name for n in graph.nodes] == ["reshape"]
    assert np.array_equal(run(graph, x=x)[0], x.reshape(2, 12))


@pytest.mark.parametrize("indices", [np.array([1, 6]), np.array([[0, 1], [1, 2]])])
def test_sparse_initialisers_fill_in(indices: np.ndarray, tmp_path: Path) -> None:
    made = model("(float[2, 4] x) => (float[2, 4] y) { y = Add(x, c) }")
    values = numpy_helper.from_array(np.array([5, 7], np.float32), "c")
    made.graph.sparse_initializer.append(
        onnx.SparseTensorProto(values=values, indices=numpy_helper.from_array(indices), dims=[2, 4])
    )
    expected = np.array([[0, 5, 0, 0], [0, 0, 7, 0]], np.float32)
    assert np.array_equal(run(read(made, tmp_path), x=np.zeros((2, 4)))[0], expected)


def test_external_data(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "all.bin").write_bytes(b"head" + X.tobytes() + b"tail")
    tensor = onnx.helper.make_tensor("c", TensorProto.FLOAT, [1, 4], X.tobytes(), raw=True)
    tensor.raw_data = b"not these"
    onnx.external_data_helper.set_external_data(tensor, "weights/all.bin", 4, 16)
    assert np.array_equal(run(read(with_constant(tensor), tmp_path), x=X)[0], X + X)


# -- inputs and outputs -------------------------------------------------------------------------------------------


def test_a_symbolic_batch_stands_at_one(tmp_path: Path) -> None:
    graph = read(model("(float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }"), tmp_path)
    assert graph.tensors["x"].shape == (1, 4)
    assert graph.symbols == {"x": {0: "N"}}


def test_other_symbols_need_a_shape(tmp_path: Path) -> None:
    text = "(float[N, 3, H, W] x, float[M, T] t) => (float[N, 3, H, W] y) { u = Relu(t) y = Relu(x) }"
    fault(
        "E105",
        "'x' on axis 2 (H), 3 (W)",
        "'t' on axis 1 (T)",
        "--input-shape",
        action=lambda: read(model(text), tmp_path),
    )
    shapes = {"x": (2, 3, 8, 9), "t": (1, 5)}
    graph = read(model(text), tmp_path, input_shapes=shapes)
    assert {name: graph.tensors[name].shape for name in graph.inputs} == shapes
    assert graph.symbols["x"] == {0: "N", 2: "H", 3: "W"}


def test_a_symbol_has_one_size(tmp_path: Path) -> None:
    text = "(float[N, T] x, float[N, T] t) => (float[N, T] y) { y = Add(x, t) }"
    graph = read(model(text), tmp_path, input_shapes={"x": (3, 5)})
    assert graph.tensors["t"].shape == (3, 5)
    shapes = {"x": (3, 5), "t": (3, 6)}
    fault("E107", "'T'", "5", "6", action=lambda: read(model(text), tmp_path, input_shapes=shapes))


def test_a_given_shape_overrides_a_stated_one(tmp_path: Path) -> None:
    text = "(float[1, 3, 8, 8] x) => (float[1, 3, 8, 8] y) { y = Relu(x) }"
    assert read(model(text), tmp_path, input_shapes={"x": (1, 3, 5, 6)}).tensors["y"].shape == (1, 3, 5, 6)
    fault("E107", "4", action=lambda: read(model(text), tmp_path, input_shapes={"x": (1, 3, 5)}))
    fault("E107", "'z'", "x", action=lambda: read(model(text), tmp_path, input_shapes={"z": (1, 3, 5, 6)}))


def test_an_input_without_a_shape(tmp_path: Path) -> None:
    text = "(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"

    def change(m: onnx.ModelProto) -> None:
        m.graph.input[0].type.tensor_type.ClearField("shape")

    fault("E105", "'x'", action=lambda: read(model(text), tmp_path, change))
    assert read(model(text), tmp_path, change, input_shapes={"x": (2, 3)}).tensors["y"].shape == (2, 3)


def test_binding_an_input(tmp_path: Path) -> None:
    text = "(float[2, 6] x, int32[K] to) => (float[A, B] y) { s = Cast<to = 7>(to) y = Reshape(x, s) }"
    graph = read(model(text), tmp_path, bind={"to": np.array([3, 4], np.int32)})
    assert graph.inputs == ["x"]
    assert graph.tensors["y"].shape == (3, 4)
    fault("E104", "'to'", "int32", "--bind to=VALUE", action=lambda: read(model(text), tmp_path))
    wrong = {"to": np.array([[3, 4]])}
    fault("E107", "'to'", "[1, 2]", action=lambda: read(model(text), tmp_path, bind=wrong))


@pytest.mark.parametrize("kind", ["double", "float16", "uint8", "string"])
def test_inputs_of_other_types_are_refused(kind: str, tmp_path: Path) -> None:
    text = f"({kind}[1, 4] x) => ({kind}[1, 4] y) {{ y = Relu(x) }}"
    fault("E104", "'x'", kind, "Supported: float", action=lambda: read(model(text), tmp_path))


BRANCHES = """(float[1, 4] x, float[1, 4] z) => (float[1, 4] y) {
    a = Relu(x)  b = NoSuchThing(a)  y = Add(b, z) }"""


def test_inner_outputs_cut_off_what_is_not_supported(tmp_path: Path) -> None:
    fault("E104", "NoSuchThing", action=lambda: read(model(BRANCHES), tmp_path))
    graph = read(model(BRANCHES), tmp_path, outputs=["a"])
    assert graph.inputs == ["x"]
    assert np.array_equal(run(graph, x=X)[0], np.maximum(X, 0))
    fault("E107", "'aa'", "Did you mean", action=lambda: read(model(BRANCHES), tmp_path, outputs=["aa"]))


def test_several_outputs_keep_their_order(tmp_path: Path) -> None:
    text = "(float[1, 4] x) => (float[1, 4] y, float[1, 4] a) { a = Relu(x) y = Neg(a) }"
    assert read(model(text), tmp_path).outputs == ["y", "a"]
    assert read(model(text), tmp_path, outputs=["a", "y"]).outputs == ["a", "y"]


def test_optional_outputs_that_nobody_reads(tmp_path: Path) -> None:
    graph = read(model("(float[1, 4] x) => (float[1, 4] y) { y, mask = Dropout(x) }", 12), tmp_path)
    assert np.array_equal(run(graph, x=X)[0], X)


def test_where_it_comes_from_is_kept(tmp_path: Path) -> None:
    def change(m: onnx.ModelProto) -> None:
        m.producer_name, m.producer_version = "trainer", "1.2"
        m.metadata_props.add(key="author", value="someone")

    meta = read(model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"), tmp_path, change).meta
    assert meta["producer"] == "trainer 1.2"
    assert meta["author"] == "someone"


# -- what is not supported ----------------------------------------------------------------------------------------


def test_all_that_is_unsupported_is_listed_at_once(tmp_path: Path) -> None:
    text = """(float[1, 1, 4, 4] x, double[2] d) => (float y) {
        [first] a = NoSuchThing(x)
        [second] b = Relu(a)
        [third] c = NoSuchThing(b)
        [fourth] e = com.vendor.Other(x)
        [fifth] f = Cast<to = 8>(x)
        y = Sum(c, e, f, d) }"""

    made = model(text, domains=', "com.vendor": 1')
    said = fault(
        "E104",
        "'NoSuchThing' (nodes first, third)",
        "com.vendor",
        "to = 8",
        "double",
        action=lambda: read(made, tmp_path),
    )
    assert "'Relu'" not in said
    assert said.startswith("E104 5 parts")


def test_subgraphs_are_refused(tmp_path: Path) -> None:
    text = """(float[1] x) => (float[1] y) {
        one = Constant<value = bool {1}>()
        y = If(one) <then_branch = t () => (float[1] a) { a = Relu(x) }, else_branch = e () => (float[1] b) { b = Neg(x) }> }"""
    fault("E104", "'If'", action=lambda: read(model(text), tmp_path))


# -- functions ----------------------------------------------------------------------------------------------------


def test_functions_of_the_model_are_expanded(tmp_path: Path) -> None:
    functions = """<domain: "mine", opset_import: ["": 17]> Twice (a) => (b) { b = Add(a, a) }
                   <domain: "mine", opset_import: ["": 17, "mine": 1]> Four (a) => (b) { c = mine.Twice(a) b = mine.Twice(c) }"""
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = mine.Four(x) }", 17, ', "mine": 1', functions)
    assert np.array_equal(run(read(made, tmp_path), x=X)[0], 4 * X)


def test_operators_that_onnx_defines_by_others_are_expanded(tmp_path: Path) -> None:
    made = model("(float[1, 4] x) => (float[1, 4] y) { a = Celu<alpha = 2.0>(x) y = Mish(a) }", 18)
    celu = np.maximum(X, 0) + np.minimum(0, 2 * (np.exp(X / 2) - 1))
    expected = celu * np.tanh(np.log1p(np.exp(celu)))
    assert np.allclose(run(read(made, tmp_path), x=X)[0], expected, rtol=1e-6, atol=1e-7)


# -- recognising files --------------------------------------------------------------------------------------------


def test_content_goes_before_the_name(tmp_path: Path) -> None:
    made = model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")
    assert importers.recognise(save(made, tmp_path / "network.prototxt")) == "onnx"
    assert importers.recognise(save(made, tmp_path / "network")) == "onnx"


@pytest.mark.parametrize("head", [b"", b"hello", b"\0" * 64, b"\x08\x08", bytes(range(256)), b'name: "net"\nlayer {\n'])
def test_other_content_is_not_onnx(head: bytes) -> None:
    assert not importer.recognises(head)


def test_unknown_files(tmp_path: Path) -> None:
    strange = tmp_path / "notes.txt"
    strange.write_text("to do: nothing")
    fault("E101", "notes.txt", "onnx", action=lambda: importers.read(strange))
    strange.write_bytes(b"\x89HDF\r\n\x1a\n")
    fault("E101", "HDF5", action=lambda: importers.read(strange))
    strange.write_bytes(b"")
    fault("E101", "empty", action=lambda: importers.read(strange))
    fault("E100", "does not exist", action=lambda: importers.read(tmp_path / "none.onnx"))
    fault("E100", "directory", action=lambda: importers.read(tmp_path))


def test_weights_beside_an_onnx_file_are_refused(tmp_path: Path) -> None:
    path = save(model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"), tmp_path / "m.onnx")
    fault("E107", "--weights-from", action=lambda: importers.read(path, weights=path))


def test_without_the_onnx_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(model("(float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }"), tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    fault("E161", "pip install onnx", action=lambda: importers.read(path))
