"""Elementwise operators, normalisations, softmax, reductions, arg-max and top-k: C on every instruction set against NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import harness
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Case, Op, Spatial, registry
from amalgamate.ops._binary import Binary
from amalgamate.ops._unary import Kind, Unary
from amalgamate.ops.concat import Concat
from amalgamate.resources import runtime_files

ELEMENTWISE = sorted(name for name, op in registry().items() if issubclass(op, Unary | Binary))
NORMS = ["batch_norm", "instance_norm", "layer_norm", "lrn"]
ALONG = ["arg_max", "log_softmax", "reduce", "softmax", "top_k"]
# Results of float32 arithmetic on terms that cancel are exact only to a unit of the terms' last place.
ABSOLUTE = {
    "batch_norm": 1e-6,
    "instance_norm": 4e-6,
    "layer_norm": 4e-6,
    "log_softmax": 1e-6,
    "gelu": 1e-12,
    "reduce": 1e-6,
}
ABSOLUTE["swish"] = 2e-43  # a factor of it is denormal
RELATIVE = {"gelu": 1e-5, "hard_sigmoid": 1e-5}


def make(name: str, *fields: object, **named: object) -> Op:
    create: Callable[..., Op] = registry()[name]
    return create(*fields, **named)


def assert_close(op: Op, got: list[Array], wanted: tuple[Array, ...]) -> None:
    for y, expected in zip(got, wanted, strict=True):
        assert y.dtype == expected.dtype and y.shape == expected.shape
        relative, absolute = RELATIVE.get(op.name, 1e-6), ABSOLUTE.get(op.name, 2e-44)
        np.testing.assert_allclose(y, expected, relative, absolute, err_msg=str(op))


def in_numpy(case: Case) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        return case.op.run(*case.inputs)


def turned(case: Case) -> Case:
    """The case with channels last, as C has it."""
    if not isinstance(case.op, Spatial):
        return case
    inputs = [
        np.ascontiguousarray(np.moveaxis(x, 1, -1)) if i == 0 and x is not None else x
        for i, x in enumerate(case.inputs)
    ]
    return replace(case, op=replace(case.op, channels_last=True), inputs=inputs)


def run_c(case: Case, isa: str) -> list[Array]:
    """The operator alone: no pass may replace it."""
    return harness.run_c(harness.graph_of(case), harness.inputs_of(case), isa, run_passes=False)


@pytest.mark.parametrize("isa", harness.isas())
@pytest.mark.parametrize("name", [*ELEMENTWISE, *NORMS, *ALONG])
def test_cases(name: str, isa: str) -> None:
    cases = list(make(name).cases())
    assert cases
    for case in map(turned, cases):
        assert_close(case.op, run_c(case, isa), in_numpy(case))


def test_kinds_are_those_of_the_header() -> None:
    header = runtime_files()["kernels/activate.h"]
    defined = {name: int(value) for name, value in re.findall(r"#define AMG_ACT_(\w+) (\d+)", header)}
    assert defined.pop("COUNT") == len(defined)
    assert defined == {kind.name: kind.value for kind in Kind}


# -- accuracy ----------------------------------------------------------------------------------------------------------

UNITS = {"exp": 1.1, "log": 1.1, "sigmoid": 3.0, "tanh": 3.0, "erf": 3.0, "softplus": 2.0, "elu": 2.0, "sqrt": 0.51}


@pytest.mark.parametrize("isa", harness.isas())
@pytest.mark.parametrize("name", UNITS)
def test_units_in_the_last_place(name: str, isa: str) -> None:
    """Over every exponent, and densely where the function bends."""
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([bits[~np.isnan(bits)], rng.uniform(-105, 90, 20000), rng.uniform(-2, 2, 20000)]).astype(
        np.float32
    )
    op = make(name)
    assert isinstance(op, Unary)
    (y,) = run_c(Case(op, [x]), isa)
    with np.errstate(all="ignore"):
        exact = op.function(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(np.float32).smallest_normal)).astype(np.float64)
        error = np.abs(y.astype(np.float64) - exact) / unit
    normal = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~normal], rounded[~normal])
    assert error[normal].max() <= UNITS[name]


# -- random shapes -----------------------------------------------------------------------------------------------------

FEW = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def shapes(least: int = 0, most: int = 5) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of which the last axis often is longer than a vector."""
    inner = st.lists(st.integers(1, 5), min_size=least, max_size=most).map(tuple)
    return st.tuples(inner, st.sampled_from([1, 2, 3, 8, 15, 16, 17, 33, 70])).map(
        lambda t: (*t[0][:-1], t[1]) if t[0] else t[0]
    )


