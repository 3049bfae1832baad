"""Removes operators that change nothing: Identity (Dropout among them), Cast to the same type, a Pad or Slice of nothing."""

from __future__ import annotations

from amalgamate.graph import Graph, Node
from amalgamate.ops.cast import Cast
from amalgamate.ops.identity import Identity


def run(graph: Graph) -> Graph:
    for node in list(graph.nodes):
        if _is_identity(graph, node) and bypass(graph, node):
            graph.nodes.remove(node)
    return graph


def _is_identity(graph: Graph, node: Node) -> bool:
    if isinstance(node.op, Cast):
        return node.op.to != "bool" and graph.tensors[node.inputs[0]].dtype == graph.tensors[node.outputs[0]].dtype
    return isinstance(node.op, Identity)


def bypass(graph: Graph, node: Node) -> bool:
    """Makes all readers of `node`'s output read its first input, keeping the names of the graph's outputs; False where
    that cannot be: an input, a constant, or another output of the graph would have to be the output itself."""
    source, output = node.inputs[0], node.outputs[0]
    if output not in graph.outputs:
        graph.replace(output, source)
        return True
    if source in graph.inputs or source in graph.outputs or graph.tensors[source].constant:
        return False
    graph.replace(output, source)
    node.outputs = [graph.fresh("removed")]
    del graph.tensors[output]
    graph.rename(source, output)
    return True
