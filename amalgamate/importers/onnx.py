"""ONNX, operator sets 7 to 28, into a Graph: nodes are said in our operators by `from_onnx` of each.

What cannot be expressed is collected over the whole graph and raised as one E104. Only what the outputs need is read, so
choosing inner outputs cuts an unsupported tail off. Source: the ONNX specification (IR.md, Operators.md).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape, Tensor
from amalgamate.importers import onnx_functions, onnx_inputs, onnx_proto, onnx_schema
from amalgamate.ops import Source, Unsupported, by_source

if TYPE_CHECKING:
    import onnx

SUFFIXES = (".onnx",)
OPSETS = range(7, 29)
_MODEL_FIELDS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26))  # of ModelProto, onnx.proto


def recognises(head: bytes) -> bool:
    """Whether `head` begins as a ModelProto does: known fields, in order of their numbers, up to its graph (7)."""
    at, last = 0, 0
    while at < len(head):
        tag, at = _varint(head, at)
        number, wire = tag >> 3, tag & 7
        if number not in _MODEL_FIELDS or number < last or wire != (0 if number in (1, 5) else 2):
            return False
        if number == 7:
            return True
        value, at = _varint(head, at)
        at, last = at + (value if wire == 2 else 0), number
    return False


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The base-128 number at `at`, and where it ends; the end of the data reads as zero."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            break
    return value, at


def read(
    path: Path, weights: Path | None, shapes: dict[str, Shape], outputs: list[str], bind: dict[str, Array]
) -> Graph:
    """The graph of ONNX file `path`; `amalgamate.importers.read` says the rest."""
    if weights is not None:
        raise AmalgamateError(
            "E107", "an ONNX model names its weights itself", str(weights), "Leave out --weights-from"
        )
    model = onnx_proto.load(path)
    return _Import(path, onnx_functions.expanded(path, model, _opset(model))).run(shapes, outputs, bind)


def _opset(model: onnx.ModelProto) -> int:
    versions = [o.version for o in model.opset_import if o.domain in onnx_functions.DOMAINS]
    if not versions:
        others = ", ".join(o.domain for o in model.opset_import)
        raise AmalgamateError("E104", f"the model uses only operators of {others}. Supported: ONNX's own")
    version = int(versions[0])
    if version not in OPSETS:
        fault = f"the model uses ONNX operator set {version}. Supported: {OPSETS[0]} to {OPSETS[-1]}"
        raise AmalgamateError("E104", fault, fix="Try: export again with opset_version=17, or onnx.version_converter")
    return version


class _Import:
    """One model on its way into a graph. Tensors in `unknown` come from nodes that could not be expressed."""

    def __init__(self, path: Path, model: onnx.ModelProto) -> None:
        self.path, self.folder, self.model = path, path.parent, model
        self.version = _opset(model)
        self.constants = [t.name for t in model.graph.initializer]
        self.constants += [s.values.name for s in model.graph.sparse_initializer]
        self.graph = Graph(model.graph.name or path.stem)
        self.unknown: set[str] = set()
        self.faults: list[tuple[str, str, str]] = []  # what, which node, why

    def run(self, shapes: dict[str, Shape], outputs: list[str], bind: dict[str, Array]) -> Graph:
        source, graph = self.model.graph, self.graph
        graph.outputs = outputs or [o.name for o in source.output]
        if not graph.outputs:
            raise AmalgamateError("E103", "the model has no output", str(self.path))
        nodes, needed = self._needed()
        self._constants(needed)
        _once([i.name for i in source.input], "input", self.path)
        given = [i for i in source.input if i.name not in self.constants]  # old files list constants too
        values = [i for i in given if not outputs or i.name in needed]
        self.faults += onnx_inputs.add(graph, values, shapes, bind, {i.name for i in given})
        self.unknown |= {i.name for i in values if i.name not in graph.tensors}
        for index, node in enumerate(nodes):
            self._node(node, node.name or f"{node.op_type}_{index}", needed)
        if self.faults:
            raise _unsupported(self.faults, self.path)
        graph.meta = _meta(self.model, self.version)
        graph.prune()
        return graph

    def _needed(self) -> tuple[list[onnx.NodeProto], set[str]]:
        """The nodes that the outputs depend on, in order, and the names of all that they read."""
        made = [o for n in self.model.graph.node for o in n.output if o]
        known = {*made, *self.constants, *(i.name for i in self.model.graph.input)}
        _once(made, "output of a node", self.path)
        for name in self.graph.outputs:
            if name not in known:
                close = difflib.get_close_matches(name, known, 3, 0.5)
                fix = f"Did you mean: {', '.join(close)}" if close else "See `amalgamate inspect`"
                raise AmalgamateError("E107", f"nothing makes the output '{name}'", str(self.path), fix)
        needed, nodes = set(self.graph.outputs), []
        for node in reversed(self.model.graph.node):
            if needed.intersection(node.output):
                nodes.append(node)
                needed.update(i for i in node.input if i)
        return nodes[::-1], needed

    def _constants(self, needed: set[str]) -> None:
        """Initialisers that something reads become constants."""
        source = self.model.graph
        _once(self.constants, "constant", self.path)
        for tensor in source.initializer:
            if tensor.name in needed:
                self._initialise(tensor.name, tensor, onnx_proto.array)
        for sparse in source.sparse_initializer:
            if sparse.values.name in needed:
                self._initialise(sparse.values.name, sparse, onnx_proto.dense)

    def _initialise(self, name: str, encoded: Any, decode: Callable[[Any, Path], Array]) -> None:
        try:
            self._constant(name, decode(encoded, self.folder))
        except Unsupported as why:
            self.faults.append((f"unsupported constant '{name}'", "", str(why)))
            self.unknown.add(name)

    def _constant(self, name: str, data: Array) -> None:
        self.graph.tensors[name] = Tensor(name, data.shape, str(data.dtype), data)

    def _node(self, node: onnx.NodeProto, name: str, needed: set[str]) -> None:
        """Says one node in our operators; where that fails, notes why and goes on."""
        try:
            self._express(node, name, needed)
        except Unsupported as why:
            self.faults.append((f"unsupported operator '{node.op_type}'", name, str(why)))
            self.unknown.update(o for o in node.output if o)
        except AmalgamateError as error:
            where = f"node {name}, {node.op_type}"
            raise AmalgamateError(error.code, error.what, error.where or where, error.fix) from error
        except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
            fault = f"the attributes and inputs of '{node.op_type}' do not fit each other: {error}"
            raise AmalgamateError("E103", fault, f"node {name}") from error

    def _express(self, node: onnx.NodeProto, name: str, needed: set[str]) -> None:
        if node.domain not in onnx_functions.DOMAINS:
            raise Unsupported(
                f"it is of domain '{node.domain}'. Supported: ONNX's own; export without vendor optimisations"
            )
        op = by_source("onnx").get(node.op_type)
        if op is None:
            raise Unsupported("there is no such operator here; `amalgamate ops` lists those that there are")
        schema = onnx_schema.find(node.op_type, self.version)
        _contradict(node, name, onnx_schema.contradiction(node, schema))
        for read in node.input:
            if read and read not in self.graph.tensors and read not in self.unknown:
                raise AmalgamateError("E110", f"'{read}' is read before anything makes it", f"node {name}")
        skipped = onnx_schema.optional_outputs(node, schema)
        kept = ["" if may and o not in needed else o for o, may in zip(node.output, skipped, strict=True)]
        outputs = [o or self.graph.fresh(f"{name}_unused") for o in _trimmed(kept)]
        if self.unknown.intersection(node.input):
            self.unknown.update(outputs)
            return
        dtypes = {i: self.graph.tensors[i].dtype for i in node.input if i}
        _contradict(node, name, onnx_schema.mistyped(node, schema, dtypes))
        attrs = onnx_proto.attributes(node, self.folder)
        op.from_onnx(Source(self.graph, "onnx", node.op_type, name, attrs, _trimmed(node.input), outputs, self.version))
        for made in outputs:
            assert made in self.graph.tensors, f"{op.__name__}.from_onnx did not make {made}"


def _once(names: list[str], what: str, path: Path) -> None:
    """Raises E110 where a name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise AmalgamateError("E110", f"there are two of the {what} '{name}'", str(path))
        seen.add(name)


