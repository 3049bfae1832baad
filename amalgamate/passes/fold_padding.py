"""Folds a Pad with zeros around the spatial axes into the convolution or average pooling that reads it."""

from __future__ import annotations

from dataclasses import replace

from amalgamate.graph import Graph, Node
from amalgamate.ops import Op
from amalgamate.ops.avg_pool import AvgPool
from amalgamate.ops.conv import Conv
from amalgamate.ops.pad import Pad


def run(graph: Graph) -> Graph:
    producers = graph.producers()
    for node in graph.nodes:
        pad = producers.get(node.inputs[0]) if node.inputs else None
        if pad is not None and isinstance(pad.op, Pad) and _zeros_around(pad):
            rank = len(graph.tensors[node.outputs[0]].shape)
            added = pad.op.pads[2:rank] + pad.op.pads[rank + 2 :]
            op = _padded(node, added)
            if op is not None:
                node.op, node.inputs = op, [pad.inputs[0], *node.inputs[1:]]
    return graph


def _zeros_around(pad: Node) -> bool:
    """Whether `pad` puts zeros, and only around axes from the third on."""
    assert isinstance(pad.op, Pad)
    pads = pad.op.pads
    half = len(pads) // 2
    sides = half > 2 and not any((*pads[:2], *pads[half : half + 2])) and all(n >= 0 for n in pads)
    return sides and pad.op.mode == "constant" and pad.op.value == 0.0


def _padded(node: Node, added: tuple[int, ...]) -> Op | None:
    """The operator of `node` with `added` padding of its own, where it would compute the same."""
    op = node.op
    if isinstance(op, Conv):
        return replace(op, pads=tuple(a + b for a, b in zip(op.pads, added, strict=True)))
    fits = isinstance(op, AvgPool) and all(n < k for n, k in zip(added, op.kernel * 2, strict=False))
    if (
        isinstance(op, AvgPool)
        and fits
        and op.kernel
        and not any(op.pads)
        and op.count_include_pad
        and not op.ceil_mode
    ):
        return replace(op, pads=added)
    return None
