"""The Java compiler of this machine: $JAVA_HOME, or javac on the path; and the C compiler, for libraries that Java loads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.resources import folder

RELEASE = "8"  # of Java: the classes run there, and on Android


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


def library(sources: Sequence[Path], target: str, artifact: Path, defines: Mapping[str, str]) -> Path:
    """A library of C files that Java loads, of which only what is JNIEXPORT can be seen. Raises E140, E141.

    Of the JDK only <jni.h> is taken, which is the same everywhere; what it leaves to a machine is in bindings/jni/jni_md.h.
    """
    headers = [f"-I{folder('bindings') / 'jni'}", f"-I{home() / 'include'}"]
    return toolchains.library(sources, target, artifact, [*headers, *(f"-D{k}={v}" for k, v in defines.items())])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        fix = f"It said:\n{said}\nSet JAVA_HOME to another JDK: 9 or newer, and one that compiles for Java 8"
        raise AmalgamateError("E141", f"{command[0]} failed (exit {done.returncode})", " ".join(command), fix)
