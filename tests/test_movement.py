"""Operators that move data or pool: C on every instruction set against their NumPy references."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import harness
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Case, Op, Spatial
from amalgamate.ops._resizing import COORDINATES, NEAREST
from amalgamate.ops.avg_pool import AvgPool
from amalgamate.ops.compare import RELATIONS, Compare
from amalgamate.ops.concat import Concat
from amalgamate.ops.depth_to_space import DepthToSpace
from amalgamate.ops.expand import Expand
from amalgamate.ops.gather import Gather
from amalgamate.ops.gather_elements import GatherElements
from amalgamate.ops.identity import Identity
from amalgamate.ops.max_pool import MaxPool
from amalgamate.ops.pad import Pad
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.resize import Resize
from amalgamate.ops.slice import Slice
from amalgamate.ops.space_to_depth import SpaceToDepth
from amalgamate.ops.split import Split
from amalgamate.ops.tile import Tile
from amalgamate.ops.transpose import Transpose
from amalgamate.ops.where import Where
from amalgamate.reference import run

NAMES = [
    "avg_pool", "cast", "compare", "concat", "depth_to_space", "expand", "gather", "gather_elements", "identity", "integral",
    "max_pool", "mod", "pad", "reshape", "resize", "slice", "space_to_depth", "split", "tile", "transpose", "where",
]  # fmt: skip
few = settings(max_examples=60, deadline=None)
some = settings(max_examples=25, deadline=None)


def values(*shape: int, dtype: str = "float32") -> Array:
    """Numbers that all differ, so that a misplaced one shows, in no order."""
    count = int(np.prod(shape, dtype=np.int64))
    whole = np.random.default_rng(count).permutation(count).reshape(shape).astype(dtype)
    return whole if dtype == "int64" else whole / np.float32(4)


def channels_last(case: Case) -> Case:
    """The case as C knows it."""
    if not isinstance(case.op, Spatial):
        return case
    first = case.inputs[0]
    assert first is not None
    laid_out: list[Array | None] = [np.ascontiguousarray(np.moveaxis(first, 1, -1)), *case.inputs[1:]]
    return Case(replace(case.op, channels_last=True), laid_out, case.constants, case.name)


def agree(case: Case, isas: list[str] | None = None) -> None:
    """C gives what the reference gives, on every instruction set."""
    case = channels_last(case)
    wanted = case.op.run(*case.inputs)
    for isa in isas or harness.isas():
        results = harness.run_c(harness.graph_of(case), harness.inputs_of(case), isa, run_passes=False)
        for result, want in zip(results, wanted, strict=True):
            assert result.shape == want.shape
            assert result.dtype == want.dtype
            np.testing.assert_allclose(result, want, rtol=1e-5, atol=1e-6, err_msg=f"{case.op} on {isa}")


def operator(name: str) -> type[Op]:
    camel = "".join(part.capitalize() for part in name.split("_"))
    found: type[Op] = getattr(importlib.import_module(f"amalgamate.ops.{name}"), camel)
    return found


def all_cases() -> Iterator[tuple[str, Case]]:
    for name in NAMES:
        for case in operator(name)().cases():
            yield f"{name}: {case.name}", case


@pytest.mark.parametrize("case", [case for _, case in all_cases()], ids=[name for name, _ in all_cases()])
def test_cases(case: Case) -> None:
    agree(case)


# ---- random shapes and attributes -------------------------------------------------------------------------------

shapes = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)
dtypes = st.sampled_from(["float32", "int64"])


@few
@given(st.data(), shapes, dtypes)
def test_transpose(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    perm = tuple(data.draw(st.permutations(range(len(shape)))))
    agree(Case(Transpose(perm), [values(*shape, dtype=dtype)]))


@some
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([(0, 2, 1), (1, 0, 2), (2, 0, 1)]))
def test_transpose_of_matrices(rows: int, columns: int, perm: tuple[int, ...]) -> None:
    agree(Case(Transpose(perm), [values(3, rows, columns)]))


@few
@given(st.data(), shapes, dtypes)
def test_slice(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    axes = tuple(data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True)))
    bound = st.integers(-8, 8) | st.sampled_from([2**31 - 1, -(2**31)])
    lists = [tuple(data.draw(bound) for _ in axes) for _ in range(2)]
    op = Slice(axes, *lists, tuple(data.draw(st.integers(-3, 3).filter(bool)) for _ in axes))
    x = values(*shape, dtype=dtype)
    index: list[slice] = [slice(None)] * len(shape)
    for axis, start, end, step in zip(op.axes, op.starts, op.ends, op.steps, strict=True):
        start = max(start, -shape[axis]) if step < 0 else start  # ONNX clamps it to 0, NumPy takes nothing
        index[axis] = slice(start, None if step < 0 and end == -(2**31) else end, step)
    np.testing.assert_array_equal(op.run(x)[0], x[tuple(index)])
    if 0 not in op.shape(shape):
        agree(Case(op, [x]))


@few
@given(st.data(), shapes, dtypes)
def test_concat_and_split(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    sizes = tuple(data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=5)))
    parts = [values(*shape[:axis], n, *shape[axis + 1 :], dtype=dtype) for n in sizes]
    agree(Case(Concat(axis), list(parts)))
    agree(Case(Split(axis, sizes), [np.concatenate(parts, axis)]))


@few
@given(st.data(), shapes, dtypes)
def test_pad(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    pads = tuple(data.draw(st.integers(-2, 9)) for _ in range(2 * len(shape)))
    op = Pad(pads, data.draw(st.sampled_from(["constant", "reflect", "edge", "wrap"])), 7.0)
    try:
        assume(0 not in op.shape(shape))
    except AmalgamateError:
        assume(False)
    agree(Case(op, [values(*shape, dtype=dtype)]))


@some
@given(st.data(), shapes, dtypes)
def test_expand_and_tile(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    small = tuple(data.draw(st.sampled_from([1, n])) for n in shape)[data.draw(st.integers(0, len(shape))) :]
    agree(Case(Expand(shape), [values(*small, dtype=dtype)]))
    agree(Case(Tile(tuple(data.draw(st.integers(1, 4)) for _ in shape)), [values(*shape, dtype=dtype)]))


@some
@given(st.data(), shapes, dtypes)
def test_gather(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    wanted = data.draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    indices = np.random.default_rng(0).integers(-shape[axis] - 2, shape[axis] + 2, wanted)
    agree(Case(Gather(axis), [values(*shape, dtype=dtype), np.asarray(indices, np.int64)]))


@some
@given(st.data(), shapes, dtypes, dtypes)
def test_where(data: st.DataObject, shape: tuple[int, ...], dtype: str, mask: str) -> None:
    def part() -> tuple[int, ...]:
        return tuple(data.draw(st.sampled_from([1, n])) for n in shape)[data.draw(st.integers(0, len(shape))) :]

    condition = (values(*part(), dtype="int64") % 2).astype(mask)
    agree(Case(Where(), [condition, values(*part(), dtype=dtype), -values(*part(), dtype=dtype)]))


@some
@given(st.data(), shapes, dtypes, st.sampled_from(list(RELATIONS)))
def test_compare(data: st.DataObject, shape: tuple[int, ...], dtype: str, relation: str) -> None:
    def part() -> Array:
        dims = tuple(data.draw(st.sampled_from([1, n])) for n in shape)[data.draw(st.integers(0, len(shape))) :]
        return values(*dims, dtype="int64").astype(dtype) % 3

    agree(Case(Compare(relation), [part(), part()]))


@some
@given(st.data(), shapes, dtypes)
def test_gather_elements(data: st.DataObject, shape: tuple[int, ...], dtype: str) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    wanted = tuple(data.draw(st.integers(1, 9 if i == axis else n)) for i, n in enumerate(shape))
    indices = np.random.default_rng(0).integers(-shape[axis] - 2, shape[axis] + 2, wanted)
    agree(Case(GatherElements(axis), [values(*shape, dtype=dtype), np.asarray(indices, np.int64)]))


@some
@given(*(st.integers(1, 3) for _ in range(4)), st.integers(1, 20), st.sampled_from(["DCR", "CRD"]))
def test_blocks(n: int, h: int, w: int, block: int, c: int, mode: str) -> None:
    agree(Case(DepthToSpace(block=block, mode=mode), [values(n, c * block**2, h, w)]))
    agree(Case(SpaceToDepth(block=block, mode=mode), [values(n, c, h * block, w * block)]))


@st.composite
def pools(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, ...]]:
    rank = draw(st.integers(1, 3))

    def each(low: int, high: int, count: int = rank) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(count))

    fields = {"kernel": each(1, 4), "stride": each(1, 4), "dilation": each(1, 2), "pads": each(0, 3, 2 * rank)}
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 70)), *each(1, 9))
    return fields | {"ceil_mode": draw(st.booleans())}, shape


@few
@given(pools(), st.booleans())
def test_pools(pool: tuple[dict[str, Any], tuple[int, ...]], counted: bool) -> None:
    fields, shape = pool
    try:
        MaxPool(**fields).shape(shape)
    except AmalgamateError:
        assume(False)
    agree(Case(MaxPool(**fields), [values(*shape)]))
    agree(Case(AvgPool(**fields, count_include_pad=counted), [values(*shape) / np.float32(np.prod(shape))]))


@few
@given(st.data(), st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple), st.integers(1, 20))
def test_resize(data: st.DataObject, spatial: tuple[int, ...], channels: int) -> None:
    def axis(letter: str) -> dict[str, Any]:
        if data.draw(st.booleans()):
            return {f"size_{letter}": data.draw(st.integers(1, 12))}
        return {f"scale_{letter}": data.draw(st.sampled_from([1.0, 2.0, 3.0, 0.5, 1.5, 0.75, 1.3]))}

    op = Resize(
        mode=data.draw(st.sampled_from(["nearest", "linear", "cubic"])), coordinates=data.draw(st.sampled_from(COORDINATES)),
        nearest=data.draw(st.sampled_from(NEAREST)), antialias=data.draw(st.booleans()),
        exclude_outside=data.draw(st.booleans()), extrapolation=5.0, top=0.25, bottom=1.25, **axis("h"), **axis("w"),
    )  # fmt: skip
    shape = (2, channels, *spatial)
    try:
        op.shape(shape)
    except AmalgamateError:
        assume(False)
    agree(Case(op, [values(*shape) / np.float32(np.prod(shape))]))


def test_resize_rounds_sizes_as_onnx_infers_them() -> None:
    assert Resize(scale_h=0.7, scale_w=0.7).shape((1, 1, 10, 20)) == (1, 1, 7, 14)
    agree(Case(Resize(scale_h=0.7, scale_w=0.7), [values(1, 1, 10, 20)]))


# ---- what the plan and set_shape ask of them --------------------------------------------------------------------


@cache
def pitched() -> list[Op]:
    """An operator of each kind that reads slices of a concatenated buffer, for [1, 6, 4, 18] and so its slice of 9."""
    last = {"channels_last": True}
    return [
        Identity(), Transpose((0, 3, 1, 2)), Transpose((3, 2, 1, 0)), Slice((1, 3), (1, 8), (5, -10), (2, -3)),
        Tile((1, 1, 2, 2)), Concat(2), Concat(3), Split(3, (4, 5)), Split(1, (2, 4)), Expand((2, 1, 1, 1)),
        MaxPool((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), True, **last), MaxPool(**last),
        AvgPool((2, 2), (1, 1), (0, 1, 0, 1), (1, 1), **last),
        Resize(mode="linear", scale_h=2.0, scale_w=1.5, **last), Resize(scale_h=2.0, scale_w=2.0, **last),
        DepthToSpace(block=3, mode="DCR", **last), SpaceToDepth(block=2, mode="CRD", **last),
    ]  # fmt: skip


@pytest.mark.parametrize("op", pitched(), ids=str)
def test_slices_of_a_concatenated_buffer(op: Op) -> None:
    """a and b are made inside y = concat(a, b); op reads a there, and its own outputs go into another concat."""
    assert op.pitched_in and op.pitched_out
    graph = Graph("pitched", {"x": Tensor("x", (1, 6, 4, 9))}, [], ["x"])
    window = {"kernel": (1, 1), "stride": (1, 1), "pads": (0,) * 4, "dilation": (1, 1), "channels_last": True}
    a = graph.add(MaxPool(**window), ["x"]).outputs[0]
    b = graph.add(AvgPool(**window), ["x"]).outputs[0]
    y = graph.add(Concat(3), [a, b]).outputs[0]
    made = graph.add(op, [a, b] if isinstance(op, Concat) else [a]).outputs
    rank = len(graph.tensors[made[0]].shape)
    tails = [graph.add(Concat(rank - 1), [m, m]).outputs[0] for m in made]
    graph.outputs = [y, *tails]
    inputs = {"x": values(1, 6, 4, 9)}
    wanted = run(graph, inputs)
    for isa in harness.isas():
        for result, want in zip(harness.run_c(graph, inputs, isa, run_passes=False), wanted.values(), strict=True):
            np.testing.assert_allclose(result, want, rtol=1e-6, err_msg=isa)


@pytest.mark.parametrize(
    ("op", "shape", "other"),
    [
        (Reshape((0, -1)), (1, 3, 4), (5, 2, 3)),
        (Slice((1,), (1,), (2**31 - 1,), (2,)), (1, 3), (2, 9)),
        (MaxPool(channels_last=True), (1, 4, 4, 3), (2, 7, 5, 3)),
        (AvgPool((3, 3), (2, 2), (0,) * 4, (1, 1), True, channels_last=True), (1, 4, 4, 3), (2, 9, 6, 3)),
        (Resize(mode="linear", scale_h=2.0, scale_w=2.0, channels_last=True), (1, 2, 2, 3), (2, 5, 4, 3)),
        (Expand((1, 4)), (1, 1), (3, 1)),
        (Pad((0, 2, 0, 1), "reflect"), (1, 3), (3, 4)),
    ],
    ids=lambda v: str(v),
)
def test_other_shapes(op: Op, shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    """amg_set_shape infers what Python infers."""
    graph = harness.graph_of(Case(op, [values(*shape)]))
    with harness.Model(harness.amg(graph, run_passes=False)) as model, model.session() as session:
        session.set_shape(0, other)
        (result,) = session.run([values(*other)])
    np.testing.assert_allclose(result, op.run(values(*other))[0], rtol=1e-5)


def hostile() -> list[Case]:
    found = [next(iter(operator(name)().cases())) for name in NAMES if name != "identity"]
    return [channels_last(case) for case in found]


@pytest.mark.parametrize("case", hostile(), ids=lambda case: case.op.name)
def test_hostile_attributes(case: Case) -> None:
    """Any words give a model that opens and runs, or a status: each word extreme in turn, one missing, one too many."""
    good = case.op.words()
    extremes = [-(2**31), -2, -1, 0, 1, 2, 65536, 2**31 - 1, 0x7F800000, 0x7FC00000, -8388608]
    attempts = [[*good[:i], word, *good[i + 1 :]] for i in range(len(good)) for word in extremes]
    refused = 0
    for words in [*attempts, good[:-1], [*good, 0], []]:
        graph = harness.graph_of(case)
        if not words and not good:
            continue
        object.__setattr__(graph.nodes[0].op, "words", lambda words=words: words)
        data = harness.amg(graph, run_passes=False)
        object.__delattr__(graph.nodes[0].op, "words")
        try:
            with harness.Model(data) as model:
                if 0 < model.arena_size() < 1 << 24:
                    with model.session() as session:
                        session.run(list(harness.inputs_of(case).values()))
        except harness.CError as error:
            refused += 1
            assert error.status in (-2, -3, -7), error
    assert refused > 2 or case.op.name == "where"


@pytest.mark.parametrize("op", [op for op in pitched() if op.permuted((0, 2, 3, 1))], ids=str)
def test_permuted_operators_commute_with_a_transpose(op: Op) -> None:
    x = values(2, 6, 4, 9)
    for perm in [(0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (2, 0, 3, 1)]:
        moved = op.permuted(perm)
        assert moved is not None
        inputs = [x, x] if isinstance(op, Concat) else [x]
        for result, want in zip(moved.run(*(i.transpose(perm) for i in inputs)), op.run(*inputs), strict=True):
            np.testing.assert_array_equal(result, want.transpose(perm))


def test_a_gather_of_a_list_moves_with_its_axis() -> None:
    x, indices = values(2, 6, 4, 9), np.array([5, 0, -2, 0], np.int64)
    moved = Gather(1, rank=1).permuted((0, 2, 3, 1))
    assert moved == Gather(3, rank=1)
    wanted = Gather(1).run(x, indices)[0].transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(moved.run(x.transpose(0, 2, 3, 1), indices)[0], wanted)
    assert Gather(1, rank=2).permuted((0, 2, 3, 1)) is None
