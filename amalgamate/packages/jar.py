"""Java: a jar with the classes and the native library of this machine, its sources, javadoc and pom, and a folder for Android."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About, _zip
from amalgamate.packages._facts import binding, facts, put
from amalgamate.resources import runtime_files, version
from amalgamate.templates import render
from amalgamate.toolchains import java
from amalgamate.writers import c_source
from amalgamate.writers.names import identifier

if TYPE_CHECKING:
    from amalgamate import Built

CLASSES = ("Cleanup", "Handle", "Model", "ModelException", "Native", "Prediction", "Session", "TensorInfo")
_RESERVED = (
    " abstract assert boolean break byte case catch char class const continue default do double else enum extends final"
    " finally float for goto if implements import instanceof int interface long native new package private protected"
    " public return short static strictfp super switch synchronized this throw throws transient try void volatile while"
    " true false null "
)


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME-VERSION.jar, -sources.jar, -javadoc.jar and .pom, and the folder android. Raises E107, E140, E141.

    The name of the package is that of the Java package and of Maven's coordinates: com.example.net or com.example:net.
    """
    group, artifact = coordinates(about.name)
    built = replace(built, name=identifier(artifact))
    package = about.name.replace(":", ".").replace("-", "_").lower()
    embedded = built.options.weights != "file"
    values = _values(built, about, package) | {"group": group, "artifact": artifact}
    sources = {f"{package.replace('.', '/')}/{name}": text for name, text in _sources(built, package).items()}
    pom = render("jar/pom.xml.j2", **values)
    inside = f"META-INF/maven/{group}/{artifact}/pom.xml"
    manifest = (
        f"Manifest-Version: 1.0\r\nAutomatic-Module-Name: {package}\r\nImplementation-Version: {about.version}\r\n\r\n"
    )
    head = {"META-INF/MANIFEST.MF": manifest.encode(), inside: pom.encode()}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        files = put(scratch / "src", {**sources})
        java.classes(files, scratch / "classes")
        java.javadoc(files, scratch / "pages")
        compiled, pages = _tree(scratch / "classes"), _tree(scratch / "pages")
        name = java.mapped(_library(built))
        native = {f"native/{java.system()}/{name}": _native(built, package, scratch / name)}
    weights = {} if embedded else {f"native/{built.name}.amg": built.data}
    stem = f"{artifact}-{about.version}"
    jars = [
        _zip.write(out / f"{stem}.jar", {**head, **compiled, **native, **weights}),
        _zip.write(out / f"{stem}-sources.jar", {**head, **{n: t.encode() for n, t in sources.items()}}),
        _zip.write(out / f"{stem}-javadoc.jar", {**head, **pages}),
    ]
    texts = {f"{stem}.pom": pom, "README.md": render("jar/README.md.j2", **values)}
    return [*jars, *put(out, {**texts, **_android(built, sources, values)})]


def coordinates(name: str) -> tuple[str, str]:
    """Maven's group and artifact. Raises E107 where a name cannot be that of a Java package."""
    words = re.split(r"[.:]", name)
    if name.count(":") > 1 or not all(
        re.fullmatch(r"[A-Za-z][\w-]*", w, re.A) and f" {w} " not in _RESERVED for w in words
    ):
        raise AmalgamateError(
            "E107", f"'{name}' is no name for a Java package", "--name", "Such as com.example.net or com.example:net"
        )
    group, _, artifact = name.rpartition(":") if ":" in name else name.rpartition(".")
    return group or artifact, artifact


def _tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _values(built: Built, about: About, package: str) -> dict[str, Any]:
    model = facts(built)
    return {
        "package": package,
        "version": about.version,
        "title": model.title,
        "xml": model.xml,
        "lines": model.lines,
        "image": model.image,
        "name": built.name,
        "library": _library(built),
        "inputs": list(enumerate(model.inputs)),
        "output": model.outputs[0],
        "native_class": f"{package.replace('.', '/')}/Native",
        "generator": version(),
    }


def _library(built: Built) -> str:
    return f"{built.name}_jni"


def _sources(built: Built, package: str) -> dict[str, str]:
    """The Java files by name."""
    weights = f"/native/{built.name}.amg" if built.options.weights == "file" else ""
    marks = {"@LIBRARY@": _library(built), "@PROPERTY@": f"{package}.library", "@WEIGHTS@": weights}
    texts = {f"{name}.java": binding(f"jni/java/{name}.java", built) for name in CLASSES}
    for name, text in texts.items():
        for mark, value in marks.items():
            text = text.replace(mark, value)
        texts[name] = text.replace("package amalgamated;", f"package {package};")
    return texts | {"Code.java": render("jar/Code.java.j2", package=package, codes=codes())}


def codes() -> list[tuple[str, int, str]]:
    """The statuses and pixel formats of amg.h: name, value, what it says of them."""
    found = re.findall(r"#define AMG_(?:E_(\w+)|(\w+8)) \(?(-?\d+)\)?(?:[ ]*/\* (.*?) \*/)?", runtime_files()["amg.h"])
    return [
        (error or pixels, int(value), said or "pixels of 8 bits per channel") for error, pixels, value, said in found
    ]


def _native(built: Built, package: str, artifact: Path) -> bytes:
    """The library of this machine."""
    folder = artifact.parent / "pair"
    pair = c_source.write(built.pair(), folder)
    (glue,) = put(folder, {"glue.c": binding("jni/glue.c", built)})
    defines = {"NATIVE_CLASS": f'"{package.replace(".", "/")}/Native"'}
    return java.library([pair[0], glue], artifact, defines).read_bytes()


def _android(built: Built, sources: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str | bytes]:
    """A library module for Gradle, whose native part its own tools build."""
    main = "android/src/main"
    files: dict[str, str | bytes] = {f"{main}/java/{name}": text for name, text in sources.items()}
    files |= {f"{main}/cpp/{name}": data for name, data in built.pair().items() if not name.endswith(".amg")}
    if built.options.weights == "file":
        files[f"{main}/resources/native/{built.name}.amg"] = built.data
    files[f"{main}/cpp/glue.c"] = binding("jni/glue.c", built)
    files[f"{main}/cpp/CMakeLists.txt"] = render("jar/android.cmake.j2", **values)
    files[f"{main}/AndroidManifest.xml"] = '<?xml version="1.0" encoding="utf-8"?>\n<manifest />\n'
    files["android/build.gradle"] = render("jar/build.gradle.j2", **values)
    files["android/consumer-rules.pro"] = render("jar/consumer-rules.pro.j2", **values)
    return files
