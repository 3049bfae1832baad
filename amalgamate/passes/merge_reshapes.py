"""Merges a reshape of a reshape, and drops one that changes nothing."""

from __future__ import annotations

from amalgamate.graph import Graph, Shape
from amalgamate.ops.reshape import Reshape
from amalgamate.passes.remove_identity import bypass


def run(graph: Graph) -> Graph:
    producers = graph.producers()
    for node in list(graph.nodes):
        if not isinstance(node.op, Reshape):
            continue
        before = producers.get(node.inputs[0])
        if before is not None and isinstance(before.op, Reshape):
            first, middle, last = (graph.tensors[n].shape for n in (before.inputs[0], node.inputs[0], node.outputs[0]))
            node.op, node.inputs = Reshape(_merged(node.op, first, middle, last)), list(before.inputs)
        if graph.tensors[node.inputs[0]].shape == graph.tensors[node.outputs[0]].shape and bypass(graph, node):
            graph.nodes.remove(node)
            producers = graph.producers()
    return graph


def _merged(op: Reshape, first: Shape, middle: Shape, last: Shape) -> tuple[int, ...]:
    """The second target for the first input: a copied batch stays copied, any other copied axis becomes its number."""
    target = list(op.target)
    for i, n in enumerate(target):
        if n == -1 or n > 0 or (n == 0 and op.allowzero):
            continue
        batch = i == 0 and n in (0, -2) and first[:1] == middle[:1]
        target[i] = 0 if batch else last[i]
    return tuple(target)
