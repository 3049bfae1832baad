"""The machines that libraries are built for, and what each is called where: the one table of them."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from amalgamate.errors import AmalgamateError


@dataclass(frozen=True)
class Target:
    """A system and a processor. `name` says both, and is the folder of a library in a package; `triple` is zig's.

    `wheel` is the platform tag of wheels. The oldest system that a library runs on is in the triple, and so in the tag. `cpu`
    is given where the triple leaves the processor open.
    """

    name: str
    triple: str
    wheel: str = ""
    cpu: str = ""

    @property
    def system(self) -> str:
        """linux, macos, windows, freestanding, ..."""
        return self.triple.split("-")[1].partition(".")[0]

    @property
    def suffix(self) -> str:
        """Of a shared library."""
        return {"windows": ".dll", "macos": ".dylib"}.get(self.system, ".so")

    def file(self, name: str, version: str = "") -> str:
        """The file of a shared library as its system calls it, where one is given with the number of its interface."""
        stem = name if self.system == "windows" else f"lib{name}"
        if not version or self.system == "windows":
            return stem + self.suffix
        return f"{stem}.{version}.dylib" if self.system == "macos" else f"{stem}.so.{version}"

    def naming(self, file: str) -> list[str]:
        """The flags with which a shared library says under which file name programs are to look for it."""
        named = {"linux": [f"-Wl,-soname,{file}"], "macos": [f"-Wl,-install_name,@rpath/{file}"]}
        return named.get(self.system, [])


_ARMV7 = "generic+v7a+vfp3d16-neon"  # what every one has; with NEON the smallest numbers would become zero
TARGETS = (
    Target("linux-x86_64", "x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    Target("linux-aarch64", "aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    Target("linux-riscv64", "riscv64-linux-gnu.2.27", "manylinux_2_27_riscv64"),
    Target("linux-armv7", "arm-linux-gnueabihf.2.17", "manylinux_2_17_armv7l", _ARMV7),
    Target("linux-s390x", "s390x-linux-gnu.2.17", "manylinux_2_17_s390x"),
    Target("linux-musl-x86_64", "x86_64-linux-musl", "musllinux_1_2_x86_64"),
    Target("linux-musl-aarch64", "aarch64-linux-musl", "musllinux_1_2_aarch64"),
    Target("linux-musl-riscv64", "riscv64-linux-musl", "musllinux_1_2_riscv64"),
    Target("linux-musl-armv7", "arm-linux-musleabihf", "musllinux_1_2_armv7l", _ARMV7),
    Target("macos-x86_64", "x86_64-macos.10.13-none", "macosx_10_13_x86_64"),
    Target("macos-aarch64", "aarch64-macos.11.0-none", "macosx_11_0_arm64"),
    Target("windows-x86_64", "x86_64-windows-gnu", "win_amd64"),
    Target("windows-aarch64", "aarch64-windows-gnu", "win_arm64"),
)
# Android's binary interfaces -> the triple of its compiler, which the oldest version of Android follows.
ANDROID = {
    "arm64-v8a": "aarch64-linux-android",
    "armeabi-v7a": "armv7a-linux-androideabi",
    "x86_64": "x86_64-linux-android",
    "x86": "i686-linux-android",
}
_KNOWN = {name: target for target in TARGETS for name in (target.name, target.triple)}
_TRIPLE = re.compile(r"(?!linux|macos|windows)\w+-[\w.]+(-[\w.]+)?", re.A)


def find(text: str) -> Target:
    """The target of a name in the table, or of any triple of zig's, which is its own name then. Raises E140."""
    if text not in _KNOWN and not _TRIPLE.fullmatch(text):
        raise _unknown(text, "native, wasm, or a triple of zig's")
    return _KNOWN.get(text, Target(text, text))


def here() -> Target:
    """This machine, under a name of the table where it is in it."""
    machine = platform.machine().lower()
    processor = {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "armv7"}.get(machine, machine)
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    return _KNOWN.get(f"{system}-{processor}", Target(f"{system}-{processor}", f"{processor}-{system}"))


def named(texts: Iterable[str]) -> list[str]:
    """The names of targets that users write: with commas between, "all" for the table, or "native". Raises E140."""
    names: list[str] = []
    for text in filter(None, ",".join(texts).split(",")):
        if text not in (*_KNOWN, "native", "all"):
            raise _unknown(text, "native or all")
        every = [target.name for target in TARGETS]
        names += every if text == "all" else [_KNOWN[text].name if text in _KNOWN else text]
    return list(dict.fromkeys(names))


def _unknown(text: str, more: str) -> AmalgamateError:
    known = ", ".join(target.name for target in TARGETS)
    return AmalgamateError("E140", f"'{text}' is no target", "--target", f"Choose from {known}, {more}")
