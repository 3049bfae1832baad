"""Merges a reshape of a reshape, and drops one that changes nothing."""

from __future__ import annotations

from amalgamate.graph import Graph
from amalgamate.ops.reshape import Reshape
from amalgamate.passes.remove_identity import bypass


def run(graph: Graph) -> Graph:
    producers = graph.producers()
    for node in list(graph.nodes):
        if not isinstance(node.op, Reshape):
            continue
        before = producers.get(node.inputs[0])
        if before is not None and isinstance(before.op, Reshape) and _same_batch(graph, node.inputs[0], node.outputs[0]):
            shape = graph.tensors[node.outputs[0]].shape
            node.op, node.inputs = Reshape(following_batch(graph.tensors[before.inputs[0]].shape, shape)), list(before.inputs)
        if graph.tensors[node.inputs[0]].shape == graph.tensors[node.outputs[0]].shape and bypass(graph, node):
            graph.nodes.remove(node)
            producers = graph.producers()
    return graph
