"""Compilers that turn a pair into something that runs: one file per family, `build(source, target, out)` in each."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from amalgamate.errors import AmalgamateError
from amalgamate.resources import cache_folder
from amalgamate.toolchains.targets import Target, find

WASM = ("wasm", "wasm-simd", "wasm-threads", "wasm-scalar", "wasm-relaxed", "wasm-relaxed-threads")
_SHOWN_LINES = 30  # of a compiler's complaint


class Toolchain(Protocol):
    """A module of this package."""

    def build(self, source: Path, target: str, out: Path) -> Path:
        """Compiles the pair whose C file is `source` into folder `out`; returns the artifact. Raises E140, E141."""


def build(source: Path | str, target: str = "native", out: Path | str | None = None) -> Path:
    """Compiles a pair for `target`: "native", one of WASM, or, through zig, a name of targets.py or any triple.

    The artifact, NAME.so, .dylib, .dll or .wasm, lies in `out`, by default beside the source. Raises E100 (no such file),
    E140 (no compiler), E141 (the compiler failed; its message is shown).
    """
    path = Path(source)
    if not path.is_file():
        raise AmalgamateError("E100", "there is no C file to compile", str(path), "Write one with amalgamate build")
    family = "native" if target == "native" else "wasm" if target in WASM else "zig"
    toolchain = cast(Toolchain, importlib.import_module(f"{__name__}.{family}"))
    folder = Path(out) if out is not None else path.parent
    folder.mkdir(parents=True, exist_ok=True)
    return toolchain.build(path, target, folder)


def library(sources: Sequence[Path], target: str, artifact: Path, flags: Sequence[str] = ()) -> Path:
    """A shared library of C files, for "native" or a target of zig's: it exports what they say. Raises E140, E141."""
    from amalgamate.toolchains import native, zig

    if target == "native":
        return native.library(sources, artifact, flags)
    return zig.library(sources, find(target), artifact, flags)


def exports(source: Path, target: Target) -> list[str]:
    """The flags with which the C file of a pair exports the functions of its header."""
    header = source.with_suffix(".h")
    found = re.search(r"#ifndef (\w+_API)", header.read_text("utf-8", "replace")) if header.is_file() else None
    how = "__declspec(dllexport)" if target.system == "windows" else '__attribute__((visibility("default")))'
    return [f"-D{found[1]}={how}"] if found else []


def cached(pair: Mapping[str, bytes], target: str = "native") -> Path:
    """The artifact of a pair, given as the texts of its files by name, compiled unless it was before. Raises as `build`."""
    source = next(name for name in pair if name.endswith(".c"))
    key = hashlib.sha256(repr((target, _compiler_identity(target))).encode())
    for name, data in sorted(pair.items()):
        key.update(f"{name} {len(data)} ".encode() + data)
    folder = cache_folder() / "compiled" / key.hexdigest()[:32]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            for name, data in pair.items():
                (Path(scratch) / name).write_bytes(data)
            build(Path(scratch) / source, target)
            (Path(scratch) / source).unlink()  # as large as the weights, and easily made again
            with contextlib.suppress(OSError):  # another process was first
                Path(scratch).rename(folder)
                Path(scratch).mkdir()  # for TemporaryDirectory to remove
    made = [p for p in folder.iterdir() if p.suffix not in (".h", ".amg", ".mjs", ".lib")]
    return min(made, key=lambda path: len(path.name))  # NAME.wasm rather than NAME.scalar.wasm


def _compiler_identity(target: str) -> str:
    """What tells one compiler from another: its command, and the size and time of its program."""
    if target in WASM:
        from amalgamate.toolchains import wasm

        return f"{target} {wasm.identity()}"
    if target != "native":
        return target
    from amalgamate.toolchains import native

    command = native.compiler()
    about = os.stat(command[0])
    return f"{command} {about.st_size} {about.st_mtime_ns} {native.FLAGS}"


def compile(command: Sequence[str | Path], artifact: Path, env: Mapping[str, str] | None = None) -> Path:
    """Runs `command` with `-o FILE` added, and moves FILE to `artifact` when it succeeded. Raises E141."""
    with tempfile.TemporaryDirectory(dir=artifact.parent, prefix=".build-") as scratch:
        made = Path(scratch) / artifact.name
        words = [str(word) for word in [*command, "-o", made]]
        try:
            result = subprocess.run(
                words, capture_output=True, text=True, errors="replace", env=env and {**os.environ, **env}
            )
        except OSError as error:
            raise AmalgamateError("E140", f"cannot start {words[0]}: {error.strerror}") from error
        if result.returncode != 0 or not made.is_file():
            said = (result.stderr or result.stdout).strip().splitlines()
            shown = "\n".join(said[:_SHOWN_LINES] + ["..."] * (len(said) > _SHOWN_LINES))
            fix = f"It said:\n{shown}\n" if shown else "It said nothing. "
            fix += "See whether `amalgamate doctor` finds a compiler that works, or name another one with CC"
            raise AmalgamateError("E141", f"{words[0]} failed (exit {result.returncode})", " ".join(words), fix)
        os.replace(made, artifact)
    return artifact
