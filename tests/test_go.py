"""The Go package: built, vetted and tested with the go command."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import nets
from amalgamate import Built, build, packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages import _zip
from amalgamate.packages.go import WAZERO, package_name
from amalgamate.toolchains import zig
from amalgamate.toolchains.targets import find
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from golden_squeezenet import SCORES, squeezenet, write_photos
from machines import EMULATED, needs_zig, runner
from tools import ROOT, absent, snippet, tool

WAYS = pytest.mark.parametrize("cgo", [True, False], ids=["cgo", "wasm"])


def go(*words: str, cwd: Path, cgo: bool = True, **more: str) -> str:
    """What a go command prints; nothing is fetched."""
    env = {"GOFLAGS": "-buildvcs=false", "GOPROXY": "off", "CGO_ENABLED": str(int(cgo)), **more}
    done = subprocess.run(
        [tool("go"), *words], cwd=cwd, env=os.environ | env, capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, f"go {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wazero() -> None:
    """What runs models where cgo is off, in Go's cache of modules; and emscripten, which compiles them for it."""
    tool("emcc")
    module = "@".join(WAZERO.split()[:2])
    env = os.environ | {"GOPROXY": "off", "GOFLAGS": "-mod=mod"}
    if subprocess.run([tool("go"), "mod", "download", module], env=env, capture_output=True).returncode:
        absent(f"{module} is not in Go's cache: scripts/setup.sh --tests fetches it")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, wazero: None) -> Path:
    """The package of the digit network, with the tests in it."""
    return with_tests(digits(), tmp_path_factory.mktemp("go"))


def with_tests(built: Built, folder: Path, fallback: bool = True) -> Path:
    """The package of a model of digits in `folder`, with the tests in it."""
    packages.write(built, "go", folder, packages.About("example.com/me/digits", "1.2.3", fallback))
    for test in (ROOT / "tests" / "go").glob("*_test.go"):
        (folder / test.name).write_bytes(test.read_bytes())
    (folder / "testdata").mkdir()
    (folder / "testdata" / "golden.txt").write_bytes(VECTORS.read_bytes())
    (folder / "testdata" / "digits.amg").write_bytes(built.data)
    return folder


@WAYS
def test_package_vets_and_its_tests_pass(module: Path, cgo: bool) -> None:
    assert go("list", "-f", "{{.Name}} {{.ImportPath}}", "./...", cwd=module, cgo=cgo).splitlines() == [
        "digits example.com/me/digits",
        "main example.com/me/digits/example",
    ]
    go("vet", "./...", cwd=module, cgo=cgo)
    go("test", "-count=1", ".", cwd=module, cgo=cgo)


def test_tests_pass_under_the_race_detector(module: Path) -> None:
    go("test", "-race", "-count=1", "-run", "Goroutines|Close|Golden|Faults|Cancel", ".", cwd=module)


@WAYS
def test_wazero_is_linked_only_without_cgo(module: Path, cgo: bool) -> None:
    linked = go("list", "-deps", ".", cwd=module, cgo=cgo)
    assert ("wazero" in linked) is not cgo


@pytest.mark.parametrize("system", ["windows/amd64", "darwin/arm64", "linux/arm64", "linux/arm"])
def test_cross_compiles_without_a_c_compiler(module: Path, system: str, tmp_path: Path) -> None:
    goos, goarch = system.split("/")
    go(
        "build",
        "-o",
        str(tmp_path / "example"),
        "./example",
        cwd=module,
        cgo=False,
        CC="none",
        GOOS=goos,
        GOARCH=goarch,
    )
    assert (tmp_path / "example").stat().st_size > 1 << 20


@pytest.mark.parametrize(("system", "target"), [("linux/arm64", "linux-aarch64"), ("windows/amd64", "windows-x86_64")])
def test_cross_compiles_with_zig(module: Path, system: str, target: str, tmp_path: Path) -> None:
    """As the README says; what is for 64-bit Arm runs under an emulator."""
    needs_zig()
    goos, goarch = system.split("/")
    compiler = " ".join([*zig.compiler(), "-target", find(target).triple])
    env = {"GOOS": goos, "GOARCH": goarch, "CC": compiler, "CGO_CFLAGS": "-O1"}
    go("build", "-ldflags=-s", "-o", str(tmp_path / "example"), "./example", cwd=module, **env)
    if target in EMULATED:
        Image.fromarray(vectors()[0][0]).save(tmp_path / "digit.png")
        done = subprocess.run(
            [*runner(target), tmp_path / "example", tmp_path / "digit.png"], capture_output=True, text=True
        )
        assert done.returncode == 0 and done.stdout.split()[0] == str(vectors()[2][0].argmax()), done.stderr


def test_runs_on_another_machine(module: Path, tmp_path: Path) -> None:
    go("test", "-c", "-o", str(tmp_path / "tests"), cwd=module, cgo=False, GOARCH="arm64")
    command = [tool("qemu-aarch64"), tmp_path / "tests", "-test.run", "Golden|Pictures|Batches"]
    done = subprocess.run(command, cwd=module, capture_output=True, text=True)
    assert done.returncode == 0 and "PASS" in done.stdout, done.stdout + done.stderr


def test_package_is_small_and_holds_its_weights_once(tmp_path: Path, wazero: None) -> None:
    built = digits()
    files = packages.write(built, "go", tmp_path)
    zipped = _zip.write(tmp_path / "module.zip", {path.name: path.read_bytes() for path in files})
    assert zipped.stat().st_size < 400_000
    part = built.data[-4096:]
    assert [path.name for path in files if part in path.read_bytes()] == ["digits.amg"]


