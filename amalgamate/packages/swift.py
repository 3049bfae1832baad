"""Swift: a package of a C target with the pair, and a Swift target around it. A template: no Swift compiler checks it here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, named, pascal, put
from amalgamate.packages._header import channels, header, sentence
from amalgamate.resources import version
from amalgamate.templates import render
from amalgamate.writers.names import identifier

if TYPE_CHECKING:
    from amalgamate import Built

SOURCES = ("Handle", "Model", "ModelError", "Session", "Tensor")
_TAKEN = {"Code", "Foundation", "Handle", "Isa", "Model", "Prediction", "Session", "Swift"}  # by types and modules


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """Package.swift, a C target, a Swift target, and a test target. Raises E107."""
    module = module_name(about.name)
    built = named(built, identifier(about.name))
    model, api = facts(built), header()
    values = {
        "module": module,
        "name": built.name,
        "generator": version(),
        "title": model.title,
        "lines": model.lines,
        "image": model.image,
        "file": built.options.weights == "file",
        "inputs": list(enumerate(model.inputs)),
        "outputs": list(enumerate(model.outputs)),
        "codes": api.named(r"AMG_E_(\w+)"),
        "formats": api.named(r"AMG_([A-Z]+8)"),
        "isas": api.named(r"AMG_ISA_(\w+)"),
        "sentence": sentence,
        "channels": channels,
    }
    c, swift = f"Sources/C{module}", f"Sources/{module}"
    files: dict[str, str | bytes] = {
        "Package.swift": render("swift/Package.swift.j2", **values),
        "README.md": render("swift/README.md.j2", **values),
        f"{c}/include/module.modulemap": render("swift/module.modulemap.j2", **values),
        f"{swift}/Numbers.swift": render("swift/Numbers.swift.j2", **values),
        f"Tests/{module}Tests/{module}Tests.swift": render("swift/Tests.swift.j2", **values),
    }
    for source in SOURCES:
        files[f"{swift}/{source}.swift"] = binding(f"swift/{source}.swift", built).replace("CAmalgamated", f"C{module}")
    places = {".c": c, ".h": f"{c}/include", ".amg": swift}
    return put(out, files | {f"{places[Path(name).suffix]}/{name}": data for name, data in built.pair().items()})


def module_name(name: str) -> str:
    """The module of a package: squeeze-net as SqueezeNet. Raises E107 where there is none."""
    module = pascal(name)
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", module) or module in _TAKEN:
        raise AmalgamateError("E107", f"'{name}' is no name for a Swift package", "--name", "Use letters and dashes")
    return module
