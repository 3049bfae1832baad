"""The C API: options of any version, arenas, shapes, cancelling, top-k, profiles, and what amg_run must not do."""

from __future__ import annotations

import ctypes
import re
import subprocess
from ctypes import byref, c_float, c_int32, c_void_p
from pathlib import Path

import numpy as np
import pytest

import harness
from amalgamate import reference
from amalgamate.graph import Graph, Tensor
from amalgamate.ops.concat import Concat
from amalgamate.ops.exp import Exp
from amalgamate.ops.identity import Identity
from amalgamate.ops.relu import Relu
from amg_bytes import Bytes, fire, fire_graph
from harness import INPUT, OUTPUT, CError, Model, Options, Session, SessionOptions, amg, library, program
from tools import ROOT, tool

ARGUMENT, MEMORY, UNSUPPORTED, SHAPE, CANCELLED = -1, -2, -6, -7, -9
X = np.random.default_rng(1).standard_normal((1, 3, 9, 9)).astype(np.float32)


def scores(values: list[float]) -> Session:
    """A session whose output is the given values."""
    graph = Graph("scores", {"x": Tensor("x", (1, len(values)))}, [], ["x"], ["x"])
    session = Model(amg(graph, run_passes=False)).session()
    session.run([np.array([values], np.float32)])
    return session


# ---- versions and options ---------------------------------------------------------------------------------------


def test_every_status_has_a_sentence() -> None:
    header = (ROOT / "runtime_src/amg.h").read_text()
    codes = [0, *(int(v) for v in re.findall(r"#define AMG_E_\w+ \((-\d+)\)", header))]
    texts = [library().amg_strerror(code) for code in codes]
    assert len(set(texts)) == len(codes) == 10 and b"unknown status" not in texts
    for code in (1, -10, 2**31 - 1, -(2**31)):
        assert library().amg_strerror(code) == b"unknown status"
    assert library().amg_version() == int(re.search(r"#define AMG_VERSION (\d+)", header)[1])  # type: ignore[index]


@pytest.mark.parametrize("size", [0, 1, 7])
def test_options_without_a_size_are_refused(size: int) -> None:
    handle, lib = c_void_p(1), library()
    assert lib.amg_open(byref(Options(struct_size=size)), byref(handle)) == ARGUMENT and not handle.value
    with Model(fire()) as model:
        handle = c_void_p(1)
        options = SessionOptions(struct_size=size)
        assert lib.amg_session_new(model.handle, byref(options), byref(handle)) == ARGUMENT and not handle.value
        assert lib.amg_arena_size(model.handle, byref(options)) == 0


def test_options_of_older_and_newer_versions() -> None:
    raw = ctypes.create_string_buffer(fire(), len(fire()))
    for size in (Options.flags.offset, Options.alloc.offset, ctypes.sizeof(Options), ctypes.sizeof(Options) + 64):
        buffer = (ctypes.c_char * 4096)(*b"\xff" * 4096)  # what lies beyond struct_size must not be read
        options = Options.from_buffer(buffer)
        ctypes.memset(buffer, 0, min(size, ctypes.sizeof(Options)))
        options.struct_size, options.data, options.size = size, ctypes.addressof(raw), len(fire())
        handle = c_void_p()
        status = library().amg_open(byref(options), byref(handle))
        aligned = ctypes.addressof(raw) % 8 == 0
        assert status == (0 if aligned else ARGUMENT)
        library().amg_close(handle)
    with Model(fire()) as model:
        for size in (8, SessionOptions.arena.offset, SessionOptions.flags.offset, 512):
            buffer = (ctypes.c_char * 512)(*b"\xff" * 512)
            ctypes.memset(buffer, 0, min(size, ctypes.sizeof(SessionOptions)))
            session_options = SessionOptions.from_buffer(buffer)
            session_options.struct_size = size
            handle = c_void_p()
            assert library().amg_session_new(model.handle, byref(session_options), byref(handle)) == 0
            library().amg_session_free(handle)


def test_null_arguments() -> None:
    lib, handle = library(), c_void_p()
    assert lib.amg_open(None, None) == ARGUMENT
    assert lib.amg_open(None, byref(handle)) == ARGUMENT, "the runtime alone embeds no model"
    assert lib.amg_open_file(None, None, byref(handle)) == ARGUMENT
    assert lib.amg_open_file(b"x", None, None) == ARGUMENT
    lib.amg_close(None)
    lib.amg_session_free(None)
    assert lib.amg_tensor_count(None, INPUT) == lib.amg_layer_count(None) == lib.amg_arena_size(None, None) == 0
    assert lib.amg_tensor_info(None, INPUT, 0, byref(harness.CTensor())) == ARGUMENT
    assert lib.amg_session_tensor(None, INPUT, 0, byref(harness.CTensor())) == ARGUMENT
    assert lib.amg_meta(None, b"name") is lib.amg_label(None, 0) is lib.amg_data(None, INPUT, 0, None) is None
    assert lib.amg_session_new(None, None, byref(handle)) == lib.amg_run(None) == ARGUMENT
    assert lib.amg_set_shape(None, 0, None, 0) == lib.amg_topk(None, 0, 1, None, None) == ARGUMENT
    assert lib.amg_profile(None, 0, None) == ARGUMENT and lib.amg_errmsg(None) == b""
    assert lib.amg_set_image(None, 0, None, 1, 1, 3, 2) == ARGUMENT


