"""Caffe: a prototxt and its weights (a caffemodel, or a Deep Compression `.net`) into a Graph, at phase TEST.

Layers are said in our operators by `from_caffe` of each. A layer that works in place makes a new tensor here; the last
one bears the blob's name, those before it `blob.0`, `blob.1`, ... What cannot be expressed is listed in one E104.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape, Tensor
from amalgamate.importers import caffe_net, caffe_weights, caffemodel, prototxt
from amalgamate.importers.caffe_composites import COMPOSITES
from amalgamate.importers.caffe_net import Layer, Net
from amalgamate.ops import Source, Unsupported, by_source

SUFFIXES = (".prototxt", ".caffemodel")
_LAYER = re.compile(rb"(?m)^\s*(?:layers?\s*:?\s*[{<]|input\s*:\s*[\"'])")


def recognises(head: bytes) -> bool:
    """Whether a file that begins with `head` is a network's prototxt: text with a layer or an input in it."""
    return b"\0" not in head and _LAYER.search(head) is not None


def read(
    path: Path,
    weights: Path | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = (),
    bind: Mapping[str, Array] | None = None,
) -> Graph:
    """The graph of prototxt `path`; `amalgamate.importers.read` says the rest."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise AmalgamateError("E100", f"the prototxt cannot be read: {error.strerror or error}", str(path)) from error
    if not recognises(text) and caffemodel.plausible(text):
        fix = f"Name the prototxt first, such as '{path.with_suffix('.prototxt').name}', and this file with --weights-from"
        raise AmalgamateError("E106", f"'{path.name}' holds weights only", str(path), fix)
    message = prototxt.parse(text, path.name)
    net = caffe_net.read(message, path.name)
    if not net.layers:
        fix = "A solver's prototxt only names the network, in its field `net`" if "net" in message else ""
        raise AmalgamateError("E103", "the network has no layer that computes anything at phase TEST", str(path), fix)
    file = caffe_weights.read(net, path, weights)
    graph = _Import(net, file, path, dict(input_shapes or {}), dict(bind or {})).run(list(outputs))
    graph.meta = {"format": "Caffe", "weights": file.format}
    return graph


@dataclass
class _Step:
    """A layer with its bottoms and tops as tensors, each made once."""

    layer: Layer
    inputs: list[str]
    outputs: list[str]


def _single_assignment(net: Net) -> tuple[list[_Step], list[str]]:
    """Steps in single assignment, and the network's outputs: tensors that layers make and none reads."""
    versions = Counter(dict.fromkeys(net.inputs, 1))
    drafts: list[tuple[Layer, list[tuple[str, int]], list[tuple[str, int]]]] = []
    for layer in net.layers:
        for bottom in layer.bottoms:
            if not versions[bottom]:
                raise AmalgamateError("E103", f"nothing before it makes the bottom '{bottom}'", layer.where)
        reads = [(b, versions[b] - 1) for b in layer.bottoms]
        for i, top in enumerate(layer.tops):
            if versions[top] and layer.bottoms[i : i + 1] != [top]:
                raise AmalgamateError("E103", f"the top '{top}' is made twice, and not in place", layer.where)
            versions[top] += 1
        drafts.append((layer, reads, [(t, versions[t] - 1) for t in layer.tops]))

    def name(blob: str, version: int) -> str:
        last = 0 if blob in net.inputs else versions[blob] - 1
        text = blob if version == last else f"{blob}.{version}"
        while text in versions and version != last:
            text += "_"
        return text

    steps = [_Step(layer, [name(*r) for r in reads], [name(*m) for m in makes]) for layer, reads, makes in drafts]
    read = {i for step in steps for i in step.inputs}
    made = [o for step in steps for o in step.outputs if o not in read]
    return [s for s in steps if s.layer.type != "Silence"], made


