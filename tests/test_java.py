"""The jar of a model: compiled for Java 8, and run on the JDK of this machine with its checks of native code switched on."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from PIL import Image

import amalgamate as am
import nets
from amalgamate import packages
from amalgamate.errors import AmalgamateError
from amalgamate.packages._java import coordinates
from amalgamate.toolchains import java, native, ndk
from amalgamate.toolchains.targets import ANDROID, find, here
from faults import Faulty, Shortage
from golden_digits import VECTORS, digits, vectors
from golden_squeezenet import SCORES, squeezenet, write_photos
from machines import needs_zig
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
    runs_clean(made, "-XX:MaxDirectMemorySize=1m", "PhotosTest", SCORES, write_photos(tmp_path))


def test_jar_holds_java_8_classes_and_is_small(made: Made) -> None:
    jar = zipfile.ZipFile(made.jar)
    names = jar.namelist()
    classes = [name for name in names if name.endswith(".class")]
    assert "com/example/digits/Model.class" in classes
    assert {jar.read(name)[:8] for name in classes} == {b"\xca\xfe\xba\xbe\0\0\0\x34"}  # 52: Java 8
    assert f"native/{here().name}/{here().file('digits_jni')}" in names and made.jar.stat().st_size < 400_000
    assert "com/example/digits/Model.java" in zipfile.ZipFile(made.folder / "digits-1.2.3-sources.jar").namelist()
    assert "com/example/digits/Model.html" in zipfile.ZipFile(made.folder / "digits-1.2.3-javadoc.jar").namelist()


def test_library_shows_java_its_entry_and_nothing_else(made: Made, tmp_path: Path) -> None:
    if native.SUFFIX != ".so":
        pytest.skip("nm -D reads ELF")
    name = f"native/{here().name}/libdigits_jni.so"
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


ONE = """import com.example.digits.*;
public class One {
    public static void main(String[] a) {
        try (Model m = Model.open()) {
            System.out.println(m.label(3));
        } catch (ModelException e) {
            System.out.println(e.code() + " " + e.getMessage());
        }
    }
}
"""


def one(jar: Path, folder: Path, *options: str) -> str:
    """What a program says that opens the model of a jar and shows a label."""
    if not (folder / "One.class").exists():
        (folder / "One.java").write_text(ONE)
        done = run(tool("javac"), "-cp", jar, "-d", ".", "One.java", cwd=folder)
        assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(jar), str(folder)])
    done = run(tool("java"), *options, "-cp", path, "One", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def rewritten(jar: Path, to: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    """A copy of a jar with each entry as `change` returns it, or without it."""
    with zipfile.ZipFile(jar) as full, zipfile.ZipFile(to, "w") as other:
        for name in full.namelist():
            if entry := change(name, full.read(name)):
                other.writestr(*entry)
    return to


def test_library_is_found_in_each_place_and_a_missing_one_says_where(made: Made, tmp_path: Path) -> None:
    name = f"native/{here().name}/{here().file('digits_jni')}"
    without = rewritten(made.jar, tmp_path / "without.jar", lambda n, b: None if n.startswith("native/") else (n, b))
    with zipfile.ZipFile(made.jar) as full:
        full.extract(name, tmp_path / "elsewhere")
    copies = tmp_path / "copies"
    copies.mkdir()
    library = tmp_path / "elsewhere" / name
    temporary = f"-Djava.io.tmpdir={copies}"
    assert one(made.jar, tmp_path, temporary) == "3" and not list(copies.iterdir())  # nothing is left behind
    assert one(without, tmp_path, f"-Dcom.example.digits.library={library}") == "3"
    assert one(without, tmp_path, f"-Djava.library.path={library.parent}") == "3"
    said = one(without, tmp_path, "-Djava.library.path=/no/such/place")
    assert said.startswith("-8 no native library digits_jni for ") and "/no/such/place" in said and f"/{name}" in said
    assert "/no/library.so" in one(made.jar, tmp_path, "-Dcom.example.digits.library=/no/library.so")


def test_jar_with_libraries_for_other_machines(tmp_path: Path) -> None:
    """Java takes that of this machine, and on Linux that for the other C library where the first one cannot be loaded."""
    needs_zig()
    targets = [here().name, here().name.replace("linux-", "linux-musl-"), "windows-aarch64"]
    packages.write(digits(), "jar", tmp_path, packages.About("com.example.digits", targets=tuple(targets)))
    jar = tmp_path / "digits-0.1.0.jar"
    with zipfile.ZipFile(jar) as archive:
        found = {name for name in archive.namelist() if name.startswith("native/")}
        archive.extractall(tmp_path / "jar", found)
    assert found == {f"native/{name}/{find(name).file('digits_jni')}" for name in targets}
    listed = [tool("llvm-readobj"), "--coff-exports", "jar/native/windows-aarch64/digits_jni.dll"]
    assert run(*listed, cwd=tmp_path).stdout.count("Name: ") == 1
    for name in targets[:2]:
        symbols = run(tool("nm"), "-D", "--defined-only", f"jar/native/{name}/libdigits_jni.so", cwd=tmp_path).stdout
        assert symbols.split()[2::3] == ["JNI_OnLoad"]
    assert one(jar, tmp_path) == "3"
    first, second = (f"native/{name}/" for name in targets[:2])
    glibc = (tmp_path / "jar" / first / "libdigits_jni.so").read_bytes()

    def damaged(name: str, data: bytes) -> tuple[str, bytes]:
        return name, b"not ELF" if name.startswith((first, second)) else data

    def swapped(name: str, data: bytes) -> tuple[str, bytes]:
        return name, b"not ELF" if name.startswith(first) else glibc if name.startswith(second) else data

    assert one(rewritten(jar, tmp_path / "damaged.jar", damaged), tmp_path).startswith("-8 ")
    assert one(rewritten(jar, tmp_path / "swapped.jar", swapped), tmp_path) == "3"


# -- Android --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def android(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool("javac")
    folder = tmp_path_factory.mktemp("android")
    packages.write(digits(), "aar", folder, packages.About("com.example.digits", "1.2.3"))
    return folder


def test_aar_holds_what_android_expects(android: Path) -> None:
    natives = {f"jni/{abi}/libdigits_jni.so" for abi in ANDROID} if ndk.home() else set()
    with zipfile.ZipFile(android / "digits-1.2.3.aar") as archive:
        metadata = "META-INF/com/android/build/gradle/aar-metadata.properties"
        texts = {"AndroidManifest.xml", "classes.jar", "R.txt", "proguard.txt", metadata}
        assert set(archive.namelist()) == texts | natives
        manifest = ElementTree.fromstring(archive.read("AndroidManifest.xml"))
        assert manifest.get("package") == "com.example.digits"
        rules = archive.read("proguard.txt").decode()
        archive.extract("classes.jar", android)
    assert "-keep class com.example.digits.Native" in rules
    assert (android / "consumer-rules.pro").read_text() == rules
    with zipfile.ZipFile(android / "classes.jar") as classes:
        versions = {classes.read(name)[6:8] for name in classes.namelist()}
        assert versions == {b"\0\x34"} and "com/example/digits/Native.class" in classes.namelist()


def test_module_for_gradle_builds_its_c_or_has_it_built(android: Path) -> None:
    gradle = (android / "build.gradle").read_text()
    assert "namespace 'com.example.digits'" in gradle and all(f"'{abi}'" in gradle for abi in ANDROID)
    built = {path.parent.name for path in (android / "src" / "main" / "jniLibs").rglob("*.so")}
    assert built == (set(ANDROID) if ndk.home() else set())
    assert ("externalNativeBuild" in gradle) is not bool(built)
    assert ("holds the classes and no native library" in (android / "README.md").read_text()) is not bool(built)
    ElementTree.parse(android / "src" / "main" / "AndroidManifest.xml")
    assert (android / "src" / "main" / "java" / "com" / "example" / "digits" / "Model.java").is_file()


def test_native_part_for_android_compiles_here_and_runs(android: Path, tmp_path: Path) -> None:
    """As CMake builds it with the NDK, but with this machine's compiler and <jni.h>."""
    headers = [ROOT / "bindings" / "jni", java.home() / "include"]
    flags = " ".join(["-Wall -Wextra -Werror", *(f"-I{folder}" for folder in headers)])
    source = android / "src" / "main" / "cpp"
    for words in (
        ["-S", source, "-B", tmp_path / "build", f"-DCMAKE_C_FLAGS={flags}"],
        ["--build", tmp_path / "build"],
    ):
        done = run(tool("cmake"), *words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(android / "digits-1.2.3.aar") as archive:
        archive.extract("classes.jar", tmp_path)
    assert one(tmp_path / "classes.jar", tmp_path, f"-Djava.library.path={tmp_path / 'build'}") == "3"
    assert one(tmp_path / "classes.jar", tmp_path).startswith("-8 no native library digits_jni for ")


def test_ndk_is_looked_for_where_android_tools_look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    assert ndk.home() is None
    for version in ("9.1.2", "27.0.12", "28.0.1"):
        (tmp_path / "ndk" / version / "toolchains/llvm/prebuilt/linux-x86_64/bin").mkdir(parents=True)
        if version != "28.0.1":  # cut short
            (tmp_path / "ndk" / version / "toolchains/llvm/prebuilt/linux-x86_64/bin/clang").touch()
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path))
    assert ndk.home() == tmp_path / "ndk" / "27.0.12"
    monkeypatch.setenv("ANDROID_NDK_ROOT", str(tmp_path / "ndk" / "9.1.2"))
    assert ndk.home() == tmp_path / "ndk" / "9.1.2"
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    with pytest.raises(AmalgamateError, match="E140 ANDROID_NDK_HOME"):
        ndk.home()


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


def test_weights_that_are_missing_cut_or_damaged(tmp_path: Path) -> None:
    tool("javac")
    built = replace(digits(), options=replace(digits().options, weights="file"))
    packages.write(built, "jar", tmp_path, packages.About("com.example.digits"))
    jar = tmp_path / "digits-0.1.0.jar"
    assert one(jar, tmp_path) == "3"

    def changed(to: str, change: Callable[[bytes], bytes]) -> str:
        def entry(name: str, data: bytes) -> tuple[str, bytes] | None:
            data = change(data) if name.endswith(".amg") else data
            return (name, data) if data else None

        return one(rewritten(jar, tmp_path / to, entry), tmp_path)

    assert changed("missing.jar", lambda data: b"") == "-8 no resource /native/digits.amg"
    assert changed("cut.jar", lambda data: data[:-1]) == "-8 resource /native/digits.amg ends too early"
    assert changed("damaged.jar", lambda data: data[:-1] + bytes([data[-1] ^ 1])).startswith("-5 ")


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
