"""What this machine has of what amalgamate can use: compilers, emulators, engines to compare with, instruction sets."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amalgamate import resources

# Program -> (what it is for, the Debian package that holds it).
PROGRAMS = {
    "gcc": ("compile --target native", "gcc"),
    "clang": ("compile --target native", "clang"),
    "emcc": ("compile --target wasm", "emscripten"),
    "node": ("running WebAssembly modules", "nodejs"),
    "aarch64-linux-gnu-gcc": ("compile for 64-bit Arm", "gcc-aarch64-linux-gnu"),
    "qemu-aarch64": ("running programs for other processors", "qemu-user"),
    "arm-none-eabi-gcc": ("compile for microcontrollers", "gcc-arm-none-eabi"),
}
# Python package -> (what it is for, the extra of amalgamate that installs it).
PACKAGES = {
    "onnxruntime": ("verify, bench", "verify"),
}
# Flags of /proc/cpuinfo -> the instruction set of ours that they give.
SETS = {"SSE2": ("sse2",), "AVX2": ("avx2", "fma"), "AVX-512": ("avx512f", "avx512vl"), "NEON": ("asimd",)}


@dataclass(frozen=True)
class Finding:
    """One thing looked for. `detail` says what was found, `fix` what to do when it was not."""

    name: str
    found: bool
    detail: str
    fix: str = ""
    required: bool = False


def examine() -> list[Finding]:
    """Everything that can be found out without changing anything."""
    return [
        Finding("amalgamate", True, f"{resources.version()} at {Path(__file__).parent}"),
        Finding("python", True, f"{platform.python_version()} at {sys.executable}"),
        _processor(),
        _compiles(),
        *_programs(),
        *_packages(),
        _zig(),
        _ndk(),
    ]


def _processor() -> Finding:
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    found = [name for name, needed in SETS.items() if flags.issuperset(needed)]
    return Finding("processor", True, ", ".join([platform.machine(), *(found or ["no wider vectors known of"])]))


def _compiles() -> Finding:
    """Whether a C compiler makes a shared library: what `load` and `predict` need."""
    from amalgamate.errors import AmalgamateError
    from amalgamate.toolchains import native

    fix = "Install gcc or clang (Debian: gcc libc6-dev), or pip install 'amalgamate[zig]'"
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text("#include <math.h>\nfloat probe(float x) { return sqrtf(x); }\n")
            native.build(source, "native", Path(folder))
    except AmalgamateError as error:
        return Finding("C compiler", False, "", f"{error.what}. {fix}", required=True)
    return Finding("C compiler", True, "makes shared libraries", required=True)


def _programs() -> Iterator[Finding]:
    for name, (purpose, package) in PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Finding(name, False, "", f"for {purpose}. Debian: apt-get install {package}")
        else:
            yield Finding(name, True, f"{_version(path)}  ({purpose})")


def _version(path: str) -> str:
    """The first line of what a program says about its version."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer to --version"
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _packages() -> Iterator[Finding]:
    for name, (purpose, extra) in PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            yield Finding(name, False, "", f"for {purpose}. pip install 'amalgamate[{extra}]'")
        else:
            yield Finding(name, True, f"{importlib.metadata.version(name)}  ({purpose})")


def _zig() -> Finding:
    from amalgamate.errors import AmalgamateError
    from amalgamate.toolchains import zig

    purpose = "npm packages with relaxed SIMD, and other machines: --target linux-aarch64, windows-x86_64, ..."
    try:
        command = [*zig.compiler()[:-1], "version"]
    except AmalgamateError:
        return Finding("zig", False, "", f"for {purpose}. pip install 'amalgamate[zig]'")
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return Finding("zig", done.returncode == 0, f"{done.stdout.strip()}  ({purpose})", "Install ziglang again")


def _ndk() -> Finding:
    from amalgamate.errors import AmalgamateError
    from amalgamate.toolchains import ndk

    fix = "for package --as aar, whose libraries Gradle builds otherwise. Set ANDROID_NDK_HOME to its folder"
    try:
        folder = ndk.home()
    except AmalgamateError as error:
        return Finding("Android NDK", False, "", f"{error.what}. {fix}")
    return Finding("Android NDK", folder is not None, str(folder or ""), fix)
