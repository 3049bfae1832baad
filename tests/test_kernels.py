"""Convolutions and matrix products in C against their NumPy references, on every instruction set that this machine runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from amalgamate import passes
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Case, Op
from amalgamate.ops._winograd import Cut, winograd_cut
from amalgamate.ops.clip import Clip
from amalgamate.ops.concat import Concat
from amalgamate.ops.conv import Conv
from amalgamate.ops.conv_transpose import ConvTranspose
from amalgamate.ops.dense import Dense
from amalgamate.ops.depthwise_conv import DepthwiseConv
from amalgamate.ops.matmul import Matmul
from amalgamate.ops.relu import Relu
from amalgamate.ops.swish import Swish
from amalgamate.plan import plan
from amalgamate.writers import model_file

OPS = (Conv(kernel=(1, 1)), DepthwiseConv(kernel=(1, 1)), ConvTranspose(kernel=(1, 1)), Dense(), Matmul())
CASES = [pytest.param(case, id=f"{op.name}: {case.name}") for op in OPS for case in op.cases()]
ACTIVATIONS = st.sampled_from([None, Relu(), Clip(-0.5, 0.5), Swish()])
DRAWN = settings(max_examples=40, deadline=None, derandomize=True)


def rounding(terms: int, growth: int) -> float:
    """The bound on the error of a sum of `terms` products of normal numbers."""
    return growth * 4 * 2.0**-23 * (4 + terms)


def agree(got: Array, want: Array, terms: int, growth: int = 1) -> None:
    """Equal up to the rounding of sums of `terms` products of normal numbers, which the algorithm makes `growth` times worse."""
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=rounding(terms, growth))


def cut_of(case: Case) -> Cut | None:
    """How the C half cuts a convolution that goes Winograd's way."""
    if not isinstance(case.op, Conv):
        return None
    x, w = (value.shape for value in case.inputs[:2] if value is not None)
    y = case.op.shape(x, w)
    return winograd_cut(case.op, (x[0], *x[2:], x[1]), w, (y[0], *y[2:], y[1])) if len(x) == 4 else None


def growth(case: Case) -> int:
    """How much worse sums round than added up in order: Winograd's transforms add and subtract multiples of up to 16 of what
    they transform with six points, of up to 32 with eight."""
    cut = cut_of(case)
    return {6: 4, 8: 8}[cut.points] if cut else 1


def check(case: Case) -> None:
    """The C half against the reference on every instruction set; and C's arena, scratch included, against Python's."""
    made = plan(passes.run(harness.graph_of(case)))
    want = case.op.run(*case.inputs)[0]
    shapes = [None if value is None else value.shape for value in case.inputs]
    terms = case.op.macs(shapes, [want.shape]) // want.size
    with harness.Model(model_file.write(made)) as model:
        assert model.arena_size() == made.arena_bytes
        for isa in harness.isas():
            with model.session(isa) as session:
                agree(session.run(list(harness.inputs_of(case).values()))[0], want, terms, growth(case))


