"""Weights stored in half precision: which ones, what they become when a model is opened, and where they lie then."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import amalgamate as am
import harness
import nets
from amalgamate import passes
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops.add import Add
from amalgamate.ops.identity import Identity
from amalgamate.pack import HALF_FROM, pack
from amalgamate.plan import plan
from amalgamate.writers import model_file
from amg_bytes import Bytes, fire, fire_graph
from harness import CError, Model, program
from test_bad_amg import FORMAT, MEMORY, UNSUPPORTED, refused
from test_hostile_amg import SANITIZED, SMALL

COPY, VERIFY = 1, 2
X = np.random.default_rng(1).standard_normal((1, 3, 9, 9)).astype(np.float32)


def stored(graph: Graph, weights_type: str = "float16") -> bytes:
    return model_file.write(plan(passes.run(graph), weights_type))


def holding(values: Array) -> Graph:
    """y = values, beside an input that nothing reads."""
    graph = Graph("held", {"x": Tensor("x", (1,))}, [], ["x"])
    graph.outputs = list(graph.add(Identity(), [graph.constant(values, "w")], ["y"]).outputs)
    return graph


def opened(data: bytes, **fields: object) -> Array:
    with Model(data, **fields) as model, model.session() as session:  # type: ignore[arg-type]
        return session.run([np.zeros(1, np.float32)])[0]


# ---- what is stored -----------------------------------------------------------------------------------------------


def kept(values: Array, weights_type: str = "float16") -> Array:
    (constant,) = pack(holding(np.asarray(values, np.float32)), weights_type)[0].values()
    return constant.data


def test_weights_are_rounded_to_nearest_even() -> None:
    half = np.arange(0x0400, 0x7BFF, dtype=np.uint16).view(np.float16).astype(np.float32)
    above = np.arange(0x0401, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    middle = ((half.astype(np.float64) + above) / 2).astype(np.float32)
    for shift, want in ((0, None), (-1, half), (1, above)):
        values = (middle if not shift else np.nextafter(middle, np.float32(shift * np.inf))).reshape(1, -1)
        got = kept(values).astype(np.float32)[0]
        even = np.where(half.astype(np.float16).view(np.uint16) % 2 == 0, half, above)
        np.testing.assert_array_equal(got, even if want is None else want)


def test_what_saves_little_or_loses_much_stays_float32() -> None:
    plenty = np.linspace(-1, 1, 4 * HALF_FROM, dtype=np.float32).reshape(4, -1)
    assert kept(plenty).dtype == np.float16 and kept(plenty, "float32").dtype == np.float32
    assert kept(plenty * 65504).dtype == np.float16, "the largest"
    for values in (
        plenty.ravel(),  # a bias
        plenty[:, : HALF_FROM // 4 - 1],
        plenty * 65505,
        plenty * 2.0**-15,  # would be subnormal
        plenty * np.inf,
        np.full_like(plenty, np.nan),
        np.zeros_like(plenty),
    ):
        assert kept(values).dtype == np.float32
    integers = Graph("i", {"x": Tensor("x", (64, 2), "int64")}, [], ["x"])
    w = integers.constant(np.ones((64, 2), np.int64), "w")
    integers.outputs = list(integers.add(Add(), ["x", w], ["y"]).outputs)
    assert [c.half for c in pack(integers, "float16")[0].values()] == [False]


def test_no_other_type_is_known(tmp_path: Path) -> None:
    with pytest.raises(AmalgamateError, match=r"E107.*bfloat16.*float32, float16"):
        am.build(nets.tiny(tmp_path / "net.onnx"), weights_type="bfloat16")


def test_the_file_says_so() -> None:
    whole, half = Bytes(fire()), Bytes(stored(fire_graph()))
    assert (whole.get(20, 2), whole.get(22, 2)) == (1, 0) and (half.get(20, 2), half.get(22, 2)) == (1, 1)
    rows = [half.record("tensors", i) for i in range(half.count("tensors"))]
    constants = [(half.data[at + 7], half.data[at + 8], half.get(at + 24, 8)) for at in rows if half.data[at + 6]]
    assert [encoding for encoding, _, _ in constants] == [0, 0, 1, 0, 1, 0], "one is small, three are biases"
    assert [size for encoding, packing, size in constants if encoding and packing == 1] == [5 * 16 * 2, 45 * 16 * 2]
    assert len(half.data) < len(whole.data)
    assert stored(fire_graph(), "float32") == fire()


# ---- what becomes of it -------------------------------------------------------------------------------------------


def test_every_half_becomes_its_float() -> None:
    """All 65,536, infinities, NaN and subnormal numbers too, which a file may hold."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    data = Bytes(stored(holding(np.ones((256, 256), np.float32))))
    data.data[data.weights :] = bits.astype("<u2").tobytes()
    got = opened(data.sealed(), flags=VERIFY)
    want = bits.view(np.float16).astype(np.float32).reshape(256, 256)
    np.testing.assert_array_equal(got, want)
    assert np.array_equal(np.signbit(got), np.signbit(want))


def scores(data: bytes | None = None, **options: object) -> Array:
    with Model(data, **options) as model, model.session() as session:  # type: ignore[arg-type]
        return session.run([X])[0]


def test_every_way_of_opening_gives_the_same(tmp_path: Path) -> None:
    """As a model of the rounded weights would, which tells expanding from computing."""
    rounded = fire_graph()
    for tensor in rounded.tensors.values():
        if tensor.constant and tensor.data is not None and tensor.data.ndim > 1 and tensor.data.shape[0] == 4:
            tensor.data = tensor.data.astype(np.float16).astype(np.float32)
    want = scores(model_file.write(plan(passes.run(rounded))))
    assert 0 < np.abs(want - scores(fire())).max() < 2e-3
    half = stored(fire_graph())
    (tmp_path / "m.amg").write_bytes(half)
    for flags in (0, COPY, VERIFY, COPY | VERIFY):
        assert np.array_equal(scores(half, flags=flags), want)
        assert np.array_equal(scores(path=str(tmp_path / "m.amg"), flags=flags), want)
    with Model(half) as model, model.session() as session:
        model.raw[:] = 0xAA
        assert np.array_equal(session.run([X])[0], want), "the bytes may go away"


