"""The Java compiler of this machine: $JAVA_HOME, or javac on the path; and the C compiler, for libraries that Java loads."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import compile, native

RELEASE = "8"  # of Java: the classes run there, and on Android
_SYSTEMS = {"win32": "windows", "darwin": "macos"}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def home() -> Path:
    """The folder of the JDK. Raises E140."""
    if named := os.environ.get("JAVA_HOME"):
        if shutil.which("javac", path=Path(named) / "bin"):
            return Path(named)
        raise AmalgamateError("E140", f"JAVA_HOME names '{named}', which holds no javac", "", "Correct or unset it")
    if path := shutil.which("javac"):
        return Path(path).resolve().parent.parent
    raise AmalgamateError("E140", "no JDK, which compiles Java", "", "Run apt install default-jdk-headless")


def classes(sources: Sequence[Path], out: Path) -> None:
    """Compiles Java files into folder `out`. Raises E140, E141."""
    command = [home() / "bin" / "javac", "--release", RELEASE, "-Xlint:all,-options", "-Werror", "-d", out, *sources]
    _run([str(word) for word in command])


def javadoc(sources: Sequence[Path], out: Path) -> None:
    """Writes the pages of Java files into folder `out`. Raises E140, E141."""
    command = [home() / "bin" / "javadoc", "-quiet", "-notimestamp", "-Xdoclint:all", "-d", out, *sources]
    _run([str(word) for word in command])


def library(sources: Sequence[Path], artifact: Path, defines: Mapping[str, str]) -> Path:
    """A library of C files that Java loads, of which only what is JNIEXPORT can be seen. Raises E140, E141."""
    headers = home() / "include"
    flags = [f"-I{headers}", *(f"-I{folder}" for folder in sorted(headers.iterdir()) if folder.is_dir())]
    flags += [f"-D{name}={value}" for name, value in defines.items()]
    flags += [f"-I{folder}" for folder in sorted({source.parent for source in sources})]
    pic = [] if sys.platform == "win32" else ["-fPIC"]
    hidden = [*native.FLAGS, "-fvisibility=hidden", "-shared", *pic]
    return compile([*native.compiler(), *hidden, *flags, *sources, "-lm"], artifact)


def system() -> str:
    """This machine as folders of a jar name it: linux-x86_64, macos-aarch64, windows-x86_64."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_MACHINES.get(machine, machine)}"


def mapped(name: str) -> str:
    """The file of a library on this machine, as Java's System.mapLibraryName gives it."""
    return f"{name}.dll" if sys.platform == "win32" else f"lib{name}{native.SUFFIX}"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        fix = f"It said:\n{said}\nSet JAVA_HOME to another JDK: 9 or newer, and one that compiles for Java 8"
        raise AmalgamateError("E141", f"{command[0]} failed (exit {done.returncode})", " ".join(command), fix)