def values(shape: tuple[int, ...], seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape), np.float32)


def on_all(case: Case) -> None:
    wanted = in_numpy(case)
    for isa in harness.isas():
        assert_close(case.op, run_c(case, isa), wanted)


@FEW
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=6, max_side=5), st.sampled_from([1, 3, 40]), seeds)
def test_broadcasting(found: hnp.BroadcastableShapes, factor: int, seed: int) -> None:
    """Any two shapes, with some axis made long."""
    a, b = found.input_shapes
    long = max([0, *a, *b])
    a, b = (tuple(n * factor if n == long and long > 1 else n for n in s) for s in (a, b))
    for name in ("sub", "div", "max"):
        on_all(Case(make(name), [values(a, seed), values(b, seed + 1)]))


@FEW
@given(shapes(), st.sampled_from(["clip", "tanh", "gelu"]), seeds)
def test_unary_shapes(shape: tuple[int, ...], name: str, seed: int) -> None:
    on_all(Case(make(name), [values(shape, seed)]))


@FEW
@given(shapes(least=1), st.data(), seeds)
def test_along_shapes(shape: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    k = data.draw(st.integers(1, shape[axis]))
    x = np.round(4 * values(shape, seed)) / 4  # with equal elements
    for name in ("softmax", "log_softmax"):
        on_all(Case(make(name, axis), [x]))
    last, smallest = data.draw(st.booleans()), data.draw(st.booleans())
    on_all(Case(make("arg_max", axis, smallest, last), [x]))
    on_all(Case(make("top_k", axis, k, smallest), [x]))


@FEW
@given(shapes(), st.data(), seeds)
def test_reduce_shapes(shape: tuple[int, ...], data: st.DataObject, seed: int) -> None:
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1))) if shape else set()
    for kind in ("mean", "sum", "max", "min"):
        x = values(shape, seed)
        x = np.abs(x) if kind in ("mean", "sum") else x  # terms that cancel would leave nothing to compare
        on_all(Case(make("reduce", kind, tuple(sorted(axes))), [x]))


@FEW
@given(shapes(least=2), seeds)
def test_norm_shapes(shape: tuple[int, ...], seed: int) -> None:
    x, axis = values(shape, seed), seed % len(shape)
    scale, shift = values(shape[-1:], seed + 1), values(shape[-1:], seed + 2)
    on_all(Case(make("layer_norm", axis, 0.1), [x, values(shape[axis:], seed), values(shape[axis:], seed + 1)]))
    on_all(Case(make("batch_norm", channels_last=True), [x, scale, shift]))
    if len(shape) > 2:
        on_all(Case(make("instance_norm", epsilon=0.1, channels_last=True), [x, scale, shift]))
        on_all(Case(make("lrn", size=1 + seed % 9, alpha=0.5, channels_last=True), [x]))
    if len(shape) == 4:
        on_all(Case(make("lrn", size=1 + seed % 4 * 2, alpha=0.5, region="within", channels_last=True), [x]))


# -- fused activations, slices of a larger buffer, and memory shared with the input ------------------------------------


def fusing() -> Iterator[tuple[Op, list[Array]]]:
    """Operators that fuse an activation, with operands that make rows of every kind."""
    tanh = make("tanh")
    x = values((2, 3, 5, 37), 1)
    yield make("add", activation=tanh), [x, values((2, 3, 5, 37), 2)]
    yield make("mul", activation=tanh), [x, values((37,), 2)]
    yield make("sub", activation=tanh), [values((3, 1, 1), 2), x]
    yield make("div", activation=tanh), [values((5000,), 2), values((5000,), 3)]
    yield make("batch_norm", activation=tanh, channels_last=True), [x, values((37,), 2), values((37,), 3)]
    yield make("instance_norm", activation=tanh, channels_last=True), [x, values((37,), 2), values((37,), 3)]


