"""Recognises activations that exporters write as several operators, and makes them one.

hard-swish: x * hard_sigmoid(x; 1/6, 1/2), or x * clip(x + 3, 0, 6) / 6 in either order; swish: x * sigmoid(x);
GELU: x * (1 + erf(x / sqrt 2)) / 2 in any order of the factors.
"""

from __future__ import annotations

from math import isclose, sqrt

import numpy as np

from amalgamate.graph import Graph, Node
from amalgamate.ops import Op
from amalgamate.ops.add import Add
from amalgamate.ops.clip import Clip
from amalgamate.ops.div import Div
from amalgamate.ops.erf import Erf
from amalgamate.ops.gelu import Gelu
from amalgamate.ops.hard_sigmoid import HardSigmoid
from amalgamate.ops.hard_swish import HardSwish
from amalgamate.ops.mul import Mul
from amalgamate.ops.sigmoid import Sigmoid
from amalgamate.ops.swish import Swish


def run(graph: Graph) -> Graph:
    producers = graph.producers()
    for node in graph.nodes:
        if isinstance(node.op, Mul | Div):
            found = _match(graph, producers, node)
            if found is not None:
                node.op, node.inputs = found[0], [found[1]]
    return graph


def _match(graph: Graph, producers: dict[str, Node], node: Node) -> tuple[Op, str] | None:
    """The activation that `node` ends, and its argument."""
    made = graph.tensors[node.outputs[0]]
    factor, parts = _factors(graph, producers, made.name)
    if len(parts) != 2 or made.dtype != "float32":
        return None
    for x, gate in (parts, parts[::-1]):
        if graph.tensors[x].shape == graph.tensors[gate].shape == made.shape:  # a constant factor may have more axes
            op = _gated(graph, producers, factor, x, gate)
            if op is not None:
                return op, x
    return None


def _gated(graph: Graph, producers: dict[str, Node], factor: float, x: str, gate: str) -> Op | None:
    """The activation that factor * x * gate is."""
    made = producers.get(gate)
    if made is None:
        return None
    direct = made.inputs[0] == x and factor == 1
    if isinstance(made.op, Sigmoid) and direct:
        return Swish()
    if isinstance(made.op, HardSigmoid) and direct and _close(made.op.alpha, 1 / 6) and made.op.beta == 0.5:
        return HardSwish()
    clipped = isinstance(made.op, Clip) and (made.op.low, made.op.high) == (0.0, 6.0) and _close(factor, 1 / 6)
    if clipped and _plus(graph, producers, made.inputs[0], 3.0) == x:
        return HardSwish()
    if _close(factor, 0.5) and _erf_argument(graph, producers, gate) == x:
        return Gelu()
    return None


def _close(a: float, b: float) -> bool:
    """Equal as far as float32 constants of exporters are."""
    return isclose(a, b, rel_tol=1e-6)


def _factors(graph: Graph, producers: dict[str, Node], name: str) -> tuple[float, list[str]]:
    """`name` as a product: the constant factor, and the tensors that are multiplied (at most two levels of Mul and Div)."""
    factor, parts, open_ = 1.0, [], [(name, 0)]
    while open_:
        current, depth = open_.pop()
        node, number = producers.get(current), _number(graph, current)
        if number is not None:
            factor *= number
        elif node is not None and depth < 3 and isinstance(node.op, Mul):
            open_ += [(i, depth + 1) for i in node.inputs]
        elif node is not None and depth < 3 and isinstance(node.op, Div) and _number(graph, node.inputs[1]):
            factor /= _number(graph, node.inputs[1]) or 1.0
            open_.append((node.inputs[0], depth + 1))
        else:
            parts.append(current)
    return factor, parts


def _number(graph: Graph, name: str) -> float | None:
    """The value of a constant of one element."""
    data = graph.data(name)
    return float(np.ravel(data)[0]) if data is not None and data.size == 1 else None


def _plus(graph: Graph, producers: dict[str, Node], name: str, number: float) -> str | None:
    """x where tensor `name` is x + number."""
    node = producers.get(name)
    if node is not None and isinstance(node.op, Add):
        for x, other in (node.inputs, node.inputs[::-1]):
            if _number(graph, other) == number:
                return x
    return None


def _erf_argument(graph: Graph, producers: dict[str, Node], name: str) -> str | None:
    """x where tensor `name` is 1 + erf(x / sqrt 2)."""
    inner = _plus(graph, producers, name, 1.0)
    erf = producers.get(inner) if inner is not None else None
    if erf is None or not isinstance(erf.op, Erf):
        return None
    factor, parts = _factors(graph, producers, erf.inputs[0])
    return parts[0] if len(parts) == 1 and _close(factor, 1 / sqrt(2)) else None
