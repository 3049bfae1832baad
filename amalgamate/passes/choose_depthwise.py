"""Makes convolutions with constant weights whose every group is one channel the operator that has kernels for them."""

from __future__ import annotations

from amalgamate.graph import Graph
from amalgamate.ops.conv import Conv
from amalgamate.ops.depthwise_conv import of


def run(graph: Graph) -> Graph:
    for node in graph.nodes:
        if isinstance(node.op, Conv) and node.op.group > 1:
            weights = graph.tensors[node.inputs[1]]
            if weights.constant and weights.shape[1] == 1:
                node.op = of(node.op)
    return graph
