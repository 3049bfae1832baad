"""What a jar and an Android library have in common: names, Java files, and the C that they call."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, put
from amalgamate.resources import runtime_files, version
from amalgamate.templates import render
from amalgamate.toolchains import java
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


@dataclass(frozen=True)
class Project:
    """A model under its Java package, which is also Maven's coordinates: com.example.net or com.example:net."""

    built: Built
    about: About
    group: str
    artifact: str

    @property
    def package(self) -> str:
        return self.about.name.replace(":", ".").replace("-", "_").lower()

    @property
    def stem(self) -> str:
        """Of the files of this version."""
        return f"{self.artifact}-{self.about.version}"

    @property
    def library(self) -> str:
        """The native library, without what a system adds around its name."""
        return f"{self.built.name}_jni"

    @property
    def defines(self) -> dict[str, str]:
        """What the C of the library is compiled with."""
        return {"NATIVE_CLASS": f'"{self.package.replace(".", "/")}/Native"'}

    @cached_property
    def values(self) -> dict[str, Any]:
        """What the templates take."""
        model = facts(self.built)
        return {
            "package": self.package,
            "group": self.group,
            "artifact": self.artifact,
            "version": self.about.version,
            "title": model.title,
            "xml": model.xml,
            "lines": model.lines,
            "image": model.image,
            "name": self.built.name,
            "library": self.library,
            "inputs": list(enumerate(model.inputs)),
            "output": model.outputs[0],
            "native_class": self.defines["NATIVE_CLASS"],
            "generator": version(),
        }

    @cached_property
    def sources(self) -> dict[str, str]:
        """The Java files by path."""
        weights = "".join(f"/{name}" for name in self.weights)
        marks = {"@LIBRARY@": self.library, "@PROPERTY@": f"{self.package}.library", "@WEIGHTS@": weights}
        marks["@WEIGHTS_BYTES@"] = str(sum(map(len, self.weights.values())))
        texts = {f"{name}.java": binding(f"jni/java/{name}.java", self.built) for name in CLASSES}
        for name, text in texts.items():
            for mark, value in marks.items():
                text = text.replace(mark, value)
            texts[name] = text.replace("package amalgamated;", f"package {self.package};")
        texts["Code.java"] = render("jar/Code.java.j2", package=self.package, codes=codes())
        return {f"{self.package.replace('.', '/')}/{name}": text for name, text in texts.items()}

    @property
    def weights(self) -> dict[str, bytes]:
        """The resource that holds the weights, where the library does not."""
        return {f"native/{self.built.name}.amg": self.built.data} if self.built.options.weights == "file" else {}

    def c(self) -> dict[str, bytes]:
        """The C of the library: the pair, and what Java calls of it."""
        pair = {name: data for name, data in self.built.pair().items() if not name.endswith(".amg")}
        return {**pair, "glue.c": binding("jni/glue.c", self.built).encode()}

    def classes(self, scratch: Path) -> dict[str, bytes]:
        """The compiled classes by path. Raises E140, E141."""
        java.classes(put(scratch / "src", {**self.sources}), scratch / "classes")
        return tree(scratch / "classes")


def project(built: Built, about: About) -> Project:
    """The project of a model. Raises E107 where its name cannot be that of a Java package."""
    group, artifact = coordinates(about.name)
    return Project(replace(built, name=identifier(artifact)), about, group, artifact)


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


def codes() -> list[tuple[str, int, str]]:
    """The statuses and pixel formats of amg.h: name, value, what it says of them."""
    found = re.findall(r"#define AMG_(?:E_(\w+)|(\w+8)) \(?(-?\d+)\)?(?:[ ]*/\* (.*?) \*/)?", runtime_files()["amg.h"])
    return [
        (error or pixels, int(value), said or "pixels of 8 bits per channel") for error, pixels, value, said in found
    ]


def tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder by path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
