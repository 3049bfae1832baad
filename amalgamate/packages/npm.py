"""An npm package: one ES module with the types of this very model, and its WebAssembly beside it.

The module finds NAME.wasm, its siblings and NAME.amg through new URL(..., import.meta.url): pages, Node, Deno and bundlers alike.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate import toolchains
from amalgamate.errors import AmalgamateError
from amalgamate.packages import About
from amalgamate.resources import version
from amalgamate.templates import render
from amalgamate.writers import c_source
from amalgamate.writers.names import comment

if TYPE_CHECKING:
    from amalgamate import Built
    from amalgamate.graph import Tensor

ARRAYS = {"float32": "Float32Array", "int64": "BigInt64Array"}
# The codes of ModelError, as the JavaScript throws them.
ERRORS = {
    "NO_WEBASSEMBLY": "There is no WebAssembly.",
    "BLOCKED": "The page's Content-Security-Policy forbids WebAssembly.",
    "NETWORK": "The module or the weights could not be loaded; create may be called again.",
    "BAD_MODULE": "The module is damaged.",
    "BAD_WEIGHTS": "The weights are damaged, or of another version.",
    "MEMORY": "There is not enough memory.",
    "INPUT_NAME": "An input is missing, or there is none of that name.",
    "INPUT_TYPE": "An input is not of the type of array that the model takes.",
    "INPUT_SHAPE": "An input has a shape or a length that the model does not take.",
    "INPUT_NAN": "An input holds a NaN.",
    "PICTURE": "What was given as a picture is none, or the model takes none.",
    "DETACHED": "The memory of an array was transferred away.",
    "ARGUMENT": "An argument is out of range.",
    "DISPOSED": "The model was disposed of.",
    "WORKER": "The worker could not be started, or failed.",
    "RUNTIME": "The runtime reported an error.",
}


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """package.json, README.md, NAME.mjs, NAME.d.mts, NAME.wasm, the same without SIMD (NAME.scalar.wasm), with threads
    (NAME.threads.wasm, NAME.threads.mjs), where there is zig with relaxed SIMD (NAME.relaxed.wasm,
    NAME.relaxed.threads.wasm), and NAME.amg for weights in a file."""
    package = _package_name(about.name)
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        made = Path(scratch)
        source = next(path for path in c_source.write(built.pair(), made) if path.suffix == ".c")
        toolchains.build(source, "wasm")
        files = {path.name: path.read_bytes() for path in made.iterdir() if path.suffix not in (".c", ".h")}
    name = built.name
    model = _describe(built)
    files[f"{name}.d.mts"] = render("npm/types.d.mts.j2", **model, errors=ERRORS.items(), version=version()).encode()
    loaded = [f"{name}{suffix}" for suffix in (".mjs", ".wasm", ".amg")]
    size = sum(len(files.get(file, b"")) for file in loaded)
    weights = f"`{name}.amg`" if f"{name}.amg" in files else ""
    copied = ", ".join(f"`{file}`" for file in sorted(files) if not file.endswith(".d.mts"))
    files["README.md"] = render(
        "npm/README.md.j2", **model, package=package, name=name, size=_shown(size), weights=weights, copied=copied
    ).encode()
    files["package.json"] = _manifest(package, about, built, sorted(files)).encode()
    return c_source.write(files, out)


def _package_name(name: str) -> str:
    """`name` as npm takes it. Raises E107 where nothing of it is left."""
    scope, slash, stem = name.lower().rpartition("/")
    stem = re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")
    if not stem or (slash and not re.fullmatch(r"@[a-z0-9][a-z0-9._-]*", scope)) or len(name) > 214:
        raise AmalgamateError("E107", f"'{name}' is no name for an npm package", "--name", "Use a-z, 0-9 and dashes")
    return f"{scope}{slash}{stem}"


def _manifest(package: str, about: About, built: Built, files: Sequence[str]) -> str:
    """The text of package.json."""
    module, threads, types = (f"./{built.name}.{suffix}" for suffix in ("mjs", "threads.mjs", "d.mts"))
    manifest = {
        "name": package,
        "version": about.version,
        "description": f"{comment(built.plan.graph.name)}, a neural network as WebAssembly",
        "type": "module",
        "exports": {
            ".": {"types": types, "browser": module, "node": module, "default": module},
            "./package.json": "./package.json",
            **{f"./{file}": f"./{file}" for file in files if file.endswith((".wasm", ".amg"))},
        },
        "types": types,
        "files": [file for file in files if file not in ("README.md", "package.json")],
        "sideEffects": [module, threads],  # they are their own workers
        "engines": {"node": ">=18"},
        "keywords": ["neural-network", "inference", "webassembly"],
    }
    return json.dumps(manifest, indent=2) + "\n"


def _describe(built: Built) -> dict[str, Any]:
    """What the templates say of the model."""
    graph = built.plan.graph
    inputs = [_tensor(graph.tensors[name]) for name in graph.inputs]
    outputs = [_tensor(graph.tensors[name]) for name in graph.outputs]
    labels = [json.dumps(label) for label in dict.fromkeys(graph.labels)]
    return {
        "title": comment(graph.name),
        "inputs": inputs,
        "outputs": outputs,
        "input": inputs[0],
        "output": outputs[0],
        "labels": labels,
        "image": graph.image is not None and graph.image.input == graph.inputs[0],
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    plain = re.fullmatch(r"[A-Za-z_$][\w$]*", tensor.name, re.ASCII)
    key = tensor.name if plain else json.dumps(tensor.name)
    return {
        "name": comment(tensor.name),
        "key": key,
        "binding": key if plain else f"{key}: result",
        "dtype": tensor.dtype,
        "array": ARRAYS[tensor.dtype],
        "shape": list(tensor.shape),
        "count": math.prod(tensor.shape),
    }


def _shown(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.0f} KiB"
