"""What tests need from outside: programs, and data too large for the repository. Missing programs are failures in CI."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
CI = bool(os.environ.get("CI"))


def tool(name: str) -> str:
    """The path of program `name`; without it the test is skipped, and fails where CI is set."""
    path = shutil.which(name)
    if path is None:
        absent(f"{name} is not installed: scripts/setup.sh --tests says how")
    return path


@cache
def node() -> list[str]:
    """The command of Node, with relaxed SIMD, which Node 20 has behind a switch and later ones do not know as one."""
    switch = "--experimental-wasm-relaxed-simd"
    known = subprocess.run([tool("node"), switch, "--version"], capture_output=True).returncode == 0
    return [tool("node"), *([switch] if known else [])]


def package(name: str) -> ModuleType:
    """A Python package; without it the test is skipped, and fails where CI is set."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        absent(f"{error}: scripts/setup.sh --tests installs it")


def absent(why: str) -> NoReturn:
    """Skips the running test because something is not installed; fails it where CI is set."""
    if CI:
        pytest.fail(why)
    pytest.skip(why)


def npm_packages() -> Path:
    """The folder of the npm packages that the tests use; without it the test is skipped, and fails where CI is set."""
    folder = ROOT / "tests" / "js" / "node_modules"
    if not folder.is_dir():
        absent("tests/js/node_modules is not there: scripts/setup.sh --tests says how")
    return folder


def deno() -> Path:
    """The program in npm's package deno; without it the test is skipped, and fails where CI is set."""
    for path in (npm_packages() / "@deno").glob("*/deno*"):
        return path
    absent("npm has no Deno for this machine")


def shared(path: str) -> Path:
    """A file of the shared test data (real networks, pictures), which are not committed; skips the test without them."""
    folders = [os.environ.get("AMALGAMATE_SHARED", ""), ROOT / "shared", ROOT.parent / "shared"]
    for folder in folders:
        if folder and (Path(folder) / path).exists():
            return Path(folder) / path
    pytest.skip(f"shared/{path} is not here: set AMALGAMATE_SHARED to the folder that holds it")


def snippet(page: str, language: str) -> str:
    """The first block of code in a language on a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    return text.partition(f"```{language}\n")[2].partition("```")[0]
