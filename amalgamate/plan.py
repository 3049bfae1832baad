"""Where every tensor lies in the arena. The homes decided here go into the model file; runtime_src/plan.c judges them,
infers shapes anew and lays the arena out by the same rules, so that `arena_bytes` is what the runtime needs.

A tensor may lie in its *home*, the output of a step that reads it: of its last reader in place, or of a concat, of which
it is then a slice. Blocks (a tensor and all that lie in it; a step's scratch) are placed largest first.

Pixels of a map a multiple of 1 KiB apart fall into few sets of a first-level cache and drive each other out, so that such
maps get a longer pitch where a convolution reads several pixels together. That they want it goes into the model file, too.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from amalgamate import bands
from amalgamate.bands import Band
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Graph, Node, Shape
from amalgamate.ops._window import Window
from amalgamate.ops.identity import Identity
from amalgamate.pack import Constant, pack

ALIGN = 64
MAX_TENSORS = 16384
TRIED = 1024  # blocks, above which the runtime keeps the first arrangement
MAX_IN, MAX_OUT = 64, 16
ARENAS = ("whole", "fast", "small")
WAY = 256  # floats: rows as far from each other, or a multiple, share few sets of a first-level cache
PAD = 16  # floats between such rows: a cache line
PIXELS = 16  # of a map, below which it stays in cache wherever its rows lie


@dataclass
class Place:
    """Where a tensor lies: in the block of tensor `root`, `offset` elements from its start, rows `pitch` elements apart."""

    root: str
    offset: int
    pitch: int


@dataclass
class Block:
    """A piece of the arena: steps `birth` to `death` (-1: before the run) need its `bytes` at `offset`."""

    name: str
    birth: int
    death: int
    bytes: int
    offset: int = 0


@dataclass
class Plan:
    """A graph in running order with what a model file needs beyond it."""

    graph: Graph
    constants: dict[str, Constant]
    operands: list[list[str]]  # of each node, constants under the names of `constants`
    arena: str = "fast"  # as `plan` takes it
    homes: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)  # in memory, of each tensor that is made a few rows at a time
    apart: list[str] = field(default_factory=list)  # tensors that have PAD floats between their rows
    arena_bytes: int = 0
    small_bytes: int = 0  # of the arena in a small build of the runtime, AMG_SMALL

    @property
    def widened_bytes(self) -> int:
        """What opening takes for all weights as float32, where some are stored in half precision; 0 where none are."""
        halves = any(c.half for c in self.constants.values())
        return sum(_align(c.bytes) << c.half for c in self.constants.values()) if halves else 0

    def __str__(self) -> str:
        lines = [f"arena {self.arena_bytes} bytes, weights {sum(c.bytes for c in self.constants.values())} bytes"]
        rows = [(b.name, str(b.birth), str(b.death), str(b.bytes), str(b.offset)) for b in self.blocks]
        rows.insert(0, ("block", "from", "to", "bytes", "offset"))
        widths = [max(len(r[i]) for r in rows) for i in range(5)]
        lines += [
            "  ".join([r[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(r[1:], widths[1:], strict=True))])
            for r in rows
        ]
        lines += [f"{t} lies in {self.homes[t]}" for t in self.homes]
        lines += [f"{t} is made by rows, {n} in memory" for t, n in self.rows.items()]
        lines += [f"{t} has its rows {self.places[t].pitch} elements apart" for t in self.apart]
        return "\n".join(lines)

    def timeline(self, width: int = 60) -> str:
        """The arena over time, a row per step: '#' where a live block lies, one column per arena_bytes / width."""
        scale = max(1, -(-self.arena_bytes // width))
        label = max((len(n.name) for n in self.graph.nodes), default=0)
        lines = []
        for i, node in enumerate(self.graph.nodes):
            row = [" "] * width
            live = [b for b in self.blocks if b.birth <= i <= b.death]
            for b in live:
                for column in range(b.offset // scale, -(-(b.offset + b.bytes) // scale)):
                    row[column] = "#"
            lines.append(f"{node.name.ljust(label)} |{''.join(row)}| {sum(b.bytes for b in live)}")
        return "\n".join(lines)


def plan(graph: Graph, weights_type: str = "float32", arena: str = "fast") -> Plan:
    """The plan of a graph that all passes have been through, its weights stored as `weights_type`.

    arena: "fast" makes large tensors a few rows at a time, which keeps them in cache; "small" a row at a time, wherever that
    can be, if the arena is smaller for it; "whole" none. But for "small", rows lie off powers of two, for at most 6% more of
    some tensors. Raises E107 for other words, E120 where the graph is beyond what the format holds.
    """
    if arena not in ARENAS:
        raise AmalgamateError("E107", f"an arena that is '{arena}'", "--arena", f"Choose one of {', '.join(ARENAS)}")
    graph = graph.copy()
    _own_outputs(graph)
    constants, operands = pack(graph, weights_type)
    _limits(graph)
    small = arena == "small"
    plans = [_laid_out(Plan(graph, constants, operands, a), not small) for a in (ARENAS if small else (arena,))]
    return min(plans, key=lambda p: p.arena_bytes)


def _laid_out(plan: Plan, spread: bool) -> Plan:
    """The same plan with a place for everything; spread: with rows off powers of two."""
    planner = _Planner(plan.graph, [] if plan.arena == "whole" else bands.choose(plan.graph, plan.arena == "small"))
    plan.small_bytes = _arrange(planner.blocks(small=True))
    if spread:
        planner.spread()
    plan.homes, plan.places, plan.rows, plan.apart = planner.homes, planner.places, planner.rows, planner.apart
    plan.blocks = planner.blocks()
    plan.arena_bytes = _arrange(plan.blocks)
    return plan


def _own_outputs(graph: Graph) -> None:
    """Copies outputs that are constants, since the runtime computes every output or is given it."""
    for i, name in enumerate(graph.outputs):
        if graph.tensors[name].constant:
            inner = graph.fresh(f"{name}_constant")
            graph.tensors[inner] = graph.tensors.pop(name)
            graph.tensors[inner].name = inner
            for node in graph.nodes:
                node.inputs = [inner if n == name else n for n in node.inputs]
            graph.add(Identity(), [inner], [name], name)
            graph.outputs[i] = name


def _limits(graph: Graph) -> None:
    if len(graph.tensors) > MAX_TENSORS or len(graph.nodes) > MAX_TENSORS:
        raise AmalgamateError("E120", f"more than {MAX_TENSORS} tensors or steps", graph.name)
    for node in graph.nodes:
        if len(node.inputs) > MAX_IN or not 1 <= len(node.outputs) <= MAX_OUT:
            raise AmalgamateError("E120", f"more than {MAX_IN} inputs or {MAX_OUT} outputs", f"node {node.name}")


def _width(shape: Shape) -> int:
    return shape[-1] if shape else 1


class _Planner:
    """Decides homes, in three steps: wish, place, and give up the wishes that would overwrite what is still needed."""

    def __init__(self, graph: Graph, bands: Sequence[Band]) -> None:
        self.graph = graph
        self.first, self.last = list(range(len(graph.nodes))), list(range(len(graph.nodes)))
        self.rows: dict[str, int] = {}  # in memory, of tensors that are made a few at a time
        for band in bands:
            for i, kept in zip(range(band.first, band.last + 1), band.kept, strict=True):
                self.first[i], self.last[i] = band.first, band.last
                if i < band.last:
                    self.rows[graph.nodes[i].outputs[0]] = kept
        self.shape = {t.name: t.shape for t in graph.tensors.values()}
        self.active = [n for n, t in graph.tensors.items() if not t.constant]
        self.producer = dict.fromkeys(graph.inputs, -1)
        self.last_use = dict.fromkeys(self.active, -1)
        self.pitchable = dict.fromkeys(self.active, False)
        for i, node in enumerate(graph.nodes):
            for name in node.outputs:
                self.producer[name] = i
                self.pitchable[name] = node.op.pitched_out
            for name in node.inputs:
                if name in self.last_use:
                    self.last_use[name] = i
                    self.pitchable[name] = self.pitchable[name] and node.op.pitched_in
        for name in graph.outputs:
            self.last_use[name] = len(graph.nodes)
        self.homes: dict[str, str] = {}
        self.apart: list[str] = []
        self.places: dict[str, Place] = {}
        self.wish()
        self.place()
        while (wish := self.harmful()) is not None:
            del self.homes[wish]
            self.place()

    def wish(self) -> None:
        """Joins first, since they save a copy; then in place. Both only where `at_home` could hold."""
        for node in self.graph.nodes:
            if node.op.joins:
                for name in node.inputs:
                    self.want(name, node)
        for i, node in enumerate(self.graph.nodes):
            if node.op.in_place and node.inputs and self.last_use.get(node.inputs[0]) == i:
                self.want(node.inputs[0], node)

    def want(self, name: str, node: Node) -> None:
        free = name in self.last_use and name not in self.graph.inputs and name not in self.homes
        if free and node.inputs.count(name) == 1:
            self.homes[name] = node.outputs[0]

    def place(self) -> None:
        """Gives every tensor its place; drops wishes that the shapes do not allow. A home is made later than its guests."""
        self.places = {n: Place(n, 0, _width(self.shape[n])) for n in self.active}
        for name in self.apart:
            self.places[name].pitch += PAD
        for node in reversed(self.graph.nodes):
            for name in node.outputs:
                if name in self.homes:
                    home = self.at_home(name)
                    if home is None:
                        del self.homes[name]
                    else:
                        self.places[name] = home

    def at_home(self, name: str) -> Place | None:
        """The place of a tensor in its home, or None if it cannot lie there."""
        home = self.homes[name]
        node = self.graph.nodes[self.producer[home]]
        within, width = self.places[home], _width(self.shape[name])
        if self.graph.tensors[name].dtype != self.graph.tensors[home].dtype:
            return None
        if node.op.joins:
            part = self.part(node, node.inputs.index(name))
            if part is None:
                return None
            offset, pitch = part
        else:
            contiguous = within.pitch == _width(self.shape[home])
            if prod(self.shape[name]) != prod(self.shape[home]) or not (
                contiguous or width == _width(self.shape[home])
            ):
                return None
            offset, pitch = within.offset, width if contiguous else within.pitch
        if pitch != width and (name in self.graph.outputs or not self.pitchable[name]):
            return None
        return Place(within.root, offset, pitch)

    def part(self, node: Node, index: int) -> tuple[int, int] | None:
        """Offset and pitch of input `index` of a joining node in the output's block; None if it is not a slice of rows."""
        shapes = [self.shape[n] for n in node.inputs]
        out = self.shape[node.outputs[0]]
        axes = {i for s in shapes for i in range(len(out)) if len(s) != len(out) or s[i] != out[i]}
        if len(axes) != 1:
            return None
        axis = axes.pop()
        within = self.places[node.outputs[0]]
        outer, inner = prod(out[:axis]), prod(out[axis + 1 :])
        before, width = sum(s[axis] for s in shapes[:index]), shapes[index][-1]
        if axis == len(out) - 1:
            return within.offset + before, within.pitch if outer > 1 else width
        if outer == 1 and within.pitch == out[-1]:
            return within.offset + before * inner, width
        return None

    def spread(self) -> None:
        """Puts the rows of maps apart, off powers of two, but where what lies in them could not lie there any more."""
        homes, places = dict(self.homes), self.places
        read = {node.inputs[0] for node in self.graph.nodes if self.convolves(node)}
        self.apart = [name for name in self.active if name in read and self.may_spread(name)]
        self.place()
        lost = {places[name].root for name in homes if name not in self.homes}
        self.homes, self.apart = homes, [name for name in self.apart if name not in lost]
        self.place()

    def convolves(self, node: Node) -> bool:
        """Whether a node is a convolution that reads a map where it lies, as Winograd's do not."""
        shapes = [self.shape[n] if n else None for n in node.inputs]
        return isinstance(node.op, Window) and node.op.rows(shapes, [self.shape[n] for n in node.outputs]) is not None

    def may_spread(self, name: str) -> bool:
        """Whether a tensor is a map with a block of its own, wide and large enough, whose rows may lie apart."""
        tensor, shape = self.graph.tensors[name], self.shape[name]
        far = len(shape) == 4 and shape[3] % WAY == 0 and shape[1] * shape[2] >= PIXELS and tensor.dtype == "float32"
        inner = name not in self.graph.outputs and self.places[name].root == name
        return far and inner and self.pitchable[name]

    def harmful(self) -> str | None:
        """A tensor whose home makes some step overwrite what is still to be read, or None."""
        live: dict[str, list[str]] = {n: [n] for n in self.graph.inputs}
        for i, node in enumerate(self.graph.nodes):
            for out in node.outputs:
                guests = live.setdefault(self.places[out].root, [])
                guests[:] = [x for x in guests if max(self.last_use[x], self.producer[x]) >= self.first[i]]
                for region in self.written(node, out):
                    for x in guests:
                        own = not node.op.joins and node.inputs[:1] == [x] and self.homes.get(x) == out
                        if not own and _overlap(region, self.region(x)):
                            first = node.inputs[0]
                            return first if self.homes.get(first) == out else out if out in self.homes else x
                guests.append(out)
        return None

    def written(self, node: Node, out: str) -> list[tuple[int, int, int, int]]:
        """The regions of its block that a node writes when it makes `out`: all of it, but for parts that lie there."""
        if not node.op.joins:
            return [self.region(out)]
        regions = []
        for k, name in enumerate(node.inputs):
            if self.homes.get(name) != out:
                part = self.part(node, k)
                width = _width(self.shape[name])
                rows = prod(self.shape[name]) // width
                regions.append((part[0], rows, width, part[1]) if part else self.region(out))
        return regions

    def region(self, name: str) -> tuple[int, int, int, int]:
        place, width = self.places[name], _width(self.shape[name])
        return place.offset, prod(self.shape[name]) // width, width, place.pitch

    def blocks(self, small: bool = False) -> list[Block]:
        """The blocks of all roots, in the order of the model file's tensors, then those of scratch memory; small: as small
        builds have them."""
        graph = self.graph
        found: dict[str, Block] = {}
        for name in [*graph.inputs, *(o for n in graph.nodes for o in n.outputs)]:
            root = self.places[name].root
            birth, death = self.life(name)
            if root in found:
                found[root].birth = min(found[root].birth, birth)
                found[root].death = max(found[root].death, death)
            else:
                found[root] = Block(root, birth, death, _align(self.bytes(root)))
        order = {n: i for i, n in enumerate([*graph.inputs, *(o for n in graph.nodes for o in n.outputs)])}
        blocks = sorted(found.values(), key=lambda b: order[b.name])
        for i, node in enumerate(graph.nodes):
            shapes = [self.shape[n] if n else None for n in node.inputs]
            scratch = (node.op.small_scratch if small else node.op.scratch)(
                shapes, [self.shape[n] for n in node.outputs]
            )
            if scratch:
                blocks.append(Block(f"scratch of {node.name}", self.first[i], self.last[i], _align(scratch)))
        return blocks

    def life(self, name: str) -> tuple[int, int]:
        """The steps from which and until which a tensor is in memory: a band's tensors all the while."""
        birth, death = self.producer[name], max(self.last_use[name], self.producer[name])
        return (
            birth if birth < 0 else self.first[birth],
            death if death < 0 or death == len(self.last) else self.last[death],
        )

    def bytes(self, name: str) -> int:
        """Bytes of a tensor with a block of its own, or of the rows of it that are in memory."""
        tensor = self.graph.tensors[name]
        size = 4 * self.rows[name] * prod(tensor.shape[2:]) if name in self.rows else tensor.bytes
        return size // _width(tensor.shape) * self.places[name].pitch


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two regions (offset, rows, width, pitch) of a block share an element."""
    if a[0] + (a[1] - 1) * a[3] + a[2] <= b[0] or b[0] + (b[1] - 1) * b[3] + b[2] <= a[0]:
        return False
    if a[1] > 1 and b[1] > 1 and a[3] == b[3]:  # columns of the same rows
        return a[0] % a[3] < b[0] % b[3] + b[2] and b[0] % b[3] < a[0] % a[3] + a[2]
    return True


def _align(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _arrange(blocks: list[Block]) -> int:
    """Gives each block an offset, largest first, then with the block that ends highest before all others, as long as the arena
    shrinks for it; returns its bytes."""
    order = [b for _, b in sorted(enumerate(blocks), key=lambda e: (-e[1].bytes, e[1].birth, e[0]))]
    size = _place(order)
    while order and len(order) <= TRIED:
        top = next(i for i, b in enumerate(order) if b.offset + b.bytes == size)
        other = [order[top], *order[:top], *order[top + 1 :]]
        smaller = _place(other)
        if smaller >= size:
            return _place(order)
        order, size = other, smaller
    return size


def _place(order: list[Block]) -> int:
    """Gives each block in turn the lowest offset that is free while it lives; returns the bytes of the arena."""
    placed: list[Block] = []
    for block in order:
        block.offset = 0
        for other in placed:
            if other.birth <= block.death and block.birth <= other.death:
                if other.offset - block.offset >= block.bytes:
                    break
                block.offset = max(block.offset, other.offset + other.bytes)
        bisect.insort(placed, block, key=lambda b: b.offset)
    return max((b.offset + b.bytes for b in placed), default=0)
