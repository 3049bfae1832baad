"""Compiled pairs run from Python, through cffi and through the one-file ctypes twin."""

from __future__ import annotations

import array
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import amalgamate as am
import nets
from amalgamate import importers, reference, toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import native, zig
from machines import needs_zig
from tools import ROOT

sys.path.insert(0, str(ROOT / "bindings" / "python"))
import amalgamated

LABELS = [f"digit {i}" for i in range(10)]
PICTURE = am.Image("gray", mean=33.0, std=78.0, resize=(28, 28))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("predictor")


@pytest.fixture(scope="module")
def lenet(folder: Path) -> am.Built:
    return am.build(nets.lenet(folder / "lenet.onnx"), labels=LABELS, image=PICTURE)


@pytest.fixture(scope="module")
def library(lenet: am.Built) -> Path:
    return lenet.compile()


@pytest.fixture(scope="module")
def both(folder: Path) -> Path:
    return am.build(nets.two_in_two_out(folder / "both.onnx"), prefix="other").compile()


@pytest.fixture(params=["cffi", "ctypes"])
def model(request: pytest.FixtureRequest, library: Path) -> Iterator[Any]:
    opened = am.load(library) if request.param == "cffi" else amalgamated.Model(library)
    with opened:
        yield opened


ROUNDING = 4e-6  # of scores, where a layer goes Winograd's way as LeNet's second does


def digits(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, 1, 28, 28)).astype(np.float32)


# -- results --------------------------------------------------------------------------------------------------------


def test_describes_inputs_and_outputs(model: Any) -> None:
    (x,), (y,) = model.inputs, model.outputs
    assert (x.name, x.shape, str(x.dtype)) == ("data", (1, 1, 28, 28), "float32")
    assert (y.name, y.shape) == ("prob", (1, 10))
    assert model.meta("name") == "lenet" and model.meta("nothing") is None
    assert [model.label(i) for i in (0, 9, 10, -1)] == ["digit 0", "digit 9", None, None]


def test_agrees_with_the_reference(model: Any, folder: Path, lenet: am.Built) -> None:
    graph = importers.read(folder / "lenet.onnx", None, {}, [], {})
    for seed in range(3):
        (y,) = model.run(None, {"data": digits(seed)})
        assert np.abs(y - reference.run(graph, {"data": digits(seed)}, ["prob"])["prob"]).max() <= ROUNDING


def test_two_inputs_two_outputs_with_another_prefix(both: Path) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 2, 3)).astype(np.float32)
    for opened in (am.load(both), amalgamated.Model(both)):
        with opened as model:
            s, p = model.run(None, {"b": b, "a": a})
            assert np.array_equal(s, a + b) and np.array_equal(p, a * b)
            assert [r.tolist() for r in model.run(["p"], {"a": a, "b": b})] == [(a * b).tolist()]


def test_other_shapes_are_planned_anew(model: Any) -> None:
    batch = np.concatenate([digits(seed) for seed in range(3)])
    (together,) = model.run(None, {"data": batch})
    assert together.shape == (3, 10)
    for seed in (2, 0, 1):
        assert np.abs(model.run(None, {"data": digits(seed)})[0][0] - together[seed]).max() <= ROUNDING


def test_results_are_the_callers(model: Any) -> None:
    (first,) = model.run(None, {"data": digits(0)})
    kept = first.copy()
    model.run(None, {"data": digits(1)})
    assert np.array_equal(first, kept)


def test_arrays_need_not_be_contiguous(library: Path) -> None:
    x = digits()
    with am.load(library) as model:
        expected = model.run(None, {"data": x})[0]
        for given in (np.asfortranarray(x), np.repeat(x, 2, axis=3)[..., ::2], x.tolist()):
            assert np.array_equal(model.run(None, {"data": given})[0], expected)


