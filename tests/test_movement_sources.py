"""How ONNX nodes and Caffe layers that move data or pool are said in our operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amalgamate.graph import Array, Graph, Tensor
from amalgamate.ops import Source, Unsupported, by_source
from amalgamate.ops.concat import Concat
from amalgamate.ops.lp_pool import LpPool
from amalgamate.ops.max_pool import MaxPool
from amalgamate.ops.reshape import Reshape
from amalgamate.ops.slice import Slice
from amalgamate.ops.split import Split
from amalgamate.reference import run

few = settings(max_examples=60, deadline=None)


def values(*shape: int) -> Array:
    """Numbers that all differ, in no order."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.random.default_rng(count).permutation(count).reshape(shape).astype(np.float32) / np.float32(4)


def source(type: str, shape: tuple[int, ...], attrs: dict[str, Any], format: str = "onnx", outputs: int = 1) -> Source:
    graph = Graph("g", {"x": Tensor("x", shape)}, [], ["x"])
    return Source(graph, format, type, "node", attrs, ["x"], [f"y{i}" for i in range(outputs)], 18)


def caffe_pool(x: Array, average: bool, k: int, s: int, p: int) -> Array:
    """Caffe's pooling_layer.cpp, line by line, on one map."""
    height, width = x.shape
    ph, pw = (int(np.ceil((n + 2 * p - k) / s)) + 1 for n in (height, width))
    if p:
        ph -= (ph - 1) * s >= height + p
        pw -= (pw - 1) * s >= width + p
    y = np.zeros((ph, pw), np.float32)
    for i in range(ph):
        for j in range(pw):
            h0, w0 = i * s - p, j * s - p
            h1, w1 = min(h0 + k, height + p), min(w0 + k, width + p)
            size = (h1 - h0) * (w1 - w0)
            window = x[max(h0, 0) : min(h1, height), max(w0, 0) : min(w1, width)]
            y[i, j] = window.sum() / size if average else window.max()
    return y


@few
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_caffe_pooling(h: int, w: int, k: int, s: int, p: int, average: bool) -> None:
    """Where Caffe's own rules are sound: the padding is smaller than the window, no window begins behind the map."""
    assume(p < k <= min(h, w) and s <= k)
    attrs = {"pool": "AVE" if average else "MAX", "kernel_size": k, "stride": s, "pad": p}
    src = source("Pooling", (1, 1, h, w), attrs, "caffe")
    MaxPool.from_caffe(src)
    x = values(1, 1, h, w)
    src.graph.outputs = ["y0"]
    wanted = caffe_pool(x[0, 0], average, k, s, p)
    np.testing.assert_allclose(run(src.graph, {"x": x})["y0"][0, 0], wanted, rtol=1e-6)


def test_caffe_slice_and_concat_default_to_channels() -> None:
    src = source("Slice", (2, 6, 3, 3), {"slice_point": [1, 3]}, "caffe", outputs=3)
    Split.from_caffe(src)
    assert [src.graph.tensors[f"y{i}"].shape[1] for i in range(3)] == [1, 2, 3]
    src = source("Slice", (2, 6, 3, 3), {}, "caffe", outputs=2)
    Split.from_caffe(src)
    assert [src.graph.tensors[f"y{i}"].shape[1] for i in range(2)] == [3, 3]


def test_caffe_crop() -> None:
    src = source("Crop", (1, 2, 6, 7), {"axis": 2, "offset": [1, 3]}, "caffe")
    src.graph.tensors["like"] = Tensor("like", (1, 5, 4, 2))
    src.inputs.append("like")
    Slice.from_caffe(src)
    src.graph.outputs = ["y0"]
    x = values(1, 2, 6, 7)
    np.testing.assert_array_equal(run(src.graph, {"x": x})["y0"], x[:, :, 1:5, 3:5])


def test_a_split_into_many_parts_becomes_slices() -> None:
    src = source("Split", (2, 40), {"axis": 1}, outputs=20)
    Split.from_onnx(src)
    assert {node.op.name for node in src.graph.nodes} == {"slice"}
    src.graph.outputs = [f"y{i}" for i in range(20)]
    x = values(2, 40)
    for i, part in enumerate(run(src.graph, {"x": x}).values()):
        np.testing.assert_array_equal(part, x[:, 2 * i : 2 * i + 2])


def test_a_concat_of_many_becomes_a_tree() -> None:
    src = source("Concat", (1, 3), {"axis": 1})
    src.inputs = ["x"] * 130
    Concat.from_onnx(src)
    assert max(len(node.inputs) for node in src.graph.nodes) <= 64
    assert src.graph.tensors["y0"].shape == (1, 390)


