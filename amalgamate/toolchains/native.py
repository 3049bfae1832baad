"""The compiler of this machine: $CC, or else cc, gcc or clang. Makes shared libraries and executables."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import compile

FLAGS = ("-O2", "-std=c99")
THREADS = () if sys.platform == "win32" else ("-pthread",)  # only old systems keep them in a library of their own
SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def compiler() -> list[str]:
    """The command of the compiler: its absolute path, and arguments that $CC may hold. Raises E140."""
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        if path := shutil.which(named[0]):
            return [path, *named[1:]]
        raise AmalgamateError("E140", f"CC names '{named[0]}', which is not installed", "", "Correct or unset CC")
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    advice = {"darwin": "Run xcode-select --install", "win32": "Install LLVM, or pip install ziglang and name a target"}
    raise AmalgamateError("E140", "no C compiler", "", advice.get(sys.platform, "Run apt install gcc, or set CC"))


def build(source: Path, target: str, out: Path) -> Path:
    """NAME.so (.dylib, .dll): a shared library with the API of NAME.h."""
    pic = [] if sys.platform == "win32" else ["-fPIC"]
    return compile([*compiler(), *FLAGS, "-shared", *pic, source, "-lm", *THREADS], out / (source.stem + SUFFIX))


def library(sources: Sequence[Path], artifact: Path, flags: Sequence[str] = ()) -> Path:
    """A shared library of C files that exports what they say and nothing else. Raises E140, E141."""
    pic = [] if sys.platform == "win32" else ["-fPIC"]
    hidden = ["-shared", "-fvisibility=hidden", *pic]
    includes = [f"-I{folder}" for folder in sorted({source.parent for source in sources})]
    return compile([*compiler(), *FLAGS, *hidden, *includes, *flags, *sources, "-lm", *THREADS], artifact)


def executable(sources: Sequence[Path], artifact: Path, flags: Sequence[str] = ()) -> Path:
    """A program of C files; headers are looked for beside each of them."""
    folders = sorted({source.parent for source in sources})
    includes = [f"-I{folder}" for folder in folders]
    return compile([*compiler(), *FLAGS, *flags, *includes, *sources, "-lm", *THREADS], artifact)
