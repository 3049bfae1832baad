"""A Go module: `go build` compiles the pair in it through cgo, and where that is off runs it as WebAssembly.

The weights are a file of their own, which both ways embed: once in the package, and once in a program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, put
from amalgamate.packages._header import header
from amalgamate.resources import version
from amalgamate.templates import render
from amalgamate.writers.names import identifier

if TYPE_CHECKING:
    from amalgamate import Built

SOURCES = ("cgo.go", "errors.go", "image.go", "model.go", "run.go", "session.go")
FALLBACK = ("instance.go", "wasm.go")  # what stands in for cgo.go
GO = "1.18"  # the oldest that the sources need
# The last wazero for the Go of Debian 12, and its sums; a program may require a newer one.
WAZERO = """\
github.com/tetratelabs/wazero v1.6.0 h1:z0H1iikCdP8t+q341xqepY4EWvHEw8Es7tlqiVzlP3g=
github.com/tetratelabs/wazero v1.6.0/go.mod h1:0U0G41+ochRKoPKCJlh0jMg1CHkyfK8kDqiirMmKY8A=
"""
_KEYWORDS = {"chan", "defer", "fallthrough", "func", "go", "import", "interface", "map", "package", "range", "select"}
_KEYWORDS |= {"type", "var", "main", "example", "internal", "vendor", "init"}


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """go.mod, the Go files, the pair, its weights and an example program. Raises E107, E141.

    The name of the package is the path of the module. Without emscripten the package needs cgo, and its README says so.
    """
    module = about.name
    if not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", module, re.A):
        raise AmalgamateError("E107", f"'{module}' is no path of a Go module", "--name", "Such as example.com/me/net")
    package = package_name(built.name)
    options = replace(built.options, prefix=_prefix(built, module), weights="file")
    built = replace(built, name=package, options=options)
    wasm = _wasm(built) if about.fallback else {}
    model = facts(built)
    values: dict[str, Any] = {
        "version": about.version,
        "generator": version(),
        "module": module,
        "package": package,
        "title": model.title,
        "lines": model.lines,
        "image": model.image,
        "name": built.name,
        "fallback": bool(wasm),
        "inputs": list(enumerate(model.inputs)),
        "outputs": list(enumerate(model.outputs)),
    }
    sources = {
        "doc.go": render("go/doc.go.j2", **values),
        "constants.go": render("go/constants.go.j2", **values, **_constants()),
        **{name: binding(f"go/{name}", built) for name in (*SOURCES, *(FALLBACK if wasm else ()))},
    }
    files: dict[str, str | bytes] = {name: _source(text, built, bool(wasm)) for name, text in sources.items()}
    files["go.mod"] = render("go/go.mod.j2", **values, wazero=WAZERO.split()[:2], go=GO)
    if wasm:
        files["go.sum"] = WAZERO
    files["README.md"] = render("go/README.md.j2", **values)
    files["example/main.go"] = render("go/main.go.j2", **values)
    pair = {name: (b"//go:build cgo\n\n" if name.endswith(".c") else b"") + data for name, data in built.pair().items()}
    return put(out, {**files, **pair, **wasm})


def package_name(name: str) -> str:
    """A model's name as that of a Go package. File names are the same: an underscore in one could exclude a system."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return f"{plain}net" if plain in _KEYWORDS else plain


def _prefix(built: Built, module: str) -> str:
    """What C names begin with: unless the caller chose it, all of the module's path, for packages that end in one name."""
    chosen = built.options.prefix not in ("amg", built.name)
    return built.options.prefix if chosen else identifier(module.replace("/", "_"))


def _source(text: str, built: Built, fallback: bool) -> str:
    """A Go file as one of the package: without a fallback there is none of them where cgo is off, which Go says then."""
    text = text.replace("package amalgamated", f"package {built.name}").replace("amg.wasm", f"{built.name}.wasm")
    return text if fallback or text.startswith("//go:build") else f"//go:build cgo\n\n{text}"


def _wasm(built: Built) -> dict[str, bytes]:
    """What runs the model where cgo is off. Empty without emscripten; raises E141."""
    try:
        module = toolchains.cached(built.pair(), "wasm-simd")
    except AmalgamateError as error:
        if error.code != "E140":
            raise
        return {}
    return {f"{built.name}.wasm": module.read_bytes()}


def _constants() -> dict[str, Any]:
    """What constants.go takes from the header."""
    codes = [
        (f"Err{name.capitalize()}", error.value, json.dumps(error.doc))
        for name, error in header().named(r"AMG_E_(\w+)")
    ]
    numbers = {name: constant.value for name, constant in header().named(r"AMG_(\w+)")}
    return {"codes": codes, "width": max(len(name) for name, _, _ in codes), "numbers": numbers}
