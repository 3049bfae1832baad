"""The helpers for people: what `make op` writes works as it is, and the set-up script is sound."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import ROOT, tool

WARNINGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with nothing in it but the script."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "new_operator.py", tmp_path / "scripts")
    (tmp_path / "runtime_src" / "ops").mkdir(parents=True)
    (tmp_path / "amalgamate" / "ops").mkdir(parents=True)
    return tmp_path


def start(copy: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(copy / "scripts" / "new_operator.py"), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_new_operator_compiles_and_runs(copy: Path) -> None:
    assert start(copy, "soft_sign").returncode == 0
    source = copy / "runtime_src" / "ops" / "soft_sign.c"
    include = ["-I", ROOT / "runtime_src"]
    subprocess.run([tool("gcc"), *WARNINGS, *include, "-c", source, "-o", copy / "op.o"], check=True)
    spec = importlib.util.spec_from_file_location(
        "amalgamate.ops.soft_sign", copy / "amalgamate" / "ops" / "soft_sign.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        op = module.SoftSign()
        assert op.name == "soft_sign" and op.words() == []
        for case in op.cases():
            assert op.run(*case.inputs)[0].shape == op.shapes(*(x.shape for x in case.inputs))[0]
    finally:
        del sys.modules[spec.name]


def test_new_operator_overwrites_nothing(copy: Path) -> None:
    assert start(copy, "gelu").returncode == 0
    again = start(copy, "gelu")
    assert again.returncode == 1 and "exists" in again.stderr


@pytest.mark.parametrize("name", ["Gelu", "../x", "a-b", "", "1x"])
def test_new_operator_refuses_other_names(copy: Path, name: str) -> None:
    assert start(copy, name).returncode == 2


def test_setup_is_valid_shell() -> None:
    for script in (*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"):
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert script.stat().st_mode & 0o100
