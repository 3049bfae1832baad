"""The C package: as a CMake project in each of the ways that one is used, with pkg-config, make, and as an Arduino library."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import amalgamate as am
import nets
from amalgamate import packages
from amalgamate.resources import runtime_files
from golden_digits import VECTORS, digits
from golden_squeezenet import SCORES, squeezenet, write_photos
from machines import program
from tools import ROOT, snippet, tool

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
CPP = """
#include <digits.h>
#include <memory>
#include <string_view>

int main()
{
    amg_model *opened = nullptr;
    if (amg_open(nullptr, &opened) != AMG_OK) {
        return 1;
    }
    const std::unique_ptr<amg_model, decltype(&amg_close)> model{opened, amg_close};
    return std::string_view{amg_label(model.get(), 7)} == "7" ? 0 : 2;
}
"""


def run(*words: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=os.environ | env, capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def cmake(source: Path, build: Path, *options: str) -> None:
    run(tool("cmake"), "-S", source, "-B", build, *options, cwd=source)
    run(tool("cmake"), "--build", build, cwd=source)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c") / "digits"
    packages.write(digits(), "c", folder, packages.About("digits", "2.3.4"))
    return folder


@pytest.fixture(scope="module")
def installed(project: Path) -> Path:
    """Where the package is installed as a shared library."""
    prefix = project.parent / "prefix"
    cmake(project, project.parent / "shared", "-DBUILD_SHARED_LIBS=ON", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run(tool("cmake"), "--install", project.parent / "shared", cwd=project)
    return prefix


def consumer(folder: Path, find: str) -> None:
    """A project of a C99 and a C++17 program that finds the package in the way that `find` says."""
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "c" / "golden.c", folder)
    (folder / "main.cpp").write_text(CPP)
    (folder / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.15)
project(consumer LANGUAGES C CXX)
{find}
find_package(Threads REQUIRED)
add_executable(golden golden.c)
add_executable(plus main.cpp)
target_link_libraries(golden PRIVATE digits::digits Threads::Threads m)
target_link_libraries(plus PRIVATE digits::digits)
target_compile_options(golden PRIVATE {" ".join(WARNINGS)})
target_compile_options(plus PRIVATE {" ".join(WARNINGS)} -Wold-style-cast)
set_target_properties(golden PROPERTIES C_STANDARD 99 C_EXTENSIONS ON)
set_target_properties(plus PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
""")


def uses(folder: Path, *options: str) -> None:
    cmake(folder, folder / "build", *options)
    assert run(folder / "build" / "golden", VECTORS, "1000", cwd=folder) == "ok\n"
    run(folder / "build" / "plus", cwd=folder)


def test_golden_vectors_through_fetch_content_and_a_static_library(project: Path, tmp_path: Path) -> None:
    find = f'include(FetchContent)\nFetchContent_Declare(digits SOURCE_DIR "{project}")\nFetchContent_MakeAvailable(digits)'
    consumer(tmp_path / "app", find)
    uses(tmp_path / "app")
    assert not list((tmp_path / "app" / "build").rglob("digits_example"))


def test_golden_vectors_through_find_package_and_a_shared_library(installed: Path, tmp_path: Path) -> None:
    consumer(tmp_path / "app", "find_package(digits 2.1 REQUIRED)")
    uses(tmp_path / "app", f"-DCMAKE_PREFIX_PATH={installed}")
    consumer(tmp_path / "newer", "find_package(digits 3.0 REQUIRED)")
    with pytest.raises(AssertionError, match=r"requested version \"3\.0\""):
        cmake(tmp_path / "newer", tmp_path / "newer" / "build", f"-DCMAKE_PREFIX_PATH={installed}")


def test_squeezenet_sees_what_it_saw(tmp_path: Path) -> None:
    library = squeezenet().compile()
    source = ROOT / "tests" / "c" / "photos.c"
    flags = ["-std=c99", *WARNINGS, f"-I{library.parent}"]
    run(tool("gcc"), *flags, source, library, f"-Wl,-rpath,{library.parent}", "-lm", "-o", "photos", cwd=tmp_path)
    words = [SCORES, write_photos(tmp_path), library.with_suffix(".amg")]
    assert run(tmp_path / "photos", *words, cwd=tmp_path) == "ok\n"