def test_input_in_place_is_not_copied(library: Path) -> None:
    with am.load(library) as model:
        expected = model.run(None, {"data": digits()})[0]
        place = model.view("data")
        place[...] = digits()
        assert np.array_equal(model.run(None, {"data": place})[0], expected)
        assert np.array_equal(model.view("prob"), expected)


@pytest.mark.parametrize("isa", ["sse2", "avx2", "avx512"])
def test_instruction_sets_agree(library: Path, isa: str) -> None:
    with am.load(library) as best:
        expected = best.run(None, {"data": digits()})[0]
    try:
        model = am.load(library, isa=isa)
    except AmalgamateError as error:
        assert error.code == "E153"
        pytest.skip(f"this machine has no {isa}")
    with model:
        assert np.abs(model.run(None, {"data": digits()})[0] - expected).max() <= 1e-6


# -- pictures -------------------------------------------------------------------------------------------------------


def test_classify_takes_files_pictures_and_arrays(model: Any, folder: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(pixels).save(folder / "digit.png")
    (expected,) = model.run(None, {"data": ((pixels.astype(np.float32) - 33) / 78)[None, None]})
    order = np.argsort(-expected[0], kind="stable")[:3]
    for picture in (pixels, Image.fromarray(pixels), folder / "digit.png", str(folder / "digit.png")):
        best = model.classify(picture, top_k=3)
        assert [p.label for p in best] == [LABELS[i] for i in order] and [p.class_index for p in best] == order.tolist()
        assert np.allclose([p.score for p in best], expected[0][order], rtol=1e-4)
    assert len(model.classify(pixels, top_k=99)) == 10


def test_colour_pictures_become_gray(model: Any) -> None:
    gray = np.full((40, 30, 1), 77, np.uint8)
    results = [model.classify(np.repeat(gray, channels, axis=2), top_k=1)[0] for channels in (1, 3, 4)]
    assert len({p.label for p in results}) == 1 and np.allclose([p.score for p in results], results[0].score, rtol=1e-3)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros(4, np.uint8)],
    ids=["empty", "two channels", "float", "one axis"],
)
def test_what_is_no_array_of_pixels_is_refused(model: Any, picture: np.ndarray) -> None:
    with pytest.raises((AmalgamateError, ValueError, amalgamated.Error)) as caught:
        model.classify(picture)
    assert not isinstance(caught.value, AmalgamateError) or caught.value.code == "E152"


def test_files_that_are_no_pictures_are_refused(library: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    (tmp_path / "b.jpg").write_text("hello")
    with am.load(library) as model:
        for name, code in (("a.png", "E152"), ("b.jpg", "E152"), ("missing.png", "E100"), ("", "E100")):
            with pytest.raises(AmalgamateError, match=code):
                model.classify(tmp_path / name)


# -- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "feeds", "words"),
    [
        (None, {"x": digits()}, ["no input 'x'", "data"]),
        (None, {}, ["'data' is missing", "float32[1, 1, 28, 28]"]),
        (["y"], {"data": digits()}, ["no output 'y'", "prob"]),
        (None, {"data": digits().astype(np.float64)}, ["expects float32", "got float64", "astype('float32')"]),
        (None, {"data": "a picture"}, ["expects numbers, got str"]),
        (None, {"data": digits()[0]}, ["expects float32[1, 1, 28, 28]", "got float32[1, 28, 28]"]),
        (None, {"data": digits()[:, :, 1:]}, ["expects [1, 1, 28, 28], got [1, 1, 27, 28]"]),
        (None, {"data": np.zeros((1, 2, 28, 28), np.float32)}, ["expects [1, 1, 28, 28], got [1, 2, 28, 28]"]),
    ],
)
def test_wrong_inputs_say_what_is_expected(library: Path, outputs: Any, feeds: Any, words: list[str]) -> None:
    with am.load(library) as model:
        with pytest.raises(AmalgamateError, match="E151") as caught:
            model.run(outputs, feeds)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert model.run(None, {"data": digits()})[0].shape == (1, 10)


