"""Benchmarks, but for the times: arguments, the processes of engines, what is written from given figures, what is missing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import amalgamate
import harness
from amalgamate import cli
from amalgamate.benchmark import engines, jobs, layers, machine, picture, report, rounds
from amalgamate.benchmark.engines import OURS, PEERS
from amalgamate.benchmark.peak import Peak
from amalgamate.benchmark.rounds import Job, Measured, Request, Rounds, Settings
from tools import ROOT, absent

sys.path.insert(0, str(ROOT / "benchmarks"))
DIGITS = ROOT / "amalgamate" / "data" / "digits.onnx"
X = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
CRASH = Measured(error="crashed: SIGSEGV")
TABLE = {
    "lenet": {OURS: Measured(0.04, 2, 5, 1e-6), "onnxruntime": Measured(0.06, 10, 33), "ncnn": CRASH},
    "vgg16": {
        OURS: Measured(80, 90, 600, 2e-7),
        "onnxruntime": Measured(131.6, 300, 9),
        "ncnn": Measured(75, 9, 8, 0.5),
    },
}
RATED = [
    layers.Rated("conv1", "conv", "direct", "1x8x8x16", 0.5, 50_000_000, 400_000),
    layers.Rated("conv2", "conv", "Winograd 4x4", "1x8x8x32", 0.25, 75_000_000, 100_000),
    layers.Rated("<pool>", "max_pool", "", "1x4x4x32", 0.25, 0, 10_000),
]


def svg(text: str) -> str:
    """The words of a picture, which has to be well-formed."""
    return " ".join(ElementTree.fromstring(text).itertext())


# -- figures ----------------------------------------------------------------------------------------------------------


def test_geomean_counts_the_best_peer_of_each_network() -> None:
    line = report.geomean(TABLE, 1)
    mean = math.sqrt((0.06 / 0.04) * (75.0 / 80.0))
    assert line == f"geomean: {mean:.2f} (best peer / ours, 1 thread, 2 networks); lowest: vgg16 0.94"
    assert report.geomean({"lenet": TABLE["lenet"]}, 2) == (
        "geomean: 1.50 (best peer / ours, 2 threads, 1 network); lowest: lenet 1.50"
    )
    assert report.geomean({"lenet": {OURS: Measured(1.0)}}, 1) == "geomean: nothing to compare with"


def test_latency_table() -> None:
    lines = report.latency(TABLE).splitlines()
    assert lines[0] == "| network | amalgamate, ms | ONNX Runtime, ms | ncnn, ms | best peer / ours |"
    assert lines[2:] == ["| lenet | **0.04** | 0.06 | failed | 1.50 |", "| vgg16 | 80 | 131.6 | **75** | 0.94 |"]


def test_remarks_name_failures_and_differences() -> None:
    assert report.remarks(TABLE) == [
        "lenet: ncnn failed: crashed: SIGSEGV",
        "vgg16: the result of ncnn differs by 5.0e-01 of the largest value",
    ]
    assert "at most 1e-06" in report.agreement(TABLE)
    assert report.remarks({"n": {OURS: Measured(1, 1, 1, math.nan)}}), "NaN is a difference"


def test_document_holds_every_table() -> None:
    text = report.document(TABLE, Settings(), PEERS, ["bench.svg"])
    for part in (report.latency(TABLE), report.footprint(TABLE), "![bench.svg](bench.svg)", "geomean: ", "SIGSEGV"):
        assert part in text


def test_put_replaces_only_what_is_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- bench: 1 thread, auto -->\nold\n<!-- end -->\nb\n<!-- bench: 2 -->\nkept\n<!-- end -->\n")
    assert report.put(page, "bench: 1 thread, auto", r"| \1 new |")
    assert page.read_text() == (
        "a\n<!-- bench: 1 thread, auto -->\n| \\1 new |\n<!-- end -->\nb\n<!-- bench: 2 -->\nkept\n<!-- end -->\n"
    )
    assert not report.put(page, "bench: 3", "x")


def test_pages_have_the_marks_that_make_bench_looks_for() -> None:
    assert "<!-- bench: 1 thread, auto -->" in (ROOT / "README.md").read_text()
    manual = (ROOT / "docs" / "benchmarks.md").read_text()
    for mark in ("1 thread, avx2", "2 threads, auto"):
        assert f"<!-- bench: {mark} -->" in manual


def test_layers_are_rated_against_the_peak() -> None:
    peak = Peak(250.0, 40.0)
    rows = [line.strip("| ").split(" | ") for line in report.layers(RATED, peak).splitlines()]
    assert rows[2] == [
        "conv1",
        "conv",
        "direct",
        "1x8x8x16",
        "0.500",
        "50.0%",
        "50,000,000",
        "200.0",
        "80.0%",
        "400,000",
        "0.8",
    ]
    assert rows[4][6:9] == ["0", "", ""]
    assert report.of_peak(RATED, peak, 1) == pytest.approx(2e-6 * 125e6 / 0.75 / 250)
    assert report.of_peak(RATED, peak, 1, directly=True) == pytest.approx(0.8)
    assert report.share(RATED[0], peak, 2) == "40.0%"


def test_pictures_are_well_formed_and_say_what_they_show() -> None:
    words = svg(picture.bars(TABLE, "Speed & more"))
    assert "Speed & more" in words and "1.50" in words and "0.94" in words and "OpenVINO" not in words
    words = svg(picture.roofline(RATED, Peak(250.0, 40.0), 2, "roof"))
    assert "500 GFLOP/s" in words and "conv1: 0.500 ms" in words and "<pool>" not in words
    words = svg(picture.curves({OURS: {1: 10.0, 16: 120.0}, "mnn": {1: 9.0}}, "curves"))
    assert "120" in words and "16" in words and "MNN" in words


def test_conditions_name_who_is_held_and_who_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "missing", lambda name: ["MNN"] if name == "mnn" else [])
    text = report.conditions(Settings(2, "avx2"), PEERS)
    assert "; 2 threads, amalgamate and OpenVINO held to avx2, the others as they are, float32" in text
    assert "; not installed: MNN (MNN)" in text
    assert "held" not in report.conditions(Settings(), PEERS)


# -- layers -----------------------------------------------------------------------------------------------------------


def test_layers_of_a_network() -> None:
    built = amalgamate.build(DIGITS)
    with amalgamate.load(built.compile()) as model:
        rated = layers.rate(model, {model.inputs[0].name: X}, built.plan, runs=3)
    by_op = {n.op: n for n in rated}
    assert sum(n.macs for n in rated) == built.plan.graph.macs()
    assert all(n.ms > 0 or n.op == "reshape" for n in rated)
    assert by_op["dense"].bytes == 4 * (512 + 512 * 10 + 10 + 10) and by_op["dense"].way == "matrix x vector"
    assert by_op["max_pool"].way == "" and next(n.way for n in rated if n.op == "conv")
    assert by_op["reshape"].bytes == 0, "what is renamed does not move"


# -- engines and their processes --------------------------------------------------------------------------------------


def job(*names: str) -> Job:
    return Job("net", {"image": X}, ["y"], {name: [Path("model")] for name in names})


def test_every_engine_is_found_by_its_file() -> None:
    files = {path.stem for path in Path(engines.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {OURS, *PEERS}
    for name in files:
        engine = engines.engine(name)
        assert engine.TITLE and engine.MODULES and isinstance(dict(engine.environment("avx2", 0)), dict)


def test_openvino_is_held_to_avx2() -> None:
    assert engines.engine("openvino").environment("avx2", 0) == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    assert engines.engine("openvino").environment("auto", 0) == {}


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "mnn", "ncnn"])
def test_peer_agrees_with_ours_in_a_process_of_its_own(tmp_path: Path, peer: str) -> None:
    if engines.missing(peer):
        absent(f"{peer} is not installed: scripts/setup_bench.sh installs it")
    (output,) = amalgamate.build(DIGITS).plan.graph.outputs
    made = jobs.prepare("digits", DIGITS, amalgamate.build(DIGITS).data, {"image": X}, [output], [peer], tmp_path)
    bench = Rounds(Settings(1, "auto", 1, 0.0), tmp_path / "runs")
    found = bench.run(made)
    assert found[OURS].error == found[peer].error == ""
    assert found[OURS].ms > 0 and found[peer].load_ms > 0 and found[peer].mib > 0
    assert found[OURS].difference is not None and found[OURS].difference < 1e-5
    (line,) = (tmp_path / "converted").glob(f"digits-{peer}-*/files")
    before = line.stat().st_mtime_ns
    jobs.prepare("digits", DIGITS, b"", {"image": X}, [output], [peer], tmp_path)
    assert line.stat().st_mtime_ns == before, "converted once"


def fake(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    "code, expected",
    [
        (
            "import json, sys; r = json.load(sys.stdin); print('noise'); print(json.dumps({'ms': 2, 'for': r['names']}))",
            "for",
        ),
        ("print('no JSON')", "error"),
        ("print('{\"ms\": 0}')", "error"),
        ("raise SystemExit('out of ideas')", "out of ideas"),
        ("import os; os.kill(os.getpid(), 11)", "crashed: SIGSEGV"),
        ("import time; time.sleep(60)", "no answer within"),
    ],
)
def test_process_protocol(code: str, expected: str) -> None:
    request = Request("onnxruntime", ["m"], "in.npz", ["image"], ["y"], "out.npz", 1, "auto", 0.0, [])
    answer = rounds.ask(request, fake(code), patience=2.0 if "sleep" in code else 30.0)
    assert expected in answer or expected in answer["error"]
    if expected == "for":
        assert answer == {"ms": 2, "for": ["image"]}


def test_worker_answers_a_request_on_stdin(tmp_path: Path) -> None:
    from amalgamate.benchmark.engines.amalgamate import files

    built = amalgamate.build(DIGITS)
    np.savez(tmp_path / "in.npz", X)
    request = {
        "engine": OURS, "files": [str(p) for p in files(built.data, tmp_path)], "inputs": str(tmp_path / "in.npz"),
        "names": ["image"], "outputs": built.plan.graph.outputs, "results": str(tmp_path / "out.npz"), "threads": 1,
        "isa": "auto", "seconds": 0.0, "cpus": machine.chosen(1),
    }  # fmt: skip
    done = subprocess.run(rounds.WORKER, input=json.dumps(request), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["runs"] >= 5 and answer["ms"] > 0 and answer["load_ms"] > 0 and answer["mib"] > 0
    with np.load(tmp_path / "out.npz") as found, amalgamate.load(built.compile()) as model:
        assert np.array_equal(found["arr_0"], model.run(None, {"image": X})[0])


def test_rounds_interleave_the_engines_and_keep_the_best(tmp_path: Path) -> None:
    asked = []

    def answer(request: Request) -> dict[str, object]:
        asked.append((request.engine, request.turn))
        return {"ms": 5.0 - len(asked), "load_ms": 1.0, "mib": 1.0}

    found = Rounds(Settings(rounds=2), tmp_path).run(job(OURS, "mnn"), asking=answer)
    assert asked == [(OURS, 0), ("mnn", 0), (OURS, 1), ("mnn", 1)]
    assert [m.ms for m in found.values()] == [2.0, 1.0]


def test_an_engine_that_crashes_is_told_and_left_alone(tmp_path: Path) -> None:
    asked = []

    def answer(request: Request) -> dict[str, object]:
        asked.append(request.engine)
        return {"error": "crashed: SIGSEGV"} if request.engine == "ncnn" else {"ms": 1.0, "load_ms": 1.0, "mib": 1.0}

    found = Rounds(Settings(rounds=3), tmp_path).run(job(OURS, "ncnn"), asking=answer)
    assert asked.count("ncnn") == 1 and asked.count(OURS) == 3
    assert found["ncnn"].error == "crashed: SIGSEGV" and not found["ncnn"].known


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    store = tmp_path / "bench.json"
    left = [{"ms": 3.0, "load_ms": 1.0, "mib": 1.0}]

    def interrupted(_: Request) -> dict[str, float]:
        if not left:
            raise KeyboardInterrupt
        return left.pop()

    with pytest.raises(KeyboardInterrupt):
        Rounds(Settings(rounds=2), tmp_path, store, "here").run(job(OURS, "mnn"), asking=interrupted)
    other = Rounds(Settings(rounds=2, threads=2), tmp_path, store, "here")
    assert not other.resume() and not Rounds(Settings(rounds=2), tmp_path, store, "there").resume()
    again = Rounds(Settings(rounds=2), tmp_path, store, "here")
    assert again.resume() and not again.complete("net", [OURS, "mnn"])
    asked = []

    def answer(request: Request) -> dict[str, float]:
        asked.append((request.engine, request.turn))
        return {"ms": 4.0, "load_ms": 1.0, "mib": 1.0}

    found = again.run(job(OURS, "mnn"), asking=answer)
    assert asked == [("mnn", 0), (OURS, 1), ("mnn", 1)]
    assert found[OURS].ms == 3.0 and again.complete("net", [OURS, "mnn"])


def test_results_are_compared(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.npz" for name in "abc")
    np.savez(a, np.array([[1.0, 4.0]]))
    np.savez(b, np.array([1.0, 5.0]))
    np.savez(c, np.array([math.nan, 5.0]))
    assert rounds.difference(a, b) == pytest.approx(0.2)
    assert rounds.difference(c, b) == math.inf
    assert rounds.difference(a, tmp_path / "gone.npz") is None


def test_processors_are_of_different_cores_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu in range(4):  # 0 and 2 share a core, 1 and 3 another
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 2},{cpu % 2 + 2}\n")
    monkeypatch.setattr(machine, "_CPUS", tmp_path)
    monkeypatch.setattr(machine, "allowed", lambda: [0, 1, 2, 3])
    assert [machine.chosen(n) for n in (1, 2, 3, 4, 5)] == [[3], [2, 3], [1, 2, 3], [0, 1, 2, 3], []]


# -- the command and the script ---------------------------------------------------------------------------------------


def bench(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.run(["bench", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_command_names_missing_peers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "missing", lambda name: [] if name == OURS else [name.upper()])
    quick = ("digits", "--rounds", 1, "--seconds", 0, "--peers")
    code, out, _ = bench(capsys, *quick)
    assert code == 0 and "OpenVINO     is not installed: pip install OPENVINO" in out
    told = json.loads(bench(capsys, *quick, "--json")[1])
    assert told["missing"] == {name: [name.upper()] for name in PEERS} and told["ratio"] is None
    assert list(told["milliseconds"]) == [OURS]


def test_command_writes_page_and_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    least = harness.held()[0]
    code, out, err = bench(
        capsys, "digits", "--rounds", 1, "--seconds", 0, "--per-layer", "--isa", least, "-o", tmp_path
    )
    assert code == 0, err
    assert "of peak" in out and "weighted by time" in out
    page = (tmp_path / "bench.md").read_text()
    assert (
        "| conv1 | conv |" in page and "![roofline.svg](roofline.svg)" in page and f"amalgamate held to {least}" in page
    )
    assert "digits" in svg((tmp_path / "roofline.svg").read_text())


@pytest.mark.parametrize(
    "words, code, said",
    [
        ("digits --isa mmx", 1, "isa 'mmx'"),
        ("digits --threads 0", 2, "--threads"),
        ("digits --rounds 0", 2, "--rounds"),
        ("digits --peers --output conv1", 1, "--peers with --bind or --output"),
    ],
)
def test_command_refuses(capsys: pytest.CaptureFixture[str], words: str, code: int, said: str) -> None:
    got, _, err = bench(capsys, *words.split())
    assert got == code and said in err


@pytest.mark.parametrize("script", ["peers.py", "scaling.py"])
@pytest.mark.parametrize("words", [["nonet"], ["lenet", "--engines", "tvm"]])
def test_scripts_refuse_what_they_do_not_know(script: str, words: list[str]) -> None:
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / script, *words], capture_output=True, text=True)
    assert done.returncode == 2 and words[-1] in done.stderr


def test_networks_of_a_batch(tmp_path: Path) -> None:
    import networks

    path = networks.write(tmp_path, "lenet", 3)
    built = amalgamate.build(path)
    with amalgamate.load(built.compile()) as model:
        x = np.random.default_rng(0).standard_normal((3, 1, 28, 28)).astype(np.float32)
        assert model.run(None, {"data": x})[0].shape == (3, 10)
