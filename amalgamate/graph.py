"""The graph between importers, passes and the plan: tensors, nodes, and a verifier.

A graph is in static single assignment: every tensor is an input, a constant, or the output of exactly one node,
and nodes stand in the order in which they run. Shapes are concrete; a dimension of an input that the source left
symbolic carries its name in `Graph.symbols` and stands in shapes at a default value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate.ops import Op

Shape = tuple[int, ...]
Array = np.ndarray[tuple[int, ...], np.dtype[Any]]


@dataclass
class Tensor:
    """A value: its shape, its element type ("float32" or "int64"), and its data where it is a constant."""

    name: str
    shape: Shape
    dtype: str = "float32"
    data: Array | None = None

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def __str__(self) -> str:
        kind = " const" if self.constant else ""
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]{kind}"


@dataclass
class Node:
    """One operator applied. An absent optional input is the empty name."""

    name: str
    op: Op
    inputs: list[str]
    outputs: list[str]

    def __str__(self) -> str:
        return f"{', '.join(self.outputs)} = {self.op}({', '.join(self.inputs)})"


@dataclass
class ImageSpec:
    """How a picture becomes input `input`: (pixel - mean) / std per channel in `order`, after resize and crop.

    `resize` is the short side in pixels, or (height, width) exactly, or None; `crop` the (height, width) cut from the centre, or
    None. `mean` and `std` are in units of a pixel's 0..255.
    """

    input: str
    order: str = "rgb"  # rgb, bgr, gray
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    channels_last: bool = False  # the input is [1, H, W, C] rather than [1, C, H, W]


@dataclass
class Graph:
    """Tensors by name, nodes in running order, and the names of inputs and outputs in the model's order."""

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    symbols: dict[str, dict[int, str]] = field(default_factory=dict)  # input -> axis -> symbol
    labels: list[str] = field(default_factory=list)
    image: ImageSpec | None = None
    meta: dict[str, str] = field(default_factory=dict)

    # -- building ---------------------------------------------------------------------------------------------

    def fresh(self, stem: str) -> str:
        """A tensor name that is not taken: `stem`, or `stem_1`, `stem_2`, ..."""
        name, i = stem, 0
        while name in self.tensors:
            i += 1
            name = f"{stem}_{i}"
        return name

    def constant(self, data: Array, stem: str = "const") -> str:
        """Adds a constant and returns its name."""
        name = self.fresh(stem)
        self.tensors[name] = Tensor(name, tuple(data.shape), str(data.dtype), data)
        return name

    def add(self, op: Op, inputs: Sequence[str], outputs: Sequence[str] = (), name: str = "") -> Node:
        """Appends a node, infers the shapes of its outputs, and makes their tensors; unnamed outputs get fresh names."""
        return self.insert(len(self.nodes), op, inputs, outputs, name)

    def insert(self, at: int, op: Op, inputs: Sequence[str], outputs: Sequence[str] = (), name: str = "") -> Node:
        """As `add`, before the node at index `at`."""
        shapes = op.shapes(*(self.tensors[i].shape if i else None for i in inputs))
        dtypes = op.dtypes(*(self.tensors[i].dtype if i else "" for i in inputs))
        names = list(outputs) or [self.fresh(name or f"{op.name}_out") for _ in shapes[:1]]
        while len(names) < len(shapes):
            names.append(self.fresh(f"{names[0]}_{len(names)}"))
        for out, shape, dtype in zip(names, shapes, dtypes, strict=True):
            self.tensors[out] = Tensor(out, shape, dtype)
        node = Node(name or names[0], op, list(inputs), names)
        self.nodes.insert(at, node)
        return node

    def copy(self) -> Graph:
        """A graph that can be changed without changing this one; constants share their data."""
        return replace(
            self,
            tensors={k: replace(t) for k, t in self.tensors.items()},
            nodes=[replace(n, inputs=list(n.inputs), outputs=list(n.outputs)) for n in self.nodes],
            inputs=list(self.inputs),
            outputs=list(self.outputs),
        )

    # -- looking ----------------------------------------------------------------------------------------------

    def data(self, name: str) -> Array | None:
        """The value of a constant, or None for anything else (also for the empty name)."""
        return self.tensors[name].data if name else None

    def producers(self) -> dict[str, Node]:
        """The node that makes each tensor that a node makes."""
        return {out: node for node in self.nodes for out in node.outputs}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, in order; a node that reads it twice stands there twice."""
        users: dict[str, list[Node]] = {name: [] for name in self.tensors}
        for node in self.nodes:
            for name in node.inputs:
                if name:
                    users[name].append(node)
        return users

    def constants(self) -> Iterator[Tensor]:
        return (t for t in self.tensors.values() if t.constant)

    def macs(self) -> int:
        """Multiply-accumulates of one run at the graph's shapes."""
        return sum(self.node_macs(n) for n in self.nodes)

    def node_macs(self, node: Node) -> int:
        ins = [self.tensors[i].shape if i else None for i in node.inputs]
        return node.op.macs(ins, [self.tensors[o].shape for o in node.outputs])

    # -- changing ---------------------------------------------------------------------------------------------

    def replace(self, old: str, new: str) -> None:
        """Makes every reader of tensor `old`, the graph's outputs among them, read `new`."""
        for node in self.nodes:
            node.inputs = [new if i == old else i for i in node.inputs]
        self.outputs = [new if o == old else o for o in self.outputs]

    def rename(self, old: str, new: str) -> None:
        """Gives tensor `old` the free name `new`, everywhere."""
        assert new not in self.tensors
        tensor = self.tensors.pop(old)
        tensor.name = new
        self.tensors[new] = tensor
        self.replace(old, new)
        for node in self.nodes:
            node.outputs = [new if o == old else o for o in node.outputs]
        self.inputs = [new if i == old else i for i in self.inputs]

    def prune(self) -> None:
        """Drops nodes whose outputs nobody needs, and tensors that nothing names."""
        needed = set(self.outputs)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        named = needed | set(self.inputs) | {o for n in self.nodes for o in n.outputs}
        self.tensors = {k: t for k, t in self.tensors.items() if k in named}

    def infer(self) -> None:
        """Infers every shape and type again from the inputs and constants."""
        for node in self.nodes:
            shapes = node.op.shapes(*(self.tensors[i].shape if i else None for i in node.inputs))
            dtypes = node.op.dtypes(*(self.tensors[i].dtype if i else "" for i in node.inputs))
            for out, shape, dtype in zip(node.outputs, shapes, dtypes, strict=True):
                self.tensors[out].shape, self.tensors[out].dtype = shape, dtype

    # -- checking ---------------------------------------------------------------------------------------------

    def verify(self) -> None:
        """Raises E110 unless the graph is in single assignment, ordered, and its shapes are what its operators say."""
        made = set(self.inputs) | {t.name for t in self.constants()}

        def fail(what: str, where: str) -> None:
            raise AmalgamateError("E110", what, where, "This is a fault of the model or of a pass")

        if len(set(self.inputs)) != len(self.inputs) or len(set(self.outputs)) != len(self.outputs):
            fail("an input or output is named twice", self.name)
        for key, tensor in self.tensors.items():
            if key != tensor.name:
                fail(f"tensor '{tensor.name}' is filed under another name", key)
            if tensor.data is not None and (
                tensor.data.shape != tensor.shape or str(tensor.data.dtype) != tensor.dtype
            ):
                fail(f"constant '{key}' is not what its tensor says", key)
        for node in self.nodes:
            for name in node.inputs:
                if name and name not in made:
                    fail(f"'{name}' is read before anything makes it", f"node {node.name}")
            for name in node.outputs:
                if name in made:
                    fail(f"'{name}' is made twice", f"node {node.name}")
                made.add(name)
            shapes = node.op.shapes(*(self.tensors[i].shape if i else None for i in node.inputs))
            if list(shapes) != [self.tensors[o].shape for o in node.outputs]:
                fail(
                    f"shapes {[self.tensors[o].shape for o in node.outputs]} should be {list(shapes)}",
                    f"node {node.name}",
                )
        for name in self.outputs:
            if name not in made:
                fail(f"output '{name}' is never made", self.name)

    def __str__(self) -> str:
        lines = [f"graph {self.name}({', '.join(str(self.tensors[i]) for i in self.inputs)})"]
        for node in self.nodes:
            outs = ", ".join(str(self.tensors[o]) for o in node.outputs)
            lines.append(f"  {outs} = {node.op}({', '.join(node.inputs)})")
        lines.append(f"  return {', '.join(self.outputs)}")
        return "\n".join(lines)
