"""The jar of a model: compiled for Java 8, and run on the JDK of this machine with its checks of native code switched on."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from PIL import Image

import amalgamate as am
import nets
from amalgamate import packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages.jar import coordinates
from amalgamate.toolchains import java, native
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from golden_squeezenet import SCORES, squeezenet, write_photos
from tools import ROOT, snippet, tool

CHECKED = ["-Xcheck:jni", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class Made(NamedTuple):
    folder: Path
    jar: Path
    tests: Path  # classes


def run(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, words)], cwd=cwd, env=os.environ | env, capture_output=True, text=True, errors="replace"
    )


def make(built: am.Built, folder: Path, test: str) -> Made:
    """The jar of a model, its .amg file, and a class that tests it."""
    packages.write(built, "jar", folder, packages.About(f"com.example.{built.name}", "1.2.3"))
    (folder / f"{built.name}.amg").write_bytes(built.data)
    jar, tests = folder / f"{built.name}-1.2.3.jar", folder / "tests"
    source = ROOT / "tests" / "java" / f"{test}.java"
    done = run(tool("javac"), "-Xlint:all,-options", "-Werror", "-cp", jar, "-d", tests, source, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Made(folder, jar, tests)


def runs_clean(made: Made, *words: str | Path, **env: str) -> None:
    path = os.pathsep.join([str(made.jar), str(made.tests)])
    done = run(tool("java"), *CHECKED, "-cp", path, *words, cwd=made.folder, **env)
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stderr == ""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    tool("javac")
    return make(digits(), tmp_path_factory.mktemp("java"), "DigitsTest")


def test_jar_runs_clean_under_the_checks_of_the_virtual_machine(made: Made) -> None:
    runs_clean(made, "DigitsTest", VECTORS, "digits.amg", "1000")


def test_memory_that_runs_out_at_any_allocation_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    tool("javac")
    made = make(Faulty.of(digits()), tmp_path, "ShortageTest")
    runs_clean(made, "ShortageTest", VECTORS, "digits.amg", FAULTS=str(Shortage(tmp_path / "numbers").path))


def test_squeezenet_sees_what_it_saw(tmp_path: Path) -> None:
    tool("javac")
    made = make(squeezenet(), tmp_path, "PhotosTest")
    runs_clean(made, "PhotosTest", SCORES, write_photos(tmp_path))


def test_jar_holds_java_8_classes_and_is_small(made: Made) -> None:
    jar = zipfile.ZipFile(made.jar)
    names = jar.namelist()
    classes = [name for name in names if name.endswith(".class")]
    assert "com/example/digits/Model.class" in classes
    assert {jar.read(name)[:8] for name in classes} == {b"\xca\xfe\xba\xbe\0\0\0\x34"}  # 52: Java 8
    assert f"native/{java.system()}/{java.mapped('digits_jni')}" in names and made.jar.stat().st_size < 400_000
    assert "com/example/digits/Model.java" in zipfile.ZipFile(made.folder / "digits-1.2.3-sources.jar").namelist()
    assert "com/example/digits/Model.html" in zipfile.ZipFile(made.folder / "digits-1.2.3-javadoc.jar").namelist()


def test_library_shows_java_its_entry_and_nothing_else(made: Made, tmp_path: Path) -> None:
    if native.SUFFIX != ".so":
        pytest.skip("nm -D reads ELF")
    name = f"native/{java.system()}/libdigits_jni.so"
    zipfile.ZipFile(made.jar).extract(name, tmp_path)
    assert run(tool("nm"), "-D", "--defined-only", name, cwd=tmp_path).stdout.split()[2::3] == ["JNI_OnLoad"]


def test_pom_has_the_coordinates(made: Made) -> None:
    space = "{http://maven.apache.org/POM/4.0.0}"
    for text in (
        (made.folder / "digits-1.2.3.pom").read_text(),
        zipfile.ZipFile(made.jar).read("META-INF/maven/com.example/digits/pom.xml").decode(),
    ):
        pom = ElementTree.fromstring(text)
        found = [pom.findtext(f"{space}{tag}") for tag in ("groupId", "artifactId", "version")]
        assert found == ["com.example", "digits", "1.2.3"]


def test_library_is_found_in_each_place_and_a_missing_one_says_where(made: Made, tmp_path: Path) -> None:
    name = f"native/{java.system()}/{java.mapped('digits_jni')}"
    without = tmp_path / "without.jar"
    with zipfile.ZipFile(made.jar) as full, zipfile.ZipFile(without, "w") as bare:
        for entry in full.namelist():
            if not entry.startswith("native/"):
                bare.writestr(entry, full.read(entry))
        full.extract(name, tmp_path / "elsewhere")
    (tmp_path / "One.java").write_text(
        "import com.example.digits.*;\npublic class One { public static void main(String[] a) {\n"
        "try (Model m = Model.open()) { System.out.println(m.label(3)); }\n"
        'catch (ModelException e) { System.out.println(e.code() + " " + e.getMessage()); } } }\n'
    )
    assert run(tool("javac"), "-cp", made.jar, "-d", ".", "One.java", cwd=tmp_path).returncode == 0
    copies = tmp_path / "copies"
    copies.mkdir()

    def one(jar: Path, *options: str) -> str:
        path = os.pathsep.join([str(jar), str(tmp_path)])
        done = run(tool("java"), *options, f"-Djava.io.tmpdir={copies}", "-cp", path, "One", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    library = tmp_path / "elsewhere" / name
    assert one(made.jar) == "3" and not list(copies.iterdir())  # nothing is left behind
    assert one(without, f"-Dcom.example.digits.library={library}") == "3"
    assert one(without, f"-Djava.library.path={library.parent}") == "3"
    said = one(without, "-Djava.library.path=/no/such/place")
    assert said.startswith("-8 no native library digits_jni for ") and "/no/such/place" in said and f"/{name}" in said
    assert "/no/library.so" in one(made.jar, "-Dcom.example.digits.library=/no/library.so")


def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    tool("javac")
    built = am.build(nets.tiny(tmp_path / "tiny.onnx"), weights_as="file", prefix="other")
    packages.write(built, "jar", tmp_path, packages.About("org.other:tiny-net"))
    (tmp_path / "Two.java").write_text(
        "import java.util.*;\npublic class Two { public static void main(String[] a) {\n"
        "try (org.other.tiny_net.Model m = org.other.tiny_net.Model.open()) { System.out.println(Arrays.toString(\n"
        'm.run(Collections.singletonMap("x", new float[] {-1, 2, 0, 3, -4})).get("y"))); } } }\n'
    )
    jar = "tiny-net-0.1.0.jar"
    assert run(tool("javac"), "-cp", jar, "-d", ".", "Two.java", cwd=tmp_path).returncode == 0
    done = run(tool("java"), "-Xcheck:jni", "-cp", os.pathsep.join([jar, "."]), "Two", cwd=tmp_path)
    assert done.stdout == "[0.0, 2.0, 0.0, 3.0, 0.0]\n" and done.stderr == "", done.stderr


def test_android_folder_is_complete_and_its_c_compiles(made: Made, tmp_path: Path) -> None:
    android = made.folder / "android"
    shutil.copytree(android / "src" / "main" / "cpp", tmp_path / "cpp")
    headers = [f"-I{path}" for path in (java.home() / "include", *(java.home() / "include").iterdir()) if path.is_dir()]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wno-pedantic", "-Werror", '-DNATIVE_CLASS="x/Native"']
    done = run(tool("gcc"), "-fsyntax-only", *flags, *headers, "glue.c", cwd=tmp_path / "cpp")
    assert done.returncode == 0, done.stderr
    cmake = (android / "src" / "main" / "cpp" / "CMakeLists.txt").read_text()
    assert "max-page-size=16384" in cmake and 'NATIVE_CLASS="com/example/digits/Native"' in cmake
    assert "-keep class com.example.digits.Native" in (android / "consumer-rules.pro").read_text()
    assert "namespace 'com.example.digits'" in (android / "build.gradle").read_text()
    ElementTree.parse(android / "src" / "main" / "AndroidManifest.xml")


def test_program_in_the_documentation(tmp_path: Path) -> None:
    tool("javac")
    packages.write(digits(), "jar", tmp_path, packages.About("com.example.net"))
    pixels, _, scores = vectors()
    Image.fromarray(pixels[1].repeat(9, 0).repeat(9, 1)).save(tmp_path / "cat.jpg", quality=100)
    (tmp_path / "Main.java").write_text(snippet("java.md", "java"))
    jar = "net-0.1.0.jar"
    done = run(tool("javac"), "-cp", jar, "-d", ".", "Main.java", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    headless = ["-Djava.awt.headless=true", "-cp", os.pathsep.join([jar, "."])]
    done = run(tool("java"), *headless, "Main", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.split()[0] == str(scores[1].argmax()), done.stderr


def test_coordinates() -> None:
    cases = {"digits": ("digits", "digits"), "a.b.c": ("a.b", "c"), "org.x:my-net": ("org.x", "my-net")}
    assert {name: coordinates(name) for name in cases} == cases
    for name in ("a..b", "a.class", "1.b", "a:b:c", "a b", ""):
        with pytest.raises(AmalgamateError, match="E107"):
            coordinates(name)


def test_without_a_jdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(AmalgamateError, match=r"E140 no JDK.*default-jdk-headless"):
        java.home()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(AmalgamateError, match="E140 JAVA_HOME"):
        java.home()
