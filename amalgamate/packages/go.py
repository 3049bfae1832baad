"""A Go module: the pair inside the package's folder, where `go build` compiles it through cgo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, named, put
from amalgamate.resources import version
from amalgamate.templates import render

if TYPE_CHECKING:
    from amalgamate import Built

SOURCES = ("errors.go", "image.go", "model.go", "run.go", "session.go")
GO = "1.18"  # the oldest that the sources need
_KEYWORDS = {"chan", "defer", "fallthrough", "func", "go", "import", "interface", "map", "package", "range", "select"}
_KEYWORDS |= {"type", "var", "main", "example", "internal", "vendor", "init"}


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """go.mod, the Go files, the pair and an example program. The name of the package is the path of the module."""
    module = about.name
    if not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", module, re.A):
        raise AmalgamateError("E107", f"'{module}' is no path of a Go module", "--name", "Such as example.com/me/net")
    package = package_name(built.name)
    built = named(built, package)
    model = facts(built)
    values = {
        "version": about.version,
        "module": module,
        "package": package,
        "title": model.title,
        "lines": model.lines,
        "image": model.image,
        "name": built.name,
        "file": built.options.weights == "file",
        "inputs": list(enumerate(model.inputs)),
        "outputs": list(enumerate(model.outputs)),
    }
    files: dict[str, str | bytes] = {
        "go.mod": f"module {module}\n\ngo {GO}\n",
        "doc.go": render("go/doc.go.j2", **values | {"version": version()}),
        "README.md": render("go/README.md.j2", **values),
        "example/main.go": render("go/main.go.j2", **values),
    }
    for source in SOURCES:
        files[source] = binding(f"go/{source}", built).replace("package amalgamated", f"package {package}")
    return put(out, {**files, **built.pair()})


def package_name(name: str) -> str:
    """A model's name as that of a Go package. File names are the same: an underscore in one could exclude a system."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return f"{plain}net" if plain in _KEYWORDS else plain
