"""The rooms of the house: who may import whom, in Python and in C, and how long a file may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import ROOT

PACKAGE = ROOT / "amalgamate"
BASE = {"errors", "graph", "ops", "reference"}
# Room -> the rooms it may use, beside itself. A room is a module or a sub-package of amalgamate.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "graph": {"errors"},
    "ops": {"graph", "errors"},
    "reference": {"graph", "ops", "errors"},
    "importers": BASE,
    "passes": BASE,
    "pack": BASE,
    "bands": BASE,
    "plan": BASE | {"bands", "pack"},
    "resources": {"errors"},
    "amalgamator": {"errors", "resources"},
    "toolchains": {"errors", "resources"},
    "templates": {"errors"},
    "writers": BASE | {"plan", "pack", "amalgamator", "templates", "resources"},
    "timing": set(),
    "predictor": {"toolchains", "errors", "resources"},
    "settings": BASE,
    "packages": BASE | {"plan", "resources", "templates", "toolchains", "writers"},
    "web": BASE | {"packages", "resources", "writers"},
}
# These may use every room but cli: the Python API, and the work behind single commands.
FREE = {"__init__", "verify", "doctor", "benchmark"}


def python_imports(path: Path) -> Iterator[str]:
    """The rooms of amalgamate that a file imports, but for those it needs for type checking only."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            dotted = [f"{node.module}.{a.name}" for a in node.names] if node.module == "amalgamate" else [node.module]
        elif isinstance(node, ast.Import):
            dotted = [a.name for a in node.names]
        else:
            continue
        for name in dotted:
            if name and name.split(".")[0] == "amalgamate":
                yield name.split(".")[1] if "." in name else "__init__"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_python_room_uses_only_what_it_may(path: Path) -> None:
    room, used = room_of(path), set(python_imports(path))
    if room in ("cli", "__main__"):
        return
    assert "cli" not in used, "nobody imports cli"
    if room not in FREE:
        assert room in ROOMS, f"a new room: say in {Path(__file__).name} what {room} may use"
        assert used - {room} <= ROOMS[room]


def test_bindings_do_not_know_the_package() -> None:
    for path in (ROOT / "bindings").rglob("*.py"):
        assert not set(python_imports(path)), path


# C: folder of runtime_src -> what its files may include.
C_ROOMS = {
    "ops": re.compile(r"op\.h|kernels/\w+\.h"),
    "kernels": re.compile(r"base\.h|op\.h|kernels/\w+\.(h|inc)|simd/\w+\.(h|inc)"),
    "simd": re.compile(r"base\.h|simd/\w+\.(h|inc)"),
}


@pytest.mark.parametrize("folder", sorted(C_ROOMS))
def test_c_room_includes_only_what_it_may(folder: str) -> None:
    for path in sorted((ROOT / "runtime_src" / folder).iterdir()):
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
            assert C_ROOMS[folder].fullmatch(included), f"{path.name} includes {included}"


def test_c_knows_nothing_of_one_operator() -> None:
    for path in (ROOT / "runtime_src").glob("*.[ch]"):
        assert not re.search(r'#\s*include\s+"ops/', path.read_text()), path.name


SOURCES = {".py", ".c", ".h", ".inc", ".js", ".mjs", ".ts", ".sh", ".j2", ".cs", ".go", ".java", ".rs", ".swift"}


def test_no_file_outgrows_its_room() -> None:
    folders = ["amalgamate", "runtime_src", "bindings", "tests", "scripts", "benchmarks", "examples"]
    found = (p for folder in folders for p in (ROOT / folder).rglob("*") if "node_modules" not in p.parts)
    files = [p for p in found if p.suffix in SOURCES and p.is_file()]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 500}
    assert not long, f"files of more than 500 lines: {long}"
