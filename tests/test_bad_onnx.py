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
from onnx import TensorProto, numpy_helper

from amalgamate import importers
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Graph
from onnx_text import model, outcome, refused, with_weights

ONE = "(float[1, 4] x) => (float[1, 4] y) { y = Add(x, c) }"


def small() -> onnx.ModelProto:
    """A model with a weight, a shape, and two outputs."""
    text = """(float[N, 4] x) => (float[A, B] y, float[C, D] z) {
        a = Gemm<alpha = 0.5, transB = 1>(x, w)  z = Relu(a)  y = Reshape(a, to) }"""
    return with_weights(text, w=np.ones((6, 4), np.float32), to=np.array([3, -1]))


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


CHANGES: dict[str, Callable[[onnx.ModelProto], object]] = {
    "no graph": lambda m: m.ClearField("graph"),
    "no operator set": lambda m: m.ClearField("opset_import"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_2_models_that_lack_a_part(name: str, tmp_path: Path) -> None:
    made = small()
    CHANGES[name](made)
    refused(made, tmp_path, "E102")
