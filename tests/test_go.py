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
from amalgamate.packages.go import package_name
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from tools import ROOT, snippet, tool


def go(*words: str, cwd: Path, **env: str) -> str:
    """What a go command prints; nothing is fetched."""
    env = os.environ | {"GOFLAGS": "-mod=mod -buildvcs=false", "GOPROXY": "off", "CGO_ENABLED": "1"} | env
    done = subprocess.run([tool("go"), *words], cwd=cwd, env=env, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, f"go {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the digit network, with the tests in it."""
    return tested(digits(), tmp_path_factory.mktemp("go"))


def tested(built: Built, folder: Path) -> Path:
    """The package of a model of digits in `folder`, with the tests in it."""
    packages.write(built, "go", folder, packages.About("example.com/me/digits", "1.2.3"))
    for test in (ROOT / "tests" / "go").glob("*_test.go"):
        (folder / test.name).write_bytes(test.read_bytes())
    (folder / "testdata").mkdir()
    (folder / "testdata" / "golden.txt").write_bytes(VECTORS.read_bytes())
    (folder / "testdata" / "digits.amg").write_bytes(built.data)
    return folder


@pytest.mark.timeout(600)
def test_package_vets_and_its_tests_pass_under_the_race_detector(module: Path) -> None:
    assert go("list", "-f", "{{.Name}} {{.ImportPath}}", "./...", cwd=module).splitlines() == [
        "digits example.com/me/digits",
        "main example.com/me/digits/example",
    ]
    go("vet", "./...", cwd=module)
    go("test", "-race", "-count=1", "-run", "Goroutines|Close|Golden|Faults", ".", cwd=module)
    go("test", "-count=1", ".", cwd=module)


@pytest.mark.timeout(600)
def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    module = tested(Faulty.of(digits()), tmp_path / "go")
    said = go("test", "-v", "-run", "RunsOut", ".", cwd=module, FAULTS=str(Shortage(tmp_path / "numbers").path))
    assert "--- PASS: TestMemoryThatRunsOut" in said


def test_files_are_formatted_and_small(module: Path) -> None:
    done = subprocess.run([tool("gofmt"), "-l", "."], cwd=module, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.timeout(600)
def test_example_classifies_a_picture(module: Path, tmp_path: Path) -> None:
    pixels, _, scores = vectors()
    Image.fromarray(pixels[0]).save(tmp_path / "digit.png")
    label, score = go("run", "./example", str(tmp_path / "digit.png"), cwd=module).splitlines()[0].split()
    assert int(label) == scores[0].argmax() and abs(float(score) - scores[0].max()) < 1e-3


@pytest.mark.timeout(600)
def test_two_packages_in_one_program_one_with_its_weights_beside(tmp_path: Path) -> None:
    nets.two_in_two_out(tmp_path / "both.onnx")
    packages.write(build(tmp_path / "both.onnx", name="both_linux"), "go", tmp_path / "one")
    weights = build(nets.tiny(tmp_path / "tiny.onnx"), name="func", weights_as="file")
    packages.write(weights, "go", tmp_path / "two", packages.About("example.com/func"))
    (tmp_path / "main.go").write_text("""package main

import (
	"fmt"

	one "both_linux"
	two "example.com/func"
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
        "module two\n\ngo 1.18\n\nrequire both_linux v0.0.0\nrequire example.com/func v0.0.0\n"
        "replace both_linux => ./one\nreplace example.com/func => ./two\n"
    )
    assert go("run", ".", cwd=tmp_path) == "[8 9 10 11 12 13] [7 14 21 28 35 42] map[y:[0 2 0 4 0]]\n"
    go("vet", "./example", cwd=tmp_path / "one")


@pytest.mark.timeout(600)
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