def operands(seed: int, *shapes: tuple[int, ...] | None) -> list[Array | None]:
    rng = np.random.default_rng(seed)
    return [None if shape is None else rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    check(case)


@st.composite
def windows(draw: st.DrawFn, depthwise: bool) -> Case:
    """A convolution of one or two axes with whatever pads, strides, dilations, groups, residual and activation."""
    rank = draw(st.integers(1, 2))
    kernel, strides, dilations = (tuple(draw(st.integers(1, most)) for _ in range(rank)) for most in (5, 3, 2))
    pads = tuple(draw(st.integers(0, 3)) for _ in range(2 * rank))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    spatial = [draw(st.integers(max(1, e - pads[i] - pads[rank + i]), 12)) for i, e in enumerate(extents)]
    if depthwise:
        group, inputs, outputs = draw(st.integers(2, 40)), 1, draw(st.sampled_from([1, 1, 2, 3]))
    else:
        group, inputs, outputs = (
            draw(st.sampled_from([1, 1, 1, 2, 3])),
            draw(st.integers(1, 20)),
            draw(st.integers(1, 70)),
        )
    dynamic, bias, residual = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    fields: dict[str, Any] = {"kernel": kernel, "strides": strides, "pads": pads, "dilations": dilations}
    op = Conv(**fields, group=group, dynamic=dynamic, activation=draw(ACTIVATIONS))
    x, w = (draw(st.integers(1, 2)), group * inputs, *spatial), (group * outputs, inputs, *kernel)
    y = op.shape(x, w) if residual else None
    values = operands(draw(st.integers(0, 9)), x, w, w[:1] if bias else None, y)
    return Case(
        op, values if residual else values[:3], () if dynamic else tuple(i for i in (1, 2) if values[i] is not None)
    )


@DRAWN
@given(windows(depthwise=False))
def test_convolution(case: Case) -> None:
    check(case)


@DRAWN
@given(st.integers(8, 70), st.integers(8, 70), st.integers(9, 30), st.integers(9, 30), st.integers(0, 2), st.data())
def test_winograd(inputs: int, outputs: int, height: int, width: int, pad: int, data: st.DataObject) -> None:
    group, residual = data.draw(st.sampled_from([1, 1, 1, 2])), data.draw(st.booleans())
    kernel = data.draw(st.sampled_from([(3, 3), (3, 3), (5, 5)]))
    op = Conv(kernel=kernel, pads=(pad, 1, 1, pad), group=group, activation=data.draw(ACTIVATIONS))
    x, w = (data.draw(st.integers(1, 2)), group * inputs, height, width), (group * outputs, inputs, *kernel)
    values = operands(inputs, x, w, w[:1] if data.draw(st.booleans()) else None, op.shape(x, w) if residual else None)
    check(Case(op, values if residual else values[:3], (1, 2) if values[2] is not None else (1,)))


@pytest.mark.parametrize("outputs", [16, 70])
@pytest.mark.parametrize(
    "taps, inputs, size, points",
    [
        (3, 48, (15, 17), 6),
        (3, 40, (36, 42), 8),
        (3, 70, (41, 59), 8),
        (5, 24, (8, 8), 8),
        (5, 40, (27, 30), 8),
        (3, 64, (13, 13), 6),
    ],
)
def test_winograd_of_six_and_of_eight_points(
    taps: int, inputs: int, size: tuple[int, int], points: int, outputs: int
) -> None:
    x, w = (1, inputs, *size), (outputs, inputs, taps, taps)
    case = Case(Conv(kernel=(taps, taps), pads=(taps // 2,) * 4), operands(3, x, w, w[:1]), (1, 2))
    cut = cut_of(case)
    assert cut and cut.points == points and cut.size == points + 1 - taps
    check(case)


@pytest.mark.parametrize("taps", [3, 5])
def test_winograd_of_many_channels_rounds_to_less_than_a_ten_thousandth(taps: int) -> None:
    """Of the largest value; positive inputs, as behind a Relu, and all that the largest layers of networks add up."""
    x, w = operands(5, (1, 512, 36, 36), (16, 512, taps, taps))
    assert x is not None and w is not None
    case = Case(Conv(kernel=(taps, taps)), [np.abs(x), w], (1,))
    cut = cut_of(case)
    want = case.op.run(*case.inputs)[0]
    assert cut and cut.points == 8
    with harness.Model(model_file.write(plan(passes.run(harness.graph_of(case))))) as model:
        for isa in harness.isas():
            with model.session(isa) as session:
                got = session.run(list(harness.inputs_of(case).values()))[0]
                assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


def test_a_layer_of_microseconds_goes_the_direct_way_in_the_plan_and_in_c() -> None:
    x, w = (1, 48, 8, 8), (16, 48, 3, 3)  # Winograd's way would be faster by count
    check(Case(Conv(kernel=(3, 3), pads=(1, 1, 1, 1)), operands(0, x, w), (1,)))


@DRAWN
@given(windows(depthwise=True))
def test_depthwise(case: Case) -> None:
    check(case)


WIDTHS = st.sampled_from([*range(3, 14), 15, 16, 17, 31, 32, 33, 63, 64, 65, 66, 67])  # of one part and of several


@settings(DRAWN, max_examples=120)
@given(st.sampled_from([16, 32, 35, 48, 64, 80]), st.integers(1, 2), st.integers(1, 9), WIDTHS, st.data())
def test_depthwise_of_3x3(channels: int, stride: int, height: int, width: int, data: st.DataObject) -> None:
    least = int(height < 3)  # above and below, so that the kernel fits
    pads = tuple(data.draw(st.integers(least * (i % 2 == 0), 1)) for i in range(4))
    residual, images = data.draw(st.booleans()), data.draw(st.integers(1, 2))
    op = Conv(kernel=(3, 3), strides=(stride,) * 2, pads=pads, group=channels, activation=data.draw(ACTIVATIONS))
    x, w = (images, channels, height, width), (channels, 1, 3, 3)
    values = operands(channels, x, w, w[:1], op.shape(x, w) if residual else None)
    check(Case(op, values if residual else values[:3], (1, 2)))


@DRAWN
@given(st.data())
def test_transposed_convolution(data: st.DataObject) -> None:
    draw = data.draw
    rank, group = draw(st.integers(1, 2)), draw(st.sampled_from([1, 1, 2]))
    kernel, strides, dilations = (tuple(draw(st.integers(1, most)) for _ in range(rank)) for most in (4, 3, 2))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = tuple(draw(st.integers(0, (e - 1) // 2)) for e in extents * 2)
    more = tuple(draw(st.integers(0, s - 1)) for s in strides)
    dynamic = draw(st.booleans())
    fields: dict[str, Any] = {
        "kernel": kernel,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "output_padding": more,
    }
    op = ConvTranspose(**fields, group=group, dynamic=dynamic, activation=draw(ACTIVATIONS))
    x = (draw(st.integers(1, 2)), group * draw(st.integers(1, 9)), *(draw(st.integers(1, 9)) for _ in range(rank)))
    w = (x[1], draw(st.integers(1, 40)), *kernel)
    check(Case(op, operands(draw(st.integers(0, 9)), x, w, (group * w[1],)), () if dynamic else (1, 2)))


@DRAWN
@given(st.integers(1, 40), st.integers(1, 90), st.integers(1, 70), ACTIVATIONS, st.booleans(), st.booleans())
def test_products(m: int, k: int, n: int, activation: Op | None, trans_a: bool, trans_b: bool) -> None:
    check(Case(Dense(activation), operands(m, (m, k), (n, k), (n,)), (1, 2)))
    a, b = ((k, m) if trans_a else (m, k)), ((n, k) if trans_b else (k, n))
    check(Case(Matmul(trans_a, trans_b, activation), operands(n, a, b)))


def chain(*steps: tuple[Op, list[str], str], inputs: dict[str, Array], constants: dict[str, Array]) -> Graph:
    graph = Graph("chain", inputs=list(inputs))
    for name, value in (inputs | constants).items():
        graph.tensors[name] = Tensor(name, value.shape, "float32", constants.get(name))
    for op, names, output in steps:
        graph.add(op, names, [output])
    graph.outputs = [steps[-1][2]]
    return graph


@pytest.mark.parametrize("channels", [16, 21])
def test_slices_of_a_concatenation(channels: int) -> None:
    """Convolutions write into slices of one buffer and read slices of it, the residual among them."""
    rng = np.random.default_rng(4)
    shapes = {
        "w1": (channels, 5, 3, 3),
        "w2": (channels, 1, 3, 3),
        "w3": (7, channels, 3, 3),
        "w4": (channels, channels, 1, 1),
    }
    constants = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    inputs = {"x": rng.standard_normal((1, 5, 9, 8)).astype(np.float32)}
    same = Conv(kernel=(3, 3), pads=(1, 1, 1, 1))
    graph = chain(
        (same, ["x", "w1"], "a"),
        (Conv(kernel=(3, 3), pads=(1, 1, 1, 1), group=channels), ["a", "w2"], "b"),
        (same, ["b", "w3"], "c"),
        (Conv(kernel=(1, 1)), ["a", "w4", "", "b"], "d"),
        (Concat(1), ["a", "b", "c", "d"], "y"),
        inputs=inputs,
        constants=constants,
    )
    a = same.run(inputs["x"], constants["w1"])[0]
    b = Conv(kernel=(3, 3), pads=(1, 1, 1, 1), group=channels).run(a, constants["w2"])[0]
    c = same.run(b, constants["w3"])[0]
    want = np.concatenate([a, b, c, Conv(kernel=(1, 1)).run(a, constants["w4"], None, b)[0]], 1)
    for isa in harness.isas():
        got = harness.run_c(graph, inputs, isa)[0]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("isa", harness.isas())
def test_padding_does_not_read_beyond(isa: str) -> None:
    """NaN in a channel stays in the outputs whose patch holds it: no tile reads a neighbour's row, no mask a lane too many."""
    x = np.ones((1, 3, 7, 15), np.float32)
    x[0, 1, 3, 8] = np.nan
    w = np.ones((19, 3, 3, 3), np.float32)
    case = Case(Conv(kernel=(3, 3), pads=(1, 1, 1, 1), activation=Relu()), [x, w], (1,))
    (got,) = harness.run_c(harness.graph_of(case), [x], isa)
    holds = np.zeros((7, 15), bool)
    holds[2:5, 7:10] = True
    assert np.array_equal(np.isnan(got), np.broadcast_to(holds, got.shape))
