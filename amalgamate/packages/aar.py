"""Android: a library as an AAR, and as a module for Gradle. Its native part is built where there is an NDK, else by Gradle."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.packages import About, _zip
from amalgamate.packages._facts import put
from amalgamate.packages._java import Project, project
from amalgamate.templates import render
from amalgamate.toolchains import ndk
from amalgamate.toolchains.targets import ANDROID

if TYPE_CHECKING:
    from amalgamate import Built

# What an AAR says of the tools that take it.
_METADATA = "aarFormatVersion=1.0\naarMetadataVersion=1.0\nminCompileSdk=1\n"


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME-VERSION.aar, and the module: build.gradle, consumer-rules.pro, src, README.md. Raises E107, E140, E141.

    Without an NDK the AAR holds no native library, and its README says so; the module holds the C that Gradle builds.
    """
    made = project(built, about)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        natives = _natives(made, scratch) if ndk.home() else {}
        classes = _zip.write(scratch / "classes.jar", {**made.classes(scratch), **made.weights}).read_bytes()
    values = {**made.values, "natives": bool(natives), "abis": list(ANDROID), "api": ndk.API}
    rules = render("aar/consumer-rules.pro.j2", **values)
    archive = {
        "AndroidManifest.xml": render("aar/AndroidManifest.xml.j2", **values).encode(),
        "classes.jar": classes,
        "R.txt": b"",
        "proguard.txt": rules.encode(),
        "META-INF/com/android/build/gradle/aar-metadata.properties": _METADATA.encode(),
        **{f"jni/{name}": data for name, data in natives.items()},
    }
    main = "src/main"
    files: dict[str, str | bytes] = {
        "README.md": render("aar/README.md.j2", **values),
        "build.gradle": render("aar/build.gradle.j2", **values),
        "consumer-rules.pro": rules,
        f"{main}/AndroidManifest.xml": '<?xml version="1.0" encoding="utf-8"?>\n<manifest />\n',
        **{f"{main}/java/{name}": text for name, text in made.sources.items()},
        **{f"{main}/resources/{name}": data for name, data in made.weights.items()},
        **{f"{main}/cpp/{name}": data for name, data in made.c().items()},
        f"{main}/cpp/CMakeLists.txt": render("aar/CMakeLists.txt.j2", **values),
        **{f"{main}/jniLibs/{name}": data for name, data in natives.items()},
    }
    return [_zip.write(out / f"{made.stem}.aar", archive), *put(out, files)]


def _natives(made: Project, scratch: Path) -> dict[str, bytes]:
    """The libraries for each binary interface of Android, by their place in jni or jniLibs."""
    sources = [path for path in put(scratch / "c", {**made.c()}) if path.suffix == ".c"]
    file = f"lib{made.library}.so"
    return {f"{abi}/{file}": ndk.library(sources, abi, scratch / file, made.defines).read_bytes() for abi in ANDROID}
