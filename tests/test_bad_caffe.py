"""Bad Caffe models: every fault is an error that names its place; nothing crashes, hangs, or takes memory without bound.

Numbers in comments are those of the project's list of bad inputs.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array
from amalgamate.importers import caffemodel, deep_compression, read
from amalgamate.importers.deep_compression import Trainable
from caffe_bytes import field, layer, model, net, one, varint, write

RNG = np.random.default_rng(9)


def numbers(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def refused(path: Path, code: str, *words: str, weights: Path | None = None) -> str:
    """Reading fails with `code` and a message that holds all `words`."""
    with pytest.raises(AmalgamateError) as caught:
        read(path, weights)
    text = str(caught.value)
    assert caught.value.code == code, text
    for word in words:
        assert word in text, text
    return text


# -- caffemodel ------------------------------------------------------------------------------------------------------------

SMALL = model({"a": [numbers(2, 3), numbers(2)], "b": [numbers(4)]})


def test_truncated_at_every_offset() -> None:  # 1
    """A cut between two layers is a shorter model; every other cut is E102."""
    whole = caffemodel.parse(SMALL)
    assert set(whole) == {"a", "b"}
    clean = 0
    for cut in range(len(SMALL)):
        try:
            found = caffemodel.parse(SMALL[:cut])
        except AmalgamateError as error:
            assert error.code == "E102" and "byte" in error.where
        else:
            assert set(found) < set(whole)
            clean += 1
    assert clean == 3  # before the name, before the first and before the second layer


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_v1_and_v0_truncated_at_every_offset(generation: int) -> None:
    data = model({"a": [numbers(2, 3)]}, "legacy", generation)
    for cut in range(len(data)):
        try:
            assert caffemodel.parse(data[:cut]) == {}
        except AmalgamateError as error:
            assert error.code == "E102"


def blob_fields(*fields: bytes) -> bytes:
    return layer("a", b"".join(fields))


DATA = field(5, numbers(6).tobytes())
DAMAGED = {
    "field number 0": b"\x00\x00",
    "field number too large": varint(1 << 33) + b"\x00",
    "group": b"\x0b\x0c",
    "wire type 7": b"\x0f",
    "varint without an end": b"\xff" * 11,
    "varint above 64 bits": b"\x08" + b"\xff" * 9 + b"\x7f",
    "length beyond the file": b"\x0a\x7f",  # 4, 5
    "length of 2^63": b"\x0a" + varint(1 << 63),
    "layer longer than the file": varint(100 << 3 | 2) + varint(1000) + b"x",
    "name not UTF-8": field(100, field(1, b"\xff\xfe")),  # 9
    "shape larger than its data": blob_fields(field(7, field(1, varint(2) + varint(4))), DATA),  # 25
    "shape smaller than its data": blob_fields(field(7, field(1, varint(5))), DATA),
    "negative dimension": blob_fields(field(7, field(1, varint(-2) + varint(-3))), DATA),  # 11, 19
    "dimension of 2^31": blob_fields(field(7, field(1, varint(1 << 31) + varint(0))), field(5, b"")),
    "product overflow": blob_fields(field(7, field(1, varint(1 << 30) * 5)), DATA),  # 20
    "33 axes": blob_fields(field(7, field(1, varint(1) * 33)), field(5, b"\0\0\0\0")),  # 21
    "a million axes": blob_fields(field(7, field(1, varint(1) * 1_000_000)), field(5, b"\0\0\0\0")),
    "a million shapes": blob_fields(field(7, field(1, 1)) * 1_000_000, field(5, b"\0\0\0\0")),
    "old dimensions with other data": blob_fields(field(1, 2), field(2, 2), field(3, 1), field(4, 1), DATA),
    "float data of 3 bytes": blob_fields(field(5, b"abc")),
    "double data of 4 bytes": blob_fields(field(8, b"abcd")),
    "both float and double": blob_fields(DATA, field(8, numbers(6).astype("<f8").tobytes())),
    "too many blobs": layer("a", *[b""] * (caffemodel.MAX_BLOBS + 1)),  # 10
    "too many layers": field(100, b"") * (caffemodel.MAX_LAYERS + 1),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_damaged(fault: str) -> None:
    with pytest.raises(AmalgamateError) as caught:
        caffemodel.parse(DAMAGED[fault], "net.caffemodel")
    assert caught.value.code == "E102"
    assert caught.value.where.startswith("net.caffemodel, byte ")


@given(st.binary(max_size=80))
def test_garbage(data: bytes) -> None:
    try:
        caffemodel.parse(data)
    except AmalgamateError as error:
        assert error.code == "E102"


@given(st.integers(0, len(SMALL) - 1), st.binary(min_size=1, max_size=4))
def test_bytes_changed(at: int, replacement: bytes) -> None:
    try:
        caffemodel.parse(SMALL[:at] + replacement + SMALL[at + len(replacement) :])
    except AmalgamateError as error:
        assert error.code == "E102"


PRELU = net(one("PReLU"), "1 3 2 2")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-40])
def test_weights_that_are_not_ordinary_numbers_are_kept(tmp_path: Path, value: float) -> None:  # 27
    path = write(tmp_path, PRELU, model({"layer": [np.full(3, value, np.float32)]}))
    (data,) = (t.data for t in read(path).constants() if t.data is not None and t.data.size == 3)
    np.testing.assert_array_equal(data.reshape(-1), np.full(3, value, np.float32))


def test_doubles_beyond_float32_become_infinite(tmp_path: Path) -> None:
    path = write(tmp_path, PRELU, layer("layer", field(7, field(1, 3)) + field(8, np.full(3, 1e300, "<f8").tobytes())))
    assert any(np.isinf(t.data).all() for t in read(path).constants() if t.data is not None)


def test_weights_that_do_not_fit_the_prototxt(tmp_path: Path) -> None:  # 25
    def with_blobs(*blobs: Array, name: str = "layer") -> Path:
        return write(tmp_path, PRELU, model({name: list(blobs)}))

    refused(with_blobs(numbers(4)), "E103", "layer 'layer'", "blob 0 (slope)", "[4]", "[3]", "net.caffemodel")
    refused(with_blobs(numbers(3, 1)), "E103", "[3, 1]", "[3]")
    refused(with_blobs(numbers(3), numbers(3)), "E103", "2 blobs", "1 by the prototxt", "slope")
    refused(with_blobs(numbers(3), name="other"), "E103", "no weights for layer 'layer'")
    refused(write(tmp_path, PRELU, b""), "E103", "no weights for layer 'layer'")
    assert read(with_blobs(numbers(1, 1, 1, 3))).outputs == ["y"]


def test_weights_files_that_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, PRELU)
    refused(path, "E100", "cannot be read", weights=tmp_path / "missing.caffemodel")
    refused(path, "E100", "cannot be read", weights=tmp_path)
    other = tmp_path / "w.h5"
    other.write_bytes(b"\x89HDF\r\n\x1a\n")
    refused(path, "E101", "HDF5", weights=other)
    other.write_bytes(b"GIF89a not a model")
    refused(path, "E102", "w.h5", weights=other)


# -- Deep Compression --------------------------------------------------------------------------------------------------------

LAYERS = [Trainable("conv", 8, 2), Trainable("fc", 4, 3)]


def compressed(layers: list[Trainable], entries: list[list[tuple[int, int]]], last: float | None = None) -> bytes:
    """A .net file: per layer, entries of (index, code); codebook[i] = i, but for `last`; bias[i] = -i."""

    def nibbles(values: list[int]) -> bytes:
        values = values + [0] * (len(values) % 2)
        return bytes(a | b << 4 for a, b in zip(values[::2], values[1::2], strict=True))

    out = b"".join(struct.pack("<I", len(e)) for e in entries)
    for one_layer, entry in zip(layers, entries, strict=True):
        codebook = np.arange(1 << one_layer.bits).astype("<f4")
        codebook[-1] = codebook[-1] if last is None else last
        out += codebook.tobytes()
        out += (-np.arange(one_layer.outputs)).astype("<f4").tobytes()
        codes = [code for _, code in entry]
        out += bytes(codes) if one_layer.bits == 8 else nibbles(codes)
        out += nibbles([index for index, _ in entry])
    return out


GOOD = compressed(LAYERS, [[(0, 255), (2, 7), (15, 0)], [(3, 1), (0, 15)]])


def test_net_decodes() -> None:
    conv, fc = deep_compression.parse(GOOD, LAYERS)
    expected = np.zeros(24, np.float32)
    expected[[0, 3]] = 255, 7  # and a filler of code 0 at 19
    np.testing.assert_array_equal(conv.decode(24), expected)
    np.testing.assert_array_equal(fc.decode(5), [0, 0, 0, 1, 15])
    np.testing.assert_array_equal(conv.bias, [0, -1])
    np.testing.assert_array_equal(fc.bias, [0, -1, -2])


def test_net_truncated_at_every_offset_or_longer() -> None:  # 1, 3, 30
    for cut in range(len(GOOD)):
        with pytest.raises(AmalgamateError, match="E102"):
            deep_compression.parse(GOOD[:cut], LAYERS)
    for extra in (b"\0", b"\0" * 1000):
        with pytest.raises(AmalgamateError, match="trailing bytes"):
            deep_compression.parse(GOOD + extra, LAYERS)


def test_net_index_beyond_the_weights() -> None:  # 32
    conv, fc = deep_compression.parse(GOOD, LAYERS)
    with pytest.raises(AmalgamateError, match=r"E102 layer 'conv': the index runs to 19, beyond the 19 weights"):
        conv.decode(19)
    with pytest.raises(AmalgamateError, match=r"E102 layer 'fc': 2 entries for 1 weights"):
        fc.decode(1)


def test_net_counts_that_are_huge() -> None:  # 10
    huge = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    with pytest.raises(AmalgamateError, match="truncated"):
        deep_compression.parse(huge + GOOD[8:], LAYERS)


def test_net_codebook_that_is_not_finite() -> None:  # 27
    with pytest.raises(AmalgamateError, match=r"E102 layer 'conv': the codebook"):
        deep_compression.parse(compressed(LAYERS, [[], []], np.inf), LAYERS)


@given(st.binary(max_size=1300))
def test_net_garbage(data: bytes) -> None:
    try:
        for one_layer in deep_compression.parse(data, LAYERS):
            assert one_layer.decode(10_000).shape == (10_000,)
    except AmalgamateError as error:
        assert error.code == "E102"


CONV = one("Convolution", "convolution_param { num_output: 2 kernel_size: 2 }", "data", "conv", "conv")
FC = one("InnerProduct", "inner_product_param { num_output: 3 }", "conv", "fc", "fc")


def test_net_beside_a_prototxt(tmp_path: Path) -> None:
    path = write(tmp_path, net(CONV + FC, "1 3 2 2"))
    weights = tmp_path / "net.net"
    weights.write_bytes(compressed(LAYERS, [[(0, 255), (2, 7), (15, 0)], [(5, 1), (0, 15)]]))
    refused(path, "E102", "layer 'fc'", "runs to 6, beyond the 6 weights", "net.net")
    weights.write_bytes(compressed(LAYERS, [[(0, 255), (2, 7), (15, 0)], [(2, 1), (0, 15)]]))
    graph = read(path)
    assert graph.meta["weights"] == "Deep Compression"
    np.testing.assert_array_equal(graph.tensors["conv.bias"].data, [0, -1])  # type: ignore[arg-type]
    weights.write_bytes(weights.read_bytes()[:-1])
    refused(path, "E102", "truncated", "net.net")


def test_net_for_a_network_with_other_weights(tmp_path: Path) -> None:
    weights = tmp_path / "w.net"
    weights.write_bytes(compressed(LAYERS[:1], [[(0, 1)]]))
    refused(write(tmp_path, net(CONV + one("PReLU", "", "conv"), "1 3 2 2")), "E103", "PReLU", weights=weights)
    no_bias = CONV.replace("num_output", "bias_term: false num_output")
    refused(write(tmp_path, net(no_bias, "1 3 2 2")), "E103", "bias", weights=weights)


# -- prototxt ----------------------------------------------------------------------------------------------------------------

CONTRADICTIONS: list[tuple[str, tuple[str, ...]]] = [  # prototxt, words of the message
    (net(one("ReLU", bottoms="nobody")), ("nobody", "layer layer")),
    (net(one("ReLU", bottoms="y")), ("'y'",)),  # 14: a layer that reads itself
    (net(one("ReLU") + one("TanH", name="again")), ("'y'", "twice", "again")),  # 15
    (net(one("ReLU", bottoms="")), ("0 bottoms",)),  # 16
    (net(one("ReLU", tops="a b")), ("2 tops",)),
    (net(one("Eltwise")), ("1 bottoms", "2 or more")),
    (net(one("ReLU")) + net("", name="data"), ("'data'", "twice")),  # 17
    (net(one("Power", 'power_param { scale: "2" }')), ("power_param.scale", "a number")),
    (net(one("Power", "power_param { scale: 1 scale: 2 }")), ("scale", "2 times")),
    (net(one("Power", "power_param: 3")), ("power_param", "a message")),
    (net(one("Pooling", "pooling_param { kernel_size: 2 stride: 0 }")), ("pooling_param.stride", "1 or more")),  # 22
    (net(one("Pooling", "pooling_param { kernel_size: 0 }")), ("kernel_size",)),
    (net(one("Pooling", "pooling_param { kernel_size: -3 }")), ("kernel_size", "-3")),
    (net(one("Pooling", "pooling_param { kernel_size: 2.5 }")), ("kernel_size", "2.5")),
    (net(one("Pooling", "pooling_param { kernel_size: 4294967296 }")), ("kernel_size",)),
    (net(one("Pooling", "pooling_param { kernel_size: 3 pad: 3 }")), ("layer layer",)),  # 24
    (net(one("Pooling", "pooling_param { kernel_size: 9 }")), ("layer layer",)),
    (net(one("Pooling", "pooling_param { }")), ("layer layer",)),
    (net(one("Pooling", "pooling_param { kernel_size: 3 pool: MEDIAN }")), ("pooling_param.pool", "MAX, AVE")),  # 13
    (net(one("Pooling", "pooling_param { kernel_size: 3 pool: -1 }")), ("pooling_param.pool",)),
    (net(one("Pooling", "pooling_param { kernel_size: 3 global_pooling: 2 }")), ("global_pooling", "true or false")),
    (net(one("Dropout"), "1 3 2").replace("Dropout", "Pooling"), ("layer layer",)),
    (net(one("PReLU", "include: 3")), ("rule",)),
    (net(one("ReLU", "include { phase: NEVER }")), ("NEVER",)),
    (net(one("ReLU", "include { phase: TEST } exclude { phase: TRAIN }")), ("both",)),
    (net(one("ReLU")).replace('"ReLU"', "RELU"), ("type", "quoted string")),
    ('layer { name: "x" }', ("no type",)),
    ("layer: 3", ("not a message",)),
    ('layer { type: "ReLU" bottom: 3 }', ("bottom",)),
    ("name: 3 layer {}", ("name",)),
    ('layer { type: "ReLU" } layers { type: RELU }', ("both",)),
    ("layers { type: TELEPORT }", ("TELEPORT", "V1")),
    ("layers { type: 0 }", ("V1",)),
    ('layers { layer { type: "teleport" } }', ("teleport", "V0")),
    ('input: "a" input_dim: 1 input_dim: 2 ' + one("ReLU", bottoms="a"), ("input_dim", "4")),
    ('input: "a" input_dim: 1 input_shape { dim: 1 } ' + one("ReLU", bottoms="a"), ("both",)),
    ('input: "a" input_shape { dim: 1 } input_shape { dim: 1 } ' + one("ReLU", bottoms="a"), ("2 shapes",)),
    ('input: "a" input: "a" input_shape { dim: 1 } input_shape { dim: 1 } ' + one("ReLU", bottoms="a"), ("twice",)),
    (net(""), ("no layer",)),
    (net(one("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }")), ("layer layer",)),
    (net(one("Reshape", "reshape_param { shape { dim: 7 } }")), ("layer layer",)),
    (net(one("Reshape", "reshape_param { shape { dim: 0 dim: 0 dim: 0 dim: 0 dim: 0 } }")), ("layer layer",)),
    (net(one("Permute", "permute_param { order: 0 order: 0 }")), ("layer layer",)),
    (net(one("Convolution", "convolution_param { kernel_size: 3 }")), ("num_output is missing",)),
    (net(one("Convolution", "convolution_param { num_output: 4 }")), ("kernel_size", "0 times")),
    (net(one("Convolution", "convolution_param { num_output: 4 kernel_h: 3 }")), ("kernel_w",)),
    (net(one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 2 }")), ("2 groups",)),  # 23
    (net(one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 group: 0 }")), ("group",)),
    (net(one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 axis: 9 }")), ("axis 9",)),  # 26
    (net(one("InnerProduct", "inner_product_param { num_output: 4 axis: -5 }")), ("axis -5",)),
    (net(one("Scale", "scale_param { num_axes: 4 }")), ("num_axes 4",)),
]


@pytest.mark.parametrize("text, words", CONTRADICTIONS)
def test_contradictions(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    refused(write(tmp_path, text, b""), "E103", *words)


def test_all_that_is_unsupported_is_listed(tmp_path: Path) -> None:  # 13
    body = (
        one("ReLU", tops="a", name="good")
        + one("DetectionOutput", "", "a", "b", "detect")
        + one("ReLU", "", "b", "c", "after")
    )
    body += one("Python", "python_param { module: 'x' }", "a", "d", "custom") + one("LSTM", "", "d", "e", "recurrent")
    body += one("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }", "a", "f", "stochastic")
    body += one("Pooling", "pooling_param { kernel_size: 2 wobble: 1 }", "a", "g", "forked")
    found = refused(
        write(tmp_path, net(body)), "E104", "5 layers", "'DetectionOutput' (layer detect)", "'Python' (layer custom)"
    )
    for word in (
        "'LSTM' (layer recurrent)",
        "(layer stochastic): pool",
        "(layer forked): its fields pooling_param.wobble",
    ):
        assert word in found
    assert "after" not in found and "good" not in found


def test_a_solver_is_no_network(tmp_path: Path) -> None:
    refused(write(tmp_path, 'net: "train_val.prototxt"\nbase_lr: 0.01\n'), "E103", "no layer", "solver", "`net`")


@pytest.mark.parametrize("dims", ["0 3 4 5", "-1 3 4 5", "1 3 -4 5"])
def test_dimensions_that_are_no_sizes(tmp_path: Path, dims: str) -> None:  # 19
    refused(write(tmp_path, net(one("ReLU"), dims)), "E105", "'data'", "--input-shape")


def test_a_network_too_large_to_exist_is_read_without_making_it(tmp_path: Path) -> None:  # 20, 29
    huge = net(
        one("InnerProduct", "inner_product_param { num_output: 2000000000 }"),
        "2000000000 2000000000 2000000000 2000000000",
    )
    refused(write(tmp_path, huge, model({"layer": [numbers(1, 1), numbers(1)]})), "E103", "[2000000000")


@pytest.mark.parametrize("option", ["input_shapes", "bind"])
def test_options_that_name_no_input(tmp_path: Path, option: str) -> None:
    path = write(tmp_path, net(one("ReLU")))
    with pytest.raises(AmalgamateError, match=r"E107.*'image'.*data"):
        read(path, **{option: {"image": (1, 3, 4, 4) if option == "input_shapes" else np.zeros(1)}})  # type: ignore[arg-type]


def test_truncated_prototxt_at_every_offset(tmp_path: Path) -> None:  # 1
    text = net(
        one("Power", "power_param { scale: 2.5 }")
        + one("Eltwise", "eltwise_param { operation: MAX }", "data y", "z", "e")
    )
    for cut in range(len(text)):
        path = write(tmp_path, text[:cut])
        try:
            read(path)
        except AmalgamateError as error:
            assert error.code in ("E101", "E102", "E103", "E105"), error


TOKENS = st.sampled_from([
    "layer {", "layers {", "}", 'name: "a"', 'type: "ReLU"', 'type: "Pooling"', 'type: "Eltwise"', 'type: "Input"', "type: RELU",
    "type: 17", 'bottom: "a"', 'top: "a"', 'bottom: "b"', 'top: "b"', 'input: "a"', "input_dim: 1",
    "input_shape { dim: [1, 2, 3] }",
    "input_param { shape { dim: 1 dim: 2 dim: 2 } }", "pooling_param { kernel_size: 2 }", "include { phase: TEST }",
    'type: "Slice"', 'type: "Reshape"', "reshape_param { shape { dim: 0 dim: -1 } }", "layer", "{", "-1", 'type: "Data"',
    'type: "SoftmaxWithLoss"', 'type: "Flatten"', 'type: "Concat"', "concat_param { axis: 7 }",
    'type: "Silence"', 'type: "Scale"',
])  # fmt: skip


@settings(max_examples=400)
@given(st.lists(TOKENS, max_size=30))
def test_prototxt_of_random_pieces(tmp_path_factory: pytest.TempPathFactory, tokens: list[str]) -> None:
    """Whatever comes, it is a graph that verifies or an error in words."""
    try:
        read(write(tmp_path_factory.getbasetemp(), " ".join(tokens), b"", "random"))
    except AmalgamateError as error:
        assert error.code in ("E101", "E102", "E103", "E104", "E105", "E106")


def test_names_that_would_break_c_are_carried_as_they_are(tmp_path: Path) -> None:  # 37
    name = r"*/ \" %s \n ??/ int ../../x " + "é"
    body = f'layer {{ name: "{name}" type: "ReLU" bottom: "data" top: "{name}" }}'
    expected = '*/ " %s \n ??/ int ../../x é'
    assert read(write(tmp_path, net(body))).outputs == [expected]
