"""The Swift package, as far as can be told without a Swift compiler: clang compiles its C target and reads its module map,
its Swift is parsed, and what that says of C is compared with the header."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_swift

import nets
from amalgamate import build, packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages._header import Type, header
from amalgamate.packages.swift import module_name
from golden_digits import digits
from tools import ROOT, tool

FUNCTIONS = {function.name: function for function in header().functions}
STRUCTS = {struct.name: struct for struct in header().structs if struct.fields}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


def parsed(path: Path) -> tree_sitter.Node:
    """The syntax tree of a Swift file, which must be without a fault."""
    root = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language())).parse(path.read_bytes()).root_node
    faults = [node.start_point for node in walk(root) if node.is_error or node.is_missing]
    assert not root.has_error and not faults, f"{path.name}: {faults}"
    return root


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: tree_sitter.Node) -> str:
    assert node.text is not None
    return node.text.decode()


def calls(root: tree_sitter.Node) -> Iterator[tuple[str, list[str]]]:
    """The calls of what C declares: name, arguments."""
    for node in walk(root):
        if node.type == "call_expression" and node.children[0].type == "simple_identifier":
            arguments = [text(child) for part in node.children[1].children for child in part.named_children]
            if text(node.children[0]).startswith("amg_"):
                yield text(node.children[0]), arguments


def fits(given: str, wanted: Type) -> bool:
    """Whether an argument may be of a type: what its text tells of a pointer, nil or a converted number."""
    if given == "nil" or given.startswith("&"):
        return wanted.pointers > 0
    converted = re.match(r"(U?Int\d*|Float|Double)\(", given)
    return wanted.pointers > 0 or not converted or {"int32_t": "Int32"}.get(wanted.name) == converted[1]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swift")
    packages.write(digits(), "swift", folder, packages.About("digits", "1.2.3"))
    return folder


def test_swift_calls_what_the_header_declares() -> None:
    called = []
    for path in sorted((ROOT / "bindings" / "swift").glob("*.swift")):
        for name, arguments in calls(parsed(path)):
            if name in STRUCTS:
                assert not arguments, f"{path.name}: {name} is made of zeros"
                continue
            called.append(name)
            wanted = [parameter.type for parameter in FUNCTIONS[name].parameters]
            assert len(arguments) == len(wanted), f"{path.name}: {name}({', '.join(arguments)})"
            for given, kind in zip(arguments, wanted, strict=True):
                assert isinstance(kind, Type) and fits(given, kind), f"{path.name}: {given} of {name}"
    assert len(set(called)) >= 15


def test_swift_names_what_the_header_has() -> None:
    known = {*FUNCTIONS, *(struct.name for struct in header().structs), *(c.name for c in header().constants)}
    for path in sorted((ROOT / "bindings" / "swift").glob("*.swift")):
        source = path.read_text()
        assert set(re.findall(r"\b(?:amg|AMG)_\w+", source)) <= known
        typed = [pair for pair in re.findall(r"(\w+)(?: = |: )(amg_\w+)\b", source) if pair[1] in STRUCTS]
        for variable, kind in typed:
            used = set(re.findall(rf"\b{variable}\.(\w+)", source))
            assert used <= {field.name for field in STRUCTS[kind].fields}, f"{path.name}: {variable}"


def test_package_is_swift_and_names_what_is_there(package: Path, tmp_path: Path) -> None:
    nets.two_in_two_out(tmp_path / "both.onnx")
    both = build(tmp_path / "both.onnx", weights_as="file", name="both-2")
    packages.write(both, "swift", tmp_path / "out", packages.About("both-2"))
    for folder, name in ((package, "Digits"), (tmp_path / "out", "Both2")):
        sources = [path for path in sorted(folder.rglob("*.swift")) if parsed(path)]
        assert len(sources) == 8
        manifest = (folder / "Package.swift").read_text()
        targets = re.findall(r"\.target\(\s*name: \"(\w+)\"", manifest)
        assert targets == [f"C{name}", name]
        assert {path.name for path in (folder / "Sources").iterdir()} == set(targets)
        assert re.findall(r"\.testTarget\(name: \"(\w+)\"", manifest) == [f"{name}Tests"]
        assert (folder / "Tests" / f"{name}Tests").is_dir() and "unsafeFlags" not in manifest
        for resource in re.findall(r"\.copy\(\"([^\"]+)\"", manifest):
            assert (folder / "Sources" / name / resource).read_bytes() == both.data
        assert (
            manifest.startswith("// swift-tools-version:")
            and "This is a template" in (folder / "README.md").read_text()
        )
        assert f"import C{name}" in (folder / "Sources" / name / "Model.swift").read_text()


def test_c_target_compiles_and_its_module_map_is_one(package: Path, tmp_path: Path) -> None:
    include = package / "Sources" / "CDigits" / "include"
    source = package / "Sources" / "CDigits" / "digits.c"
    done = subprocess.run(
        [tool("clang"), "-std=c99", "-O0", *WARNINGS, f"-I{include}", "-c", source, "-o", tmp_path / "digits.o"]
    )
    assert done.returncode == 0
    (tmp_path / "use.m").write_text(
        "@import CDigits;\nint main(void) { digits_model *m; return digits_open((void *)0, &m) == DIGITS_E_ARGUMENT; }\n"
    )
    modules = ["-fmodules", f"-fmodules-cache-path={tmp_path}", f"-I{include}", "-fsyntax-only"]
    done = subprocess.run([tool("clang"), *modules, *WARNINGS, tmp_path / "use.m"])
    assert done.returncode == 0


@pytest.mark.parametrize("name", ['*/ " \\ {} \\(x) é\u2028\n', '"""#'], ids=repr)
def test_names_of_the_model_cannot_break_the_package(name: str, tmp_path: Path) -> None:
    built = build(nets.tiny(tmp_path / "t.onnx", name=name, x=f"x{name}", y=f"y{name}"))
    packages.write(built, "swift", tmp_path / "out", packages.About("hostile"))
    assert len([path for path in (tmp_path / "out").rglob("*.swift") if parsed(path)]) == 8


def test_names(tmp_path: Path) -> None:
    cases = {"digits": "Digits", "squeeze-net_v1": "SqueezeNetV1"}
    assert {name: module_name(name) for name in cases} == cases
    for name in ("", "1net", "a b", "model", "swift", "é", "a.b"):
        with pytest.raises(AmalgamateError, match="E107"):
            packages.write(digits(), "swift", tmp_path, packages.About(name))
