"""Tensors made a few rows at a time: the same bits as whole ones, in an arena of the size that was planned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from amalgamate import passes
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops.clip import Clip
from amalgamate.ops.conv import Conv
from amalgamate.ops.max_pool import MaxPool
from amalgamate.ops.relu import Relu
from amalgamate.ops.swish import Swish
from amalgamate.plan import Plan, plan
from amalgamate.writers import model_file
from amg_bytes import Bytes

DRAWN = settings(max_examples=60, deadline=None, derandomize=True)
SQUARE = {"kernel": (3, 3), "pads": (1, 1, 1, 1), "activation": Relu()}
POOL = {"kernel": (2, 2), "stride": (2, 2), "pads": (0, 0, 0, 0), "dilation": (1, 1)}
BY_ROWS = 9  # the byte of a tensor's record


def chain(layers: list[tuple[str, dict[str, Any]]], shape: tuple[int, ...], residual: bool = False) -> Graph:
    """Layers one after another on an input x: "conv" with `outputs`, "depthwise", "pool"; the fields of the operator as they
    are. residual: the first result is added to the last."""
    rng = np.random.default_rng(len(layers))
    graph = Graph("chain", {"x": Tensor("x", shape)}, [], ["x"], [])
    name, first = "x", ""
    for i, (kind, fields) in enumerate(layers):
        channels = graph.tensors[name].shape[1]
        if kind == "pool":
            (name,) = graph.add(MaxPool(**fields), [name]).outputs
            continue
        group = channels if kind == "depthwise" else 1
        fields = dict(fields)
        outputs = fields.pop("outputs", channels)
        w, b = (
            graph.constant(rng.standard_normal(s).astype(np.float32), f"{stem}{i}")
            for stem, s in (("w", (outputs, channels // group, *fields["kernel"])), ("b", (outputs,)))
        )
        op, operands = Conv(**{"group": group} | fields), [name, w, b]
        if residual and i + 1 == len(layers):
            operands.append(first)
        (name,) = graph.add(op, operands).outputs
        first = first or name
    graph.outputs.append(name)
    return graph


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Two to six layers with odd sizes, strides and pads, on one or two images."""
    images, channels = draw(st.integers(1, 2)), draw(st.sampled_from([1, 3, 16, 21]))
    height, width = draw(st.integers(5, 23)), draw(st.integers(5, 23))
    shape: tuple[int, ...] = (images, channels, height, width)
    layers: list[tuple[str, dict[str, Any]]] = []
    for _ in range(draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(["conv", "conv", "depthwise", "pool"]))
        kernel = draw(st.sampled_from([(1, 1), (3, 3), (3, 3), (2, 3), (5, 5)]))
        strides = (draw(st.integers(1, 3)), draw(st.integers(1, 2)))
        pads = tuple(draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4))
        if min(height + pads[0] + pads[2] - kernel[0], width + pads[1] + pads[3] - kernel[1]) < 0:
            continue
        if kind == "pool":
            fields: dict[str, Any] = {"stride": strides, "dilation": (1, 1), "ceil_mode": draw(st.booleans())}
            height, width = MaxPool(kernel=kernel, pads=pads, **fields).shape((1, 1, height, width))[2:]  # type: ignore[assignment]
        else:
            fields = {"strides": strides, "activation": draw(st.sampled_from([None, Relu(), Clip(-0.5, 0.5), Swish()]))}
            if kind == "conv":
                fields["outputs"] = draw(st.sampled_from([2, 16, 24, 33]))
            height = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
            width = (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
        layers.append((kind, {"kernel": kernel, "pads": pads, **fields}))
    return chain(layers, shape)


def values(graph: Graph, images: int = 0) -> list[Array]:
    rng = np.random.default_rng(3)
    shapes = [graph.tensors[name].shape for name in graph.inputs]
    return [rng.standard_normal((images or s[0], *s[1:])).astype(np.float32) for s in shapes]


def wished(data: bytes, how: int) -> bytes:
    """A model file in which every activation wants to be made by rows."""
    file = Bytes(data)
    for i in range(file.count("tensors")):
        constant = file.get(file.record("tensors", i) + 6, 1)
        file.field("tensors", i, BY_ROWS, 0 if constant else how, 1)
    return bytes(file.put(22, 1, 2).sealed())


@DRAWN
@given(chains())
def test_the_same_bits_on_every_instruction_set_and_with_threads(graph: Graph) -> None:
    graph, inputs = passes.run(graph), values(graph)
    whole, small = plan(graph, arena="whole"), plan(graph, arena="small")
    assert small.arena_bytes <= whole.arena_bytes
    data = model_file.write(whole)
    with (
        harness.Model(data) as model,
        harness.Model(wished(data, 2)) as rows,
        harness.Model(model_file.write(small)) as lean,
    ):
        assert lean.arena_size() == small.arena_bytes
        for isa in harness.isas():
            with model.session(isa) as session:
                want = session.run(inputs)[0]
            for made, threads in ((rows, 1), (rows, 3), (lean, 1)):
                with made.session(isa, threads=threads) as session:
                    np.testing.assert_array_equal(session.run(inputs)[0], want)
                    np.testing.assert_array_equal(session.run(inputs)[0], want)


def large() -> Graph:
    """Layers as MobileNet has them, with tensors of 1.5 MB between, and a residual."""
    narrow: dict[str, Any] = {"kernel": (1, 1), "outputs": 16}
    expand: dict[str, Any] = {"kernel": (1, 1), "outputs": 96, "activation": Relu()}
    layers = [("conv", narrow), ("conv", expand), ("depthwise", SQUARE), ("conv", narrow)]
    return chain(layers, (1, 16, 64, 64), residual=True)


def test_large_tensors_pass_by_rows() -> None:
    graph = passes.run(large())
    whole, fast = plan(graph, arena="whole"), plan(graph)
    assert len(fast.rows) == 2 and fast.arena_bytes < whole.arena_bytes / 2
    assert "made by rows" in str(fast)
    inputs = values(graph)
    with harness.Model(model_file.write(whole)) as model, harness.Model(model_file.write(fast)) as rows:
        assert (model.arena_size(), rows.arena_size()) == (whole.arena_bytes, fast.arena_bytes)
        with model.session() as session, rows.session() as other:
            np.testing.assert_array_equal(other.run(inputs)[0], session.run(inputs)[0])
            assert other.macs() == session.macs() and all(layer.ns for layer in other.layers())


@pytest.mark.parametrize("stride", [1, 2])
def test_rows_that_kernels_take_together_are_the_same_bits_one_by_one(stride: int) -> None:
    layers = [("depthwise", SQUARE | {"strides": (stride, stride)}), ("depthwise", SQUARE)]
    graph = passes.run(chain(layers, (2, 64, 15, 33)))
    inputs = values(graph)
    whole, small = (harness.Model(model_file.write(plan(graph, arena=arena))) for arena in ("whole", "small"))
    with whole, small:
        for isa in harness.isas():
            with whole.session(isa) as session, small.session(isa) as rows, whole.session(isa, threads=3) as threads:
                want = session.run(inputs)[0]
                np.testing.assert_array_equal(rows.run(inputs)[0], want)
                np.testing.assert_array_equal(threads.run(inputs)[0], want)


def agree_at(one: Plan, other: Plan, *shapes: tuple[int, ...]) -> None:
    """A session of each plan computes the same bits at all shapes of its input, one after the other."""
    models = [harness.Model(model_file.write(made)) for made in (one, other)]
    with models[0] as first, models[1] as second, first.session() as session, second.session() as usual:
        for shape in shapes:
            x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
            for each in (session, usual):
                each.set_shape(0, shape)
            np.testing.assert_array_equal(session.run([x])[0], usual.run([x])[0])


def test_other_shapes_of_a_session() -> None:
    graph = passes.run(chain([("conv", {"kernel": (3, 3), "outputs": 20}), ("pool", POOL)], (1, 3, 20, 20)))
    small, whole = (plan(graph, arena=arena) for arena in ("small", "whole"))
    agree_at(small, whole, (1, 3, 20, 20), (3, 3, 41, 17), (2, 3, 4, 9), (1, 3, 5, 5))


def test_a_run_is_cancelled_before_a_band() -> None:
    graph = passes.run(large())
    seen: list[int] = []

    def progress(_: object, layer: int, layers: int) -> int:
        seen.append(layer)
        return layer == layers - 1

    model = harness.Model(model_file.write(plan(graph)))
    with model, model.session(progress=harness.PROGRESS(progress)) as session:
        with pytest.raises(harness.CError, match="cancelled"):
            session.run(values(graph))
        assert seen == list(range(len(session.layers())))


def test_what_is_read_twice_or_given_out_stays_whole() -> None:
    graph = chain([("conv", {"kernel": (1, 1), "outputs": 16}), ("pool", POOL)], (1, 3, 12, 12))
    graph.outputs.insert(0, graph.nodes[0].outputs[0])
    graph = passes.run(graph)
    assert not plan(graph, arena="small").rows
    inputs, data = values(graph), model_file.write(plan(graph))
    rows, model = harness.Model(wished(data, 1)), harness.Model(data)
    with rows, model, rows.session() as session, model.session() as other:
        for got, want in zip(session.run(inputs), other.run(inputs), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("constant", "how"), [(False, 3), (False, 255), (True, 1)])
def test_a_wish_out_of_range_is_refused(constant: bool, how: int) -> None:
    graph = passes.run(chain([("conv", {"kernel": (1, 1)}), ("pool", POOL)], (1, 3, 12, 12)))
    file = Bytes(model_file.write(plan(graph, arena="whole")))
    index = next(i for i in range(9) if file.get(file.record("tensors", i) + 6, 1) == constant)
    with pytest.raises(harness.CError, match="flag or reserved byte"):
        harness.Model(bytes(file.field("tensors", index, BY_ROWS, how, 1).sealed()))


def test_an_unknown_kind_of_arena_is_refused() -> None:
    with pytest.raises(AmalgamateError, match="E107"):
        plan(passes.run(large()), arena="tiny")
