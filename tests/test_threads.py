"""Sessions on several threads: the same bits as on one, no race, nothing left behind, no time spent while they sleep."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from ctypes import c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amalgamate as am
import harness
import nets
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Case, Op, registry
from amalgamate.ops._binary import Binary
from amalgamate.ops._unary import Unary
from amalgamate.ops.concat import Concat
from amalgamate.ops.conv import Conv
from amalgamate.ops.dense import Dense
from amalgamate.ops.lrn import Lrn
from amalgamate.ops.max_pool import MaxPool
from amalgamate.ops.relu import Relu
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.softmax import Softmax
from amalgamate.ops.swish import Swish
from amalgamate.resources import folder
from tools import ROOT, tool

sys.path.insert(0, str(ROOT / "bindings" / "python"))
import amalgamated

THREADS = (2, 3, 4, 7)
FLAGS = ("-O2", "-fPIC")
OPS = ("concat", "conv", "dense", "depthwise_conv", "max_pool", "relu", "reshape", "softmax", "transpose")
TASKS = Path("/proc/self/task")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime, but for a step too small for threads there is none: so that small cases are cut too."""
    usual = harness.library
    monkeypatch.setattr(harness, "library", lambda changes=(): usual((("exec.c", "-DAMG_THREAD_WORK=1"), *changes)))


def same_bits(graph: Graph, inputs: list[Array]) -> None:
    """Runs a graph on one thread and on several, on every instruction set."""
    with harness.Model(harness.amg(graph)) as model:
        for isa in harness.isas():
            with model.session(isa) as session:
                want = [y.tobytes() for y in session.run(inputs)]
            for threads in THREADS:
                with model.session(isa, threads=threads) as session:
                    for _ in range(2):
                        assert [y.tobytes() for y in session.run(inputs)] == want, (threads, isa)


def weighted(graph: Graph, rng: np.random.Generator, op: Op, x: str, *shapes: tuple[int, ...]) -> str:
    """Adds an operator with random weights; returns its output."""
    names = [x]
    for i, shape in enumerate(shapes):
        names.append(f"w{len(graph.nodes)}_{i}")
        data = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        graph.tensors[names[-1]] = Tensor(names[-1], shape, "float32", data)
    return graph.add(op, names).outputs[0]


def halving() -> Op:
    return MaxPool(kernel=(3, 3), stride=(2, 2), pads=(0, 0, 0, 0), dilation=(1, 1))


def network() -> Graph:
    """Every way to convolve, pooling, a join, a fully connected layer and a softmax; 20 million multiply-accumulates."""
    rng = np.random.default_rng(0)
    graph = Graph("net", {"x": Tensor("x", (1, 3, 37, 41))}, [], ["x"])
    t = weighted(graph, rng, Conv(kernel=(3, 3), strides=(2, 2)), "x", (32, 3, 3, 3), (32,))
    t = graph.add(Relu(), [t]).outputs[0]
    t = weighted(graph, rng, Conv(kernel=(3, 3), pads=(1, 1, 1, 1), group=32), t, (32, 1, 3, 3))
    a = weighted(graph, rng, Conv(kernel=(1, 1), activation=Swish()), t, (48, 32, 1, 1), (48,))
    b = weighted(graph, rng, Conv(kernel=(3, 3), pads=(1, 1, 1, 1), activation=Swish()), t, (64, 32, 3, 3), (64,))
    t = graph.add(Concat(axis=1), [a, b]).outputs[0]
    t = graph.add(halving(), [t]).outputs[0]
    t = weighted(graph, rng, Conv(kernel=(5, 5), pads=(2, 2, 2, 2)), t, (96, 112, 5, 5))
    t = graph.add(Reshape((1, -1)), [t]).outputs[0]
    t = weighted(graph, rng, Dense(), t, (70, 96 * 8 * 9), (70,))
    graph.outputs = list(graph.add(Softmax(axis=1), [t], ["y"]).outputs)
    return graph


def picture() -> Array:
    return np.random.default_rng(1).standard_normal((1, 3, 37, 41)).astype(np.float32)


def cases_of(name: str) -> list[Case]:
    """The test cases that an operator names itself."""
    op = registry()[name]
    return list((op(kernel=(1, 1)) if "kernel" in op.__dataclass_fields__ else op()).cases())


# ---- the same bits ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", harness.all_ops())
def test_every_operator_gives_the_same_bits(name: str) -> None:
    for case in cases_of(name):
        with np.errstate(all="ignore"):
            same_bits(harness.graph_of(case), list(harness.inputs_of(case).values()))


