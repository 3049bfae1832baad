"""Decides the axis order once: spatial operators become channels-last, and transposes move until they cancel.

First every spatial operator is turned to [N, spatial..., C] between two transposes. Then each transpose sinks
towards the outputs through whatever can run on permuted axes (`Op.permuted`), so that it meets its inverse and both
vanish; one that moves no data becomes a reshape. What is left stands at the edges of the model, or where an
operator truly needs the source's order.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from amalgamate.graph import Graph, Node, Shape
from amalgamate.ops import Spatial
from amalgamate.ops.dense import Dense
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.transpose import Transpose

Perm = tuple[int, ...]


def run(graph: Graph) -> Graph:
    _turn_spatial(graph)
    while (
        _compose(graph)
        or _share(graph)
        or _reshape_instead(graph)
        or _permute_dense(graph)
        or any(_sink(graph, node) for node in graph.nodes)
    ):
        graph.prune()
    for node in graph.nodes:
        _copy_axes_instead(graph, node)
    return graph


def _inverse(perm: Perm) -> Perm:
    return tuple(int(i) for i in np.argsort(perm))


def _to_last(rank: int) -> Perm:
    return (0, *range(2, rank), 1)


def _permute(shape: Shape, perm: Perm) -> Shape:
    return tuple(shape[i] for i in perm)


def _laid_out(node: Node) -> list[int]:
    """The inputs of `node` whose axes are in the order of its outputs."""
    which = range(len(node.inputs)) if node.op.laid_out is None else node.op.laid_out
    return [i for i in which if i < len(node.inputs)]


def _turn_spatial(graph: Graph) -> None:
    """Puts every spatial operator between transposes: its laid-out inputs to channels last, its outputs back."""
    for node in list(graph.nodes):
        if not isinstance(node.op, Spatial) or node.op.channels_last:
            continue
        for i in _laid_out(node):
            if node.inputs[i]:
                source = node.inputs[i]
                perm = _to_last(len(graph.tensors[source].shape))
                node.inputs[i] = _insert_transpose(graph, graph.nodes.index(node), source, perm)
        node.op = replace(node.op, channels_last=True)
        _transpose_outputs(graph, node, _inverse(_to_last(len(graph.tensors[node.outputs[0]].shape))))


def _insert_transpose(graph: Graph, at: int, source: str, perm: Perm) -> str:
    return graph.insert(at, Transpose(perm), [source], name=graph.fresh(f"{source}_t")).outputs[0]


def _transpose_outputs(graph: Graph, node: Node, perm: Perm) -> None:
    """Lets `node` make new tensors, in another order, and the old ones come from them by a transpose with `perm`."""
    at = graph.nodes.index(node) + 1
    for i, old in enumerate(node.outputs):
        tensor = graph.tensors[old]
        inner = graph.fresh(f"{old}_l")
        graph.tensors[inner] = replace(tensor, name=inner, shape=_permute(tensor.shape, _inverse(perm)))
        node.outputs[i] = inner
        graph.nodes.insert(at + i, Node(old, Transpose(perm), [inner], [old]))


def _transpose_of(graph: Graph, producers: dict[str, Node], name: str) -> Node | None:
    node = producers.get(name)
    return node if node is not None and isinstance(node.op, Transpose) else None


def _compose(graph: Graph) -> bool:
    """transpose(transpose(x)) becomes one; one that moves nothing is bypassed."""
    from amalgamate.passes.remove_identity import bypass

    producers, changed = graph.producers(), False
    for node in list(graph.nodes):
        if not isinstance(node.op, Transpose):
            continue
        before = _transpose_of(graph, producers, node.inputs[0])
        if before is not None and isinstance(before.op, Transpose):
            node.op = Transpose(_permute(before.op.perm, node.op.perm))
            node.inputs = list(before.inputs)
            changed = True
        if node.op.perm == tuple(range(len(node.op.perm))) and bypass(graph, node):
            graph.nodes.remove(node)
            return True
    return changed


def _share(graph: Graph) -> bool:
    """Two equal transposes of one tensor become one."""
    first: dict[tuple[str, Perm], Node] = {}
    for node in list(graph.nodes):
        if isinstance(node.op, Transpose):
            twin = first.setdefault((node.inputs[0], node.op.perm), node)
            if twin is not node and node.outputs[0] not in graph.outputs:
                graph.replace(node.outputs[0], twin.outputs[0])
                graph.nodes.remove(node)
                return True
    return False


def _reshape_instead(graph: Graph) -> bool:
    """A transpose of one long axis beside the batch moves no data. Where there are more, it stays for
    now, since others may cancel it."""
    changed, spatial = False, any(axis > 0 for axes in graph.symbols.values() for axis in axes)
    for node in graph.nodes:
        if isinstance(node.op, Transpose) and node.op.perm[:1] == (0,) and not spatial:
            shape = graph.tensors[node.outputs[0]].shape
            if sum(n != 1 for n in shape[1:]) <= 1:
                node.op = Reshape((0, *(-1 if n != 1 else 1 for n in shape[1:])))
                changed = True
    return changed


def _copy_axes_instead(graph: Graph, node: Node) -> None:
    """A transpose that moves one axis of 1 alone, as of a picture of one channel, becomes a reshape that copies the others:
    it follows them to any size."""
    if isinstance(node.op, Transpose):
        perm, shape = node.op.perm, graph.tensors[node.inputs[0]].shape
        rest = {k: [axis for axis in perm if axis != k] for k in perm if k > 0 and shape[k] == 1}
        moved = [k for k, others in rest.items() if others == sorted(others)]
        if len(moved) == 1:
            node.op = Reshape(tuple(1 if axis == moved[0] else -2 - axis for axis in perm))


def _permute_dense(graph: Graph) -> bool:
    """dense(flatten(transpose(x))) becomes dense(flatten(x)) with the columns of the constant weights permuted."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in graph.nodes:
        before = _transpose_of(graph, producers, node.inputs[0]) if node.inputs else None
        if before is None or not isinstance(node.op, Reshape) or not isinstance(before.op, Transpose):
            continue
        shape, flat = graph.tensors[before.outputs[0]].shape, graph.tensors[node.outputs[0]].shape
        users = consumers[node.outputs[0]]
        if (
            flat != (shape[0], prod(shape[1:]))
            or before.op.perm[0] != 0
            or not users
            or node.outputs[0] in graph.outputs
        ):
            continue
        if not all(isinstance(u.op, Dense) and u.inputs[0] == node.outputs[0] for u in users):
            continue
        columns = np.arange(flat[1]).reshape(shape[1:])
        columns = columns.transpose([i - 1 for i in _inverse(before.op.perm)[1:]]).ravel()
        for user in users:
            weights = graph.data(user.inputs[1])
            assert weights is not None
            user.inputs[1] = graph.constant(np.ascontiguousarray(weights[:, columns]), f"{user.inputs[1]}_p")
        node.op, node.inputs = Reshape((0, -1)), list(before.inputs)
        return True
    return False


