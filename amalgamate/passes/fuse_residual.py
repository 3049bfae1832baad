"""Fuses `convolution + tensor of the same shape` into the convolution's last step (the residual connections of ResNet)."""

from __future__ import annotations

from amalgamate.graph import Graph, Node
from amalgamate.ops.add import Add
from amalgamate.ops.conv import Conv


def run(graph: Graph) -> Graph:
    for node in list(graph.nodes):
        if isinstance(node.op, Add) and node.inputs[0] != node.inputs[1]:
            _fuse(graph, node)
    return graph


def _fuse(graph: Graph, add: Node) -> None:
    """Fuses into the operand that is computed last, so that the other one is there already."""
    producers, consumers = graph.producers(), graph.consumers()
    shape = graph.tensors[add.outputs[0]].shape
    order = {id(node): i for i, node in enumerate(graph.nodes)}
    made = sorted(
        ((order[id(producers[i])], i) for i in add.inputs if i in producers),
        reverse=True,
    )
    for _, source in made:
        conv = producers[source]
        other = add.inputs[1] if add.inputs[0] == source else add.inputs[0]
        if (
            not isinstance(conv.op, Conv)
            or conv.op.activation is not None
            or (len(conv.inputs) > 3 and conv.inputs[3])
            or len(consumers[source]) != 1
            or source in graph.outputs
            or graph.tensors[other].constant
            or graph.tensors[source].shape != shape
            or graph.tensors[other].shape != shape
        ):
            continue
        conv.inputs = [*conv.inputs, *[""] * (3 - len(conv.inputs)), other][:4]
        conv.outputs = [add.outputs[0]]
        graph.nodes.remove(conv)
        graph.nodes[graph.nodes.index(add)] = conv
        return