@pytest.mark.parametrize(
    ("type", "shape", "attrs", "target"),
    [
        ("Flatten", (1, 3, 4, 5), {}, (0, -1)),
        ("Flatten", (2, 3, 4), {"axis": -1}, (-1, 4)),
        ("Flatten", (2, 3), {"axis": 0}, (1, -1)),
        ("Flatten", (1, 3, 4), {"axis": 0}, (0, -1)),
        ("Squeeze", (2, 3, 1, 1), {"axes": [2, 3]}, (0, 0)),
        ("Squeeze", (1, 3, 1, 5), {}, (-1, 5)),
        ("Unsqueeze", (2, 3), {"axes": [0, -1]}, (1, -1, 3, 1)),
        ("Unsqueeze", (2, 3), {"axes": [2]}, (0, 0, 1)),
        ("Reshape", (1, 8), {"shape": [1, 2, 4]}, (0, 2, 4)),
        ("Reshape", (1, 3, 8), {"shape": [1, 0, 2, -1]}, (0, 0, 2, -1)),
    ],
)
def test_reshapes_follow_other_batch_sizes(
    type: str, shape: tuple[int, ...], attrs: dict[str, Any], target: Any
) -> None:
    src = source(type, shape, attrs)
    Reshape.from_onnx(src)
    assert src.graph.nodes[0].op == Reshape(target)


@pytest.mark.parametrize(
    ("type", "attrs", "why"),
    [
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [0, 1], "auto_pad": "SAME_UPPER"}, "out of range"),
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1]}, "do not fit"),
        ("MaxPool", {"kernel_shape": [2, 2, 2]}, "window of 3 axes"),
        ("Split", {"axis": 5}, "axis 5"),
        ("Split", {"axis": 1, "split": [4, -1]}, r"sizes \[4, -1\]"),
        ("Upsample", {"scales": [1.0, 1.0, float("nan"), 2.0]}, "scales"),
        ("Upsample", {"scales": [1.0, 2.0, 2.0, 2.0]}, "channels"),
        ("Resize", {"scales": [1.0, 1.0, 2.0, 2.0]}, "neither scales nor sizes"),
        ("Slice", {"starts": [0], "ends": [1, 2]}, "one length"),
        ("Slice", {"starts": [0, 0], "ends": [1, 2], "axes": [0, -4]}, "twice"),
        ("Pad", {"pads": [1, 2]}, "2 pads for 4 axes"),
        ("Pad", {"pads": [0] * 8, "mode": "mirror"}, "mode mirror"),
        ("Squeeze", {"axes": [1]}, "not all 1"),
        ("Unsqueeze", {}, "names no axes"),
        ("Cast", {"to": 10}, "float16"),
        ("Cast", {"to": 99}, "element types"),
        ("Range", {}, "not a constant"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(type: str, attrs: dict[str, Any], why: str) -> None:
    src = source(type, (1, 3, 6, 6), attrs, outputs=2 if type == "Split" else 1)
    with pytest.raises(Unsupported, match=why):
        by_source("onnx")[type].from_onnx(src)


@pytest.mark.parametrize(("p", "ceil_mode", "size"), [(1, 0, (2, 3)), (2, 1, (3, 3)), (3, 1, (3, 3))])
def test_lp_pool(p: int, ceil_mode: int, size: tuple[int, int]) -> None:
    attrs = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 0, 0, 0], "p": p, "ceil_mode": ceil_mode}
    src = source("LpPool", (1, 1, 6, 6), attrs)
    LpPool.from_onnx(src)
    src.graph.outputs = ["y0"]
    x = values(1, 1, 6, 6) - np.float32(4)
    (y,) = run(src.graph, {"x": x}).values()
    assert y.shape == (1, 1, *size)
    for i in range(size[0]):
        for j in range(size[1]):
            window = x[0, 0, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
            np.testing.assert_allclose(y[0, 0, i, j], (np.abs(window) ** p).sum() ** (1 / p), rtol=1e-5)


def test_global_lp_pool() -> None:
    src = source("GlobalLpPool", (2, 3, 4, 5), {})
    LpPool.from_onnx(src)
    src.graph.outputs = ["y0"]
    x = values(2, 3, 4, 5)
    wanted = np.sqrt((x**2).sum(axis=(2, 3), keepdims=True))
    np.testing.assert_allclose(run(src.graph, {"x": x})["y0"], wanted, rtol=1e-5)