def _sink(graph: Graph, node: Node) -> bool:
    """Moves a transpose from before `node` to behind it, where `node` can run on the permuted axes."""
    if isinstance(node.op, Transpose):
        return False
    producers = graph.producers()
    found = {i: _transpose_of(graph, producers, node.inputs[i]) for i in _laid_out(node) if node.inputs[i]}
    perms = {t.op.perm for t in found.values() if t is not None and isinstance(t.op, Transpose)}
    if not perms:
        return False
    moving = {
        p: sum(graph.tensors[t.outputs[0]].bytes for t in found.values() if t and t.op == Transpose(p)) for p in perms
    }
    perm = max(moving, key=lambda p: (moving[p], p))
    back = _inverse(perm)
    op = node.op.permuted(back)
    if (
        op is None
        or len(graph.tensors[node.outputs[0]].shape) != len(perm)
        or not _worthwhile(graph, node, found, perm)
    ):
        return False  # broadcasting against more axes than the transpose has leaves it where it is
    for i, transpose in found.items():
        if transpose is not None and transpose.op == Transpose(perm):
            node.inputs[i] = transpose.inputs[0]
        else:
            node.inputs[i] = _permuted_input(graph, node, node.inputs[i], back)
    node.op = op
    _transpose_outputs(graph, node, perm)
    return True


def _worthwhile(graph: Graph, node: Node, found: dict[int, Node | None], perm: Perm) -> bool:
    """Whether the transposes that vanish outweigh those that the other operands will need."""
    saved = cost = 0
    for i, transpose in found.items():
        tensor = graph.tensors[node.inputs[i]]
        if tensor.constant:
            continue
        if transpose is not None and transpose.op == Transpose(perm):
            saved += tensor.bytes
        elif len([n for n in tensor.shape if n != 1]) > 1:
            cost += tensor.bytes
    return saved > cost


def _permuted_input(graph: Graph, node: Node, name: str, perm: Perm) -> str:
    """Operand `name`, its rank padded with leading ones as broadcasting does, transposed by `perm`."""
    if not name:
        return name
    tensor, rank = graph.tensors[name], len(perm)
    if len(tensor.shape) == 0 or (len(tensor.shape) == 1 and tensor.shape[0] == 1):
        return name
    padded = (1,) * (rank - len(tensor.shape)) + tensor.shape
    if tensor.data is not None:
        return graph.constant(np.ascontiguousarray(tensor.data.reshape(padded).transpose(perm)), f"{name}_p")
    at = graph.nodes.index(node)
    if padded != tensor.shape:
        name = graph.insert(at, Reshape(padded), [name], name=graph.fresh(f"{name}_r")).outputs[0]
        at += 1
    return _insert_transpose(graph, at, name, perm)
