"""Damaged and hostile model files: each gets a status and a message, and under sanitizers nothing else.

The numbers are those of the classes of bad input: structure, graph, shapes, mapping. Class 18 is in test_hostile_amg.py. Some
cannot occur: 8 (there is no alignment field), 12 (nothing nests, so chains are tested), 28 and 30 to 33 (no quantised or
compressed encodings yet).
"""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

import numpy as np
import pytest

from amalgamate.graph import Graph, Tensor
from amalgamate.ops.conv import Conv
from amalgamate.ops.exp import Exp
from amalgamate.ops.relu import Relu
from amg_bytes import COUNTS, TOTAL, WEIGHTS, Bytes, fire, fire_graph, homed_graph
from harness import ALLOC, RELEASE, CError, Model, amg

MEMORY, FORMAT, VERSION, CHECKSUM, UNSUPPORTED, SHAPE, FILE = -2, -3, -4, -5, -6, -7, -8


def edited() -> Bytes:
    return Bytes(fire())


def step_named(data: Bytes, op: str) -> int:
    """The first step of an operator."""
    return next(i for i in range(data.count("steps")) if data.text(data.get(data.record("steps", i) + 4)) == op)


def refused(data: bytes, status: int, words: str, **fields: object) -> None:
    with pytest.raises(CError) as error:
        Model(data, **fields)
    assert (error.value.status, words in error.value.message) == (status, True), error.value


def test_the_model_is_fine() -> None:
    x = np.random.default_rng(1).standard_normal((1, 3, 9, 9)).astype(np.float32)
    with Model(fire(), flags=2) as model, model.session() as session:
        (y,) = session.run([x])
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    assert edited().sealed() == fire(), "sealing changes nothing"


# ---- structure --------------------------------------------------------------------------------------------------


def test_01_empty_and_one_byte() -> None:
    refused(b"", FORMAT, "shorter than its header")
    refused(b"\x89", FORMAT, "shorter than its header")


def test_01_truncated_at_every_offset() -> None:
    for size in range(len(fire())):
        with pytest.raises(CError) as error:
            Model(fire()[:size])
        assert error.value.status == FORMAT and "shorter" in error.value.message


@pytest.mark.parametrize(
    ("offset", "size", "value", "status", "words"),
    [
        (0, 1, 0x09, FORMAT, "magic"),  # the eighth bit cut off
        (4, 1, 0x0A, FORMAT, "magic"),  # line ends changed
        (16, 4, 0x04030201, FORMAT, "endian"),
        (20, 2, 2, VERSION, "newer"),
        (22, 2, 3, VERSION, "newer"),
        (20, 2, 0, FORMAT, "version 0"),
        (88, 4, 1, FORMAT, "reserved"),
        (127, 1, 1, FORMAT, "reserved"),
    ],
)
def test_02_magic_endian_version_reserved(offset: int, size: int, value: int, status: int, words: str) -> None:
    refused(edited().put(offset, value, size).sealed(), status, words)


@pytest.mark.parametrize(("section", "field", "size"), [("tensors", 11, 1), ("images", 7, 1)], ids=lambda v: str(v))
def test_02_reserved_bytes_of_records(section: str, field: int, size: int) -> None:
    refused(edited().field(section, 0, field, 1, size).sealed(), FORMAT, "0: ")


def test_03_trailing_bytes() -> None:
    refused(fire() + b"\0", FORMAT, "longer")
    data = edited()
    data.data += b"PK\x05\x06".ljust(64, b"\0")
    refused(data.sealed(), FORMAT, "size of the weights")
    refused(data.put(WEIGHTS, data.get(WEIGHTS, 8) + 64, 8).sealed(), FORMAT, "weights that belong to no tensor")


def test_03_bytes_between_strings_and_weights() -> None:
    data = edited()
    assert data.weights > data.strings_end, "this model has padding"
    data.data[data.weights - 1] = 1
    refused(data.sealed(), FORMAT, "between strings and weights")


def test_03_words_of_no_step() -> None:
    data = edited()
    step = step_named(data, "softmax")
    at = data.record("steps", step) + 12
    refused(data.put(at, data.get(at) - 1).sealed(), FORMAT, "")


