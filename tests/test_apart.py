"""Maps whose rows lie apart, off powers of two: which they are, and that it changes where tensors lie but no result."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amalgamate.plan
import harness
from amalgamate import passes
from amalgamate.graph import Graph, Tensor
from amalgamate.ops import Op
from amalgamate.ops.add import Add
from amalgamate.ops.concat import Concat
from amalgamate.ops.conv import Conv
from amalgamate.ops.exp import Exp
from amalgamate.ops.relu import Relu
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.softmax import Softmax
from amalgamate.ops.split import Split
from amalgamate.plan import PAD, WAY, Plan, plan
from amalgamate.writers import c_source, model_file
from amg_bytes import Bytes
from test_bands import SQUARE, agree_at, chain, values
from tools import ROOT

APART = 10  # the byte of a tensor's record
WIDE: dict[str, Any] = {"kernel": (1, 1), "outputs": 256}
NARROW: dict[str, Any] = {"kernel": (1, 1), "outputs": 8}
INVERTED = [("conv", WIDE), ("depthwise", SQUARE), ("conv", NARROW)]  # a block as MobileNet has them
DRAWN = settings(max_examples=100, deadline=None, derandomize=True)


def near(graph: Graph, arena: str = "fast") -> Plan:
    """A plan in which no rows lie apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amalgamate.plan, "PIXELS", 2**40)
        return plan(graph, arena=arena)


def wished(data: bytes) -> bytes:
    """A model file in which every activation wants its rows apart."""
    file = Bytes(data)
    for i in range(file.count("tensors")):
        file.field("tensors", i, APART, 1 - file.get(file.record("tensors", i) + 6, 1), 1)
    return bytes(file.put(22, 2, 2).sealed())


def agree(graph: Graph) -> Plan:
    """The plan of a graph, whose rows change no home and no bit of the results, on any instruction set."""
    made, other = plan(graph), near(graph)
    assert (made.homes, other.apart) == (other.homes, [])
    inputs = values(graph)
    data, plain = model_file.write(made), model_file.write(other)
    assert (Bytes(data).get(22, 2) == 2) == bool(made.apart)
    with harness.Model(data) as model, harness.Model(plain) as usual, harness.Model(wished(data)) as all_apart:
        assert (model.arena_size(), usual.arena_size()) == (made.arena_bytes, other.arena_bytes)
        for isa in harness.isas():
            with usual.session(isa) as session:
                want = session.run(inputs)
            for one in (model, all_apart):
                with one.session(isa) as session:
                    for got, value in zip(session.run(inputs), want, strict=True):
                        np.testing.assert_array_equal(got, value)
    return made


# ---- which --------------------------------------------------------------------------------------------------------


def add_conv(graph: Graph, x: str, y: str) -> None:
    """A convolution of maps as they lie in memory, of 1x1 and 8 outputs."""
    axes = len(graph.tensors[x].shape) - 2
    weights = np.random.default_rng(0).standard_normal((8, graph.tensors[x].shape[-1], *(1,) * axes))
    op = Conv(kernel=(1,) * axes, channels_last=True)
    graph.add(op, [x, graph.constant(weights.astype(np.float32), f"{y}_weights")], [y])


def steps(shape: tuple[int, ...], *ops: tuple[Op, list[str], str], outputs: str) -> Graph:
    """Operators on an input x, then a convolution of the last result, y."""
    graph = Graph("steps", {"x": Tensor("x", shape)}, [], ["x"])
    for op, inputs, output in ops:
        graph.add(op, inputs, [output])
    add_conv(graph, ops[-1][2], "y")
    graph.outputs = outputs.split()
    return graph


def two_steps(shape: tuple[int, ...], outputs: str = "y") -> Graph:
    """y = conv(relu(exp(x))), of which a = exp(x) lies in b = relu(a)."""
    return steps(shape, (Exp(), ["x"], "a"), (Relu(), ["a"], "b"), outputs=outputs)


def test_wide_rows_lie_apart_with_all_that_lies_in_them() -> None:
    made = agree(two_steps((2, 4, 5, 512)))
    assert made.homes == {"a": "b"} and made.apart == ["b"]
    assert made.places["a"].pitch == made.places["b"].pitch == 512 + PAD
    assert "b has its rows 528 elements apart" in str(made)
    assert [b.bytes for b in made.blocks if b.name == "b"] == [4 * 40 * 528]
    assert plan(two_steps((2, 4, 5, 512)), arena="whole").apart == ["b"]
    assert plan(two_steps((2, 4, 5, 512)), arena="small").apart == []


