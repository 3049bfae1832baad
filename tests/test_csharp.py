"""The C# package: compiled and run by Mono, which is what Debian has; its project file is read as XML."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import nets
from amalgamate import Built, build, packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages.csharp import PLATFORMS, namespace, quoted
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from layout import STRUCTS, compiled
from tools import ROOT, snippet, tool

LAYOUT = """
using System;
using System.Runtime.InteropServices;

namespace Digits
{
    public static class Layout
    {
        public static void Main()
        {
@LINES@
        }
    }
}
"""


def run(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, words)], cwd=cwd, env=os.environ | env, capture_output=True, text=True, errors="replace"
    )


def compile_to(target: str, *words: str | Path, cwd: Path) -> None:
    """With the compiler of Mono; what it warns of is an error."""
    kind = "library" if target.endswith(".dll") else "exe"
    options = ["-langversion:latest", "-unsafe", "-warnaserror", f"-target:{kind}", f"-out:{target}"]
    done = run(tool("mcs"), *options, *words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def library(built: Built, folder: Path, name: str = "") -> None:
    """Writes a package, compiles its classes into NAME.dll and its C as its README says."""
    packages.write(built, "csharp", folder, packages.About(name or built.name, "1.2.3"))
    weights = [f"-resource:{path.name},{path.name}" for path in folder.glob("*.amg")]
    documented = [*sorted((folder / "src").glob("*.cs")), "-doc:documentation.xml"]
    compile_to(f"{name or built.name}.dll", *documented, *weights, cwd=folder)
    shared = ["-O2", "-shared", "-fPIC", f"native/{built.name}.c", "-lm", "-o", f"lib{built.name}.so"]
    assert run(tool("cc"), *shared, cwd=folder).returncode == 0


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool("mono")
    folder = tmp_path_factory.mktemp("csharp")
    library(digits(), folder)
    (folder / "digits.amg").write_bytes(digits().data)
    return folder


def test_golden_vectors_threads_faults_and_cycles(package: Path) -> None:
    compile_to("test.exe", "-r:digits.dll", ROOT / "tests" / "csharp" / "DigitsTest.cs", cwd=package)
    done = run(tool("mono"), "test.exe", VECTORS, "digits.amg", "1000", cwd=package)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    tool("mono")
    library(Faulty.of(digits()), tmp_path)
    (tmp_path / "digits.amg").write_bytes(digits().data)
    compile_to("test.exe", "-r:digits.dll", ROOT / "tests" / "csharp" / "ShortageTest.cs", cwd=tmp_path)
    faults = str(Shortage(tmp_path / "numbers").path)
    done = run(tool("mono"), "test.exe", VECTORS, "digits.amg", cwd=tmp_path, FAULTS=faults)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


def test_structs_lie_as_in_c(package: Path, tmp_path: Path) -> None:
    lines = []
    for struct in STRUCTS:
        lines.append(f"Console.WriteLine(Marshal.SizeOf(typeof(Native.{struct.name})));")
        lines += [
            f'Console.WriteLine((long)Marshal.OffsetOf(typeof(Native.{struct.name}), "{field.name}"));'
            for field in struct.fields
        ]
    (tmp_path / "Layout.cs").write_text(LAYOUT.replace("@LINES@", "\n".join(lines)))
    compile_to("layout.exe", "Layout.cs", *sorted((package / "src").glob("*.cs")), cwd=tmp_path)
    done = run(tool("mono"), "layout.exe", cwd=tmp_path)
    assert [int(word) for word in done.stdout.split()] == compiled(str(package / "native" / "digits.h"), tmp_path)


def test_missing_library_says_where_it_was_looked_for(package: Path, tmp_path: Path) -> None:
    shutil.copy(package / "digits.dll", tmp_path)
    (tmp_path / "One.cs").write_text(
        "public static class One { public static void Main() { try { Digits.Model.Open(); }\n"
        'catch (Digits.ModelException e) { System.Console.WriteLine(e.Code + " " + e.Message); } } }\n'
    )
    compile_to("one.exe", "-r:digits.dll", "One.cs", cwd=tmp_path)
    said = run(tool("mono"), "one.exe", cwd=tmp_path).stdout
    assert said.startswith(f"File no native library 'digits' in {tmp_path}")


def test_two_packages_in_one_program_one_with_its_weights_beside(tmp_path: Path) -> None:
    tool("mono")
    nets.two_in_two_out(tmp_path / "both.onnx")
    library(build(tmp_path / "both.onnx", name="both_2"), tmp_path / "one", "Example.Both-2")
    library(build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file"), tmp_path / "two")
    for path in [*tmp_path.glob("*/*.dll"), *tmp_path.glob("*/*.so")]:
        shutil.copy(path, tmp_path)
    (tmp_path / "App.cs").write_text("""
