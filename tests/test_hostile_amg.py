"""Plans that lie, and hostile model files by the thousand: under sanitizers, on 32 bits, on the amalgamated build.

tests/c/abuse.c makes them from a good one: cut, flipped, swept byte by byte, or with random changes and a right checksum.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from amalgamate.ops import registry
from amg_bytes import Bytes, fire, homed_graph
from harness import CError, Model, amalgamated_program, amg, graph_of, inputs_of, program, run_c
from test_bad_amg import FORMAT, refused

SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def test_18_a_plan_that_overwrites_what_is_needed() -> None:
    plain = Bytes(amg(homed_graph(), run_passes=False))
    x = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    relu = np.maximum(x, 0)
    index = {name: plain.get(plain.words(i)[0] + 4 * plain.words(i)[1]) for i, name in enumerate("abhry")}
    want = np.concatenate([relu, np.exp(x), relu], axis=1)
    allowed = refusals = 0
    for homes in np.ndindex(2, 2, 2, 2, 2):  # every combination of wishes that the steps allow
        data = Bytes(bytes(plain.data))
        wishes = [("a", "h"), ("b", "h"), ("h", "r"), ("r", "y"), ("a", "y")]
        for name in "abhr":
            data.field("tensors", index[name], 12, 0xFFFFFFFF)
        for (name, home), wish in zip(wishes, homes, strict=True):
            if wish:
                data.field("tensors", index[name], 12, index[home])
        try:
            with Model(data.sealed()) as model, model.session() as session:
                np.testing.assert_allclose(session.run([x])[0], want, rtol=1e-5)
                allowed += 1
        except CError as error:
            assert error.status == FORMAT and "needed later" in error.message
            refusals += 1
    assert allowed and refusals, "both happen"
    both = Bytes(bytes(plain.data)).field("tensors", index["a"], 12, index["h"])
    refused(both.field("tensors", index["h"], 12, index["r"]).sealed(), FORMAT, "needed later")


def test_18_homes_that_no_step_gives() -> None:
    data = Bytes(amg(homed_graph(), run_passes=False))
    index = {name: data.get(data.words(i)[0] + 4 * data.words(i)[1]) for i, name in enumerate("abhry")}
    for name, home in (("a", "a"), ("a", "r"), ("r", "a"), ("y", "r"), ("b", "a"), ("h", "b")):
        changed = Bytes(bytes(data.data)).field("tensors", index[name], 12, index[home])
        refused(changed.sealed(), FORMAT, f"tensor {index[name]}: its home")
    source = data.get(data.at["inputs"])
    refused(Bytes(bytes(data.data)).field("tensors", source, 12, index["a"]).sealed(), FORMAT, "input 0: has a home")
    refused(Bytes(bytes(data.data)).field("tensors", index["a"], 12, source).sealed(), FORMAT, "no step makes its home")
    for home in (data.count("tensors"), 0xFFFFFFFE, 0x80000000):
        refused(Bytes(bytes(data.data)).field("tensors", index["a"], 12, home).sealed(), FORMAT, "out of range")


# ---- by the thousand ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def abuse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., int]:
    """Runs tests/c/abuse.c, built with the address and undefined behaviour sanitizers, on model bytes."""
    binary = program(Path(__file__).parent / "c" / "abuse.c", SANITIZED)
    folder = tmp_path_factory.mktemp("abuse")

    def run(data: bytes, *arguments: str) -> int:
        path = folder / "m.amg"
        path.write_bytes(data)
        done = subprocess.run([binary, path, *arguments], capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout
        return int(done.stdout)

    return run


def test_as_given(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "given") == 1


def test_truncated_everywhere(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "truncated") == 0


def test_flipped_everywhere(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "flipped") == 0


def test_swept_everywhere(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "swept") > 0, "names may change and the model still runs"


def test_forged(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "forged", "20000", "7") > 0


def test_starved_at_every_allocation(abuse: Callable[..., int]) -> None:
    assert abuse(fire(), "starved") >= 6


def test_the_amalgamated_runtime_refuses_and_runs_the_same(tmp_path: Path) -> None:
    path = tmp_path / "m.amg"
    path.write_bytes(fire())
    source = Path(__file__).parent / "c" / "abuse.c"
    answers = []
    for binary in (program(source, ("-O2", "-fPIC")), amalgamated_program(source)):
        for mode in (("given",), ("truncated",), ("swept",), ("forged", "3000", "11"), ("starved",)):
            done = subprocess.run([binary, path, *mode], capture_output=True, text=True, timeout=100)
            assert done.returncode == 0, done.stderr
            answers.append(int(done.stdout))
    assert answers[:5] == answers[5:]


SMALL = ("-Os", "-DAMG_SCALAR_ONLY", "-DSILENT=1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")


@pytest.mark.parametrize("flags", [("-O1",), SMALL], ids=["whole", "small"])
def test_hostile_files_on_32_bits(flags: tuple[str, ...], tmp_path: Path) -> None:
    """Where size_t holds 4 GiB, products overflow sooner: the same files are refused or run."""
    path = tmp_path / "m.amg"
    path.write_bytes(fire())
    flags = (*flags, "-static", "-DAMG_NO_THREADS")
    binary = program(Path(__file__).parent / "c" / "abuse.c", flags, compiler="i686-linux-gnu-gcc")
    for mode, ran in (
        ("given", 1),
        ("truncated", 0),
        ("flipped", 0),
        ("swept", None),
        ("forged", None),
        ("starved", None),
    ):
        done = subprocess.run([binary, path, mode, "5000", "23"], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, (mode, done.stderr)
        assert int(done.stdout) == ran or (ran is None and int(done.stdout) > 0)


def runtime_ops() -> list[str]:
    return sorted(name for name, op in registry().items() if not op.folds_only)


@pytest.mark.parametrize("name", runtime_ops())
def test_forged_attributes_of_every_operator(abuse: Callable[..., int], name: str) -> None:
    """Whatever a file says of an operator, its check refuses it or its run stays in bounds."""
    op = registry()[name]
    cases = list(op.cases(op.__new__(op)))
    assert cases
    for case in cases[:: max(1, len(cases) // 4)]:
        data = amg(graph_of(case))
        abuse(data, "given")
        abuse(data, "forged", "1500", "3")
    assert run_c(graph_of(cases[0]), inputs_of(cases[0]))