@pytest.mark.parametrize("shape", [(1, 8, 8, 240), (1, 8, 8, 128), (9, 3, 5, 256), (1, 16, 256)])
def test_other_rows_do_not(shape: tuple[int, ...]) -> None:
    assert agree(two_steps(shape)).apart == []


def test_rows_that_are_given_out_do_not() -> None:
    assert agree(two_steps((1, 4, 4, 256), outputs="y b")).apart == []
    assert agree(two_steps((1, 4, 4, 256), outputs="y a")).apart == ["b"], "a is not in b"


def test_rows_that_no_convolution_reads_where_they_lie_do_not() -> None:
    graph = two_steps((1, 4, 4, 256), outputs="b")
    graph.prune()
    graph.outputs = list(graph.add(Softmax(3), ["b"]).outputs)
    assert agree(graph).apart == []
    by_winograd = passes.run(chain([("conv", WIDE), ("conv", SQUARE), ("conv", SQUARE)], (1, 16, 20, 20)))
    assert len(agree(by_winograd).apart) == 0


def test_parts_of_a_concatenation_lie_as_far_apart_as_it() -> None:
    joined = (Concat(3), ["a", "b"], "c")
    made = agree(steps((1, 4, 4, 256), (Exp(), ["x"], "a"), (Relu(), ["x"], "b"), joined, outputs="y"))
    assert made.apart == ["c"] and made.homes == {"a": "c", "b": "c"}
    assert [(made.places[n].offset, made.places[n].pitch) for n in "ab"] == [(0, 528), (256, 528)]


SHAPED = (Reshape((1, -1)), ["a"], "flat")