def test_weights_expand_within_the_memory_that_holds_the_file() -> None:
    half = stored(fire_graph())
    size = plan(passes.run(fire_graph()), "float16").widened_bytes
    want = scores(half)
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    taken: list[int] = []
    alloc = harness.ALLOC(lambda _, n: taken.append(n) or libc.malloc(n))  # type: ignore[func-returns-value]
    release = harness.RELEASE(lambda _, at: libc.free(at))
    for room in (size, size + 64, len(half) + 4096):
        memory = np.empty(room + len(half) + 64, np.uint8)
        start = -memory.ctypes.data % 64
        end = start + max(room, len(half))
        memory[end - len(half) : end] = np.frombuffer(half, np.uint8)
        taken.clear()
        fields = {
            "data": memory.ctypes.data + end - len(half),
            "size": len(half),
            "weights": memory.ctypes.data + start,
            "weights_size": room,
            "alloc": alloc,
            "release": release,
        }
        with Model(**fields, flags=VERIFY) as model:  # type: ignore[arg-type]
            assert sum(taken) < 16 * Bytes(half).weights + 4096, "only what any model takes"
            with model.session() as session:
                assert np.array_equal(session.run([X])[0], want)
    for wrong in ({"weights_size": size - 1}, {"weights": memory.ctypes.data + start + 1}):
        with pytest.raises(CError, match="memory for weights") as error:
            Model(half, **{"weights": memory.ctypes.data + start, "weights_size": size} | wrong)  # type: ignore[arg-type]
        assert error.value.status == MEMORY


def test_a_pair_says_what_opening_takes_and_a_float32_pair_knows_nothing_of_it(tmp_path: Path) -> None:
    path = nets.lenet(tmp_path / "lenet.onnx")
    x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
    half, whole = am.build(path, weights_type="float16"), am.build(path)
    texts = {name: data.decode("latin-1") for name, data in half.pair().items()}
    assert f"#define LENET_WEIGHTS_BYTES {half.plan.widened_bytes} " in texts["lenet.h"]
    assert len(half.data) < 0.51 * len(whole.data)
    with am.load(half.compile()) as model, am.load(whole.compile()) as other:
        difference = np.abs(model.run(None, {"data": x})[0] - other.run(None, {"data": x})[0]).max()
        assert 0 < difference < 1e-3
    assert "LENET_WEIGHTS_BYTES" not in whole.pair()["lenet.h"].decode()
    (tmp_path / "half.amg").write_bytes(half.data)
    with pytest.raises(AmalgamateError, match="unknown encoding"):
        am.Model(whole.compile(), tmp_path / "half.amg")
    source = whole.write(tmp_path)[0]
    made = subprocess.run(["cc", "-O2", "-S", "-o", "-", source], capture_output=True, text=True, check=True).stdout
    assert "weights_widen" not in made
    source = half.write(tmp_path)[0]
    made = subprocess.run(["cc", "-O1", "-fno-inline", "-S", "-o", "-", source], capture_output=True, text=True).stdout
    assert "weights_widen" in made


# ---- hostile files ------------------------------------------------------------------------------------------------


def test_half_precision_where_there_can_be_none() -> None:
    data = Bytes(stored(fire_graph()))
    rows = range(data.count("tensors"))
    half = next(i for i in rows if data.data[data.record("tensors", i) + 7])
    bias = next(
        i for i in rows if data.data[data.record("tensors", i) + 6] and data.data[data.record("tensors", i) + 7] == 0
    )
    activation = next(i for i in rows if not data.data[data.record("tensors", i) + 6])

    def changed(tensor: int, offset: int, value: int, size: int = 1) -> bytes:
        return Bytes(bytes(data.data)).field("tensors", tensor, offset, value, size).sealed()

    refused(changed(activation, 7, 1), FORMAT, f"tensor {activation}: half precision")
    refused(changed(half, 4, 2), FORMAT, f"tensor {half}: half precision")  # int64
    refused(changed(half, 7, 2), UNSUPPORTED, "encoding")
    for tensor, encoding in ((half, 0), (bias, 1)):  # now twice, or half, of what is there
        refused(changed(tensor, 7, encoding), FORMAT, f"tensor {tensor}: the bytes of its weights")
    size = data.get(data.record("tensors", half) + 24, 8)
    for other in (0, size - 1, size + 1, size * 2, 1 << 63):
        refused(changed(half, 24, other, 8), FORMAT, f"tensor {half}: the bytes of its weights")


@pytest.mark.parametrize("mode", ["given", "truncated", "flipped", "swept", "forged", "starved"])
def test_hostile_files(mode: str, tmp_path: Path) -> None:
    """Under sanitizers, and on 32 bits: files with half precision are refused or run."""
    path = tmp_path / "m.amg"
    path.write_bytes(stored(fire_graph()))
    source = Path(__file__).parent / "c" / "abuse.c"
    for flags, compiler in ((SANITIZED, "gcc"), ((*SMALL, "-static", "-DAMG_NO_THREADS"), "i686-linux-gnu-gcc")):
        binary = program(source, flags, compiler=compiler)
        done = subprocess.run([binary, path, mode, "3000", "29"], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, (mode, done.stderr[-3000:])
        assert (int(done.stdout) > 0) == (mode not in ("truncated", "flipped"))
