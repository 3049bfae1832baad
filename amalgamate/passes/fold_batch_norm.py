"""Folds per-channel scales and shifts (BatchNorm, Scale, multiplication and addition of constants) into the constant
weights and bias of the convolution or fully connected layer before them: a (W x + b) + c = (a W) x + (a b + c).
"""

from __future__ import annotations

import numpy as np

from amalgamate.graph import Array, Graph, Node
from amalgamate.ops.add import Add
from amalgamate.ops.affine import Affine
from amalgamate.ops.batch_norm import BatchNorm
from amalgamate.ops.conv import Conv
from amalgamate.ops.conv_transpose import ConvTranspose
from amalgamate.ops.dense import Dense
from amalgamate.ops.div import Div
from amalgamate.ops.mul import Mul
from amalgamate.ops.sub import Sub


def run(graph: Graph) -> Graph:
    producers = graph.producers()
    consumers = graph.consumers()
    for node in list(graph.nodes):
        for source in dict.fromkeys(node.inputs):
            layer = producers.get(source)
            if layer is None or not _foldable(graph, layer) or len(consumers[source]) != 1 or source in graph.outputs:
                continue
            affine = _affine(graph, node, source, _channels(graph, layer), isinstance(layer.op, Dense))
            if affine is None or not _fold(graph, layer, *affine):
                continue
            graph.nodes.remove(node)
            del graph.tensors[source]
            layer.outputs = [node.outputs[0]]
            producers[node.outputs[0]] = layer
            break
    return graph


def _foldable(graph: Graph, layer: Node) -> bool:
    """A layer with constant weights and nothing fused behind it yet."""
    if not isinstance(layer.op, Conv | ConvTranspose | Dense) or layer.op.activation is not None:
        return False
    has_residual = len(layer.inputs) > 3 and layer.inputs[3]
    bias = layer.inputs[2] if len(layer.inputs) > 2 else ""
    constant = graph.tensors[layer.inputs[1]].constant and (not bias or graph.tensors[bias].constant)
    return constant and not has_residual


def _channels(graph: Graph, layer: Node) -> int:
    shape = graph.tensors[layer.outputs[0]].shape
    return shape[-1] if isinstance(layer.op, Dense) else shape[1]


def _affine(graph: Graph, node: Node, source: str, channels: int, last: bool) -> tuple[Array, Array] | None:
    """(scale, shift) per channel such that node = scale * source + shift, or None."""
    one, zero = np.ones(channels), np.zeros(channels)
    if isinstance(node.op, Affine):
        return one * node.op.scale, one * node.op.shift
    if isinstance(node.op, BatchNorm):
        if node.op.activation is not None or (last and len(graph.tensors[source].shape) != 2):
            return None
        scale, shift = (graph.data(i) for i in node.inputs[1:3])
        return None if scale is None or shift is None else (scale, shift)
    if (
        not isinstance(node.op, Add | Sub | Mul | Div)
        or graph.tensors[node.outputs[0]].shape != graph.tensors[source].shape
    ):
        return None
    left = node.inputs[0] == source
    operand = graph.data(node.inputs[1] if left else node.inputs[0])
    value = None if operand is None else _per_channel(operand, len(graph.tensors[source].shape), channels, last)
    if value is None:
        return None
    if isinstance(node.op, Mul):
        return value, zero
    if isinstance(node.op, Add):
        return one, value
    if isinstance(node.op, Sub):
        return (one, -value) if left else (-one, value)
    with np.errstate(divide="ignore"):
        return (1 / value, zero) if left else None


def _per_channel(operand: Array, rank: int, channels: int, last: bool) -> Array | None:
    """The operand as one value per channel, or None where it varies along another axis."""
    if operand.ndim > rank:
        return None
    axis = rank - 1 if last else 1
    padded = operand.reshape((1,) * (rank - operand.ndim) + operand.shape)
    if any(n != 1 for i, n in enumerate(padded.shape) if i != axis):
        return None
    return np.broadcast_to(padded.ravel().astype(np.float64), (channels,))


def _fold(graph: Graph, layer: Node, scale: Array, shift: Array) -> bool:
    """Multiplies the layer's weights by `scale` and replaces its bias by scale * bias + shift, in float64; False, and nothing
    done, where that leaves the range of float32: infinite weights of both signs would add up to NaN."""
    weights = graph.data(layer.inputs[1])
    bias = graph.data(layer.inputs[2]) if len(layer.inputs) > 2 and layer.inputs[2] else None
    assert weights is not None
    scale, shift = scale.astype(np.float64), shift.astype(np.float64)
    if isinstance(layer.op, ConvTranspose):  # [inputs, outputs per group, kernel...]
        groups = layer.op.group
        factor = np.repeat(scale.reshape(groups, -1), weights.shape[0] // groups, axis=0)
        factor = factor.reshape(*weights.shape[:2], *(1,) * (weights.ndim - 2))
    else:  # [outputs, ...]
        factor = scale.reshape(-1, *(1,) * (weights.ndim - 1))
    with np.errstate(all="ignore"):
        folded = (weights * factor).astype(np.float32)
        moved = (shift if bias is None else bias * scale + shift).astype(np.float32)
    if not (np.isfinite(folded).all() and np.isfinite(moved).all()):
        return False
    layer.inputs = [
        layer.inputs[0],
        graph.constant(folded, f"{layer.inputs[1]}_folded"),
        graph.constant(moved, f"{layer.name}_bias"),
    ]
    return True
