"""The model file and the plan: bytes as docs/format.md says, and an arena that Python and C compute alike."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgamate import passes, reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Graph, ImageSpec, Tensor
from amalgamate.importers import read
from amalgamate.ops import Op, registry
from amalgamate.ops.add import Add
from amalgamate.ops.concat import Concat
from amalgamate.ops.dense import Dense
from amalgamate.ops.exp import Exp
from amalgamate.ops.identity import Identity
from amalgamate.ops.relu import Relu
from amalgamate.ops.softmax import Softmax
from amalgamate.ops.split import Split
from amalgamate.ops.transpose import Transpose
from amalgamate.pack import lane_rows, pack, panels
from amalgamate.plan import Plan, plan
from amalgamate.writers import model_file
from amg_bytes import SECTIONS
from harness import INPUT, OUTPUT, Model, amg, broken, cache_folder, graph_of, program
from tools import ROOT, shared


def ops() -> dict[str, type[Op]]:
    return {name: op for name, op in registry().items() if not op.folds_only}


# ---- bytes ------------------------------------------------------------------------------------------------------


def small() -> Graph:
    """y = softmax(relu(x)) with everything that a file can hold."""
    graph = Graph("small", {"x": Tensor("x", (1, 1, 2, 3))}, [], ["x"], symbols={"x": {0: "N", 2: "height"}})
    graph.labels, graph.meta = ["cat", "dog", "cat"], {"producer": "tests"}
    graph.image = ImageSpec("x", "gray", (1.5,), (2.0,), (4, 5), (2, 3))
    bias = graph.constant(np.arange(3, dtype=np.float32), "bias")
    x = graph.add(Add(), ["x", bias], name="first").outputs[0]
    graph.outputs = list(graph.add(Softmax(axis=3), [x], ["y"], name="last").outputs)
    return graph


def test_every_byte_of_a_small_file() -> None:
    data = model_file.write(plan(small()))
    strings = b"\0x\0y\0first\0add\0last\0softmax\0N\0height\0name\0small\0producer\0tests\0cat\0dog\0"
    at = {text: strings.index(b"\0" + text.encode() + b"\0") + 1 for text in strings.decode().split("\0") if text}
    none = 0xFFFFFFFF
    x = struct.pack("<I8BI2Q8I", at["x"], 1, 4, 0, 0, 0, 0, 0, 0, none, 0, 0, 1, 1, 2, 3, 0, 0, 0, 0)
    bias = struct.pack("<I8BI2Q8I", 0, 1, 1, 1, 0, 0, 0, 0, 0, none, 0, 12, 3, *[0] * 7)
    sum_ = struct.pack("<I8BI2Q8I", 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, *[0] * 8)
    y = struct.pack("<I8BI2Q8I", at["y"], 1, 0, 0, 0, 0, 0, 0, 0, none, 0, 0, *[0] * 8)
    add, softmax = Add().words(), Softmax(axis=3).words()
    steps = struct.pack("<2I2HI", at["first"], at["add"], 2, 1, len(add))
    steps += struct.pack("<2I2HI", at["last"], at["softmax"], 1, 1, len(softmax))
    words = struct.pack(f"<3I{len(add)}i", 0, 1, 2, *add) + struct.pack(f"<2I{len(softmax)}i", 2, 3, *softmax)
    extras = struct.pack("<2I6I", 0, 3, 0, 0, at["N"], 0, 2, at["height"])
    extras += struct.pack("<4I", at["name"], at["small"], at["producer"], at["tests"])
    extras += struct.pack("<3I", at["cat"], at["dog"], at["cat"])
    extras += struct.pack("<I4B4I6f", 0, 2, 0, 2, 0, 4, 5, 2, 3, 1.5, 0, 0, 2, 1, 1)
    control = x + bias + sum_ + y + steps + words + extras + strings
    control += b"\0" * (-len(control) % 64)
    weights = struct.pack("<3f", 0, 1, 2).ljust(64, b"\0")
    counts = struct.pack("<10I", 4, 2, len(words) // 4, 1, 1, 2, 2, 3, 1, len(strings))
    head = struct.pack("<I2HQ", 0x01020304, 1, 0, 128 + len(control) + 64) + struct.pack("<Q", slow_sum(weights))
    summed = head + struct.pack("<Q", 64) + counts + b"\0" * 40 + control
    assert data == b"\x89AMG\r\n\x1a\n" + struct.pack("<Q", slow_sum(summed)) + summed + weights


def slow_sum(data: bytes) -> int:
    """The checksum as docs/format.md writes it."""
    words = struct.unpack(f"<{len(data) // 4}I", data)
    return sum(w * (1 + 0x3C6EF372FE94F82A * (len(words) - i)) for i, w in enumerate(words)) % 2**64


def test_checksum_of_long_data() -> None:
    data = np.random.default_rng(0).integers(0, 256, 4 * 3000, dtype=np.uint8).tobytes()
    assert model_file.checksum(data) == slow_sum(data)
    assert model_file.checksum(b"") == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_file, "CHUNK", 700)
        assert model_file.checksum(data) == slow_sum(data), "in pieces"


def test_numbers_of_the_document_are_those_of_both_halves() -> None:
    document, header = (ROOT / "docs/format.md").read_text(), (ROOT / "runtime_src/format.h").read_text()
    defines = dict(re.findall(r"#define (AMG_\w+) (\w+)", header))
    records = [int(defines[f"AMG_{k}_SIZE"]) for k in "TS"] + [12, 8, int(defines["AMG_I_SIZE"])]
    assert records == [dict(SECTIONS)[k] for k in ("tensors", "steps", "symbols", "metas", "images")]
    assert int(defines["AMG_H_SIZE"]) == model_file.HEADER == 128
    assert int(defines["AMG_FORMAT_SUM_FACTOR"].rstrip("u"), 16) == model_file.SUM_FACTOR
    assert f"{model_file.SUM_FACTOR:#X}".replace("X", "x") in document
    assert f"version {model_file.VERSION[0]}.{model_file.VERSION[1]}" in document.splitlines()[0]
    assert f"{int(defines['AMG_MAX_TENSORS']):,}" in document and f"{int(defines['AMG_MAX_SIDE']):,}" in document


def test_the_same_graph_gives_the_same_bytes_in_another_process() -> None:
    code = "import hashlib, test_format as t; print(hashlib.sha256(t.model_file.write(t.plan(t.small()))).hexdigest())"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(answers) == 1


def test_what_a_file_says_is_what_the_api_says() -> None:
    with Model(model_file.write(plan(small()))) as model:
        x, y = model.tensor(INPUT, 0), model.tensor(OUTPUT, 0)
        assert (x.name, x.dtype, list(x.dims[: x.ndim])) == (b"x", 1, [1, 1, 2, 3])
        assert (y.name, y.dtype, list(y.dims[: y.ndim])) == (b"y", 1, [1, 1, 2, 3])
        lib, handle = model.lib, model.handle
        assert [lib.amg_meta(handle, k) for k in (b"name", b"producer", b"none")] == [b"small", b"tests", None]
        assert [lib.amg_label(handle, i) for i in (-1, 0, 1, 2, 3)] == [None, b"cat", b"dog", b"cat", None]
        assert lib.amg_layer_count(handle) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.labels.append("a\0b"), "NUL"),
        (
            lambda g: g.tensors.update(x=Tensor("x", (1,) * 9)) or g.nodes.clear() or g.outputs.__setitem__(0, "x"),
            "axes",
        ),
        (
            lambda g: g.tensors.update(x=Tensor("x", (2**32,))) or g.nodes.clear() or g.outputs.__setitem__(0, "x"),
            "fit",
        ),
    ],
)
def test_what_the_format_cannot_hold_is_an_error(change: object, words: str) -> None:
    graph = small()
    graph.image = None
    change(graph)  # type: ignore[operator]
    with pytest.raises(AmalgamateError, match=words) as error:
        model_file.write(plan(graph))
    assert error.value.code == "E120"


# ---- packing ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 9))
def test_panels_and_lane_rows(groups: int, n: int, k: int) -> None:
    matrix = np.arange(groups * n * k, dtype=np.float32).reshape(groups, n, k) + 1
    packed = panels(matrix)
    assert packed.shape == (groups, -(-n // 16), k, 16)
    for g, o, i in np.ndindex(groups, packed.shape[1] * 16, k):
        assert packed[g, o // 16, i, o % 16] == (matrix[g, o, i] if o < n else 0)
    rows = lane_rows(matrix[0])
    assert rows.shape == (n, -(-k // 16) * 16)
    np.testing.assert_array_equal(rows[:, :k], matrix[0])
    assert not rows[:, k:].any()


def test_equal_constants_are_stored_once() -> None:
    graph = Graph("twins", {"x": Tensor("x", (2, 3))}, [], ["x"])
    names = [graph.constant(np.full((3,), v, np.float32)) for v in (1, 1, 2)]
    y = "x"
    for name in names:
        y = graph.add(Add(), [y, name]).outputs[0]
    graph.outputs = [y]
    constants, operands = pack(graph)
    assert len(constants) == 2
    assert operands[0][1] == operands[1][1] != operands[2][1]


def test_outputs_that_are_constants_or_inputs() -> None:
    graph = Graph("plain", {"x": Tensor("x", (2,))}, [], ["x"])
    graph.tensors["c"] = Tensor("c", (3,), data=np.arange(3, dtype=np.float32))
    graph.outputs = ["c", "x"]
    with Model(model_file.write(plan(graph))) as model, model.session() as session:
        c, x = session.run([np.array([5, 6], np.float32)])
    np.testing.assert_array_equal(c, [0, 1, 2])
    np.testing.assert_array_equal(x, [5, 6])


# ---- the plan ---------------------------------------------------------------------------------------------------


def agree(graph: Graph) -> Plan:
    """The plan of a graph; C must compute the same arena, and the same cost of every step."""
    made = plan(graph)
    with Model(model_file.write(made)) as model, model.session() as session:
        assert model.arena_size() == made.arena_bytes
        layers = session.layers()
        assert [v.macs for v in layers] == [made.graph.node_macs(n) for n in made.graph.nodes]
        live = [sum(b.bytes for b in made.blocks if b.birth <= i <= b.death) for i in range(len(layers))]
        assert [v.bytes_live for v in layers] == live
    return made


def test_flags_agree_with_python() -> None:
    binary = program(Path(__file__).parent / "c" / "flags.c", ("-O2", "-fPIC"))
    lines = subprocess.run([binary], capture_output=True, text=True, check=True).stdout.split()
    flags = dict(zip(lines[::2], map(int, lines[1::2]), strict=True))
    python = {n: o.in_place * 1 + o.pitched_in * 2 + o.pitched_out * 4 + o.joins * 8 for n, o in ops().items()}
    assert flags == python


def test_every_operator_compiles() -> None:
    assert broken() == {}


@pytest.mark.parametrize("name", sorted(ops()))
def test_every_operator_states_its_scratch_and_cost(name: str) -> None:
    op = ops()[name]
    for case in op.cases(op.__new__(op)):
        agree(passes.run(graph_of(case)))


@cache
def network(name: str) -> Graph:
    """One of the benchmark networks, after all passes."""
    script = shared("bench/make_models.py")
    path = cache_folder() / f"{name}.onnx"
    if not path.exists():
        part = cache_folder() / f"part-{name}"
        part.mkdir(exist_ok=True)
        subprocess.run([sys.executable, script, part, name], check=True, capture_output=True)
        (part / f"{name}.onnx").rename(path)
    return passes.run(read(path))


@pytest.mark.parametrize(
    "name", ["lenet", "squeezenet10", "squeezenet11", "mobilenet_v1", "mobilenet_v2", "resnet18", "alexnet"]
)
def test_networks_need_the_arena_that_was_planned(name: str) -> None:
    made = agree(network(name))
    limits = {"squeezenet10": 5.7, "squeezenet11": 3.8, "alexnet": 2.3}
    assert made.arena_bytes <= limits.get(name, 8) * 2**20


def test_no_two_live_blocks_overlap() -> None:
    made = plan(network("squeezenet10"))
    for i, a in enumerate(made.blocks):
        assert a.offset % 64 == 0 and a.offset + a.bytes <= made.arena_bytes
        for b in made.blocks[:i]:
            if a.birth <= b.death and b.birth <= a.death:
                assert a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset


def test_concats_of_squeezenet_copy_nothing() -> None:
    made = plan(network("squeezenet11"))
    joins = [n for n in made.graph.nodes if n.op.joins]
    assert len(joins) == 8
    for node in joins:
        assert all(made.homes.get(name) == node.outputs[0] for name in node.inputs)


def test_the_plan_prints() -> None:
    made = plan(small())
    assert str(made).splitlines()[1].split() == ["block", "from", "to", "bytes", "offset"]
    rows = made.timeline(width=32).splitlines()
    assert [r.split()[0] for r in rows] == ["first", "last"]
    assert all(len(r[r.index("|") + 1 : r.rindex("|")]) == 32 and "#" in r for r in rows)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of operators that can work in place, join, split, or need adjacent rows."""
    rows, cols = draw(st.sampled_from([(1, 5), (3, 4), (2, 16), (4, 3)]))
    graph = Graph("random", {}, [], [])
    for i in range(draw(st.integers(1, 2))):
        graph.tensors[f"x{i}"] = Tensor(f"x{i}", (rows, cols))
        graph.inputs.append(f"x{i}")
    for _ in range(draw(st.integers(1, 12))):
        names = list(graph.tensors)
        pick = st.sampled_from(names)
        x = draw(pick)
        shape = graph.tensors[x].shape
        kind = draw(
            st.sampled_from(["relu", "exp", "add", "concat", "concat", "split", "transpose", "softmax", "identity"])
        )
        if kind == "relu":
            graph.add(Relu(), [x])
        elif kind == "exp":
            graph.add(Exp(), [graph.add(Softmax(axis=1), [x]).outputs[0]])
        elif kind == "add":
            graph.add(Add(), [x, draw(st.sampled_from([n for n in names if graph.tensors[n].shape == shape]))])
        elif kind == "concat":
            axis = draw(st.integers(0, 1))
            fit = [n for n in names if graph.tensors[n].shape[1 - axis] == shape[1 - axis]]
            graph.add(Concat(axis=axis), [x, *draw(st.lists(st.sampled_from(fit), min_size=1, max_size=3))])
        elif kind == "split" and shape[1] > 1:
            graph.add(Split(axis=1, sizes=(1, shape[1] - 1)), [x])
        elif kind == "transpose":
            graph.add(Transpose(perm=(1, 0)), [x])
        elif kind == "softmax":
            graph.add(Softmax(axis=1), [x])
        else:
            graph.add(Identity(), [x])
        if sum(t.bytes for t in graph.tensors.values()) > 1 << 16:
            break
    made = [o for n in graph.nodes for o in n.outputs] or graph.inputs
    graph.outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    graph.prune()
    return graph


