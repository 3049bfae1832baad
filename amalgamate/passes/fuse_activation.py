"""Fuses an activation (ReLU, Clip, sigmoid, hard-swish, ...) into the layer that makes its input."""

from __future__ import annotations

from dataclasses import fields, replace

from amalgamate.graph import Graph


def run(graph: Graph) -> Graph:
    producers, consumers = graph.producers(), graph.consumers()
    for node in list(graph.nodes):
        if node.op.as_activation() is None:
            continue
        source = node.inputs[0]
        layer = producers.get(source)
        if layer is None or source in graph.outputs or len(consumers[source]) != 1:
            continue
        if "activation" not in {f.name for f in fields(layer.op)} or layer.op.activation is not None:  # type: ignore[attr-defined]
            continue
        layer.op = replace(layer.op, activation=node.op)  # type: ignore[call-arg]
        layer.outputs = [node.outputs[0]]
        producers[node.outputs[0]] = layer
        graph.nodes.remove(node)
    return graph