class _Import:
    """One network on its way into a Graph."""

    def __init__(
        self, net: Net, weights: caffe_weights.Weights, path: Path, shapes: dict[str, Shape], bind: dict[str, Array]
    ):
        self.net, self.weights, self.path, self.shapes, self.bind = net, weights, path, shapes, bind
        self.graph = Graph(net.name or path.stem)
        self.made: set[str] = set()
        self.faults: list[str] = []
        for option in [*shapes, *bind]:
            if option not in net.inputs:
                fault = f"there is no input '{option}'; the inputs are {', '.join(net.inputs) or 'none'}"
                raise AmalgamateError("E107", fault, str(path), "Check --input-shape and --bind")

    def run(self, outputs: list[str]) -> Graph:
        steps, made = _single_assignment(self.net)
        known = {o for step in steps for o in step.outputs} | set(self.net.inputs)
        for name in outputs:
            if name not in known:
                raise AmalgamateError("E107", f"nothing makes the output '{name}'", str(self.path))
        self.graph.outputs = list(dict.fromkeys(outputs or made))
        needed = set(self.graph.outputs)
        kept: list[_Step] = []
        for step in reversed(steps):
            if needed.intersection(step.outputs):
                kept.append(step)
                needed.update(step.inputs)
        # Names of blobs are reserved, so that nothing which an operator emits on its way takes one of them.
        self.graph.tensors = {name: Tensor(name, ()) for name in sorted(known)}
        self._inputs(needed)
        for step in reversed(kept):
            self._step(step)
        if self.faults:
            raise _unsupported(self.faults, self.path)
        self.graph.prune()
        return self.graph

    def _inputs(self, needed: set[str]) -> None:
        """Inputs that the prototxt declares, and those of data layers that something reads (not the labels)."""
        for name, declared in self.net.inputs.items():
            if name in self.bind:
                data = np.array(self.bind[name], np.float32, order="C")
                self.graph.tensors[name] = Tensor(name, data.shape, "float32", data)
                self.made.add(name)
                continue
            if name in self.net.optional and name not in needed:
                continue
            shape = self.shapes.get(name, declared)
            if shape is None or any(d < 1 for d in shape):
                fault = f"the shape of input '{name}' is {'not stated' if shape is None else list(shape)}"
                raise AmalgamateError("E105", fault, str(self.path), f"Give it with --input-shape {name}=1,3,224,224")
            self.graph.tensors[name] = Tensor(name, tuple(int(d) for d in shape))
            self.graph.inputs.append(name)
            self.made.add(name)

    def _step(self, step: _Step) -> None:
        """Emits one layer; one that cannot be said, or that reads what could not be said, makes nothing."""
        layer = step.layer
        op = by_source("caffe").get(layer.type)
        emit = op.from_caffe if op else COMPOSITES.get(layer.type)
        if emit is None:
            self._fault(layer, "no operator here does what it does")
        elif layer.unknown:
            self._fault(layer, f"its fields {', '.join(layer.unknown)} are not known here")
        elif self.made.issuperset(step.inputs):
            try:
                shapes = [self.graph.tensors[i].shape for i in step.inputs]
                names = self._constants(layer, caffe_weights.blobs_of(layer, shapes))
                source = Source(
                    self.graph, "caffe", layer.type, layer.name, layer.attrs, step.inputs + names, step.outputs
                )
                emit(source)
                self.made.update(step.outputs)
            except Unsupported as why:
                self._fault(layer, str(why))
            except AmalgamateError as error:
                error.where = error.where or layer.where
                raise

    def _constants(self, layer: Layer, expected: caffe_weights.Blobs) -> list[str]:
        """The layer's blobs as constants `layer.weight`, `layer.bias`, ..."""
        if not expected:
            return []
        blobs = self.weights.blobs(layer, expected)
        return [
            self.graph.constant(np.asarray(blob, order="C"), f"{layer.name}.{name}")
            for blob, (name, _) in zip(blobs, expected, strict=True)
        ]

    def _fault(self, layer: Layer, why: str) -> None:
        self.faults.append(f"unsupported layer '{layer.type}' (layer {layer.name}): {why}")


def _unsupported(faults: list[str], path: Path) -> AmalgamateError:
    """One E104 for all that cannot be expressed."""
    if len(faults) == 1:
        return AmalgamateError("E104", faults[0], str(path))
    return AmalgamateError(
        "E104", f"{len(faults)} layers are not supported:\n  " + "\n  ".join(faults) + "\n", str(path)
    )