@pytest.mark.parametrize(
    "feeds",
    [{"x": digits()}, {}, {"data": digits().astype(np.float64)}, {"data": b"123"}, {"data": digits()[:, :, 1:]}],
)
def test_wrong_inputs_of_the_twin(library: Path, feeds: Any) -> None:
    with amalgamated.Model(library) as model:
        with pytest.raises((ValueError, amalgamated.Error)):
            model.run(None, feeds)
        assert model.run(None, {"data": digits()})[0].shape == (1, 10)


def test_files_that_are_no_library(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("hello")
    (tmp_path / "almost.so").write_bytes(b"\0amg_session_new\0")
    (tmp_path / "folder.so").mkdir()
    cases = (
        ("text.so", "E150"),
        ("almost.so", "E150"),
        ("folder.so", "E100"),
        ("none.so", "E100"),
        ("none.amg", "E100"),
    )
    for name, code in cases:
        with pytest.raises(AmalgamateError, match=code):
            am.load(tmp_path / name)
        if not name.endswith(".amg"):
            with pytest.raises(amalgamated.Error):
                amalgamated.Model(tmp_path / name)


def test_damaged_model_file_is_refused(lenet: am.Built, tmp_path: Path) -> None:
    (tmp_path / "cut.amg").write_bytes(lenet.data[:1000])
    with pytest.raises(AmalgamateError, match="E153"):
        am.load(tmp_path / "cut.amg")


def test_unknown_instruction_set(library: Path) -> None:
    with pytest.raises(AmalgamateError, match=r"E107.*avx2"):
        am.load(library, isa="mmx")
    with pytest.raises(AmalgamateError, match="E153"):
        am.load(library, isa="wasm")


# -- life -----------------------------------------------------------------------------------------------------------


def test_model_file_beside_the_library_and_alone(lenet: am.Built, tmp_path: Path) -> None:
    expected = am.load(lenet.compile()).run(None, {"data": digits()})[0]
    built = am.build(nets.lenet(tmp_path / "lenet.onnx"), weights_as="file")
    path = built.compile(out=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["lenet.onnx", "lenet.c", "lenet.h", "lenet.amg", path.name]
    )
    for model in (am.load(path), amalgamated.Model(path), am.load(tmp_path / "lenet.amg")):
        with model:
            assert np.array_equal(model.run(None, {"data": digits()})[0], expected)


def test_closed_models_say_so(model: Any) -> None:
    model.run(None, {"data": digits()})
    model.close()
    model.close()
    with pytest.raises((AmalgamateError, ValueError), match="closed"):
        model.run(None, {"data": digits()})


def test_threads_share_a_model(model: Any) -> None:
    expected = [model.run(None, {"data": digits(seed)})[0] for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(50):
            if not np.array_equal(model.run(None, {"data": digits(seed)})[0], expected[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pickled_models_know_their_file(library: Path, lenet: am.Built, tmp_path: Path) -> None:
    with am.load(library) as model:
        expected = model.run(None, {"data": digits()})[0]
        again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.run(None, {"data": digits()})[0], expected)
    path = lenet.compile(out=tmp_path)
    data = pickle.dumps(am.load(path))
    am.build(nets.tiny(tmp_path / "t.onnx"), name="lenet").compile(out=tmp_path)
    program = f"import pickle; pickle.loads({data!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "E150 the library is not the one that was pickled" in done.stderr


def test_twin_needs_neither_numpy_nor_pillow(library: Path) -> None:
    program = f"""
import sys, array
sys.modules["numpy"] = sys.modules["PIL"] = None
sys.path.insert(0, {str(ROOT / "bindings" / "python")!r})
from amalgamated import Model
with Model({str(library)!r}) as model:
    x = array.array("f", [0.25] * 784)
    rows = [model.run(None, {{"data": given}})[0].tolist() for given in (x, x.tobytes(), memoryview(x))]
    best = model.classify(memoryview(bytes(28 * 28)).cast("B", (28, 28)), top_k=2)
    assert rows[0] == rows[1] == rows[2] and len(rows[0][0]) == 10 and len(best) == 2
    print(sum(rows[0][0]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert abs(float(done.stdout) - 1) < 1e-5


def test_compiled_pairs_are_kept(lenet: am.Built) -> None:
    first = lenet.compile()
    assert lenet.compile() == first and [p.suffix for p in sorted(first.parent.iterdir())] == [".h", native.SUFFIX]


# -- compilers ------------------------------------------------------------------------------------------------------


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("net.c", "net.h"):
        (tmp_path / name).write_text("int32_t amg_session_new(void);\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(AmalgamateError, match=r"E140 no C compiler.*gcc"):
        toolchains.build(tmp_path / "net.c")
    with pytest.raises(AmalgamateError, match=r"E140.*apt install emscripten"):
        toolchains.build(tmp_path / "net.c", "wasm-scalar")
    monkeypatch.setenv("CC", "no-such-cc -m64")
    with pytest.raises(AmalgamateError, match=r"E140 CC names 'no-such-cc'"):
        toolchains.build(tmp_path / "net.c")


def test_failing_compiler_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "net.c").write_text("int net = nothing_like_this;\n")
    with pytest.raises(AmalgamateError, match=r"(?s)E141.*nothing_like_this") as caught:
        toolchains.build(tmp_path / "net.c")
    assert "net.c:1" in str(caught.value).replace("\n", " ")
    assert [p.name for p in tmp_path.iterdir()] == ["net.c"]
    monkeypatch.setenv("CC", "false")
    with pytest.raises(AmalgamateError, match=r"E141.*It said nothing.*doctor"):
        toolchains.build(tmp_path / "net.c")
    with pytest.raises(AmalgamateError, match=r"E100.*amalgamate build"):
        toolchains.build(tmp_path / "other.c")


def test_compiler_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "gcc -DVALUE=7")
    (tmp_path / "net.c").write_text("int net = VALUE;\n")
    assert toolchains.build(tmp_path / "net.c").is_file()


def test_zig_refuses_what_is_no_target(tmp_path: Path) -> None:
    (tmp_path / "net.c").write_text("int net;\n")
    with pytest.raises(AmalgamateError, match=r"E140.*is no target"):
        toolchains.build(tmp_path / "net.c", "toaster")


def test_zig_compiles_for_another_system(tmp_path: Path) -> None:
    needs_zig()
    built = am.build(nets.tiny(tmp_path / "tiny.onnx"))
    built.write(tmp_path)
    path = toolchains.build(tmp_path / "tiny.c", "aarch64-linux-musl")
    assert path.name == "tiny.so" and path.read_bytes()[:4] == b"\x7fELF" and path.read_bytes()[18:20] == b"\xb7\0"
    assert zig.compiler()[-1] == "cc"


def test_windows_opens_files_by_all_of_their_names(tmp_path: Path) -> None:
    needs_zig()
    am.build(nets.tiny(tmp_path / "tiny.onnx")).write(tmp_path)
    library = toolchains.build(tmp_path / "tiny.c", "x86_64-windows-gnu").read_bytes()
    assert b"CreateFileW\0" in library and b"MultiByteToWideChar\0" in library and b"CreateFileA\0" not in library


def test_memory_is_given_back(library: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def use() -> None:
        with am.load(library) as model:
            model.run(None, {"data": digits()})

    for _ in range(20):
        use()
    before = resident()
    for _ in range(200):
        use()
    assert resident() - before < 8 << 20  # each holds more than 64 KiB of arena


def test_array_of_another_type_is_refused_by_the_twin(library: Path) -> None:
    with amalgamated.Model(library) as model, pytest.raises(ValueError, match="expects float32"):
        model.run(None, {"data": array.array("d", [0.0] * 784)})
