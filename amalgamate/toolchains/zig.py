"""zig cc, which compiles for every system from any: `pip install amalgamate[zig]`, or zig on the path."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import compile


def compiler() -> list[str]:
    """The command of zig's C compiler. Raises E140."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    if path := shutil.which("zig"):
        return [path, "cc"]
    raise AmalgamateError("E140", "no zig, which compiles for other systems", "", "Run pip install ziglang")


def build(source: Path, target: str, out: Path) -> Path:
    """A shared library for a triple: NAME.dll for Windows, NAME.dylib for macOS, NAME.so for others; NAME.o freestanding."""
    if not re.fullmatch(r"\w+-\w+(-[\w.]+)?", target, re.A):
        raise AmalgamateError(
            "E140", f"'{target}' is no target", "--target", "Write native, wasm or a triple: x86_64-windows-gnu"
        )
    system = target.split("-")[1]
    suffix = {"windows": ".dll", "macos": ".dylib", "freestanding": ".o"}.get(system, ".so")
    kind = ["-c", "-ffreestanding"] if suffix == ".o" else ["-shared", "-s"]
    libm = [] if suffix in (".o", ".dll") else ["-lm"]
    # The sanitizer that zig adds to C by default would abort where other compilers go on.
    flags = ["-O2", "-std=c99", "-fno-sanitize=undefined", *kind, *([] if suffix == ".dll" else ["-fPIC"])]
    return compile([*compiler(), "-target", target, *flags, source, *libm], out / (source.stem + suffix))