def test_shared_library_exports_the_api_under_a_versioned_name(installed: Path) -> None:
    (library,) = installed.rglob("libdigits.so.2.3.4")
    symbols = run(tool("nm"), "-D", "--defined-only", library, cwd=installed).split()[2::3]
    declared = re.findall(r"\b(amg_\w+)\(", runtime_files()["amg.h"].partition("*/")[2])
    assert set(symbols) == {name for name in declared if name != "amg_"}
    assert "Library soname: [libdigits.so.2]" in run(tool("readelf"), "-d", library, cwd=installed)
    loads = re.findall(r"LOAD .* (0x\w+)$", run(tool("readelf"), "-lW", library, cwd=installed), re.M)
    assert loads and all(int(alignment, 16) >= 16384 for alignment in loads)


def test_libraries_for_other_machines_are_linked_by_name(tmp_path: Path) -> None:
    """And those for 64-bit Arm run."""
    targets = ("linux-aarch64", "macos-aarch64", "windows-x86_64")
    packages.write(digits(), "c", tmp_path / "digits", packages.About("digits", "2.3.4", targets=targets))
    lib, main = tmp_path / "digits" / "lib", tmp_path / "digits" / "example" / "main.c"
    files = {path.relative_to(lib).as_posix() for path in lib.rglob("*.*") if path.is_file()}
    linked = ("linux-aarch64/libdigits.so.2", "macos-aarch64/libdigits.2.dylib", "windows-x86_64/digits.lib")
    assert files == {*linked, "windows-x86_64/digits.dll"}
    for target, file in zip(targets, linked, strict=True):
        program(target, [main, lib / file], tmp_path / target, "-I", tmp_path / "digits" / "src")
    arm = lib / "linux-aarch64"
    flags = ["-D_GNU_SOURCE", "-pthread", "-I", tmp_path / "digits" / "src", f"-Wl,-rpath,{arm}"]
    sources = [ROOT / "tests" / "c" / "golden.c", arm / "libdigits.so.2"]
    command = program("linux-aarch64", sources, tmp_path / "golden", *flags)
    assert run(*command, VECTORS, "20", cwd=tmp_path) == "ok\n"
    assert "[libdigits.so.2]" in run(tool("readelf"), "-d", tmp_path / "golden", cwd=tmp_path)


def test_pkg_config_leads_to_the_library(installed: Path, tmp_path: Path) -> None:
    (folder,) = {path.parent for path in installed.rglob("digits.pc")}
    words = [tool("pkg-config"), "--cflags", "--libs", "digits"]
    flags = run(*words, cwd=tmp_path, PKG_CONFIG_PATH=str(folder)).split()
    example = installed.parent / "digits" / "example" / "main.c"
    run(tool("gcc"), "-std=c99", *WARNINGS, example, *flags, "-o", "main", cwd=tmp_path)
    lines = run(tmp_path / "main", cwd=tmp_path, LD_LIBRARY_PATH=str(folder.parent)).splitlines()
    assert len(lines) == 5 and abs(sum(float(line.split()[-1]) for line in lines) - 1) < 0.5


def test_make_builds_the_example(project: Path) -> None:
    run("make", cwd=project, CFLAGS="-O1")
    assert len(run(project / "digits-example", cwd=project).splitlines()) == 5


