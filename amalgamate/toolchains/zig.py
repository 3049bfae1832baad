"""zig cc, which compiles for every system from any: `pip install amalgamate[zig]`, or zig on the path."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import compile, exports, native
from amalgamate.toolchains.targets import Target, find

PLAIN = ("-fno-sanitize=undefined",)  # zig adds it to C by default, and it would abort where other compilers go on
FLAGS = (*native.FLAGS, *PLAIN)
# Pages have up to 16 KB on Android, and 64 KB on some 64-bit Arm. Windows and macOS have threads, and functions of
# mathematics, in the library that holds everything.
LINK: dict[str, tuple[str, ...]] = {
    "windows": (),
    "macos": ("-fPIC",),
    "linux": ("-fPIC", "-Wl,-z,max-page-size=65536", "-lm", "-pthread"),
}


def compiler() -> list[str]:
    """The command of zig's C compiler. Raises E140."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    if path := shutil.which("zig"):
        return [path, "cc"]
    raise AmalgamateError("E140", "no zig, which compiles for other systems", "", "Run pip install ziglang")


def found() -> bool:
    """Whether there is a zig."""
    with contextlib.suppress(AmalgamateError):
        return bool(compiler())
    return False


def build(source: Path, target: str, out: Path) -> Path:
    """A shared library for a target: NAME.dll for Windows, NAME.dylib for macOS, NAME.so for others; NAME.o freestanding."""
    machine = find(target)
    if machine.system == "freestanding":
        return compile([*command(machine), "-fPIC", "-ffreestanding", "-c", source], out / f"{source.stem}.o")
    return library([source], machine, out / f"{source.stem}{machine.suffix}", exports(source, machine))


def library(sources: Sequence[Path], target: Target, artifact: Path, flags: Sequence[str] = ()) -> Path:
    """A shared library of C files that exports what they say and nothing else. Raises E140, E141.

    For Windows NAME.lib, which programs are linked with, lies beside it.
    """
    includes = [f"-I{folder}" for folder in sorted({source.parent for source in sources})]
    # Else it would lie in the folder that this runs in.
    beside = [f"-Wl,--out-implib,{artifact.with_suffix('.lib')}"] if target.system == "windows" else []
    link = LINK.get(target.system, LINK["linux"])
    hidden = ["-shared", "-s", "-fvisibility=hidden"]
    return compile([*command(target), *hidden, *includes, *flags, *beside, *sources, *link], artifact)


def command(target: Target) -> list[str]:
    """The compiler for a machine, and its flags. Raises E140."""
    cpu = [f"-mcpu={target.cpu}"] if target.cpu else []
    return [*compiler(), "-target", target.triple, *cpu, *FLAGS]
