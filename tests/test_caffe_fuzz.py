"""Caffe layers with any parameters on inputs of any rank: an error in words, or C and NumPy agree on the result."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import harness
from amalgamate import reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph
from amalgamate.importers import caffe_net, caffe_schema, caffe_weights, prototxt, read
from caffe_bytes import model, one, write

SMALL = st.sampled_from([1, 1, 2, 2, 3, 4])
SIZES = st.sampled_from([0, 1, 1, 1, 2, 2, 3, 1000, 2**31 - 1])
KINDS = {
    "natural": SIZES,
    "positive": SIZES,
    "int": SIZES | st.sampled_from([-1, -2, -3, -4, -(2**31)]),
    "float": st.sampled_from([0, 1, -1, 0.5, 2, 3, 1e-30, 1e30]),
    "above 0": st.sampled_from([1, 0.5, 2, 3]),  # LRN takes powers of sums that are above 0 in any network
    "bool": st.sampled_from(["true", "false"]),
    "shape": st.lists(st.sampled_from([0, -1, 1, 2, 3, 4, 6, 12]), max_size=5).map(lambda d: f"{{ dim: {d} }}"),
}

TAME = KINDS | {"natural": st.sampled_from([0, 1, 2]), "positive": SMALL, "int": st.sampled_from([0, 1, 2, -1])}


@st.composite
def layers(draw: st.DrawFn) -> str:
    """A prototxt with one layer of a known type, and its inputs; every other one is made to be mostly right."""
    tame = draw(st.booleans())
    kinds = TAME if tame else KINDS
    type = draw(st.sampled_from(sorted(caffe_schema.TYPES)))
    known = caffe_schema.TYPES[type]
    fields = ""
    for entry in caffe_schema.PARAMS[known.param].split() if known.param else ():
        name, kind = entry.split("=")
        odd = name.endswith(("_h", "_w")) or name in ("axis", "num_axes")
        likely = 9 if name in ("num_output", "kernel_size") else 1 if tame and odd else 3
        if kind != "skip" and draw(st.integers(0, 9)) < likely:
            plain = "above 0" if (known.param, kind) == ("lrn_param", "float") else kind.rstrip("*")
            values = st.sampled_from([c for c in plain.split("|") if c]) if "|" in kind else kinds[plain]
            for _ in range(draw(st.integers(1, 2)) if kind.endswith("*") else 1):
                fields += f" {name}: {draw(values)}"
    shape = draw(st.lists(SMALL, max_size=5))
    if tame:
        shape = [draw(SMALL), draw(SMALL), draw(st.integers(3, 8)), draw(st.integers(3, 8))]
    count = draw(st.integers(known.bottoms[0], min(known.bottoms[1], 3)))
    names = [f"x{i}" for i in range(count)]
    inputs = "".join(f'input: "{n}" input_shape {{ dim: {shape if draw(st.booleans()) or i == 0 else shape[1:]} }}\n'
                     for i, n in enumerate(names))  # fmt: skip
    tops = " ".join(f"y{i}" for i in range(draw(st.integers(known.tops[0], min(known.tops[1], 3)))))
    return inputs + one(type, f"{known.param} {{{fields} }}" if known.param else "", " ".join(names), tops)


def with_weights(folder: Path, text: str) -> Path:
    """The prototxt with blobs of the shapes that it asks for, where it asks for few."""
    net = caffe_net.read(prototxt.parse(text), "net")
    (layer,) = net.layers
    expected = caffe_weights.blobs_of(layer, [net.inputs[b] or () for b in layer.bottoms])
    rng = np.random.default_rng(5)
    small = sum(prod(shape) for _, shape in expected) < 10_000
    blobs = [np.abs(rng.standard_normal(shape if small else (1,))).astype(np.float32) for _, shape in expected]
    return write(folder, text, model({"layer": blobs}))


def agree(graph: Graph) -> None:
    rng = np.random.default_rng(6)
    inputs: dict[str, Array] = {n: rng.standard_normal(graph.tensors[n].shape).astype(np.float32) for n in graph.inputs}
    expected = reference.run(graph, inputs)
    for name, found in zip(graph.outputs, harness.run_c(graph, inputs), strict=True):
        value = expected[name]
        assert found.shape == value.shape
        usual = np.isfinite(value) & (np.abs(value) < 1e30)
        scale = float(np.abs(value[usual]).max()) if usual.any() else 0.0
        np.testing.assert_allclose(found[usual], value[usual], rtol=1e-4, atol=1e-5 * scale + 1e-30)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(layers())
def test_any_layer(tmp_path_factory: object, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    try:
        graph = read(with_weights(folder, text))
    except AmalgamateError as error:
        assert error.code in ("E103", "E104", "E105"), error
        return
    if graph.outputs and all(prod(t.shape) < 100_000 for t in graph.tensors.values()):
        agree(graph)
