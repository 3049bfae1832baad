"""C#: a class library around the pair, for which the reader of its README compiles that. A template, which Mono checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, pascal, put, renamed
from amalgamate.packages._header import Function, Type, Value, channels, header, sentence
from amalgamate.resources import version
from amalgamate.templates import render

if TYPE_CHECKING:
    from amalgamate import Built

CLASSES = ("Handles", "Model", "ModelException", "Prediction", "Session", "TensorInfo")
PLATFORMS = ("linux-x64", "linux-arm64", "osx-arm64", "win-x64")  # as NuGet names them
_TYPES = {"char": "byte", "size_t": "UIntPtr", "int32_t": "int", "uint32_t": "uint", "int64_t": "long"}
_TYPES |= {"uint64_t": "ulong"}
_HANDLES = {"amg_model": "ModelHandle", "amg_session": "SessionHandle"}
_TAKEN = {"Code", "Isa", "Model", "Native", "Numbers", "Prediction", "Session", "System"}  # by classes


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME.csproj, src, the pair in native, and empty folders in runtimes. Raises E107."""
    space = namespace(about.name)
    model, api = facts(built), header()
    values = {
        "package": about.name,
        "space": space,
        "name": built.name,
        "P": built.options.prefix.upper(),
        "version": about.version,
        "generator": version(),
        "title": model.title,
        "xml": model.xml,
        "lines": model.lines,
        "image": model.image,
        "file": built.options.weights == "file",
        "inputs": list(enumerate(model.inputs)),
        "outputs": list(enumerate(model.outputs)),
        "header": api,
        "codes": api.named(r"AMG_E_(\w+)"),
        "formats": api.named(r"AMG_([A-Z]+8)"),
        "isas": api.named(r"AMG_ISA_(\w+)"),
    }
    helpers = {
        "type": csharp_type,
        "declared": _field,
        "parameters": _parameters,
        "sentence": sentence,
        "channels": channels,
        "quoted": quoted,
    }
    files: dict[str, str | bytes] = {
        f"{about.name}.csproj": render("csharp/project.csproj.j2", **values),
        "README.md": render("csharp/README.md.j2", **values),
        "src/Native.cs": renamed(render("csharp/Native.cs.j2", **values, **helpers), built),
        "src/Numbers.cs": render("csharp/Numbers.cs.j2", **values, **helpers),
    }
    for name in CLASSES:
        files[f"src/{name}.cs"] = binding(f"csharp/{name}.cs", built).replace("Amalgamated", space)
    for name, data in built.pair().items():
        files[name if name.endswith(".amg") else f"native/{name}"] = data
    for platform in PLATFORMS:
        files[f"runtimes/{platform}/native/README.txt"] = "The library of this platform goes here.\n"
    return put(out, files)


def namespace(name: str) -> str:
    """The namespace of a package: example.squeeze-net as Example.SqueezeNet. Raises E107 where there is none."""
    parts = [pascal(part) for part in name.split(".")]
    if not all(re.fullmatch(r"[A-Z][A-Za-z0-9]*", part) for part in parts) or _TAKEN & set(parts):
        raise AmalgamateError(
            "E107", f"'{name}' is no name for a package of .NET", "--name", "Such as Digits or Example.SqueezeNet"
        )
    return ".".join(parts)


def quoted(text: str) -> str:
    """A string literal of C#; what is not plain by its units of UTF-16."""

    def shown(character: str) -> str:
        units = character.encode("utf-16-be")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    return '"' + "".join(c if " " <= c <= "~" and c not in '\\"' else shown(c) for c in text) + '"'


def csharp_type(declared: Type | Function) -> str:
    """What C# calls a type of C. A callback is a pointer, which is null here."""
    if isinstance(declared, Function):
        return "IntPtr"
    if handle := _HANDLES.get(declared.name):
        return handle if declared.pointers == 1 else f"out {handle}"
    return _TYPES.get(declared.name, declared.name) + "*" * declared.pointers


def _field(field: Value) -> str:
    if isinstance(field.type, Type) and field.type.length:
        return f"fixed {csharp_type(field.type)} {field.name}[{field.type.length}]"
    return f"{csharp_type(field.type)} {field.name}"


def _parameters(function: Function) -> str:
    """What frees something takes it as a handle gives it: as a number. No name is a keyword after an @."""
    frees = function.result == Type("void")
    return ", ".join(f"{'IntPtr' if frees else csharp_type(v.type)} @{v.name}" for v in function.parameters)