using System;
using System.Collections.Generic;
using One = Example.Both2.Model;
using Two = Tiny.Model;

public static class App
{
    public static void Main()
    {
        using (One one = One.Open())
        using (Two two = Two.Open())
        {
            float[] x = { 1, 2, 3, 4, 5, 6 }, y = { 7, 7, 7, 7, 7, 7 };
            var both = one.Run(new Dictionary<string, float[]> { [One.Input0] = x, [One.Input1] = y });
            var rectified = two.Run(new Dictionary<string, float[]> { [Two.Input0] = new float[] { -1, 2, -3, 4, 0 } });
            Console.WriteLine(string.Join(" ", both["s"]) + ", " + string.Join(" ", rectified["y"]));
        }
    }
}
""")
    compile_to("app.exe", "-r:Example.Both-2.dll", "-r:tiny.dll", "App.cs", cwd=tmp_path)
    assert run(tool("mono"), "app.exe", cwd=tmp_path).stdout == "8 9 10 11 12 13, 0 2 0 4 0\n"


def test_project_file_names_what_is_there(package: Path, tmp_path: Path) -> None:
    packages.write(build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file"), "csharp", tmp_path / "out")
    for path in (package / "digits.csproj", tmp_path / "out" / "tiny.csproj"):
        project = ElementTree.parse(path).getroot()
        assert project.tag == "Project" and project.get("Sdk") == "Microsoft.NET.Sdk"
        for item in project.findall("ItemGroup/*"):
            assert list(path.parent.glob(item.attrib["Include"])), item.attrib
    found = {tag: project.findtext(f"PropertyGroup/{tag}") for tag in ("PackageId", "RootNamespace", "Version")}
    assert found == {"PackageId": "tiny", "RootNamespace": "Tiny", "Version": "0.1.0"}
    assert {path.parent.name for path in package.glob("runtimes/*/native")} == set(PLATFORMS)
    assert "This is a template" in (package / "README.md").read_text()
    assert os.path.getsize(package / "digits.dll") + os.path.getsize(package / "libdigits.so") < 400_000


def test_program_in_the_documentation(tmp_path: Path) -> None:
    tool("mono")
    library(replace(digits(), name="net"), tmp_path)
    pixels, _, scores = vectors()
    (tmp_path / "cat.rgb").write_bytes(pixels[1].repeat(60, 0).repeat(80, 1).repeat(3).tobytes())
    (tmp_path / "Program.cs").write_text(snippet("csharp.md", "csharp"))
    compile_to("program.exe", "-r:net.dll", "Program.cs", cwd=tmp_path)
    assert run(tool("mono"), "program.exe", cwd=tmp_path).stdout.split()[0] == str(scores[1].argmax())


@pytest.mark.parametrize("name", ['*/ " \\ {} é\u2028\n', "]]></Description>&"], ids=repr)
def test_names_of_the_model_cannot_break_the_package(name: str, tmp_path: Path) -> None:
    built = build(nets.tiny(tmp_path / "t.onnx", name=name, x=f"x{name}", y=f"y{name}"))
    packages.write(built, "csharp", tmp_path / "out", packages.About("hostile"))
    compile_to("hostile.dll", *sorted((tmp_path / "out" / "src").glob("*.cs")), cwd=tmp_path)
    ElementTree.parse(tmp_path / "out" / "hostile.csproj")


def test_names() -> None:
    cases = {"digits": "Digits", "example.squeeze-net_v1": "Example.SqueezeNetV1", "A.b": "A.B"}
    assert {name: namespace(name) for name in cases} == cases
    for name in ("", "1net", "a b", "a..b", "system", "x.model", "é"):
        with pytest.raises(AmalgamateError, match="E107"):
            namespace(name)
    assert (quoted("plain [x]"), quoted('"\U0001f600')) == ('"plain [x]"', '"\\u0022\\ud83d\\ude00"')
