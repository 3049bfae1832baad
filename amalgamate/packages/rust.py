"""Two crates: NAME-sys, in which the cc crate compiles the pair, and around it NAME, which is safe to call."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.packages._facts import binding, facts, named, put, renamed
from amalgamate.packages._header import Function, Type, channels, header, sentence
from amalgamate.resources import version
from amalgamate.templates import render
from amalgamate.writers.names import identifier

if TYPE_CHECKING:
    from amalgamate import Built

MODULES = ("allocator", "error", "model", "options", "prediction", "session", "tensor")
RUST = "1.63"  # the oldest that the sources need
_TYPES = {"char": "c_char", "void": "c_void", "float": "f32", "size_t": "usize"}
_TYPES |= {f"{sign}int{bits}_t": f"{sign or 'i'}{bits}" for sign in ("", "u") for bits in (32, 64)}
_RESERVED = (
    " as async await box break const continue core crate do dyn else enum extern false fn for if impl in let loop macro"
    " match mod move mut pub ref return self static std struct super test trait true try type unsafe use virtual where"
    " while yield abstract become final override priv proc_macro typeof unsized alloc "
)


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """Cargo.toml, src, an example program, and the folder sys with the pair. Raises E107."""
    crate = crate_name(about.name)
    library = crate.replace("-", "_")
    built = named(built, identifier(library))
    model = facts(built)
    api = header()
    values = {
        "crate": crate,
        "library": library,
        "name": built.name,
        "version": about.version,
        "generator": version(),
        "rust": RUST,
        "title": model.title,
        "lines": model.lines,
        "image": model.image,
        "file": built.options.weights == "file",
        "inputs": list(enumerate(model.inputs)),
        "outputs": list(enumerate(model.outputs)),
        "floats": all(fact.dtype == "float32" for fact in (*model.inputs, model.outputs[0])),
        "modules": sorted((*MODULES, "numbers")),
    }
    numbers = {
        "codes": api.named(r"AMG_E_(\w+)"),
        "formats": api.named(r"AMG_([A-Z]+8)"),
        "isas": api.named(r"AMG_ISA_(\w+)"),
        "sentence": sentence,
        "channels": channels,
    }
    declared = render(
        "rust/sys.rs.j2", generator=version(), name=built.name, header=api, rust=rust_type, result=_result
    )
    files: dict[str, str | bytes] = {
        "Cargo.toml": render("rust/Cargo.toml.j2", **values),
        "README.md": render("rust/README.md.j2", **values),
        "examples/run.rs": render("rust/run.rs.j2", **values),
        "src/lib.rs": render("rust/lib.rs.j2", **values),
        "src/numbers.rs": renamed(render("rust/numbers.rs.j2", **numbers), built),
        "sys/Cargo.toml": render("rust/sys.toml.j2", **values),
        "sys/build.rs": render("rust/build.rs.j2", **values),
        "sys/src/lib.rs": renamed(declared, built),
        "rustfmt.toml": binding("rust/rustfmt.toml", built),
    }
    for module in MODULES:
        files[f"src/{module}.rs"] = binding(f"rust/{module}.rs", built)
    for name, data in built.pair().items():
        files[name if name.endswith(".amg") else f"sys/{name}"] = data
    return put(out, files)


def crate_name(name: str) -> str:
    """A name as crates have it, in small letters. Raises E107 where Rust or Cargo would not take it."""
    crate = name.lower()
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", crate) or len(crate) > 60 or f" {crate.replace('-', '_')} " in _RESERVED:
        raise AmalgamateError("E107", f"'{name}' is no name for a crate", "--name", "Use letters, digits and dashes")
    return crate


def rust_type(declared: Type | Function) -> str:
    """What Rust calls a type of C; a callback may be missing."""
    if isinstance(declared, Function):
        parameters = ", ".join(f"{value.name}: {rust_type(value.type)}" for value in declared.parameters)
        return f'Option<unsafe extern "C" fn({parameters}){_result(declared.result)}>'
    text = _TYPES.get(declared.name, declared.name)
    for level in range(declared.pointers):
        text = f"*{'const' if declared.const and level == 0 else 'mut'} {text}"
    return f"[{text}; {declared.length} as usize]" if declared.length else text


def _result(result: Type) -> str:
    return "" if result == Type("void") else f" -> {rust_type(result)}"