def large() -> Iterator[Any]:
    """Steps of more elements than a thread takes at a time."""
    rng = np.random.default_rng(2)
    x, y = (rng.standard_normal((2, 24, 47, 33)).astype(np.float32) for _ in range(2))
    for name, op in sorted(registry().items()):
        if issubclass(op, Unary | Binary):
            yield pytest.param(Case(cases_of(name)[0].op, [np.abs(x), y] if issubclass(op, Binary) else [x]), id=name)
    for other in (Softmax(axis=1), Softmax(axis=3), halving(), Lrn(size=5), Lrn(size=3, region="within")):
        yield pytest.param(Case(other, [x]), id=str(other))
    for batch in (1, 5, 300):
        w = rng.standard_normal((90, 77)).astype(np.float32)
        yield pytest.param(
            Case(Dense(), [x.reshape(-1)[: batch * 77].reshape(batch, 77), w], (1,)), id=f"dense {batch}"
        )


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("case", list(large()))
def test_large_steps_give_the_same_bits(case: Case) -> None:
    with np.errstate(all="ignore"):
        same_bits(harness.graph_of(case), list(harness.inputs_of(case).values()))


CONVOLUTIONS = [  # rows, columns, inputs, outputs, kernel, group; one pixel more than blocks hold among them
    (1, 1, 200, 300, 1, 1), (15, 15, 40, 30, 1, 1), (13, 13, 64, 256, 1, 1), (7, 7, 130, 320, 1, 1), (5, 45, 16, 500, 1, 1),
    (57, 1, 24, 40, 1, 1), (2, 127, 33, 17, 1, 1), (29, 31, 16, 64, 3, 1), (13, 13, 48, 192, 3, 1), (7, 7, 256, 160, 3, 1),
    (33, 5, 32, 40, 3, 2), (23, 24, 18, 66, 5, 1), (3, 3, 70, 40, 3, 1), (40, 40, 48, 48, 3, 48),
]  # fmt: skip


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("shape", CONVOLUTIONS, ids=str)
def test_convolutions_give_the_same_bits(shape: tuple[int, ...]) -> None:
    h, w, inputs, outputs, kernel, group = shape
    graph = Graph("conv", {"x": Tensor("x", (1, inputs, h, w))}, [], ["x"])
    rng = np.random.default_rng(3)
    op = Conv(kernel=(kernel, kernel), pads=(kernel // 2,) * 4, group=group)
    graph.outputs = [weighted(graph, rng, op, "x", (outputs, inputs // group, kernel, kernel), (outputs,))]
    same_bits(graph, [rng.standard_normal((1, inputs, h, w)).astype(np.float32)])


def test_a_network_gives_the_same_bits() -> None:
    same_bits(network(), [picture()])


# ---- races, the caller's pool, cancelling, forks ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads") / "net.amg"
    path.write_bytes(harness.amg(network()))
    return path


def test_no_races(file: Path) -> None:
    """ThreadSanitizer over many sessions of one model at once, cancelled runs and a caller's pool."""
    flags = ("-O1", "-g", "-fsanitize=thread", "-Wno-error=tsan")
    program = harness.program(Path(__file__).parent / "c" / "threads.c", flags, OPS)
    # Where addresses are too random for the sanitizer's map of memory.
    fixed = [setarch, "-R"] if (setarch := shutil.which("setarch")) else []
    done = subprocess.run([*fixed, program, file, "all"], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_a_session_lives_on_in_a_child(file: Path) -> None:
    program = harness.program(Path(__file__).parent / "c" / "threads.c", FLAGS)
    done = subprocess.run([program, file, "fork"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_a_thread_that_cannot_be_made(file: Path) -> None:
    program = harness.program(Path(__file__).parent / "c" / "no_thread.c", FLAGS)
    done = subprocess.run([program, file], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "fine\n")


# ---- lives -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not TASKS.is_dir(), reason="threads are counted in /proc")
def test_no_thread_for_one_and_none_left_behind() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [c_void_p]
    held: set[int] = set()

    def alloc(_: object, size: int) -> int:
        held.add(at := int(libc.malloc(size)))
        return at

    def release(_: object, memory: int) -> None:
        held.remove(memory)
        libc.free(memory)

    before = len(list(TASKS.iterdir()))
    fields = {"alloc": harness.ALLOC(alloc), "release": harness.RELEASE(release)}
    with harness.Model(harness.amg(network()), **fields) as model:
        of_model = set(held)
        for threads in (0, 1):
            with model.session(threads=threads):
                assert len(list(TASKS.iterdir())) == before
        x = picture()
        for i in range(60):
            with model.session(threads=4) as session:
                assert len(list(TASKS.iterdir())) == before + 3
                if i % 3 == 0:  # others end before they have run
                    session.run([x])
            assert held == of_model
        assert len(list(TASKS.iterdir())) == before
    assert not held


def test_threads_sleep_between_runs() -> None:
    with harness.Model(harness.amg(network())) as model, model.session(threads=4) as session:
        session.run([picture()])
        time.sleep(0.02)
        start = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - start < 0.03


def test_threads_share_the_work() -> None:
    """The threads of a session get processor time of their own, all of them."""
    if not TASKS.is_dir():
        pytest.skip("times of threads are read in /proc")

    def spent(task: str) -> int:
        return int((TASKS / task / "schedstat").read_text().split()[0])

    before = set(os.listdir(TASKS))
    with harness.Model(harness.amg(network())) as model, model.session(threads=3) as session:
        made = set(os.listdir(TASKS)) - before
        assert len(made) == 2
        end = time.monotonic() + 20
        while time.monotonic() < end and not all(spent(task) > 2_000_000 for task in made):
            session.run([picture()])
        assert all(spent(task) > 2_000_000 for task in made)


def test_the_arena_holds_a_scratch_for_each_thread() -> None:
    with harness.Model(harness.amg(network())) as model:
        one, four = model.arena_size(threads=1), model.arena_size(threads=4)
        assert model.arena_size() == one < four
        memory = np.zeros(four + 64, np.uint8)
        base = memory.ctypes.data + -memory.ctypes.data % 64
        with pytest.raises(harness.CError, match="arena"):
            model.session(threads=4, arena=base, arena_size=four - 1)
        with model.session(threads=4, arena=base, arena_size=four) as session, model.session() as alone:
            np.testing.assert_array_equal(session.run([picture()])[0], alone.run([picture()])[0])


def test_older_callers_know_of_no_pool() -> None:
    """Options that end before `parallel`, which garbage follows in memory."""

    class Longer(ctypes.Structure):
        _fields_ = [("options", harness.SessionOptions), ("garbage", ctypes.c_uint64 * 2)]

    old = harness.SessionOptions.flags.offset + 4
    options = Longer(harness.SessionOptions(old, threads=3), (ctypes.c_uint64 * 2)(1, 1))
    with harness.Model(harness.amg(network())) as model:
        session = harness.Session.__new__(harness.Session)
        session.model, session.lib, session.handle = model, model.lib, c_void_p()
        harness.check(
            model.lib.amg_session_new(model.handle, ctypes.byref(options.options), ctypes.byref(session.handle))
        )
        with session, model.session() as alone:
            np.testing.assert_array_equal(session.run([picture()])[0], alone.run([picture()])[0])


def test_numbers_of_threads() -> None:
    with harness.Model(harness.amg(network())) as model:
        for threads in (-1, 257, 2**31 - 1):
            with pytest.raises(harness.CError) as error:
                model.session(threads=threads)
            assert error.value.status == -1
        with model.session(threads=256) as session:
            session.run([picture()])


def test_in_python(tmp_path: Path) -> None:
    """Both ways to run a library, which compile it in one file."""
    library = am.build(nets.lenet(tmp_path / "lenet.onnx")).compile()
    x = np.random.default_rng(4).standard_normal((1, 1, 28, 28)).astype(np.float32)
    with am.load(library) as model:
        (name,) = (tensor.name for tensor in model.inputs)
        (want,) = model.run(None, {name: x})
    before = len(list(TASKS.iterdir())) if TASKS.is_dir() else 0
    for make in (am.load, amalgamated.Model):
        with make(library, threads=3) as model:
            np.testing.assert_array_equal(model.run(None, {name: x})[0], want)
            assert not before or len(list(TASKS.iterdir())) == before + 2
        assert not before or len(list(TASKS.iterdir())) == before
    with pytest.raises(AmalgamateError, match="E153"), am.load(library, threads=-1) as model:
        model.run(None, {name: x})


@pytest.mark.parametrize("compiler", ["gcc", "clang", "i686-linux-gnu-gcc"])
@pytest.mark.parametrize("switch", [(), ("-DAMG_NO_THREADS",)], ids=["threads", "none"])
def test_it_compiles(compiler: str, switch: tuple[str, ...]) -> None:
    root = folder("runtime_src")
    files = [str(root / name) for name in ("threads.c", "exec.c", "session.c")]
    command = [tool(compiler), "-std=c99", "-O2", *harness.WARNINGS, *switch, "-fsyntax-only", f"-I{root}", *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