@pytest.mark.parametrize(
    ("ops", "homes"),
    [
        ([(Exp(), ["x"], "a"), (Exp(), ["x"], "b"), (Concat(1), ["a", "b"], "c")], {"a": "c", "b": "c"}),
        ([(Exp(), ["x"], "a"), SHAPED, (Exp(), ["a"], "b"), (Exp(), ["b"], "c")], {"a": "b", "b": "c"}),
        ([(Exp(), ["x"], "a"), (Reshape((1, 2, 8, 256)), ["a"], "c")], {"a": "c"}),
        ([(Exp(), ["x"], "a"), (Reshape((1, 4, 8, 128)), ["a"], "c")], {"a": "c"}),
        ([(Exp(), ["x"], "a"), (Reshape((4, 2, 2, 256)), ["a"], "c")], {"a": "c"}),
    ],
    ids=["joined along rows", "read as adjacent", "reshaped", "reshaped to narrow rows", "reshaped to small maps"],
)
def test_rows_stay_adjacent_for_what_could_not_lie_in_them(
    ops: list[tuple[Op, list[str], str]], homes: dict[str, str]
) -> None:
    outputs = "y flat" if SHAPED in ops else "y"
    made = agree(steps((1, 4, 4, 256), *ops, outputs=outputs))
    assert made.apart == [] and made.homes == homes


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of maps: elementwise steps, in place or not, concatenations, new shapes, slices; and convolutions."""
    graph = Graph("random", {}, [], ["x"])
    graph.tensors["x"] = Tensor("x", (draw(st.integers(1, 2)), 4, 4, draw(st.sampled_from([240, 256]))))
    for _ in range(draw(st.integers(2, 10))):
        name = draw(st.sampled_from(list(graph.tensors)))
        shape = graph.tensors[name].shape
        kind = draw(st.sampled_from(["relu", "exp", "add", "concat", "concat", "reshape", "softmax", "split"]))
        if kind == "add":
            same = [n for n, t in graph.tensors.items() if t.shape == shape]
            graph.add(Add(), [name, draw(st.sampled_from(same))])
        elif kind == "concat":
            axis = draw(st.sampled_from([0, 1, 3, 3]))
            fit = [
                n
                for n, t in graph.tensors.items()
                if {*range(4)} - {axis} <= {i for i in range(4) if t.shape[i] == shape[i]}
            ]
            graph.add(Concat(axis), [name, *draw(st.lists(st.sampled_from(fit), min_size=1, max_size=2))])
        elif kind == "reshape":
            target = draw(st.sampled_from([(shape[0], shape[2], shape[1], shape[3]), (shape[0], 4, -1, 256)]))
            if np.prod(shape) % (4 * shape[0] * 256) == 0:
                graph.add(Reshape(target), [name])
        elif kind == "split" and shape[3] > 256:
            graph.add(Split(axis=3, sizes=(256, shape[3] - 256)), [name])
        else:
            graph.add({"relu": Relu(), "softmax": Softmax(3)}.get(kind, Exp()), [name])
        if sum(t.bytes for t in graph.tensors.values()) > 1 << 20:
            break
    for name in draw(st.lists(st.sampled_from(list(graph.tensors)), max_size=4, unique=True)):
        add_conv(graph, name, f"{name}_conv")
    made = [o for n in graph.nodes for o in n.outputs] or graph.inputs
    graph.outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=2, unique=True))
    graph.prune()
    return graph


@DRAWN
@given(graphs())
def test_no_home_is_lost_and_no_result_changes(graph: Graph) -> None:
    agree(graph)


# ---- layers -------------------------------------------------------------------------------------------------------

LAYERS = st.sampled_from(
    [
        ("conv", WIDE),
        ("conv", {"kernel": (1, 1), "outputs": 512, "activation": Relu()}),
        ("conv", {"kernel": (1, 1), "outputs": 24}),
        ("conv", SQUARE | {"outputs": 256}),
        ("conv", SQUARE | {"outputs": 256, "strides": (2, 2)}),
        ("depthwise", SQUARE),
        ("depthwise", SQUARE | {"strides": (2, 2)}),
        ("pool", {"kernel": (2, 2), "stride": (1, 1), "pads": (0, 0, 1, 1), "dilation": (1, 1)}),
    ]
)


@DRAWN
@given(st.lists(LAYERS, min_size=1, max_size=3), st.integers(1, 2), st.integers(4, 11), st.integers(4, 11))
def test_layers(layers: list[tuple[str, dict[str, Any]]], images: int, height: int, width: int) -> None:
    made = agree(passes.run(chain([("conv", WIDE), ("depthwise", SQUARE), *layers], (images, 8, height, width))))
    assert made.apart


def test_rows_made_a_few_at_a_time_lie_apart_too() -> None:
    """Maps of 1.6 MB between the steps of a band."""
    graph = passes.run(chain(INVERTED, (2, 8, 40, 20)))
    made = agree(graph)
    assert set(made.apart) == set(made.rows) != set()


def test_other_shapes_of_a_session() -> None:
    graph = passes.run(chain(INVERTED, (1, 8, 8, 8)))
    made = plan(graph)
    assert len(made.apart) == 2
    agree_at(made, near(graph), (1, 8, 8, 8), (3, 8, 70, 33), (2, 8, 1, 3), (1, 8, 9, 4))


# ---- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constant", "at", "value"), [(False, APART, 2), (False, APART, 255), (True, APART, 1), (False, APART + 1, 1)]
)
def test_a_wish_out_of_range_is_refused(constant: bool, at: int, value: int) -> None:
    file = Bytes(model_file.write(plan(passes.run(chain([("conv", {"kernel": (1, 1)})] * 2, (1, 3, 4, 4))))))
    index = next(i for i in range(file.count("tensors")) if file.get(file.record("tensors", i) + 6, 1) == constant)
    with pytest.raises(harness.CError, match="flag or reserved byte"):
        harness.Model(bytes(file.field("tensors", index, at, value, 1).sealed()))


def test_a_pair_holds_what_its_model_needs() -> None:
    for shape, apart in (((1, 4, 4, 256), True), ((1, 4, 4, 16), False)):
        made = plan(two_steps(shape))
        model = c_source.describe(made, model_file.write(made))
        assert model.parts.apart == apart
        assert f"amg_apart = {apart:d};" in c_source.model_pair(model)["steps.c"].decode()


def test_both_halves_mean_the_same_rows() -> None:
    text = (ROOT / "runtime_src" / "plan.c").read_text()
    assert re.findall(r"#define PLAN_(WAY|PAD) (\d+)", text) == [("WAY", str(WAY)), ("PAD", str(PAD))]
