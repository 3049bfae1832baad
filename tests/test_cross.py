"""Libraries for other machines: what they export and need, and the results of those that an emulator or this machine runs."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.resources import runtime_files
from amalgamate.toolchains.targets import TARGETS, Target, find, named
from amalgamate.writers import c_source
from golden_digits import VECTORS, digits
from machines import EMULATED, needs_zig, program
from tools import ROOT, tool

API = set(re.findall(r"\b(amg_\w+)\(", runtime_files()["amg.h"].partition("*/")[2])) - {"amg_"}
GOLDEN = ROOT / "tests" / "c" / "golden.c"
POSIX = ("-D_GNU_SOURCE", "-pthread")
# What the header of an ELF file says of its processor.
ELF = {"x86_64": 62, "aarch64": 183, "riscv64": 243, "armv7": 40, "s390x": 22}


def said(*words: str | Path) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def library(target: str) -> Path:
    needs_zig()
    return toolchains.cached(digits().pair(), target)


def exported(path: Path, system: str) -> set[str]:
    if system == "windows":
        return set(re.findall(r"Name: (\w+)", said(tool("llvm-readobj"), "--coff-exports", path)))
    if system == "macos":  # zig's linker adds two names of its own
        listed = said(tool("llvm-objdump"), "--macho", "--exports-trie", path).partition("trie:")[2]
        return {name[1:] for name in listed.split()[1::2]} - {"__dso_handle", "_mh_dylib_header"}
    return set(said(tool("llvm-nm"), "-D", "--defined-only", path).split()[2::3])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_libraries_export_the_api_alone(target: Target) -> None:
    path = library(target.name)
    assert path.suffix == target.suffix and exported(path, target.system) == API


@pytest.mark.parametrize("target", [t for t in TARGETS if t.system == "linux"], ids=lambda target: target.name)
def test_libraries_for_linux_need_no_more_than_their_wheels_say(target: Target) -> None:
    path = library(target.name)
    machine = struct.unpack_from("<H" if path.read_bytes()[5] == 1 else ">H", path.read_bytes(), 18)[0]
    assert machine == ELF[target.name.rpartition("-")[2]]
    loads = re.findall(r"LOAD .* (0x\w+)$", said(tool("readelf"), "-lW", path), re.M)
    assert loads and all(int(alignment, 16) >= 16384 for alignment in loads)
    newest = max((int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?=[.\0])", path.read_bytes())), default=0)
    allowed = re.match(r"manylinux_2_(\d+)_", target.wheel)
    assert newest <= int(allowed[1]) if allowed else newest == 0


@pytest.mark.parametrize("target", [t for t in TARGETS if t.system == "macos"], ids=lambda target: target.name)
def test_libraries_for_macos_run_on_what_their_wheels_say(target: Target) -> None:
    headers = said(tool("llvm-objdump"), "--macho", "--private-headers", library(target.name))
    major, minor = target.wheel.split("_")[1:3]
    assert re.search(rf"\b(?:minos|version) {major}\.{minor}\n", headers)
    assert "LC_CODE_SIGNATURE" in headers or target.name == "macos-x86_64"


@pytest.mark.parametrize("target", ["linux-x86_64", *EMULATED])
def test_golden_vectors_on_other_processors(target: str, tmp_path: Path) -> None:
    """Through the very library that packages hold, and from the bytes of a model file."""
    digits().write(tmp_path)
    (tmp_path / "digits.amg").write_bytes(digits().data)
    command = program(target, [GOLDEN, library(target)], tmp_path / "golden", *POSIX, "-I", tmp_path)
    assert said(*command, VECTORS, "20", tmp_path / "digits.amg") == "ok\n"


def test_golden_vectors_in_a_static_program_with_musl(tmp_path: Path) -> None:
    digits().write(tmp_path)
    (tmp_path / "digits.amg").write_bytes(digits().data)
    sources = [GOLDEN, tmp_path / "digits.c"]
    command = program("linux-musl-x86_64", sources, tmp_path / "golden", "-static", *POSIX, "-I", tmp_path)
    assert said(*command, VECTORS, "1000", tmp_path / "digits.amg") == "ok\n"
    assert "INTERP" not in said(tool("readelf"), "-lW", tmp_path / "golden")


@pytest.mark.parametrize("target", [t for t in TARGETS if t.system in ("windows", "macos")], ids=lambda t: t.name)
def test_programs_for_other_systems_link(target: Target, tmp_path: Path) -> None:
    digits().write(tmp_path)
    (tmp_path / "main.c").write_text(c_source.example_of((tmp_path / "digits.h").read_text()))
    path = library(target.name)
    linked = path.with_suffix(".lib") if target.system == "windows" else path
    program(target.name, [tmp_path / "main.c", linked], tmp_path / "main", "-I", tmp_path)


def test_targets_are_found_by_name_and_by_triple() -> None:
    assert find("aarch64-linux-musl") == find("linux-musl-aarch64") and find("macos-aarch64").system == "macos"
    assert find("wasm32-wasi-musl") == Target("wasm32-wasi-musl", "wasm32-wasi-musl")
    assert named(["linux-x86_64,native", "windows-aarch64", "linux-x86_64"]) == [
        "linux-x86_64",
        "native",
        "windows-aarch64",
    ]
    assert named(["all"]) == [target.name for target in TARGETS] and named([]) == []
    for text in ("toaster", "linux-vax", "a b-c"):
        with pytest.raises(AmalgamateError, match=r"E140.*is no target.*linux-armv7"):
            find(text)
    with pytest.raises(AmalgamateError, match=r"E140.*is no target"):
        named(["wasm32-wasi"])


def test_names_of_libraries() -> None:
    names = {target: find(target).file("net", "2") for target in ("linux-armv7", "macos-x86_64", "windows-x86_64")}
    assert names == {"linux-armv7": "libnet.so.2", "macos-x86_64": "libnet.2.dylib", "windows-x86_64": "net.dll"}
    assert find("linux-armv7").file("net_jni") == "libnet_jni.so"


def test_documentation_lists_the_targets() -> None:
    rows = re.findall(r"^\| `(\S+)` \| `(\S+)` \| `(\S+)` \|$", (ROOT / "docs" / "c.md").read_text(), re.M)
    assert rows == [(target.name, target.triple, target.wheel) for target in TARGETS]


def test_java_calls_machines_as_the_table_does() -> None:
    """What a jar looks for is put together in Java, which has words of its own for some systems and processors."""
    text = (ROOT / "bindings" / "jni" / "java" / "Native.java").read_text().partition("static String platform()")[2]
    words = {word for target in TARGETS for word in (target.name.split("-")[0], target.name.split("-")[-1])}
    assert words - {"linux", "riscv64", "s390x"} <= set(re.findall(r'"([a-z0-9_]+)"', text))