@pytest.mark.parametrize("case", [Case(op, list(inputs)) for op, inputs in fusing()], ids=lambda c: c.op.name)
def test_fused_activation(case: Case) -> None:
    plain = in_numpy(replace(case, op=replace(case.op, activation=None)))  # type: ignore[call-arg]
    assert not np.allclose(plain, in_numpy(case), atol=1e-3)
    for isa in harness.isas():
        for y, expected in zip(run_c(case, isa), in_numpy(case), strict=True):
            np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)


def within_a_concat(op: Op, others: list[Array], x: Array) -> tuple[Graph, Array]:
    """concat(op(x, others), op(op(x, others), others)): made and read in slices of one buffer; and its value."""
    graph = Graph("pitched", {"x": Tensor("x", x.shape)}, [], ["x"])
    names = [graph.constant(v) for v in others]
    (first,) = graph.add(op, ["x", *names]).outputs
    (second,) = graph.add(op, [first, *names]).outputs
    graph.outputs = list(graph.add(Concat(x.ndim - 1), [first, second]).outputs)
    (y,) = op.run(x, *others)
    (z,) = op.run(y, *others)
    return graph, np.concatenate([y, z], -1)


def pitched() -> list[tuple[Op, list[Array]]]:
    c = values((21,), 5)
    ops: list[tuple[Op, list[Array]]] = [(make(name), []) for name in ("relu", "sigmoid", "softplus")]
    ops += [
        (make("mul"), [c]),
        (make("max"), [values((2, 3, 4, 21), 6)]),
        (make("sub"), [values((1,), 6)]),
    ]
    ops += [(make("softmax", axis), []) for axis in (1, 2, 3)]
    ops += [(make("log_softmax", 3), []), (make("reduce", "sum", ()), [])]
    ops += [
        (make("lrn", channels_last=True), []),
        (make("lrn", size=3, region="within", channels_last=True), []),
    ]
    return [
        *ops,
        *((make(name, channels_last=True), [c, values((21,), 7)]) for name in ("batch_norm", "instance_norm")),
    ]


@pytest.mark.parametrize("op, others", pitched(), ids=str)
def test_slices_of_a_larger_buffer(op: Op, others: list[Array]) -> None:
    assert op.pitched_in and op.pitched_out
    x = values((2, 3, 4, 21), 4)
    graph, wanted = within_a_concat(op, others, x)
    for isa in harness.isas():
        (y,) = harness.run_c(graph, [x], isa, run_passes=False)
        np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("axes", [(3,), (1,), (2, 3), (0, 3), (1, 2)])
def test_reduce_reads_a_slice(axes: tuple[int, ...]) -> None:
    x = values((2, 3, 4, 21), 4)
    graph = Graph("reduced", {"x": Tensor("x", x.shape)}, [], ["x"])
    (first,) = graph.add(make("relu"), ["x"]).outputs
    both = graph.add(Concat(3), [first, "x"]).outputs
    graph.outputs = [*both, *graph.add(make("reduce", "sum", axes), [first]).outputs]
    for isa in harness.isas():
        _, y = harness.run_c(graph, [x], isa, run_passes=False)
        np.testing.assert_allclose(y, np.maximum(x, 0).sum(axes, keepdims=True), rtol=1e-5)


# -- what a hostile file may hold --------------------------------------------------------------------------------------