def _contradict(node: onnx.NodeProto, name: str, fault: str) -> None:
    """Raises E103 where there is a fault."""
    if fault:
        raise AmalgamateError("E103", f"'{node.op_type}' {fault}", f"node {name}")


def _trimmed(names: Sequence[str]) -> list[str]:
    """`names` without empty ones at the end."""
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _unsupported(faults: list[tuple[str, str, str]], path: Path) -> AmalgamateError:
    """One E104 for all that cannot be expressed, nodes with the same fault together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for what, name, why in faults:
        groups.setdefault((what, why), []).append(name)
    lines = [f"{what}{_listed(names)}: {why}" for (what, why), names in groups.items()]
    if len(lines) == 1:
        return AmalgamateError("E104", lines[0], str(path))
    listed = "\n  ".join(lines)
    return AmalgamateError("E104", f"{len(faults)} parts of the model are not supported:\n  {listed}\n", str(path))


def _listed(nodes: list[str]) -> str:
    names = [n for n in nodes if n]
    return f" (node{'s' if len(names) > 1 else ''} {', '.join(names)})" if names else ""


def _meta(model: onnx.ModelProto, version: int) -> dict[str, str]:
    """Where the model comes from, for people; nothing here changes what it computes."""
    producer = f"{model.producer_name} {model.producer_version}".strip()
    meta = {"format": "ONNX", "opset": str(version), "producer": producer, "domain": model.domain}
    meta |= {"version": str(model.model_version or ""), **{p.key: p.value for p in model.metadata_props}}
    return {k: v for k, v in meta.items() if v}
