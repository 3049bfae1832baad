"""Every pass keeps what a graph computes: the graph is run before and after, in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amalgamate import passes, reference
from amalgamate.graph import Graph, Tensor
from amalgamate.ops import Op, Spatial, registry
from amalgamate.ops.conv import Conv
from amalgamate.ops.transpose import Transpose

RNG = np.random.default_rng(3)


class Net:
    """Builds a graph in the source's axis order, tensor by tensor."""

    def __init__(self, *shape: int) -> None:
        self.graph = Graph("net", inputs=["x"])
        self.graph.tensors["x"] = Tensor("x", shape)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.graph.tensors[name].shape

    def const(self, *shape: int, scale: float = 1.0) -> str:
        return self.graph.constant((RNG.standard_normal(shape) * scale).astype(np.float32), "c")

    def op(self, name: str, *inputs: str, **fields: object) -> str:
        return self.graph.add(registry()[name](**fields), inputs).outputs[0]

    def conv(self, x: str, channels: int, kernel: int = 3, group: int = 1, bias: bool = True, pad: int = 1) -> str:
        weight = self.const(channels, self.shape(x)[1] // group, kernel, kernel, scale=0.3)
        inputs = [x, weight] + ([self.const(channels)] if bias else [])
        return self.op("conv", *inputs, kernel=(kernel, kernel), pads=(pad,) * 4, group=group)

    def batch_norm(self, x: str) -> str:
        channels = self.shape(x)[1]
        return self.op("batch_norm", x, self.const(channels), self.const(channels))

    def dense(self, x: str, outputs: int) -> str:
        return self.op("dense", x, self.const(outputs, self.shape(x)[-1], scale=0.3), self.const(outputs))

    def flatten(self, x: str) -> str:
        return self.op("reshape", x, target=(0, -1))

    def done(self, *outputs: str) -> Graph:
        self.graph.outputs = list(outputs)
        self.graph.verify()
        return self.graph


def outputs(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    results = reference.run(graph, {"x": x})
    return [results[name] for name in graph.outputs]


def check(graph: Graph) -> Graph:
    """Runs the graph after each pass on the same input, and returns the last one."""
    x = RNG.standard_normal(graph.tensors["x"].shape).astype(np.float32)
    expected = outputs(graph, x)
    for stage in passes.ORDER:
        before = str(graph)
        after = stage.run(graph.copy())
        after.prune()
        after.verify()
        assert str(graph) == before, f"{stage.__name__} changed its argument"
        assert after.outputs == graph.outputs and after.inputs == graph.inputs
        for want, got in zip(expected, outputs(after, x), strict=True):
            np.testing.assert_allclose(
                got, want, rtol=0, atol=2e-5 * max(1.0, np.abs(want).max()), err_msg=stage.__name__
            )
        graph = after
    return graph


def kinds(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_batch_norm_relu_and_residual_end_in_two_convolutions() -> None:
    net = Net(2, 4, 6, 5)
    a = net.op("relu", net.batch_norm(net.conv("x", 8, bias=False)))
    b = net.batch_norm(net.conv(a, 8))
    graph = check(net.done(net.op("relu", net.op("add", b, a))))
    assert kinds(graph) == ["transpose", "conv", "conv", "transpose"]
    second = graph.nodes[2]
    assert (
        isinstance(second.op, Conv)
        and second.op.activation is not None
        and second.inputs[3] == graph.nodes[1].outputs[0]
    )


def test_a_flatten_before_a_dense_layer_permutes_weights_not_data() -> None:
    net = Net(2, 3, 6, 5)
    flat = net.flatten(net.op("relu", net.conv("x", 4)))
    graph = check(net.done(net.dense(flat, 7), net.dense(flat, 2)))
    assert kinds(graph) == ["transpose", "conv", "reshape", "dense", "dense"]


def test_a_flatten_that_something_else_reads_keeps_its_order() -> None:
    net = Net(1, 3, 4, 4)
    flat = net.flatten(net.conv("x", 4))
    check(net.done(net.dense(flat, 3), net.op("softmax", flat, axis=1)))


def test_the_source_s_own_transposes_cancel() -> None:
    net = Net(1, 3, 6, 5)
    y = net.op("transpose", net.conv("x", 8), perm=(0, 2, 3, 1))
    graph = check(net.done(net.op("reshape", y, target=(0, -1, 2))))
    assert kinds(graph) == ["transpose", "conv", "reshape"]


def test_concat_and_elementwise_run_on_the_inner_order() -> None:
    net = Net(1, 3, 6, 5)
    parts = [net.op("relu", net.conv("x", c)) for c in (4, 5)]
    y = net.op("concat", *parts, axis=1)
    graph = check(net.done(net.op("sigmoid", net.op("mul", y, net.const(9, 1, 1)))))
    assert kinds(graph) == ["transpose", "conv", "conv", "concat", "mul", "transpose"]
    assert graph.nodes[3].op.axis == 3


def test_a_squeeze_and_excitation_branch_needs_no_transpose_of_data() -> None:
    net = Net(1, 8, 6, 5)
    x = net.conv("x", 8)
    gate = net.op("sigmoid", net.dense(net.flatten(net.op("reduce", x, kind="mean", axes=(2, 3))), 8))
    graph = check(net.done(net.conv(net.op("mul", x, net.op("reshape", gate, target=(0, 8, 1, 1))), 4)))
    assert kinds(graph).count("transpose") == 2


def test_bias_by_addition_folds() -> None:
    net = Net(1, 3, 6, 5)
    y = net.op("add", net.conv("x", 4, bias=False), net.const(1, 4, 1, 1))
    y = net.op("sub", net.const(4, 1, 1), net.op("div", y, net.const(1)))
    assert kinds(check(net.done(y))) == ["transpose", "conv", "transpose"]


def test_an_output_in_the_middle_is_not_fused_away() -> None:
    net = Net(1, 3, 6, 5)
    inner = net.conv("x", 4)
    graph = check(net.done(inner, net.op("relu", inner)))
    assert "relu" in kinds(graph)


def test_padding_folds_into_the_convolution() -> None:
    net = Net(1, 3, 6, 5)
    y = net.op("pad", "x", pads=(0, 0, 1, 2, 0, 0, 0, 1), mode="constant", value=0.0)
    graph = check(net.done(net.conv(y, 4)))
    assert kinds(graph) == ["transpose", "conv", "transpose"]
    assert graph.nodes[1].op.pads == (2, 3, 1, 2)


def test_hard_swish_and_swish_are_recognised() -> None:
    net = Net(1, 3, 4, 4)
    y = net.op("mul", "x", net.op("hard_sigmoid", "x", alpha=1 / 6, beta=0.5))
    y = net.op("mul", net.op("sigmoid", y), y)
    assert kinds(check(net.done(y))) == ["hard_swish", "swish"]


def test_a_constant_factor_with_more_axes_than_the_product_is_not_part_of_an_activation() -> None:
    net = Net(3, 4)
    gate = net.op("mul", net.op("sigmoid", "x"), net.graph.constant(np.ones((1, 1, 1), np.float32)))
    assert "swish" not in kinds(check(net.done(net.op("mul", "x", gate))))


def test_a_factor_that_leaves_the_range_of_weights_is_not_folded() -> None:
    net = Net(1, 2, 3, 3)
    y = net.op("div", net.conv("x", 2), net.graph.constant(np.zeros((2, 1, 1), np.float32)))
    graph = check(net.done(net.op("clip", y, low=-1.0, high=1.0)))
    assert "div" in kinds(graph)


def test_constants_fold_and_identities_go() -> None:
    net = Net(1, 3)
    c = net.op("add", net.const(1, 3), net.const(3))
    assert kinds(check(net.done(net.op("identity", net.op("mul", net.op("identity", "x"), c))))) == ["mul"]


def test_an_input_that_is_an_output_survives() -> None:
    net = Net(1, 3)
    assert kinds(check(net.done(net.op("identity", "x")))) == ["identity"]


@pytest.mark.parametrize("name", sorted(registry()))
def test_each_operator_on_its_own_survives_all_passes(name: str) -> None:
    """Also through transposes on both sides, which the layout pass may move through the operator."""
    for case in registry()[name]().cases():
        if case.op.folds_only or any(x is not None and 0 in x.shape for x in case.inputs):
            continue
        _check_case(case.op, case.inputs, set(case.constants))


def _check_case(op: Op, inputs: list[np.ndarray | None], constants: set[int]) -> None:
    graph = Graph("case")
    names, feeds = [], {}
    for i, value in enumerate(inputs):
        if value is None:
            names.append("")
        elif i in constants:
            names.append(graph.constant(value))
        else:
            name, perm = f"in{i}", tuple(range(value.ndim))[::-1]
            graph.tensors[name] = Tensor(name, value.T.shape, str(value.dtype))
            graph.inputs.append(name)
            feeds[name] = np.array(value.T, order="C")
            names.append(graph.add(Transpose(perm), [name]).outputs[0])
    if not graph.inputs:
        return
    made = graph.add(op, names).outputs
    graph.outputs = [
        graph.add(Transpose(tuple(range(len(graph.tensors[m].shape)))[::-1]), [m]).outputs[0] for m in made
    ]
    expected, after = reference.run(graph, feeds), passes.run(graph)
    got = reference.run(after, feeds)
    for name in graph.outputs:
        finite = np.abs(expected[name][np.isfinite(expected[name])])
        np.testing.assert_allclose(got[name], expected[name], rtol=2e-5, atol=2e-5 * finite.max(initial=1.0))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_networks_survive(data: st.DataObject) -> None:
    net = Net(1, data.draw(st.integers(1, 5)), data.draw(st.integers(3, 7)), data.draw(st.integers(3, 7)))
    pool = ["x"]
    for _ in range(data.draw(st.integers(1, 8))):
        x = data.draw(st.sampled_from(pool))
        kind = data.draw(
            st.sampled_from(["conv", "bn", "relu", "sigmoid", "add", "mul", "concat", "scale", "twist", "mean"])
        )
        same = [t for t in pool if net.shape(t) == net.shape(x)]
        flat = [t for t in pool if net.shape(t)[2:] == net.shape(x)[2:]]
        if kind == "conv":
            y = net.conv(x, data.draw(st.integers(1, 6)), data.draw(st.sampled_from([1, 3])), pad=1)
        elif kind == "bn":
            y = net.batch_norm(x)
        elif kind in ("relu", "sigmoid"):
            y = net.op(kind, x)
        elif kind in ("add", "mul"):
            y = net.op(kind, x, data.draw(st.sampled_from(same)))
        elif kind == "concat":
            y = net.op("concat", x, data.draw(st.sampled_from(flat)), axis=1)
        elif kind == "scale":
            y = net.op("mul", x, net.const(net.shape(x)[1], 1, 1))
        elif kind == "twist":
            y = net.op("transpose", x, perm=(0, 1, 3, 2))
        else:
            y = net.op("add", x, net.op("reduce", x, kind="mean", axes=(2, 3)))
        pool.append(y)
    graph = check(net.done(*dict.fromkeys([pool[-1], data.draw(st.sampled_from(pool[1:]))])))
    assert all(node.op.channels_last for node in graph.nodes if isinstance(node.op, Spatial))


def test_a_picture_of_one_channel_is_reshaped_to_whatever_size_it_has() -> None:
    net = Net(1, 1, 6, 5)
    graph = check(net.done(net.conv("x", 4)))
    assert kinds(graph) == ["reshape", "conv", "transpose"]
    graph.tensors["x"].shape = (2, 1, 9, 7)
    graph.infer()
    assert graph.tensors[graph.outputs[0]].shape == (2, 4, 9, 7)


def test_a_merged_reshape_follows_the_batch() -> None:
    net = Net(1, 1, 4, 6)
    y = net.op("reshape", net.op("reshape", "x", target=(0, 4, 6)), target=(0, 1, 4, 6))
    graph = check(net.done(net.conv(net.op("reshape", net.op("relu", y), target=(0, 1, 6, 4)), 2)))
    graph.tensors["x"].shape = (3, 1, 4, 6)
    graph.infer()
    assert graph.tensors[graph.outputs[0]].shape == (3, 2, 6, 4)