def test_package_without_a_fallback_says_that_it_needs_cgo(tmp_path: Path) -> None:
    files = packages.write(digits(), "go", tmp_path, packages.About("digits", fallback=False))
    assert not any(path.suffix in (".wasm", ".sum") for path in files)
    go("vet", "./...", cwd=tmp_path)
    with pytest.raises(AssertionError, match="build constraints exclude all Go files"):
        go("build", ".", cwd=tmp_path, cgo=False)


def test_command_says_that_the_package_needs_cgo_without_emscripten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from amalgamate.cli import run as command

    monkeypatch.setenv("AMALGAMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["package", "digits", "--as", "go", "-o", str(tmp_path / "out")]
    assert command(words) == 0
    assert "apt install emscripten" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.wasm")) and "needs cgo" in (tmp_path / "out" / "README.md").read_text()
    assert command([*words, "--no-fallback"]) == 0
    assert "emscripten" not in capsys.readouterr().err


def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    module = with_tests(Faulty.of(digits()), tmp_path / "go", fallback=False)
    said = go("test", "-v", "-run", "RunsOut", ".", cwd=module, FAULTS=str(Shortage(tmp_path / "numbers").path))
    assert "--- PASS: TestMemoryThatRunsOut" in said


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, wazero: None) -> Path:
    """The package of SqueezeNet, with its test in it."""
    folder = tmp_path_factory.mktemp("squeezenet")
    packages.write(squeezenet(), "go", folder)
    (folder / "photos_test.go").write_bytes((ROOT / "tests" / "go" / "squeezenet" / "photos_test.go").read_bytes())
    (folder / "testdata").mkdir()
    (folder / "testdata" / "squeezenet.txt").write_bytes(SCORES.read_bytes())
    write_photos(folder / "testdata")
    return folder


@WAYS
def test_squeezenet_sees_what_it_saw(photos: Path, cgo: bool) -> None:
    go("test", "-count=1", ".", cwd=photos, cgo=cgo)


def test_files_are_formatted(module: Path) -> None:
    done = subprocess.run([tool("gofmt"), "-l", "."], cwd=module, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


@WAYS
def test_example_classifies_a_picture(module: Path, cgo: bool, tmp_path: Path) -> None:
    pixels, _, scores = vectors()
    Image.fromarray(pixels[0]).save(tmp_path / "digit.png")
    label, score = go("run", "./example", str(tmp_path / "digit.png"), cwd=module, cgo=cgo).splitlines()[0].split()
    assert int(label) == scores[0].argmax() and abs(float(score) - scores[0].max()) < 1e-3


@WAYS
def test_two_packages_in_one_program(cgo: bool, tmp_path: Path, wazero: None) -> None:
    nets.two_in_two_out(tmp_path / "both.onnx")
    both = build(tmp_path / "both.onnx", name="net_linux")
    packages.write(both, "go", tmp_path / "one", packages.About("example.com/one/net_linux"))
    tiny = build(nets.tiny(tmp_path / "tiny.onnx"), name="net_linux", prefix="net_linux")
    packages.write(tiny, "go", tmp_path / "two", packages.About("example.com/two/net_linux"))
    (tmp_path / "main.go").write_text("""package main

import (
	"fmt"

	one "example.com/one/net_linux"
	two "example.com/two/net_linux"
)

func main() {
	a, err := one.Open()
	if err != nil {
		panic(err)
	}
	b, err := two.Open()
	if err != nil {
		panic(err)
	}
	both, err := a.Run(map[string][]float32{one.Input0: {1, 2, 3, 4, 5, 6}, one.Input1: {7, 7, 7, 7, 7, 7}})
	if err != nil {
		panic(err)
	}
	rectified, err := b.Run(map[string][]float32{two.Input0: {-1, 2, -3, 4, 0}})
	if err != nil {
		panic(err)
	}
	fmt.Println(both["s"], both["p"], rectified)
}
""")
    (tmp_path / "go.mod").write_text(
        "module two\n\ngo 1.18\n\nrequire example.com/one/net_linux v0.0.0\nrequire example.com/two/net_linux v0.0.0\n"
        "replace example.com/one/net_linux => ./one\nreplace example.com/two/net_linux => ./two\n"
    )
    if not cgo:
        go("mod", "tidy", cwd=tmp_path)
    assert go("run", ".", cwd=tmp_path, cgo=cgo) == "[8 9 10 11 12 13] [7 14 21 28 35 42] map[y:[0 2 0 4 0]]\n"
    go("vet", "./example", cwd=tmp_path / "one")


def test_program_in_the_documentation(tmp_path: Path) -> None:
    packages.write(replace(digits(), name="net"), "go", tmp_path / "net", packages.About("example.com/me/net"))
    pixels, _, scores = vectors()
    Image.fromarray(pixels[1].repeat(9, 0).repeat(9, 1)).save(tmp_path / "cat.jpg", quality=100)
    (tmp_path / "main.go").write_text(snippet("go.md", "go"))
    (tmp_path / "go.mod").write_text("module app\n\ngo 1.18\n")
    go("mod", "edit", "-require", "example.com/me/net@v0.1.0", "-replace", "example.com/me/net=./net", cwd=tmp_path)
    assert go("run", ".", cwd=tmp_path).split()[0] == str(scores[1].argmax())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("digits", "digits"), ("SqueezeNet_v1_linux", "squeezenetv1linux"), ("type", "typenet"), ("net_2x", "net2x")],
)
def test_package_name(name: str, expected: str) -> None:
    assert package_name(name) == expected


def test_module_path_is_checked(tmp_path: Path) -> None:
    with pytest.raises(AmalgamateError, match=r"E107.*path of a Go module"):
        packages.write(build(nets.tiny(tmp_path / "t.onnx")), "go", tmp_path / "out", packages.About("a b"))