def test_indices_out_of_range() -> None:
    with Model(fire()) as model, model.session() as session:
        lib = model.lib
        assert [lib.amg_tensor_count(model.handle, k) for k in (-1, 0, 1, 2)] == [0, 1, 1, 0]
        for kind, i in ((INPUT, -1), (INPUT, 1), (OUTPUT, 1), (2, 0), (-1, 0)):
            assert lib.amg_tensor_info(model.handle, kind, i, byref(harness.CTensor())) == ARGUMENT
            assert lib.amg_session_tensor(session.handle, kind, i, byref(harness.CTensor())) == ARGUMENT
            assert lib.amg_data(session.handle, kind, i, None) is None
        for layer in (-1, lib.amg_layer_count(model.handle)):
            assert lib.amg_profile(session.handle, layer, byref(harness.LayerStat())) == ARGUMENT
        assert lib.amg_meta(model.handle, None) is None


def test_alloc_and_release_belong_together() -> None:
    with pytest.raises(CError, match="together") as error:
        Model(fire(), alloc=harness.ALLOC(lambda _, size: 0))
    assert error.value.status == ARGUMENT


def test_messages_are_cut_to_the_buffer() -> None:
    data = fire()[:-1]
    raw = np.frombuffer(data, np.uint8)
    for size in range(20):
        text = ctypes.create_string_buffer(b"#" * 40)
        options = Options(
            ctypes.sizeof(Options), raw.ctypes.data, len(data), errbuf=ctypes.addressof(text), errbuf_size=size
        )
        assert library().amg_open(byref(options), byref(c_void_p())) == -3
        assert text.raw[size : size + 1] == b"#" and (not size or text.raw[size - 1] == 0)
        assert b"file is shorter than its".startswith(text.value[: max(size - 1, 0)].rstrip(b"#"))


# ---- sessions ---------------------------------------------------------------------------------------------------


def test_instruction_sets() -> None:
    with Model(fire()) as model:
        results = []
        for isa in harness.ISA:
            if isa in (*harness.ISAS, "auto"):
                with model.session(isa) as session:
                    results += session.run([X])
            else:
                with pytest.raises(CError) as error:
                    model.session(isa)
                assert error.value.status == UNSUPPORTED
        for isa in (-1, 7, 1000):
            options = SessionOptions(ctypes.sizeof(SessionOptions), 0, isa)
            assert model.lib.amg_session_new(model.handle, byref(options), byref(c_void_p())) == UNSUPPORTED
            assert model.lib.amg_arena_size(model.handle, byref(options)) == 0
        for threads in (-1, 1 << 20):
            options = SessionOptions(ctypes.sizeof(SessionOptions), threads)
            assert model.lib.amg_session_new(model.handle, byref(options), byref(c_void_p())) == ARGUMENT
    for y in results[1:]:
        np.testing.assert_allclose(y, results[0], rtol=1e-5, atol=1e-7)


def test_the_arena_of_the_caller() -> None:
    with Model(fire()) as model:
        need = model.arena_size()
        memory = np.full(need + 256, 0xAB, np.uint8)
        base = memory.ctypes.data + -memory.ctypes.data % 64
        with model.session() as own:
            want = own.run([X])[0]
        with model.session(arena=base, arena_size=need) as session:
            np.testing.assert_array_equal(session.run([X])[0], want)
            start = base - memory.ctypes.data
            assert (memory[:start] == 0xAB).all() and (memory[start + need :] == 0xAB).all(), (
                "nothing beyond is touched"
            )
            with pytest.raises(CError, match="smaller than amg_arena_size") as error:
                session.set_shape(0, (2, 3, 9, 9))
            assert error.value.status == MEMORY
            np.testing.assert_array_equal(session.run([X])[0], want)
        for place, size, status in ((base, need - 1, MEMORY), (base + 32, need, ARGUMENT), (base, 0, MEMORY)):
            with pytest.raises(CError) as error:
                model.session(arena=place, arena_size=size)
            assert error.value.status == status