def test_arduino_and_platformio_find_what_they_expect(project: Path, tmp_path: Path) -> None:
    properties = dict(line.split("=", 1) for line in (project / "library.properties").read_text().splitlines())
    assert (properties["name"], properties["version"], properties["includes"]) == ("digits", "2.3.4", "digits.h")
    assert json.loads((project / "library.json").read_text())["build"] == {"srcFilter": "+<digits.c>"}
    (tmp_path / "main.cpp").write_text(f"""
#include <string.h>
#include <stddef.h>
struct Port {{
    void begin(long) {{}}
    void print(unsigned long) {{}}
    void println(const char *text) {{ said = text; }}
    const char *said = "";
}} Serial;
static unsigned long micros() {{ return 0; }}
static void delay(int) {{}}
#include "{project}/examples/digits/digits.ino"
int main() {{ setup(); loop(); return strcmp(Serial.said, " microseconds"); }}
""")
    source = project / "src"
    run(tool("gcc"), "-std=gnu11", "-Os", "-DARDUINO=10800", "-c", source / "digits.c", cwd=tmp_path)
    assert "amg_open_file" not in run(tool("nm"), "digits.o", cwd=tmp_path)
    run(tool("g++"), "-std=gnu++11", f"-I{source}", "main.cpp", "digits.o", "-o", "main", "-lm", cwd=tmp_path)
    run(tmp_path / "main", cwd=tmp_path)


def test_weights_in_a_file_of_their_own_are_installed(tmp_path: Path) -> None:
    built = am.build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file")
    packages.write(built, "c", tmp_path / "tiny")
    prefix = tmp_path / "prefix"
    cmake(tmp_path / "tiny", tmp_path / "build", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run(tool("cmake"), "--install", tmp_path / "build", cwd=tmp_path)
    assert (prefix / "share" / "tiny" / "tiny.amg").read_bytes() == built.data
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(app C)\nfind_package(tiny REQUIRED)\n"
        'message(STATUS "weights: ${tiny_WEIGHTS}")\nadd_executable(app ../tiny/example/main.c)\n'
        "target_link_libraries(app PRIVATE tiny::tiny)\n"
    )
    cmake(tmp_path / "app", tmp_path / "app" / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run(tmp_path / "app" / "build" / "app", cwd=prefix / "share" / "tiny")


def test_program_in_the_documentation(tmp_path: Path) -> None:
    replace(digits(), name="net").write(tmp_path)
    (tmp_path / "app.c").write_text(snippet("c.md", "c"))
    run(
        tool("gcc"),
        "-std=c99",
        *WARNINGS,
        "-DAMG_SCALAR_ONLY",
        "-I.",
        "app.c",
        "net.c",
        "-o",
        "app",
        "-lm",
        cwd=tmp_path,
    )
    run(tmp_path / "app", cwd=tmp_path)


def test_two_packages_link_into_one_program(tmp_path: Path) -> None:
    from amalgamate.cli import run as command

    nets.tiny(tmp_path / "tiny.onnx")
    for words in (["digits"], [str(tmp_path / "tiny.onnx"), "--prefix", "small"]):
        assert command(["package", *words, "--as", "c", "-o", str(tmp_path / Path(words[0]).stem), "--quiet"]) == 0
    (tmp_path / "main.c").write_text("""#include <digits.h>
#include <tiny.h>
#include <stdio.h>

int main(void)
{
    digits_model *digits = NULL;
    small_model *tiny = NULL;
    int failed = digits_open(NULL, &digits) != DIGITS_OK || small_open(NULL, &tiny) != SMALL_OK;
    printf("%s %d\\n", digits_label(digits, 7), (int)small_layer_count(tiny));
    digits_close(digits);
    small_close(tiny);
    return failed;
}
""")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(app C)\nadd_subdirectory(digits)\nadd_subdirectory(tiny)\n"
        "add_executable(app main.c)\ntarget_link_libraries(app PRIVATE digits::digits tiny::tiny)\n"
    )
    cmake(tmp_path, tmp_path / "build")
    assert run(tmp_path / "build" / "app", cwd=tmp_path) == "7 1\n"


def test_command_writes_several_packages_into_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from amalgamate.cli import run as command

    words = ["--as", "go,c", "-o", str(tmp_path), "--package-version", "3.2.1", "--json", "--quiet"]
    assert command(["package", "digits", *words]) == 0
    written = {
        Path(file["path"]).relative_to(tmp_path).as_posix() for file in json.loads(capsys.readouterr().out)["files"]
    }
    assert {"go/go.mod", "go/digits.c", "c/CMakeLists.txt", "c/src/digits.c"} <= written
    assert written == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert "VERSION 3.2.1" in (tmp_path / "c" / "CMakeLists.txt").read_text()
