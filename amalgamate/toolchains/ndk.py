"""Android's NDK: what $ANDROID_NDK_HOME or $ANDROID_NDK_ROOT names, or the newest of the SDK that $ANDROID_HOME names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.toolchains import compile, native
from amalgamate.toolchains.targets import ANDROID

API = 24  # Android 7, the oldest
_CLANG = "toolchains/llvm/prebuilt/*/bin/clang*"


def home() -> Path | None:
    """The folder of the NDK, or None where there is none. Raises E140 where a variable names what is none."""
    for variable in ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"):
        if named := os.environ.get(variable):
            if any(Path(named).glob(_CLANG)):
                return Path(named)
            raise AmalgamateError("E140", f"{variable} names '{named}', which holds no NDK", "", "Correct or unset it")
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        versions = sorted((Path(os.environ.get(variable) or ".") / "ndk").glob("*.*.*"), key=_version)
        for folder in reversed(versions):
            if os.environ.get(variable) and any(folder.glob(_CLANG)):
                return folder
    return None


def library(sources: Sequence[Path], abi: str, artifact: Path, defines: Mapping[str, str]) -> Path:
    """A library of C files for a binary interface of Android. Raises E140, E141."""
    folder = home()
    if not folder:
        raise AmalgamateError("E140", "no NDK, which compiles for Android", "", "Set ANDROID_NDK_HOME to its folder")
    clang = next(path for path in sorted(folder.glob(_CLANG)) if path.stem == "clang")
    hidden = ["-shared", "-s", "-fPIC", "-fvisibility=hidden", "-Wl,-z,max-page-size=16384"]
    flags = [f"-D{name}={value}" for name, value in defines.items()]
    flags += [f"-I{include}" for include in sorted({source.parent for source in sources})]
    return compile([clang, f"--target={ANDROID[abi]}{API}", *native.FLAGS, *hidden, *flags, *sources, "-lm"], artifact)


def _version(folder: Path) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", folder.name)]
