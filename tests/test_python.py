"""The wheel of a model, installed by pip into an empty environment, and its predictor beside cffi's on the golden vectors."""

from __future__ import annotations

import ast
import importlib
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import amalgamate as am
import nets
from amalgamate import packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages.wheel import package_name, platform
from amalgamate.toolchains.targets import find, here
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from golden_squeezenet import golden, numbers, photo, ramp, squeezenet
from machines import needs_zig
from tools import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = packages.write(digits(), "wheel", tmp_path_factory.mktemp("wheel"), packages.About("digits", "1.2.3"))
    return path


@pytest.fixture(scope="module")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module that the wheel installs."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("digits")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == "digits"]:
        del sys.modules[name]


@pytest.fixture(params=["ctypes", "cffi"])
def model(request: pytest.FixtureRequest, package: Any) -> Iterator[Any]:
    with package.Model() if request.param == "ctypes" else am.load(package.library()) as opened:
        yield opened


def floats(pixels: np.ndarray) -> np.ndarray:
    return (pixels.astype(np.float32) / np.float32(255))[:, None]


# -- the wheel ------------------------------------------------------------------------------------------------------


def test_wheel_in_an_empty_environment_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    install = [*PIP, "--python", str(python), "install", "--quiet", "--no-index", "--no-cache-dir", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = ROOT / "tests" / "python" / "empty.py"
    run = [str(python), "-I", "-X", "dev", "-W", "error", str(script), str(VECTORS)]
    done = subprocess.run(run, env={"PATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"ok {venv}") and wheel.stat().st_size < 400_000


def test_wheel_is_the_same_each_time_and_says_what_it_is(wheel: Path, tmp_path: Path) -> None:
    (again,) = packages.write(digits(), "wheel", tmp_path, packages.About("digits", "1.2.3"))
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()
    assert wheel.name.startswith("digits-1.2.3-py3-none-") and not wheel.stem.endswith("-any")
    metadata = zipfile.ZipFile(wheel).read("digits-1.2.3.dist-info/METADATA").decode()
    assert "Name: digits\nVersion: 1.2.3\n" in metadata and "input  0: image, float32 [1, 1, 8, 8]" in metadata


def test_wheel_is_typed(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (tmp_path / "use.py").write_text(
        "import digits\n\ndef best(path: str) -> str:\n    with digits.Model(threads=2) as model:\n"
        "        found: digits.Prediction = model.classify(path, top_k=1)[0]\n        return found.label\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "use.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    built = am.build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file")
    (path,) = packages.write(built, "wheel", tmp_path, packages.About("tiny-net"))
    archive = zipfile.ZipFile(path)
    assert {"tiny_net/tiny.amg", "tiny_net/__init__.py"} <= set(archive.namelist())
    archive.extractall(tmp_path / "site")
    program = "import tiny_net; print(tiny_net.Model().run(None, {'x': [[-1, 2, 0, 3, 4]]})[0].tolist())"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path / "site", capture_output=True, text=True)
    assert done.stdout == "[[0.0, 2.0, 0.0, 3.0, 4.0]]\n", done.stderr


@pytest.mark.parametrize("name", ['"""', "*/", "a\nb", "\\N{x}", "é☃", "%s"], ids=repr)
def test_names_of_the_model_cannot_break_the_package(name: str, tmp_path: Path) -> None:
    built = am.build(nets.tiny(tmp_path / "t.onnx", name=name, x=f"x{name}", y=f"y{name}"))
    (path,) = packages.write(built, "wheel", tmp_path, packages.About("hostile"))
    text = zipfile.ZipFile(path).read("hostile/__init__.py").decode()
    assert ast.parse(text).body[-1].name == "Model"  # type: ignore[attr-defined]
    assert zipfile.ZipFile(path).read("hostile-0.1.0.dist-info/METADATA").decode().count("\nName:") == 1


def test_wheels_for_other_machines(tmp_path: Path) -> None:
    """One for each, which pip takes for that machine; the one for this is used."""
    needs_zig()
    targets = ("linux-aarch64", "linux-musl-armv7", "macos-aarch64", "windows-x86_64", here().name)
    wheels = packages.write(digits(), "wheel", tmp_path, packages.About("digits", "1.2.3", targets=targets))
    for target, path in zip(map(find, targets), wheels, strict=True):
        assert path.name == f"digits-1.2.3-py3-none-{target.wheel}.whl"
        site = tmp_path / target.name
        platform = ["--platform", target.wheel, "--only-binary", ":all:"]
        subprocess.run([*PIP, "install", "-q", "--no-deps", *platform, "--target", site, path], check=True)
        assert {p.suffix for p in (site / "digits").iterdir()} >= {".py", target.suffix}
    code = "import digits\nwith digits.Model() as m: print(m.outputs[0].shape)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / here().name, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "(1, 10)\n", done.stderr


def test_names_and_platforms() -> None:
    assert [package_name(n) for n in ("Digits", "squeeze-net.v1")] == ["digits", "squeeze_net_v1"]
    for name in ("json", "class", "1x", "a b", ""):
        with pytest.raises(AmalgamateError, match="E107"):
            package_name(name)
    if sys.platform == "linux":
        assert platform(b"\0GLIBC_2.2.5\0GLIBC_2.31\0").startswith("manylinux_2_31_")
        assert platform(b"\0GLIBC_2.2.5\0").startswith("manylinux_2_17_")
        assert platform(b"no such versions").startswith("linux_")


# -- the golden vectors ---------------------------------------------------------------------------------------------


def test_golden_vectors(model: Any) -> None:
    pixels, _, wanted = vectors()
    for i, x in enumerate(floats(pixels)):
        (scores,) = model.run(None, {"image": x[None]})
        assert np.abs(scores[0] - wanted[i]).max() <= 1e-5
        best = {p.class_index: p for p in model.classify(pixels[i], top_k=10)}
        assert all(abs(best[c].score - wanted[i][c]) <= 1e-5 and best[c].label == str(c) for c in range(10))


def test_golden_vectors_are_those_that_the_pair_makes(tmp_path: Path) -> None:
    import golden_digits

    golden_digits.write(tmp_path / "digits.txt")
    made, kept = np.loadtxt(tmp_path / "digits.txt"), np.loadtxt(VECTORS)
    assert np.array_equal(made[:, :65], kept[:, :65]) and np.abs(made - kept).max() <= 1e-5


@pytest.mark.parametrize("kind", ["ctypes", "cffi"])
def test_squeezenet_sees_what_it_saw(kind: str, package: Any) -> None:
    import digits._amalgamated as twin  # type: ignore[import-not-found]

    library = squeezenet().compile()
    with twin.Model(library) if kind == "ctypes" else am.load(library) as model:
        for name, wanted in golden().items():
            if name == "ramp":
                (scores,) = model.run(None, {model.inputs[0].name: ramp()})
            else:
                by_class = sorted(model.classify(photo(name), top_k=1000), key=lambda p: p.class_index)
                scores = np.array([p.score for p in by_class])
            assert numbers(scores) == pytest.approx(wanted, rel=0, abs=1e-4), name


class OnlyDlpack:
    """An array of another library, which speaks DLPack and has no buffer."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_takes_arrays_of_every_kind(package: Any) -> None:
    pixels, _, wanted = vectors()
    x = floats(pixels[:1])[None, 0]
    read_only = x.copy()
    read_only.setflags(write=False)
    with package.Model() as model:
        for given in (x, OnlyDlpack(x), x.tolist(), x.tobytes(), memoryview(x), read_only, np.asfortranarray(x)):
            assert np.abs(model.run(None, {"image": given})[0] - wanted[0]).max() <= 1e-5, type(given)
        with pytest.raises(package.InputError, match="gives no array"):
            model.run(None, {"image": [["a"]]})


def test_takes_pictures_of_every_kind(package: Any, tmp_path: Path) -> None:
    pixels, _, wanted = vectors()
    picture = Image.fromarray(pixels[0])
    picture.save(tmp_path / "digit.png")
    data = (tmp_path / "digit.png").read_bytes()
    path = tmp_path / "digit.png"
    with package.Model() as model:
        for given in (picture, path, str(path), data, bytearray(data), pixels[0], OnlyDlpack(pixels[0])):
            best = model.classify(given, top_k=1)[0]
            assert best.class_index == wanted[0].argmax() and abs(best.score - wanted[0].max()) <= 1e-5, type(given)


# -- threads --------------------------------------------------------------------------------------------------------


def test_a_batch_leaves_the_shape_of_other_calls_alone(model: Any) -> None:
    pixels, _, scores = vectors()
    for _ in range(2):
        assert np.abs(model.run(None, {"image": floats(pixels[:3])})[0] - scores[:3]).max() <= 1e-5
        assert model.classify(pixels[1])[0].class_index == scores[1].argmax()
        assert np.abs(model.run(None, {"image": floats(pixels[:1])})[0] - scores[:1]).max() <= 1e-5


def test_flat_buffers_have_the_shape_of_the_input(package: Any) -> None:
    pixels, _, scores = vectors()
    with package.Model() as model:
        model.run(None, {"image": floats(pixels[:3])})
        assert np.abs(model.run(None, {"image": floats(pixels[:1]).tobytes()})[0] - scores[:1]).max() <= 1e-5


def test_eight_threads_give_the_same_results(model: Any) -> None:
    x = floats(vectors()[0])
    wanted = [model.run(None, {"image": v[None]})[0].tobytes() for v in x]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for i in range(100):
            at = (i + seed) % len(x)
            if model.run(None, {"image": x[at][None]})[0].tobytes() != wanted[at]:
                wrong.append(at)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_cycles_of_cffi_keep_no_memory(package: Any) -> None:
    """tests/python/empty.py has the same of ctypes."""
    x, resident = floats(vectors()[0])[:1], [0, 0]
    for i, count in enumerate((200, 1000)):  # the first to warm up
        for _ in range(count):
            with am.load(package.library()) as model:
                model.run(None, {"image": x})
        resident[i] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident[1] - resident[0] < 2 << 20, f"{resident} bytes"


def test_sessions_end_with_their_threads(package: Any) -> None:
    x = floats(vectors()[0])[:1]
    with package.Model() as model:
        for _ in range(50):
            thread = threading.Thread(target=model.run, args=(None, {"image": x}))
            thread.start()
            thread.join()
        assert len(model._sessions) <= 1 and model._handle.users <= 2


# -- faults ---------------------------------------------------------------------------------------------------------


def test_faults_have_codes(package: Any) -> None:
    x = floats(vectors()[0])[:1]
    closed = package.Model()
    closed.close()
    closed.close()
    with package.Model() as model:
        cases = [
            (lambda: model.run(None, {"image": x[:, :, 1:]}), -7, ""),
            (lambda: model.run(None, {"image": x.astype("f8")}), -1, "expects float32"),
            (lambda: model.run(None, {"image": b"123"}), -7, "256 bytes, got 3"),
            (lambda: model.run(None, {"image": None}), -7, "image"),
            (lambda: model.run(None, {}), -1, "'image' is missing"),
            (lambda: model.run(None, {"x": x}), -1, "no input 'x'; there are image"),
            (lambda: model.run(["y"], {"image": x}), -1, "no output 'y'"),
            (lambda: model.classify("nothing.png"), -8, "nothing.png"),
            (lambda: model.classify(b"no picture"), -8, "no picture"),
            (lambda: model.classify(None), -1, ""),
            (lambda: model.classify(np.zeros((0, 4), np.uint8)), -1, "unsigned bytes"),
            (lambda: closed.run(None, {"image": x}), -1, "closed"),
            (lambda: closed.classify(np.zeros((8, 8), np.uint8)), -1, "closed"),
            (lambda: closed.label(0), -1, "closed"),
            (lambda: package.Model(isa="mmx"), -1, "avx2"),
            (lambda: package.Model(isa="wasm").run(None, {"image": x}), -6, ""),
            (lambda: package.Model(threads=-1).run(None, {"image": x}), -1, ""),
        ]
        for i, (call, code, words) in enumerate(cases):
            with pytest.raises(package.Error) as caught:
                call()
            assert caught.value.code == code and words in str(caught.value), (i, caught.value)
        assert model.run(None, {"image": x})[0].shape == (1, 10)


@pytest.mark.parametrize("kind", ["ctypes", "cffi"])
def test_progress_cancels_and_what_it_raises_comes_out(kind: str, package: Any) -> None:
    seen: list[tuple[int, int]] = []
    answer: Any = None

    def progress(layer: int, layers: int) -> object:
        seen.append((layer, layers))
        if layer == 2 and isinstance(answer, BaseException):
            raise answer
        return layer == 2 and answer

    x, wanted = floats(vectors()[0][:1]), vectors()[2][:1]
    load = package.Model if kind == "ctypes" else partial(am.load, package.library())
    with load(progress=progress) as model:
        for stop in (True, ValueError("stop"), KeyboardInterrupt()):
            answer, seen[:] = None, []
            assert np.abs(model.run(None, {"image": x})[0] - wanted).max() <= 1e-5
            assert seen == [(layer, len(seen)) for layer in range(len(seen))] and len(seen) > 3
            answer = stop
            raised = type(stop) if isinstance(stop, BaseException) else (package.Error, AmalgamateError)
            with pytest.raises(raised, match="cancelled before layer" if answer is True else None) as caught:
                model.run(None, {"image": x})
            assert stop is True or caught.value is stop
            assert stop is not True or kind != "ctypes" or caught.value.code == -9
            assert seen[-1][0] == 2
        answer = None
        assert model.classify(vectors()[0][0])[0].class_index == wanted.argmax()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["ctypes", "cffi"])
def test_an_interrupt_ends_a_run_that_is_asked_for_its_progress(
    kind: str, package: Any, request: pytest.FixtureRequest
) -> None:
    """The batch is so large that a run outlasts what keeps the other thread from its turn."""
    x, wanted = np.repeat(floats(vectors()[0][:1]), 1 << 12, 0), vectors()[2][:1]
    load = package.Model if kind == "ctypes" else partial(am.load, package.library())
    begun = threading.Event()
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # Python leaves it ignored where a shell started it behind it
    with load(progress=lambda layer, layers: begun.set()) as model:
        for _ in range(5):
            begun.clear()
            other = threading.Thread(target=lambda: (begun.wait(), os.kill(os.getpid(), signal.SIGINT)))
            other.start()
            with pytest.raises(KeyboardInterrupt):
                model.run(None, {"image": x})
            other.join()
        assert np.abs(model.run(None, {"image": x})[0][-1] - wanted[0]).max() <= 1e-5


@pytest.fixture(scope="module")
def shortage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shortage]:
    made = Shortage(tmp_path_factory.mktemp("faults") / "numbers")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FAULTS", str(made.path))
        yield made


@pytest.mark.parametrize("kind", ["ctypes", "cffi"])
def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(
    kind: str, package: Any, shortage: Shortage
) -> None:
    """In opening, a session of two threads, and another shape."""
    library = Faulty.of(digits()).compile()
    x, wanted = floats(vectors()[0][:3]), vectors()[2][:3]

    def opened() -> Any:
        import digits._amalgamated as twin

        return twin.Model(library, threads=2) if kind == "ctypes" else am.load(library, threads=2)

    def gives_the_golden_scores(model: Any, batch: int) -> None:
        assert np.abs(model.run(None, {"image": x[:batch]})[0] - wanted[:batch]).max() <= 1e-5

    for call in range(1, 100):
        model = None
        try:
            with shortage.at(call):
                model = opened()
                gives_the_golden_scores(model, 1)
                gives_the_golden_scores(model, 3)
        except (package.Error, AmalgamateError) as error:
            assert error.code == (-2 if kind == "ctypes" else "E153") and "memory" in str(error), (call, error)
            failed = call
        with model or opened() as usable:
            gives_the_golden_scores(usable, 1)
            gives_the_golden_scores(usable, 2)
        del model, usable
        assert shortage.blocks == 0, f"{shortage.blocks} blocks are lost when allocation {call} fails"
        if failed != call:
            break
    assert failed >= 7, "the model; the session, its plan, arena and threads; the other shape's plan and arena"


def test_missing_and_damaged_files_say_where(package: Any, tmp_path: Path) -> None:
    import digits._amalgamated as twin  # type: ignore[import-not-found]

    with pytest.raises(twin.Error, match=r"no library at .*none\.so") as caught:
        twin.Model(tmp_path / "none.so")
    assert caught.value.code == -8
    built = am.build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file")
    library = tmp_path / "tiny.so"
    shutil.copy(built.compile(), library)
    damaged = bytearray(built.data)
    damaged[300] ^= 0x55
    for data, code in ((damaged, -5), (built.data[:100], -3), (b"not a model", -3)):
        for given in (bytes(data), tmp_path / "given.amg"):
            (tmp_path / "given.amg").write_bytes(data)
            with pytest.raises(twin.Error) as caught:
                twin.Model(library, given)
            assert caught.value.code == code
    weights = digits().data[:-1] + bytes([digits().data[-1] ^ 0x55])
    (tmp_path / "given.amg").write_bytes(weights)
    for given in (weights, tmp_path / "given.amg"):
        with pytest.raises(twin.Error, match="checksum of the weights"):
            twin.Model(package.library(), given)
        with pytest.raises(AmalgamateError, match=r"E153.*checksum of the weights"):
            am.Model(package.library(), given)
    with pytest.raises(twin.Error, match=r"none\.amg") as caught:
        twin.Model(library, tmp_path / "none.amg")
    assert caught.value.code == -8
    with pytest.raises(twin.Error, match=r"embeds no model; there is no .*/tiny\.amg") as caught:
        twin.Model(library)
    assert caught.value.code == -1
    assert twin.Model(library, built.data).inputs[0].name == "x"


def test_pickles_know_their_files(package: Any, tmp_path: Path) -> None:
    import digits._amalgamated as twin

    library = tmp_path / "digits.so"
    shutil.copy(package.library(), library)
    x = floats(vectors()[0])[:1]
    with twin.Model(library) as model, package.Model(threads=2) as whole:
        data = pickle.dumps(model)
        for again in (pickle.loads(data), pickle.loads(pickle.dumps(whole))):
            assert np.array_equal(again.run(None, {"image": x})[0], model.run(None, {"image": x})[0])
        os.unlink(library)
        shutil.copy(am.build(nets.tiny(tmp_path / "t.onnx")).compile(), library)
        with pytest.raises(twin.Error, match="not the library that was pickled"):
            pickle.load(io.BytesIO(data))