@pytest.mark.parametrize("section", COUNTS)
@pytest.mark.parametrize("count", [1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
def test_04_10_11_huge_and_negative_counts_allocate_nothing(section: str, count: int) -> None:
    taken: list[int] = []
    alloc = ALLOC(lambda _, size: taken.append(size) or 0)  # type: ignore[func-returns-value]
    release = RELEASE(lambda _, memory: None)
    refused(edited().put(COUNTS[section], count).sealed(), FORMAT, "", alloc=alloc, release=release)
    assert not taken


@pytest.mark.parametrize("section", COUNTS)
def test_04_counts_that_are_off_by_one(section: str) -> None:
    for change in (-1, 1):
        data = edited()
        with pytest.raises(CError) as error:
            Model(data.put(COUNTS[section], data.count(section) + change).sealed())
        assert error.value.status in (FORMAT, UNSUPPORTED) and error.value.message


def test_05_offsets_and_sizes_that_wrap_or_lie_beyond() -> None:
    weights = edited()
    constant = next(i for i in range(weights.count("tensors")) if weights.data[weights.record("tensors", i) + 6])
    for offset in (64, 1 << 32, (1 << 64) - 64, (1 << 63)):
        refused(edited().field("tensors", constant, 16, offset, 8).sealed(), FORMAT, f"tensor {constant}: the offset")
    for size in (0, 1 << 40, (1 << 64) - 1, (1 << 64) - 64):
        refused(edited().field("tensors", constant, 24, size, 8).sealed(), FORMAT, f"tensor {constant}: the bytes")
    for total in (0, 127, len(fire()) - 64, (1 << 64) - 1):
        refused(edited().put(TOTAL, total, 8).data, FORMAT, "total size")
    for size in (0, 1, (1 << 64) - 64, len(fire())):
        refused(edited().put(WEIGHTS, size, 8).data, FORMAT, "size of the weights")


def test_06_misaligned_offsets_and_data() -> None:
    data = edited()
    constants = [i for i in range(data.count("tensors")) if data.data[data.record("tensors", i) + 6]]
    for step in (1, 4, 32):
        refused(edited().field("tensors", constants[1], 16, 64 + step, 8).sealed(), FORMAT, "the offset")
    raw = np.zeros(len(fire()) + 128, np.uint8)
    at = -raw.ctypes.data % 64 + 1
    raw[at : at + len(fire())] = np.frombuffer(fire(), np.uint8)
    place = {"size": len(fire()), "data": raw.ctypes.data + at}
    with pytest.raises(CError, match="not aligned") as error:
        Model(**place)
    assert error.value.status == -1
    with Model(flags=1, **place) as model, model.session() as session:
        session.run([np.zeros((1, 3, 9, 9), np.float32)])


def test_07_weights_that_overlap() -> None:
    data = edited()
    constants = [i for i in range(data.count("tensors")) if data.data[data.record("tensors", i) + 6]]
    refused(data.field("tensors", constants[1], 16, 0, 8).sealed(), FORMAT, f"tensor {constants[1]}: the offset")


def test_07_tensor_listed_twice() -> None:
    twice = Graph("two", {"a": Tensor("a", (2,)), "b": Tensor("b", (2,))}, [], ["a", "b"], ["a", "b"])
    for section in ("inputs", "outputs"):
        listed = Bytes(amg(twice, run_passes=False))
        first = listed.get(listed.at[section])
        refused(listed.field(section, 1, 0, first).sealed(), FORMAT, f"{section[:-1]} 1: is there twice")


def test_09_strings() -> None:
    data = edited()
    data.data[data.strings_end - 1] = 65
    refused(data.sealed(), FORMAT, "strings")
    data = edited()
    data.data[data.at["strings"]] = 65
    refused(data.sealed(), FORMAT, "strings")
    label = data.string("class 1")
    for broken in (b"\xff", b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3(", b"\x80"):
        data = edited()
        at = data.at["strings"] + label
        data.data[at : at + len(broken)] = broken
        refused(data.sealed(), FORMAT, "UTF-8")
    for offset in (data.strings_end, 0xFFFFFFFF, label + 2):
        for section, field in (("tensors", 0), ("steps", 0), ("steps", 4), ("metas", 0), ("metas", 4), ("labels", 0)):
            refused(edited().field(section, 1, field, offset).sealed(), FORMAT, "string")
        refused(edited().field("symbols", 0, 8, offset).sealed(), FORMAT, "symbol 0")


def test_09_names_in_other_scripts_pass() -> None:
    graph = fire_graph()
    graph.labels = ["Katze", "猫", "кошка", "🐈"]
    with Model(amg(graph)) as model:
        labels = [model.lib.amg_label(model.handle, i) for i in range(5)]
    assert [v.decode() if v else None for v in labels] == [*graph.labels, None]


def test_12_long_chains_need_no_stack_and_little_time() -> None:
    graph = Graph("chain", {"x": Tensor("x", (4,))}, [], ["x"])
    name = "x"
    for _ in range(8000):
        name = graph.add(Exp() if name == "x" else Relu(), [name]).outputs[0]
    graph.outputs = [name]
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        (y,) = session.run([np.zeros(4, np.float32)])
        assert model.arena_size() == 128, "the chain runs in place"
    np.testing.assert_array_equal(y, 1)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [(4, 0, "element type"), (4, 3, "element type"), (4, 255, "element type"), (7, 2, "encoding"), (8, 3, "packing")],
)
def test_13_unknown_types_and_encodings(field: int, value: int, words: str) -> None:
    data = edited()
    constant = next(i for i in range(data.count("tensors")) if data.data[data.record("tensors", i) + 6])
    refused(data.field("tensors", constant, field, value, 1).sealed(), UNSUPPORTED, words)


def test_13_unknown_operator_and_flags() -> None:
    data = edited()
    refused(data.field("steps", 1, 4, data.string("class 1")).sealed(), UNSUPPORTED, "no operator: class 1")
    refused(edited().field("tensors", 0, 6, 2, 1).sealed(), FORMAT, "tensor 0")
    for field, value in ((4, 3), (5, 2), (6, 3)):
        refused(edited().field("images", 0, field, value, 1).sealed(), FORMAT, "image 0")


# ---- graph ------------------------------------------------------------------------------------------------------


def test_14_cycles_and_forward_references() -> None:
    for later in range(4):
        data = edited()
        first, n_in, _, _ = data.words(1)
        offset, _, _, _ = data.words(1 + later)
        made = data.get(offset + 4 * data.words(1 + later)[1])
        refused(data.put(first, made).sealed(), FORMAT, "step 1: reads a tensor before anything makes it")
        assert n_in


def test_15_operands_out_of_range_or_made_twice() -> None:
    data = edited()
    first, n_in, _, _ = data.words(1)
    for value in (data.count("tensors"), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE):
        refused(edited().put(first, value).sealed(), FORMAT, "step 1: an input is out of range")
        refused(edited().put(first + 4 * n_in, value).sealed(), FORMAT, "step 1: an output is out of range")
    refused(edited().put(first + 4 * n_in, 0xFFFFFFFF).sealed(), FORMAT, "step 1: an output is out of range")
    made = data.get(data.words(0)[0] + 4 * data.words(0)[1])
    refused(edited().put(first + 4 * n_in, made).sealed(), FORMAT, "step 1: makes a tensor that is made already")
    weights = data.get(data.words(step_named(data, "conv"))[0] + 4)
    for tensor in (data.get(data.at["inputs"]), weights):
        refused(
            edited().put(first + 4 * n_in, tensor).sealed(), FORMAT, "step 1: an output is out of range, a constant"
        )
    for section in ("inputs", "outputs"):
        refused(edited().field(section, 0, 0, data.count("tensors")).sealed(), FORMAT, f"{section[:-1]} 0")


def test_15_absent_operands() -> None:
    data = edited()
    for step in range(data.count("steps")):
        offset, _, _, _ = data.words(step)
        with pytest.raises(CError) as error:
            Model(edited().put(offset, 0xFFFFFFFF).sealed())
        assert error.value.status == FORMAT and error.value.message


def test_16_wrong_arity_of_every_operator() -> None:
    data = edited()
    for step in range(data.count("steps")):
        at = data.record("steps", step)
        n_in, n_attr = data.get(at + 8, 2), data.get(at + 12)
        if n_attr:  # the first attribute becomes an input
            with pytest.raises(CError):
                Model(edited().put(at + 8, n_in + 1, 2).put(at + 12, n_attr - 1).sealed())
        for inputs, outputs in ((65, 1), (n_in, 0), (n_in, 17), (0xFFFF, 0xFFFF)):
            refused(edited().put(at + 8, inputs, 2).put(at + 10, outputs, 2).sealed(), FORMAT, f"step {step}")


def test_17_names_of_inputs_and_outputs() -> None:
    data = edited()
    for section in ("inputs", "outputs"):
        tensor = data.get(data.at[section])
        refused(edited().field("tensors", tensor, 0, 0).sealed(), FORMAT, f"{section[:-1]} 0: has no name")
    twice = Graph("two", {"a": Tensor("a", (2,)), "b": Tensor("b", (2,))}, [], ["a", "b"], ["a"])
    named = Bytes(amg(twice, run_passes=False))
    refused(named.field("tensors", 1, 0, named.string("a")).sealed(), FORMAT, "input 1: is there twice")


# ---- shapes and operators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 0x80000000, 0xFFFFFFFF], ids=hex)
def test_19_dimensions_out_of_range(dim: int) -> None:
    data = edited()
    for tensor in range(data.count("tensors")):
        if data.data[data.record("tensors", tensor) + 5]:
            refused(edited().field("tensors", tensor, 32, dim).sealed(), FORMAT, f"tensor {tensor}: a dimension")


def test_19_dimensions_beyond_the_axes() -> None:
    data = edited()
    refused(data.field("tensors", 0, 60, 1).sealed(), FORMAT, "tensor 0: a dimension")


def test_20_products_that_overflow() -> None:
    graph = Graph("wide", {"x": Tensor("x", (1,) * 8)}, [], ["x"])
    graph.outputs = list(graph.add(Relu(), ["x"]).outputs)
    data = amg(graph, run_passes=False)
    for axes, dim in ((8, 0x7FFFFFFF), (8, 0x10000), (4, 0x10000), (3, 0x7FFFFFFF), (2, 0x7FFFFFFF), (8, 256)):
        wide = Bytes(data)
        for axis in range(axes):
            wide.field("tensors", 0, 32 + 4 * axis, dim)
        refused(wide.sealed(), SHAPE, "")


def test_20_products_of_weights_that_overflow() -> None:
    data = edited()
    for tensor in range(data.count("tensors")):
        at = data.record("tensors", tensor)
        if data.data[at + 6]:
            wide = edited()
            for axis in range(data.data[at + 5]):
                wide.field("tensors", tensor, 32 + 4 * axis, 0x7FFFFFFF)
            with pytest.raises(CError) as error:
                Model(wide.sealed())
            assert error.value.status in (FORMAT, SHAPE) and f"tensor {tensor}" in error.value.message


def test_21_too_many_axes_and_ranks_that_differ() -> None:
    refused(edited().field("tensors", 0, 5, 9, 1).sealed(), FORMAT, "tensor 0: too many axes")
    refused(edited().field("tensors", 0, 5, 255, 1).sealed(), FORMAT, "tensor 0: too many axes")
    data = edited().field("tensors", 0, 5, 2, 1)
    for axis in (2, 3):
        data.field("tensors", 0, 32 + 4 * axis, 0)
    with pytest.raises(CError) as error:
        Model(data.sealed())
    assert error.value.status in (FORMAT, SHAPE, UNSUPPORTED) and error.value.message


@pytest.mark.parametrize("value", [0, -1, -0x80000000, 0x7FFFFFFF])
def test_22_23_24_attributes_of_windows(value: int) -> None:
    """Kernel, stride, dilation, group, pads of convolution and pooling: every word in turn; refused, or still in bounds."""
    data = edited()
    outcomes = set()
    for op in ("conv", "max_pool"):
        step = step_named(data, op)
        for word in range(data.words(step)[3]):
            changed = edited().attr(step, word, value).sealed()
            try:
                with Model(changed) as model, model.session() as session:
                    session.run([np.zeros((1, 3, 9, 9), np.float32)])
                    outcomes.add("ran")
            except CError as error:
                assert error.status in (FORMAT, SHAPE, UNSUPPORTED) and "layer '" in error.message
                outcomes.add("refused")
    assert "refused" in outcomes


def test_25_bytes_of_weights_that_do_not_fit_the_shape() -> None:
    data = edited()
    constant = next(i for i in range(data.count("tensors")) if data.data[data.record("tensors", i) + 6])
    size = data.get(data.record("tensors", constant) + 24, 8)
    for change in (-64, -4, 1, 4, 64):
        refused(edited().field("tensors", constant, 24, size + change, 8).sealed(), FORMAT, "the bytes of its weights")


@pytest.mark.parametrize("axis", [4, 100, -5, -0x80000000, 0x7FFFFFFF])
@pytest.mark.parametrize("op", ["concat", "softmax", "transpose"])
def test_26_axis_out_of_range(op: str, axis: int) -> None:
    data = edited()
    step = step_named(data, op)
    word = 1 if op == "transpose" else 0
    with pytest.raises(CError, match="layer '") as error:
        Model(data.attr(step, word, axis).sealed())
    assert error.value.status in (FORMAT, SHAPE, UNSUPPORTED)


@pytest.mark.parametrize("word", [0x7FC00000, 0x7F800000, 0xFF800000, 1, 0xFFFFFFFF], ids=hex)
def test_27_weights_of_nan_infinity_and_denormals(word: int) -> None:
    data = edited()
    data.data[data.weights :] = struct.pack("<I", word) * ((len(data.data) - data.weights) // 4)
    with Model(data.sealed(), flags=2) as model:
        for isa in ("scalar", "auto"):
            with model.session(isa) as session:
                session.run([np.ones((1, 3, 9, 9), np.float32)])


def test_29_the_cost_of_a_run_is_known_before_it() -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((64, 64, 1, 1)).astype(np.float32)
    graph = Graph("bomb", {"x": Tensor("x", (1, 64, 2, 2)), "w": Tensor("w", w.shape, data=w)}, [], ["x"])
    graph.outputs = list(
        graph.add(Conv(kernel=(1, 1), strides=(1, 1), pads=(0,) * 4, dilations=(1, 1)), ["x", "w"]).outputs
    )
    with Model(amg(graph)) as model, model.session() as session:
        for side in (3, 1000):
            session.set_shape(0, (1, 64, side, side))
            assert session.macs() == 64 * 64 * side * side
        with pytest.raises(CError):
            session.set_shape(0, (2147483647, 64, 2147483647, 2147483647))
        assert session.macs() == 64 * 64 * 1000 * 1000, "the former shape stays"


# ---- mapping, memory, files -------------------------------------------------------------------------------------


def test_34_a_file_that_shrinks_after_opening_with_copy(tmp_path: Path) -> None:
    path = tmp_path / "m.amg"
    path.write_bytes(fire())
    with Model(path=str(path), flags=1) as model, model.session() as session:
        path.write_bytes(b"")
        (y,) = session.run([np.ones((1, 3, 9, 9), np.float32)])
        assert np.isfinite(y).all()


def test_35_bytes_that_change_after_opening() -> None:
    x = np.random.default_rng(1).standard_normal((1, 3, 9, 9)).astype(np.float32)
    with Model(fire()) as model:
        with model.session() as session:
            before = session.run([x])[0]
        start = -model.raw.ctypes.data % 64
        model.raw[start : start + edited().weights] = 0xFF  # the control region
        with model.session() as session:
            np.testing.assert_array_equal(session.run([x])[0], before)
            assert model.lib.amg_label(model.handle, 1) == b"class 1"
            model.raw[:] = 0xFF  # the weights
            session.run([x])


def test_36_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.amg").write_bytes(b"")
    (tmp_path / "short.amg").write_bytes(fire()[:-1])
    for name, status in (("missing.amg", FILE), ("", FILE), ("empty.amg", FILE), ("short.amg", FORMAT)):
        for flags in (0, 1):
            with pytest.raises(CError) as error:
                Model(path=str(tmp_path / name), flags=flags)
            assert error.value.status == status and error.value.message


def test_37_names_pass_as_they_are() -> None:
    nasty = '*/ "%s" \n ??/ ../../etc/passwd int'
    graph = Graph(nasty, {nasty: Tensor(nasty, (2,))}, [], [nasty], meta={nasty: nasty})
    graph.outputs = list(graph.add(Relu(), [nasty], ["y"], nasty).outputs)
    with Model(amg(graph, run_passes=False)) as model:
        assert model.tensor(0, 0).name.decode() == nasty
        assert model.lib.amg_meta(model.handle, nasty.encode()).decode() == nasty


def test_checksums() -> None:
    data = edited()
    data.data[data.at["strings"] + data.string("class 1")] ^= 1
    refused(bytes(data.data), CHECKSUM, "control region")
    data = edited()
    data.data[-1] ^= 1
    refused(bytes(data.data), CHECKSUM, "weights", flags=2)
    Model(bytes(data.data)).__exit__()


def test_memory_of_opening_is_bounded() -> None:
    """At most 16 times the control region and 4 KiB, as docs/format.md says."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    for data in (fire(), amg(homed_graph(), run_passes=False)):
        taken: list[int] = []

        def alloc(_: object, size: int, taken: list[int] = taken) -> object:
            taken.append(size)
            return libc.malloc(size)

        with Model(data, alloc=ALLOC(alloc), release=RELEASE(lambda _, memory: libc.free(memory))):
            assert 0 < sum(taken) <= 16 * Bytes(data).weights + 4096