WRONG: list[tuple[str, list[int], list[tuple[int, ...]]]] = [
    ("relu", [1], [(3,)]),
    ("clip", [0], [(3,)]),
    ("gelu", [2], [(3,)]),
    ("relu", [], [(3,), (3,)]),
    ("add", [0, 0], [(3,), (3,)]),
    ("add", [99, 0, 0], [(3,), (3,)]),
    ("add", [-1, 0, 0], [(3,), (3,)]),
    ("add", [0, 0, 0], [(3,)]),
    ("add", [0, 0, 0], [(3,), (2,)]),
    ("prelu", [0, 0, 0], [(3,), (2, 3)]),
    ("batch_norm", [0, 0, 0], [(2, 3), (3,), (2,)]),
    ("batch_norm", [0, 0, 0], [(3,), (3,), (3,)]),
    ("batch_norm", [0, 0, 0], [(2, 3), (3,)]),
    ("instance_norm", [0, 0, 0], [(2, 2, 3), (3,), (3,)]),
    ("instance_norm", [0, 0, 0, 0], [(2, 2, 3), (1, 3), (3,)]),
    ("layer_norm", [2, 0], [(2, 3), (3,)]),
    ("layer_norm", [-1, 0], [(2, 3), (3,)]),
    ("layer_norm", [0, 0], [(2, 3), (3,)]),
    ("lrn", [0, 0, 0, 0, 0], [(2, 2, 2, 3)]),
    ("lrn", [-5, 0, 0, 0, 0], [(2, 2, 2, 3)]),
    ("lrn", [4, 0, 0, 0, 1], [(2, 2, 2, 3)]),
    ("lrn", [3, 0, 0, 0, 2], [(2, 2, 2, 3)]),
    ("lrn", [3, 0, 0, 0, 1], [(2, 3)]),
    ("softmax", [2], [(2, 3)]),
    ("softmax", [-1], [(2, 3)]),
    ("softmax", [0], [()]),
    ("log_softmax", [0, 0], [(2, 3)]),
    ("reduce", [5, 0], [(2, 3)]),
    ("reduce", [0, 1, 2], [(2, 3)]),
    ("reduce", [0, 1, -1], [(2, 3)]),
    ("reduce", [0, 2, 0], [(2, 3)]),
    ("reduce", [0, -1], [(2, 3)]),
    ("arg_max", [2, 0, 0], [(2, 3)]),
    ("top_k", [1, 0, 0], [(2, 3)]),
    ("top_k", [1, 4, 0], [(2, 3)]),
    ("top_k", [-1, 1, 0], [(2, 3)]),
]


def forged(name: str, words: list[int], inputs: list[tuple[int, ...]]) -> bytes:
    """The bytes of a model of one step with these attribute words and input shapes, which may contradict each other."""

    class Forged(Op):
        name = ""

        def words(self) -> list[int]:
            return words

        def shapes(self, *given: tuple[int, ...] | None) -> tuple[tuple[int, ...], ...]:
            return ((1,),) * len(self.dtypes())

        def dtypes(self, *given: str) -> tuple[str, ...]:
            return ("float32", "int64") if name == "top_k" else ("int64",) if name == "arg_max" else ("float32",)

    op = Forged()
    object.__setattr__(op, "name", name)
    graph = Graph(
        "forged", {f"x{i}": Tensor(f"x{i}", s) for i, s in enumerate(inputs)}, [], [f"x{i}" for i in range(len(inputs))]
    )
    graph.outputs = list(graph.add(op, graph.inputs).outputs)
    return harness.amg(graph, run_passes=False)


@pytest.mark.parametrize("name, words, inputs", WRONG, ids=str)
def test_contradictions_are_refused_at_open(name: str, words: list[int], inputs: list[tuple[int, ...]]) -> None:
    with pytest.raises(harness.CError) as caught, harness.Model(forged(name, words, inputs)) as model, model.session():
        pass
    assert caught.value.status in (-3, -7)
    assert f"({name})" in caught.value.message


word = st.one_of(st.integers(-2, 9), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([*ELEMENTWISE, *NORMS, *ALONG]),
    st.lists(word, max_size=6),
    st.lists(st.lists(st.integers(1, 4), max_size=5).map(tuple), min_size=1, max_size=3),
)
def test_any_words_are_refused_or_run(name: str, words: list[int], inputs: list[tuple[int, ...]]) -> None:
    try:
        with harness.Model(forged(name, words, inputs)) as model:
            for isa in harness.isas():
                with model.session(isa) as session:
                    session.run([np.ones(s, np.float32) for s in inputs])
    except harness.CError as refused:
        assert refused.status in (-3, -7) and refused.message