@settings(max_examples=400, deadline=None)
@given(graphs(), st.booleans())
def test_random_graphs_compute_the_same_whatever_lies_where(graph: Graph, keep: bool) -> None:
    rng = np.random.default_rng(0)
    inputs = {n: rng.standard_normal(graph.tensors[n].shape).astype(np.float32) for n in graph.inputs}
    want = reference.run(graph, inputs)
    made = plan(graph)
    with Model(model_file.write(made)) as model, model.session(flags=int(keep)) as session:
        assert model.arena_size() == made.arena_bytes
        got = session.run(list(inputs.values()))
        for name, value in zip(graph.outputs, got, strict=True):
            np.testing.assert_allclose(value, want[name], rtol=1e-5, atol=1e-6, err_msg=f"{name} of\n{graph}")
        if keep:
            for i, value in enumerate(inputs.values()):
                np.testing.assert_array_equal(session.data(INPUT, i), value)
            np.testing.assert_array_equal(session.run(list(inputs.values()))[0], got[0])


def test_a_dense_layer_reads_slices_or_is_given_rows() -> None:
    """Packed weights, and an input that lies in a joined tensor, on a graph whose result is known."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal((6, 4)).astype(np.float32)
    graph = Graph("slice", {"x": Tensor("x", (3, 4)), "w": Tensor("w", w.shape, data=w)}, [], ["x"])
    a = graph.add(Relu(), ["x"]).outputs[0]
    b = graph.add(Exp(), ["x"]).outputs[0]
    joined = graph.add(Concat(axis=1), [a, b], ["joined"]).outputs[0]
    product = graph.add(Dense(), [a, "w"], ["product"]).outputs[0]
    graph.outputs = [joined, product]
    x = rng.standard_normal((3, 4)).astype(np.float32)
    want = reference.run(graph, {"x": x})
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        got = session.run([x])
    for name, value in zip(graph.outputs, got, strict=True):
        np.testing.assert_allclose(value, want[name], rtol=1e-5, atol=1e-6)