def test_shapes_can_change_and_change_back() -> None:
    graph = fire_graph()
    rng = np.random.default_rng(3)
    with Model(amg(graph)) as model, model.session() as session:
        for shape in ((2, 3, 9, 9), (1, 3, 12, 17), (3, 3, 5, 5), (1, 3, 9, 9)):
            session.set_shape(0, shape)
            x = rng.standard_normal(shape).astype(np.float32)
            resized = graph.copy()
            resized.tensors["data"].shape = shape
            resized.infer()
            want = reference.run(resized, {"data": x})
            np.testing.assert_allclose(session.run([x])[0], want["prob"], rtol=1e-5, atol=1e-6)
        assert list(model.tensor(OUTPUT, 0).dims[:4]) == [1, 8, 4, 4], "the model keeps its defaults"


def test_shapes_that_do_not_fit_leave_the_session_as_it_was() -> None:
    with Model(fire()) as model, model.session() as session:
        want = session.run([X])[0]
        for shape in ((1, 4, 9, 9), (1, 3, 2, 2), (0, 3, 9, 9), (1, 3, -1, 9), (2**40, 3, 9, 9), (1, 3, 9), (1,) * 5):
            with pytest.raises(CError) as error:
                session.set_shape(0, shape)
            assert error.value.status == SHAPE and error.value.message, shape
        assert model.lib.amg_set_shape(session.handle, 1, None, 4) == ARGUMENT
        assert model.lib.amg_set_shape(session.handle, 0, None, 4) == ARGUMENT
        np.testing.assert_array_equal(session.run([X])[0], want)


def test_a_join_that_no_longer_lies_in_one_run_is_copied() -> None:
    """Channels joined in the source's order lie in one run for a batch of one only."""
    graph = Graph("join", {"x": Tensor("x", (1, 2, 3))}, [], ["x"])
    parts = [graph.add(op, ["x"]).outputs[0] for op in (Relu(), Exp())]
    graph.outputs = list(graph.add(Concat(axis=1), parts, ["y"]).outputs)
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        one = model.arena_size()
        assert one == 64 + 64, "x and y alone"
        for batch in (1, 2, 5):
            session.set_shape(0, (batch, 2, 3))
            x = np.random.default_rng(batch).standard_normal((batch, 2, 3)).astype(np.float32)
            want = np.concatenate([np.maximum(x, 0), np.exp(x)], axis=1)
            np.testing.assert_allclose(session.run([x])[0], want, rtol=1e-6)


def test_inputs_are_kept_where_that_is_asked_for() -> None:
    with Model(fire()) as model:
        with model.session(flags=1) as session:
            first = session.run([X])[0]
            np.testing.assert_array_equal(session.data(INPUT, 0), X)
            session.check(session.lib.amg_run(session.handle))
            np.testing.assert_array_equal(session.data(OUTPUT, 0), first)
        assert model.arena_size(flags=1) >= model.arena_size()


def test_sessions_share_a_model_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    with Model(fire()) as model:
        sessions = [model.session() for _ in range(3)]
        inputs = [rng.standard_normal(X.shape).astype(np.float32) for _ in sessions]
        want = [s.run([x])[0] for s, x in zip(sessions, inputs, strict=True)]
        for s, x in zip(sessions, inputs, strict=True):
            s.data(INPUT, 0)[...] = x
        for s, y in zip(reversed(sessions), reversed(want), strict=True):
            s.check(s.lib.amg_run(s.handle))
            np.testing.assert_array_equal(s.data(OUTPUT, 0), y)
        for s in sessions:
            s.__exit__()


def test_int64_goes_in_and_out() -> None:
    graph = Graph("ints", {"i": Tensor("i", (3,), "int64")}, [], ["i"])
    graph.outputs = list(graph.add(Identity(), ["i"], ["o"]).outputs)
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        values = np.array([-(2**62), 0, 7], np.int64)
        np.testing.assert_array_equal(session.run([values])[0], values)
        assert model.tensor(OUTPUT, 0).dtype == 2
        assert model.lib.amg_topk(session.handle, 0, 1, (c_int32 * 1)(), None) == UNSUPPORTED


# ---- progress, top-k, profile -----------------------------------------------------------------------------------


def test_progress_and_cancelling() -> None:
    seen: list[tuple[int, int]] = []
    stop = [100]

    def progress(_: object, layer: int, layers: int) -> int:
        seen.append((layer, layers))
        return int(layer == stop[0])

    callback = harness.PROGRESS(progress)
    with Model(fire()) as model, model.session(progress=callback) as session:
        count = model.lib.amg_layer_count(model.handle)
        want = session.run([X])[0]
        assert seen == [(i, count) for i in range(count)]
        stop[0] = 2
        with pytest.raises(CError, match="cancelled before layer") as error:
            session.run([X])
        assert error.value.status == CANCELLED and seen[-1] == (2, count)
        stop[0] = 100
        np.testing.assert_array_equal(session.run([X])[0], want)


