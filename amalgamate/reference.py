"""Runs a graph in plain NumPy, operator by operator: the oracle that passes, kernels and importers are tested against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph


def run(graph: Graph, inputs: Mapping[str, Array], wanted: Sequence[str] | None = None) -> dict[str, Array]:
    """The values of the tensors `wanted` (by default the graph's outputs) by name, given every input by name.

    A tensor is dropped after its last reader. Raises E151 where an input is missing, unknown, or of another shape or type.
    """
    values: dict[str, Array] = {t.name: t.data for t in graph.constants() if t.data is not None}
    values |= _checked(graph, inputs)
    keep = list(graph.outputs if wanted is None else wanted)
    left = Counter(name for node in graph.nodes for name in node.inputs)
    left.update(keep)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            results = node.op.run(*(values[i] if i else None for i in node.inputs))
            for out, value in zip(node.outputs, results, strict=True):
                values[out] = np.asarray(value, graph.tensors[out].dtype, order="C")
                assert values[out].shape == graph.tensors[out].shape, (
                    f"{node}: made {value.shape} for {graph.tensors[out]}"
                )
            for name in node.inputs:
                left[name] -= 1
                if name and left[name] == 0:
                    values.pop(name, None)
    return {name: values[name] for name in keep}


def _checked(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    if set(inputs) != set(graph.inputs):
        fault = f"the inputs given are {sorted(inputs)}, the model's are {sorted(graph.inputs)}"
        raise AmalgamateError("E151", fault, graph.name, "Give every input by its name")
    for name, value in inputs.items():
        tensor = graph.tensors[name]
        if value.shape != tensor.shape or str(value.dtype) != tensor.dtype:
            fault = f"input '{name}' is {value.dtype}{list(value.shape)}, the model takes {tensor.dtype}{list(tensor.shape)}"
            raise AmalgamateError(
                "E151", fault, graph.name, "Reshape or convert the array, or build with --input-shape"
            )
    return dict(inputs)
