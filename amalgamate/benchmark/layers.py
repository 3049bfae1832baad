"""Rates the layers of a model: the time of each, and how near it comes to what the machine can do."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amalgamate.graph import Array, Graph, Node
from amalgamate.plan import Plan
from amalgamate.predictor.profile import profile

if TYPE_CHECKING:
    from amalgamate.predictor import Model


@dataclass(frozen=True)
class Rated:
    """One layer in running order. `bytes` are those of its inputs, weights and outputs; 2 * macs are its operations.

    `way` names the algorithm. Winograd's multiplies less than `macs`, which are those of the direct way, so it may exceed
    the peak.
    """

    name: str
    op: str
    way: str
    output: str
    ms: float
    macs: int
    bytes: int

    @property
    def gflops(self) -> float:
        return 2e-6 * self.macs / self.ms if self.ms else 0.0

    @property
    def gbytes(self) -> float:
        return 1e-6 * self.bytes / self.ms if self.ms else 0.0

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return 2 * self.macs / self.bytes if self.bytes else 0.0


def rate(model: Model, feed: Mapping[str, Array], plan: Plan, runs: int = 15) -> list[Rated]:
    """The layers of a model that `plan` is the plan of, with the median time of each over some runs."""
    found = []
    for _ in range(runs):
        model.run(None, feed)
        found.append(profile(model))
    rated = []
    for i, (node, layer) in enumerate(zip(plan.graph.nodes, found[0], strict=True)):
        ms = statistics.median(run[i].nanoseconds for run in found) / 1e6
        shape = "x".join(map(str, plan.graph.tensors[node.outputs[0]].shape))
        rated.append(Rated(layer.name, layer.op, way(plan.graph, node), shape, ms, layer.macs, moved(plan, node)))
    return rated


def moved(plan: Plan, node: Node) -> int:
    """Bytes of the inputs, weights and outputs of a step, each once. What lies in the output already does not move."""
    tensors, outputs = plan.graph.tensors, set(node.outputs)
    read = [name for name in dict.fromkeys(node.inputs) if name]
    at_home = [name for name in read if plan.homes.get(name) in outputs]
    total = sum(tensors[name].bytes for name in (*read, *node.outputs))
    if node.op.name in ("concat", "reshape", "identity"):
        total -= 2 * sum(tensors[name].bytes for name in at_home)
    return total


def way(graph: Graph, node: Node) -> str:
    """The algorithm that the runtime chooses for a convolution or product, as far as the plan tells; "" for others."""
    from amalgamate.ops._winograd import winograd_cut
    from amalgamate.ops.conv import Conv

    op, shapes = node.op, [graph.tensors[name].shape for name in (*node.inputs[:2], node.outputs[0]) if name]
    if not isinstance(op, Conv):
        return "matrix x vector" if op.name == "dense" and shapes and shapes[-1][0] == 1 else ""
    x, weights, y = shapes
    if op.name == "depthwise_conv":
        return "depthwise"
    cut = winograd_cut(op, x, weights, y)
    if cut:
        return f"Winograd {cut.size}x{cut.size}"
    return "matrix product" if op.plain else "direct"