@pytest.mark.parametrize("k", [0, 1, 3, 8, 20])
def test_topk(k: int) -> None:
    values = [0.5, np.nan, 2.0, -np.inf, 2.0, np.inf, np.nan, -1.0]
    order = [5, 2, 4, 0, 7, 3, 1, 6]  # equal ones by index, NaN last
    session = scores(values)
    cls, score = (c_int32 * 20)(*[-7] * 20), (c_float * 20)()
    assert session.lib.amg_topk(session.handle, 0, k, cls, score) == min(k, 8)
    assert list(cls[: min(k, 8)]) == order[:k] and list(cls[min(k, 8) :]) == [-7] * (20 - min(k, 8))
    np.testing.assert_array_equal(score[: min(k, 8)], np.float32(values)[order[:k]])
    assert session.lib.amg_topk(session.handle, 0, k, cls, None) == min(k, 8)


def test_topk_of_a_batch_is_of_its_first_item_and_of_many_classes() -> None:
    graph = Graph("batch", {"x": Tensor("x", (2, 1000))}, [], ["x"], ["x"])
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        x = np.random.default_rng(0).permutation(2000).astype(np.float32).reshape(2, 1000)
        session.run([x])
        cls = (c_int32 * 50)()
        assert session.lib.amg_topk(session.handle, 0, 50, cls, None) == 50
        np.testing.assert_array_equal(cls[:], np.argsort(-x[0])[:50])
        for arguments in ((1, 5, cls), (-1, 5, cls), (0, -1, cls), (0, 5, None)):
            assert session.lib.amg_topk(session.handle, *arguments, None) == ARGUMENT


def test_profile() -> None:
    with Model(fire()) as model, model.session() as session:
        layers = session.layers()
        assert all(v.ns == 0 for v in layers) and sum(v.macs for v in layers) == 4 * 4 * (3 * 5 + 5 * 4 + 5 * 4 * 9)
        session.run([X])
        after = session.layers()
        assert sum(v.ns for v in after) > 0
        assert [v.op for v in after].count(b"conv") == 3 and b"join" in [v.name for v in after]
        assert max(v.bytes_live for v in after) <= model.arena_size()


# ---- what must not happen ---------------------------------------------------------------------------------------


def test_running_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.amg"
    path.write_bytes(fire())
    binary = program(Path(__file__).parent / "c" / "run_only.c", ("-O2", "-fPIC", "-Wno-error=pedantic"))
    done = subprocess.run([binary, path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{10 * len(harness.held())} runs, 1 calls\n"), done.stderr


def test_the_model_file_is_mapped_not_read(tmp_path: Path) -> None:
    """Bytes allocated by opening a file do not grow with its weights."""
    graph = fire_graph()
    path = tmp_path / "m.amg"
    path.write_bytes(amg(graph))
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [c_void_p]
    taken: list[int] = []
    alloc = harness.ALLOC(lambda _, size: taken.append(size) or libc.malloc(size))  # type: ignore[func-returns-value]
    release = harness.RELEASE(lambda _, memory: libc.free(memory))
    sizes = []
    for flags in (0, 1):
        taken.clear()
        with Model(path=str(path), flags=flags, alloc=alloc, release=release) as model, model.session() as session:
            np.testing.assert_allclose(session.run([X])[0].sum(axis=1), 1, rtol=1e-5)
        sizes.append(sum(taken))
    assert sizes[1] - sizes[0] == len(path.read_bytes()), "with AMG_OPEN_COPY the file is in memory"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_core_compiles_without_its_optional_parts(compiler: str) -> None:
    """Each file alone, warnings being errors; and with everything left out that can be."""
    switches = ["-DAMG_NO_FILE", "-DAMG_NO_IMAGE", "-DAMG_NO_PROFILE", "-DAMG_NO_THREADS", "-DAMG_SCALAR_ONLY"]
    files = [str(p) for p in sorted((ROOT / "runtime_src").glob("*.c"))]
    for flags in ([], switches):
        command = [tool(compiler), "-std=c99", "-O1", *harness.WARNINGS, *flags, "-fsyntax-only", "-I"]
        done = subprocess.run([*command, str(ROOT / "runtime_src"), *files], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_header_is_clean_cpp(tmp_path: Path) -> None:
    source = tmp_path / "a.cpp"
    source.write_text('#include "amg.h"\nint main() { return amg_version() == 0; }\n')
    command = [tool("g++"), "-std=c++11", *harness.WARNINGS, "-fsyntax-only", "-I", str(ROOT / "runtime_src")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_damage_during_a_run_stays_in_bounds() -> None:
    """Weights may change while they are read: results differ, nothing else happens."""
    with Model(fire()) as model, model.session() as session:
        start = -model.raw.ctypes.data % 64 + Bytes(fire()).weights
        for value in (0x00, 0x7F, 0xFF):
            model.raw[start:] = value
            session.run([X])
