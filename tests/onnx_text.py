"""Small ONNX models for tests, written as ONNX's text: `model("(float[2] x) => (float[2] y) { y = Relu(x) }")`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

from amalgamate import importers, reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph


def model(text: str, opset: int = 17, domains: str = "", functions: str = "") -> onnx.ModelProto:
    """The model whose graph (and further domains and functions) is `text`; it is not checked."""
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}{domains}]> g {text} {functions}')


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def read(model: onnx.ModelProto, folder: Path, change: Callable[[Any], object] | None = None, **options: Any) -> Graph:
    """The graph of `model`, after `change` to it, by way of a file in `folder`."""
    if change:
        change(model)
    return importers.read(save(model, folder / "model.onnx"), **options)


def run(graph: Graph, **inputs: Array) -> list[Array]:
    """The outputs of `graph` in NumPy."""
    values = {name: np.asarray(value, graph.tensors[name].dtype) for name, value in inputs.items()}
    results = reference.run(graph, values)
    return [results[name] for name in graph.outputs]


def with_weights(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    """The model `text` with initialisers."""
    made = model(text)
    made.graph.initializer.extend(numpy_helper.from_array(data, name) for name, data in weights.items())
    return made


def refused(made: onnx.ModelProto, folder: Path, code: str, *parts: str, **options: Any) -> None:
    """Expects reading `made` to raise error `code` with every one of `parts` in its text."""
    with pytest.raises(AmalgamateError) as caught:
        read(made, folder, **options)
    assert caught.value.code == code, str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def outcome(path: Path) -> Graph | AmalgamateError:
    """What reading gives; any other exception passes through and fails the test."""
    try:
        return importers.read(path)
    except AmalgamateError as error:
        return error
