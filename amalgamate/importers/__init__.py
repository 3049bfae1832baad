"""Importers, one file per format, found by file name: `read` finds the one that knows the file, by content, then by name.

A format's module has SUFFIXES (names of its files), `recognises(head)` (its first bytes), and
`read(path, weights, input_shapes, outputs, bind) -> Graph`; its rooms beside it have none of these.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape

HEAD = 1 << 16  # bytes that a format may look at

# What the first bytes of files look like that people have, and that are not source models of a supported format.
_STRANGERS = (
    (0, b"\x89HDF", "an HDF5 file (Keras)"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"PK\x03\x04", "a zip archive (Keras, PyTorch, Core ML)"),
    (0, b"\x7fELF", "a compiled program or library"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG", "a PNG picture"),
)


@cache
def formats() -> dict[str, Any]:
    """The module of each format by its name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "recognises")}


def recognise(path: str | Path) -> str:
    """The name of the format of file `path`. Raises E100 where there is no such file, E101 where no format knows it."""
    file = Path(path)
    if not file.exists():
        raise AmalgamateError("E100", f"'{file}' does not exist", fix="Check the path of the model")
    if not file.is_file():
        raise AmalgamateError("E100", f"'{file}' is a directory, not a model", fix="Name the model file itself")
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise AmalgamateError("E100", f"'{file}' cannot be read: {error.strerror}") from error
    for name, module in formats().items():
        if module.recognises(head):
            return name
    strangers = [what for at, magic, what in _STRANGERS if head[at:].startswith(magic)]
    if not strangers:
        for name, module in formats().items():
            if file.name.lower().endswith(module.SUFFIXES):
                return name
    fault = f"'{file.name}' is {strangers[0] if strangers else 'empty' if not head else 'in no format known here'}"
    raise AmalgamateError("E101", fault, str(file), f"Supported: {', '.join(formats())}")


def read(
    path: str | Path,
    weights: str | Path | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] | None = None,
    bind: Mapping[str, Array] | None = None,
) -> Graph:
    """The graph of the model in file `path`, verified.

    `weights` is the second file of a two-file format. `input_shapes` gives inputs a shape, `bind` makes an input a constant, and
    `outputs` asks for tensors other than the model's outputs, inner ones too. Raises E100 to E107, E110, E161.
    """
    module = formats()[recognise(path)]
    graph: Graph = module.read(
        Path(path), Path(weights) if weights else None, dict(input_shapes or {}), list(outputs or []), dict(bind or {})
    )
    graph.verify()
    _check_sizes(graph)
    return graph


def _check_sizes(graph: Graph) -> None:
    """Raises E104 where a node has a tensor without elements, E103 where a size is larger than the runtime can count."""
    for name in graph.outputs:
        if 0 in graph.tensors[name].shape:
            raise AmalgamateError(
                "E104", f"the output '{name}' of shape {list(graph.tensors[name].shape)} has no elements"
            )
    for node in graph.nodes:
        if any(not -(2**31) <= word < 2**31 for word in node.op.words()):
            raise AmalgamateError("E103", f"an attribute is too large: {node.op}", f"node {node.name}")
        for name in (*node.inputs, *node.outputs):
            shape = graph.tensors[name].shape if name else ()
            where = f"node {node.name}, {node.op.name}"
            if 0 in shape:
                raise AmalgamateError("E104", f"the tensor '{name}' of shape {list(shape)} has no elements", where)
            if any(not 0 < d < 2**31 for d in shape) or prod(shape) >= 2**40:
                raise AmalgamateError("E103", f"the shape {list(shape)} of tensor '{name}' is not one", where)
