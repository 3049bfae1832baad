"""Other machines to run programs on: zig compiles for them, and qemu runs what it makes with a C library of Debian's."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Sequence
from pathlib import Path

from amalgamate.toolchains import zig
from amalgamate.toolchains.targets import find
from tools import absent, tool

# Target -> the emulator, and the folder of the C library. The third has 32 bits, the fourth is big-endian.
EMULATED = {
    "linux-aarch64": ("qemu-aarch64", "/usr/aarch64-linux-gnu"),
    "linux-riscv64": ("qemu-riscv64", "/usr/riscv64-linux-gnu"),
    "linux-armv7": ("qemu-arm", "/usr/arm-linux-gnueabihf"),
    "linux-s390x": ("qemu-s390x", "/usr/s390x-linux-gnu"),
}
BIG_ENDIAN = ("linux-s390x",)


def needs_zig() -> None:
    """Skips the running test where there is no zig; fails it where CI is set."""
    if not importlib.util.find_spec("ziglang"):
        absent("ziglang is not installed: pip install 'amalgamate[zig]'")


def runner(target: str) -> list[str]:
    """The command that runs programs of a machine: an emulator, or nothing for those of this one."""
    if target not in EMULATED:
        return []
    emulator, root = EMULATED[target]
    if not Path(root, "lib").is_dir():
        absent(f"{root} is not installed: scripts/setup.sh --tests says how")
    return [tool(emulator), "-L", root]


def program(target: str, sources: Sequence[str | Path], out: Path, *flags: str | Path) -> list[str]:
    """Compiles a program for a machine; returns the command that runs it."""
    needs_zig()
    # Stripped, as libraries are: else zig makes the C library of the machine a second time.
    command = [*zig.command(find(target)), "-s", *flags, *sources, "-o", out, "-lm"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [*runner(target), str(out)]
