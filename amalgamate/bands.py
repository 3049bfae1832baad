"""Which tensors are made a few rows at a time: those between steps that run in *bands*, which keeps what passes between them in
cache and out of the arena. runtime_src/bands.c runs bands and computes the same heights.

A step takes part if rows of its output may be made apart (`Op.rows`): convolutions but for Winograd's, max pooling. Rows that
the next band reads again are kept, so nothing is computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from amalgamate.graph import Graph
from amalgamate.ops import Rows

BYTES = 1024 * 1024  # of the tensors between the steps of a band, at most: about a second-level cache
LEAST = 512 * 1024  # bytes of a tensor below which it may as well stay whole
HEIGHT = 2  # rows that the last step of a band should make at a time, at least
STEPS = 8  # of a band, at most
INPUTS = 4  # of a step: a map, weights, bias, a map to add


@dataclass(frozen=True)
class Band:
    """Steps `first` to `last`, and how many rows of what each makes are in memory; the last makes so many at a time."""

    first: int
    last: int
    kept: tuple[int, ...]


def choose(graph: Graph, small: bool) -> list[Band]:
    """The bands of a graph in running order. By default those that spare the most memory traffic; `small`: all there
    can be, each a row at a time, for the least memory."""
    cutter = _Cutter(graph, small)
    found = (Band(first, last, cutter.kept(first, last)) for first, last in cutter.cuts())
    return [band for band in found if band.kept]


class _Cutter:
    """Cuts the steps of a graph into bands."""

    def __init__(self, graph: Graph, small: bool) -> None:
        self.graph, self.small = graph, small
        self.least, self.room = (0, 0) if small else (LEAST, BYTES)
        self.rows = [self.moves(i) for i in range(len(graph.nodes))]

    def moves(self, index: int) -> Rows | None:
        """How the windows of a step move down its map; None where its rows cannot be made apart."""
        node = self.graph.nodes[index]
        shapes = [self.graph.tensors[name].shape if name else None for name in node.inputs]
        outputs = [self.graph.tensors[name].shape for name in node.outputs]
        fits = shapes and shapes[0] is not None and len(shapes[0]) == 4 and len(shapes) <= INPUTS
        return node.op.rows(shapes, outputs) if fits else None

    @cached_property
    def readers(self) -> dict[str, list[int]]:
        """The steps that read each tensor, once for each time."""
        found: dict[str, list[int]] = {}
        for i, node in enumerate(self.graph.nodes):
            for name in node.inputs:
                found.setdefault(name, []).append(i)
        return found

    def passes(self, index: int) -> bool:
        """Whether what a step makes is read by the next only, as its map, may pass by rows, and is large enough."""
        after = index + 1
        if after == len(self.rows) or self.rows[index] is None or self.rows[after] is None:
            return False
        name = self.graph.nodes[index].outputs[0]
        alone = self.readers.get(name) == [after] and self.graph.nodes[after].inputs[0] == name
        return alone and name not in self.graph.outputs and self.graph.tensors[name].bytes >= self.least

    def cuts(self) -> list[tuple[int, int]]:
        """First and last steps of the bands: those that leave the fewest bytes, of what could pass by rows, whole."""
        passes = [self.passes(i) for i in range(len(self.rows))]
        best = [(0, 0)]  # of the first so many steps: the bytes left whole, and where the last band begins
        for end in range(1, len(passes) + 1):
            whole = self.graph.tensors[self.graph.nodes[end - 1].outputs[0]].bytes if passes[end - 1] else 0
            choices = [(best[end - 1][0] + whole, end - 1)]
            for first in range(end - 2, max(end - 1 - STEPS, -1), -1):
                if not passes[first]:
                    break
                if self.small or self.bytes(first, end - 1, HEIGHT) <= BYTES:
                    choices.append((best[first][0] + whole, first))
            best.append(min(choices))
        found, end = [], len(passes)
        while end:
            first = best[end][1]
            if end - first > 1:
                found.append((first, end - 1))
            end = first
        return found[::-1]

    def heights(self, first: int, last: int, height: int) -> list[int]:
        """Rows in memory of what each step makes, where the last makes `height` at a time."""
        found = [height]
        for i in range(last, first, -1):
            step, size = self.rows[i], self.graph.tensors[self.graph.nodes[i].inputs[0]].shape[1]
            assert step is not None
            found.append(min((found[-1] - 1) * step.stride + step.extent, size))
        return found[::-1]

    def bytes(self, first: int, last: int, height: int) -> int:
        """Bytes of the tensors between the steps."""
        made = [self.graph.tensors[self.graph.nodes[i].outputs[0]] for i in range(first, last)]
        kept = self.heights(first, last, height)[:-1]
        return sum(4 * n * prod(t.shape[2:]) for n, t in zip(kept, made, strict=True))

    def kept(self, first: int, last: int) -> tuple[int, ...]:
        """`heights` of the highest bands that there is room for, of a row at least; none where whole tensors fit."""
        total = height = self.graph.tensors[self.graph.nodes[last].outputs[0]].shape[1]
        while height > 1 and self.bytes(first, last, height) > self.room:
            height -= 1
        count = -(-total // height)
        return tuple(self.heights(first, last, -(-total // count))) if count > 1 else ()
