"""Caffe's layers, imported one by one, against Caffe's own loops (caffe_layers.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import amalgamate as am
import caffe_layers as caffe
from amalgamate import reference
from amalgamate.graph import Array, Graph
from amalgamate.importers import read
from caffe_bytes import model, net, one, write

RNG = np.random.default_rng(7)


def numbers(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def run(graph: Graph, *values: Array) -> Array:
    """The graph's single output in plain NumPy."""
    return reference.run(graph, dict(zip(graph.inputs, values, strict=True)))[graph.outputs[0]]


def single(
    folder: Path, type: str, params: str, x: Array, blobs: list[Array] | None = None, form: str = "shape"
) -> Array:
    """The result of one imported layer on `x`."""
    weights = None if blobs is None else model({"layer": blobs}, form)
    path = write(folder, net(one(type, params), " ".join(map(str, x.shape))), weights)
    return run(read(path), x)


def same(found: Array, expected: Array) -> None:
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


# -- layers --------------------------------------------------------------------------------------------------------------

CONVOLUTIONS = [  # stride, pad, dilation, group, kernel, parameters
    ((1, 1), (0, 0), 1, 1, (3, 3), "kernel_size: 3"),
    ((2, 2), (1, 1), 1, 1, (3, 3), "kernel_size: 3 stride: 2 pad: 1"),
    ((2, 1), (0, 2), 1, 1, (2, 3), "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 2"),
    ((1, 2), (1, 0), 1, 1, (3, 1), "kernel_size: 3 kernel_size: 1 stride: [1, 2] pad: 1 pad: 0"),
    ((1, 1), (2, 2), 2, 1, (3, 3), "kernel_size: 3 pad: 2 dilation: 2"),
    ((1, 1), (1, 1), 1, 2, (3, 3), "kernel_size: 3 pad: 1 group: 2"),
    ((2, 2), (1, 1), 1, 4, (3, 3), "kernel_size: 3 pad: 1 group: 4 stride: 2 engine: CAFFE"),
]


@pytest.mark.parametrize(
    "stride, pad, dilation, group, kernel, params", CONVOLUTIONS, ids=lambda v: v if isinstance(v, str) else ""
)
@pytest.mark.parametrize("bias", [True, False])
def test_convolution(
    tmp_path: Path, stride: tuple[int, int], pad: tuple[int, int], dilation: int, group: int, kernel: tuple[int, int],
    params: str, bias: bool,
) -> None:  # fmt: skip
    x, w, b = numbers(2, 4, 7, 6), numbers(8, 4 // group, *kernel), numbers(8)
    text = f"convolution_param {{ num_output: 8 {params} bias_term: {str(bias).lower()} weight_filler {{ type: 'xavier' }} }}"
    found = single(tmp_path, "Convolution", text, x, [w, b] if bias else [w])
    same(found, caffe.convolution(x, w, b if bias else None, stride, pad, dilation, group))


@pytest.mark.parametrize("stride, pad, group", [(1, 0, 1), (2, 1, 1), (2, 0, 2), (3, 1, 4)])
def test_deconvolution(tmp_path: Path, stride: int, pad: int, group: int) -> None:
    x, w, b = numbers(1, 4, 4, 3), numbers(4, 8 // group, 3, 3), numbers(8)
    params = f"convolution_param {{ num_output: 8 kernel_size: 3 stride: {stride} pad: {pad} group: {group} }}"
    same(single(tmp_path, "Deconvolution", params, x, [w, b]), caffe.deconvolution(x, w, b, stride, pad, group))


POOLS = [  # size, kernel, stride, pad
    ((13, 13), (3, 3), (2, 2), (0, 0)),
    ((12, 12), (3, 3), (2, 2), (0, 0)),  # rounds up
    ((6, 7), (3, 2), (2, 2), (1, 1)),
    ((3, 3), (2, 2), (2, 2), (1, 1)),  # a window that would begin in the padding is clipped
    ((5, 4), (3, 3), (3, 3), (2, 2)),
    ((7, 8), (3, 3), (3, 2), (1, 0)),
    ((4, 4), (3, 3), (1, 1), (1, 1)),
]


@pytest.mark.parametrize("method", ["MAX", "AVE"])
@pytest.mark.parametrize("rounding", ["", "round_mode: FLOOR"])
@pytest.mark.parametrize("size, kernel, stride, pad", POOLS)
def test_pooling(
    tmp_path: Path, method: str, rounding: str, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int],
    pad: tuple[int, int],
) -> None:  # fmt: skip
    x = numbers(1, 2, *size)
    sizes = f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]}"
    params = f"pooling_param {{ pool: {method} {sizes} pad_h: {pad[0]} pad_w: {pad[1]} {rounding} }}"
    same(single(tmp_path, "Pooling", params, x), caffe.pooling(x, method, kernel, stride, pad, bool(rounding)))


@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_global_pooling(tmp_path: Path, method: str) -> None:
    x = numbers(2, 3, 4, 5)
    found = single(tmp_path, "Pooling", f"pooling_param {{ pool: {method} global_pooling: true }}", x)
    same(found, caffe.pooling(x, method, (4, 5), (1, 1), (0, 0)))


@pytest.mark.parametrize(
    "axis, transpose, bias", [(1, False, True), (1, True, True), (2, False, False), (-1, True, True)]
)
def test_inner_product(tmp_path: Path, axis: int, transpose: bool, bias: bool) -> None:
    x = numbers(2, 3, 4)
    width, b = int(np.prod(x.shape[axis:])), numbers(5)
    w = numbers(width, 5) if transpose else numbers(5, width)
    params = f"inner_product_param {{ num_output: 5 axis: {axis} transpose: {str(transpose).lower()} bias_term: {int(bias)} }}"
    found = single(tmp_path, "InnerProduct", params, x, [w, b] if bias else [w])
    same(found, caffe.inner_product(x, w, b if bias else None, axis % 3, transpose))


@pytest.mark.parametrize("factor", [1.0, 999.98, 0.0])
@pytest.mark.parametrize("eps", [None, 0.001])
def test_batch_norm(tmp_path: Path, factor: float, eps: float | None) -> None:
    x, mean, variance = numbers(2, 3, 4, 2), numbers(3), np.abs(numbers(3)) + np.float32(0.5)
    params = "" if eps is None else f"batch_norm_param {{ use_global_stats: true eps: {eps} }}"
    found = single(tmp_path, "BatchNorm", params, x, [mean, variance, np.array([factor], np.float32)])
    expected = caffe.batch_norm(x, mean, variance, factor, 1e-5 if eps is None else eps)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


SCALES = [
    ((3,), 1, 1),
    ((3, 4), 1, 2),
    ((4,), 2, 1),
    ((5,), -1, 1),
    ((2, 3, 4, 5), 0, -1),
    ((), 1, 0),
]  # shape, axis, num_axes


@pytest.mark.parametrize("shape, axis, axes", SCALES)
@pytest.mark.parametrize("bias", [True, False])
def test_scale_and_bias(tmp_path: Path, shape: tuple[int, ...], axis: int, axes: int, bias: bool) -> None:
    x, scale, shift = numbers(2, 3, 4, 5), numbers(*shape), numbers(*shape)
    first = axis % 4
    whole = (*shape, *(1,) * (4 - first - len(shape)))
    params = f"scale_param {{ axis: {axis} num_axes: {axes} bias_term: {str(bias).lower()} }}"
    found = single(tmp_path, "Scale", params, x, [scale, shift] if bias else [scale])
    same(found, x * scale.reshape(whole) + (shift.reshape(whole) if bias else 0))
    found = single(tmp_path, "Bias", f"bias_param {{ axis: {axis} num_axes: {axes} }}", x, [shift])
    same(found, x + shift.reshape(whole))


@pytest.mark.parametrize("shared", [False, True])
def test_prelu(tmp_path: Path, shared: bool) -> None:
    x, slope = numbers(2, 3, 4, 5), numbers(1 if shared else 3)
    found = single(tmp_path, "PReLU", f"prelu_param {{ channel_shared: {str(shared).lower()} }}", x, [slope])
    same(found, np.where(x > 0, x, x * slope.reshape(1, -1, 1, 1)))


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_normalize(tmp_path: Path, across: bool, shared: bool) -> None:
    x, scale = numbers(2, 3, 4, 5), numbers(1 if shared else 3)
    params = f"norm_param {{ across_spatial: {str(across).lower()} channel_shared: {str(shared).lower()} }}"
    length = np.sqrt((x.astype(np.float64) ** 2).sum(axis=(1, 2, 3) if across else 1, keepdims=True) + 1e-10)
    same(single(tmp_path, "Normalize", params, x, [scale]), x / length * scale.reshape(1, -1, 1, 1))


def arg_max(x: Array, k: int, values: bool, axis: int | None) -> Array:
    """argmax_layer.cpp, with partial_sort as sort."""
    flat = x.reshape(len(x), -1) if axis is None else np.moveaxis(x, axis, -1)
    order = np.argsort(-flat, axis=-1, kind="stable")[..., :k]
    best = np.take_along_axis(flat, order, -1)
    if axis is not None:
        return np.moveaxis(best if values else order, -1, axis).astype(np.float32)
    parts = np.stack([order, best], axis=1) if values else order[:, None]
    return parts.reshape(*parts.shape, *(1,) * (x.ndim - 3)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("axis", [None, 1, -1])
def test_arg_max(tmp_path: Path, k: int, values: bool, axis: int | None) -> None:
    x = numbers(2, 3, 4, 5)
    where = "" if axis is None else f"axis: {axis}"
    params = f"argmax_param {{ top_k: {k} out_max_val: {str(values).lower()} {where} }}"
    same(single(tmp_path, "ArgMax", params, x), arg_max(x, k, values, axis))


def test_interp(tmp_path: Path) -> None:
    """DeepLab's bilinear interpolation with corners aligned: a ramp stays a ramp."""
    x = np.tile(np.arange(4, dtype=np.float32), (1, 1, 3, 1))
    for params in ("height: 5 width: 7", "zoom_factor: 2"):
        same(single(tmp_path, "Interp", f"interp_param {{ {params} }}", x), np.tile(np.arange(7) / 2, (1, 1, 5, 1)))


def test_crop(tmp_path: Path) -> None:
    declared = 'input: "x" input_shape { dim: [1, 3, 8, 9] } input: "like" input_shape { dim: [1, 3, 4, 5] }\n'
    x, like = numbers(1, 3, 8, 9), numbers(1, 3, 4, 5)
    parts = {"offset: 2": x[:, :, 2:6, 2:7], "offset: 1 offset: 3": x[:, :, 1:5, 3:8], "": x[:, :, :4, :5]}
    for params, part in parts.items():
        graph = read(write(tmp_path, declared + one("Crop", f"crop_param {{ axis: 2 {params} }}", "x like")))
        same(run(graph, x, like), part)


@pytest.mark.parametrize(
    "size, alpha, beta, k", [(5, 1e-4, 0.75, 1), (3, 2.0, 0.5, 2), (1, 1.0, 1.0, 1), (7, 0.3, 0.75, 1)]
)
def test_lrn(tmp_path: Path, size: int, alpha: float, beta: float, k: float) -> None:
    x = numbers(2, 6, 4, 5)
    params = f"local_size: {size} alpha: {alpha} beta: {beta}"
    found = single(tmp_path, "LRN", f"lrn_param {{ {params} k: {k} }}", x)
    same(found, caffe.lrn_across(x, size, alpha, beta, k))
    found = single(tmp_path, "LRN", f"lrn_param {{ {params} norm_region: WITHIN_CHANNEL }}", x)
    same(found, caffe.lrn_within(x, size, alpha, beta))


X = numbers(2, 4, 3, 5)
POSITIVE = np.abs(X) + np.float32(0.1)
ELEMENTWISE = {
    "ReLU": ("", X, np.maximum(X, 0)),
    "ReLU leaky": ("relu_param { negative_slope: 0.1 }", X, np.where(X > 0, X, X * 0.1)),
    "ELU": ("elu_param { alpha: 0.5 }", X, np.where(X > 0, X, 0.5 * np.expm1(X))),
    "Sigmoid": ("", X, 1 / (1 + np.exp(-X.astype(np.float64)))),
    "TanH": ("tanh_param { engine: CAFFE }", X, np.tanh(X)),
    "AbsVal": ("", X, np.abs(X)),
    "Power": ("power_param { power: 2 scale: 0.5 shift: 1 }", X, (1 + 0.5 * X) ** 2),
    "Power 1": ("power_param { scale: -1 shift: 1 }", X, 1 - X),
    "Power -0.5": ("power_param { power: -0.5 shift: 0.01 }", POSITIVE, (0.01 + POSITIVE) ** -0.5),
    "Power 3": ("power_param { power: 3 }", X, X**3),
    "Exp": ("exp_param { scale: 0.5 shift: -1 }", X, np.exp(0.5 * X - 1)),
    "Exp 2": ("exp_param { base: 2 shift: 1 }", X, 2 ** (X + 1)),
    "Log": ("log_param { scale: 2 }", POSITIVE, np.log(2 * POSITIVE)),
    "Log 10": ("log_param { base: 10 shift: 1 }", POSITIVE, np.log10(1 + POSITIVE)),
    "Dropout": ("dropout_param { dropout_ratio: 0.7 }", X, X),
    "Softmax": ("", X, caffe.softmax(X, 1)),
    "Softmax 3": ("softmax_param { axis: -1 }", X, caffe.softmax(X, 3)),
    "Flatten": ("", X, X.reshape(2, 60)),
    "Flatten 2": ("flatten_param { axis: 1 end_axis: -2 }", X, X.reshape(2, 12, 5)),
    "Reshape": ("reshape_param { shape { dim: 0 dim: -1 dim: 6 } }", X, X.reshape(2, 10, 6)),
    "Permute": ("permute_param { order: 0 order: 2 order: 3 order: 1 }", X, X.transpose(0, 2, 3, 1)),
    "Permute short": ("permute_param { order: 3 }", X, X.transpose(3, 0, 1, 2)),
    "Reduction": ("reduction_param { axis: 1 }", X, X.sum(axis=(1, 2, 3))),
    "Reduction MEAN": ("reduction_param { operation: MEAN axis: 2 coeff: 3 }", X, 3 * X.mean(axis=(2, 3))),
    "Reduction ASUM": ("reduction_param { operation: ASUM axis: -1 }", X, np.abs(X).sum(axis=3)),
    "Reduction SUMSQ": ("reduction_param { operation: SUMSQ axis: 1 }", X, (X**2).sum(axis=(1, 2, 3))),
    "BNLL": ("", X, np.log1p(np.exp(X.astype(np.float64)))),
    "Clip": ("clip_param { min: -0.5 max: 1 }", X, X.clip(-0.5, 1)),
    "ReLU6": ("", X * 5, (X * 5).clip(0, 6)),
    "Swish": ("swish_param { beta: 1.5 }", X, X / (1 + np.exp(-1.5 * X.astype(np.float64)))),
    "Tile": ("tile_param { axis: 2 tiles: 3 }", X, np.tile(X, (1, 1, 3, 1))),
    "ShuffleChannel": ("shuffle_channel_param { group: 2 }", X, X[:, [0, 2, 1, 3]]),
    "MVN": ("", X, caffe.mvn(X, True, False, 1e-9)),
    "MVN mean": ("mvn_param { normalize_variance: false across_channels: true }", X, caffe.mvn(X, False, True, 0)),
}


@pytest.mark.parametrize("case", ELEMENTWISE)
def test_one_bottom(tmp_path: Path, case: str) -> None:
    params, x, expected = ELEMENTWISE[case]
    same(single(tmp_path, case.split()[0], params, x), np.asarray(expected))


SUMS = [
    ("", lambda a, b, c: a + b + c),
    ("operation: SUM coeff: 1 coeff: -0.5 coeff: 2", lambda a, b, c: a - 0.5 * b + 2 * c),
    ("operation: PROD", lambda a, b, c: a * b * c),
    ("operation: MAX", lambda a, b, c: np.maximum(np.maximum(a, b), c)),
    ("operation: 2", lambda a, b, c: np.maximum(np.maximum(a, b), c)),
]


@pytest.mark.parametrize("params, function", SUMS, ids=[s[0] for s in SUMS])
def test_eltwise(tmp_path: Path, params: str, function: Callable[..., Array]) -> None:
    declared = "".join(f'input: "{n}" input_shape {{ dim: [2, 3, 4, 5] }}\n' for n in "abc")
    graph = read(write(tmp_path, declared + one("Eltwise", f"eltwise_param {{ {params} }}", "a b c")))
    values = [numbers(2, 3, 4, 5) for _ in range(3)]
    same(run(graph, *values), function(*values))


@pytest.mark.parametrize(
    "params, axis", [("", 1), ("concat_param { axis: -1 }", 3), ("concat_param { concat_dim: 0 }", 0)]
)
def test_concat(tmp_path: Path, params: str, axis: int) -> None:
    values = [numbers(*(n if i == axis else d for i, d in enumerate((2, 3, 4, 5)))) for n in (1, 4)]
    declared = "".join(
        f'input: "{n}" input_shape {{ {" ".join(f"dim: {d}" for d in v.shape)} }}'
        for n, v in zip("ab", values, strict=True)
    )
    same(run(read(write(tmp_path, declared + one("Concat", params, "a b"))), *values), np.concatenate(values, axis))


@pytest.mark.parametrize(
    "params, axis, points",
    [
        ("", 1, [2, 4]),
        ("axis: 2 slice_point: 1 slice_point: 4", 2, [1, 4]),
        ("slice_dim: 3 slice_point: [2, 3]", 3, [2, 3]),
    ],
)
def test_slice(tmp_path: Path, params: str, axis: int, points: list[int]) -> None:
    x = numbers(2, 6, 6, 6)
    graph = read(write(tmp_path, net(one("Slice", f"slice_param {{ {params} }}", tops="a b c"), "2 6 6 6")))
    assert graph.outputs == ["a", "b", "c"]
    found = reference.run(graph, {"data": x})
    for name, part in zip("abc", np.split(x, points, axis), strict=True):
        same(found[name], part)


@pytest.mark.parametrize("params, shape", [
    ("shape { dim: 0 dim: -1 dim: 6 }", (2, 10, 6)),
    ("shape { dim: 2 dim: 2 } axis: 1 num_axes: 1", (2, 2, 2, 3, 5)),
    ("shape { dim: 1 } axis: -1 num_axes: 0", (2, 4, 3, 5, 1)),
    ("shape { dim: -1 } axis: -3", (2, 4, 15)),
    ("shape { dim: 0 dim: 15 } axis: 1", (2, 4, 15)),
])  # fmt: skip
def test_reshape(tmp_path: Path, params: str, shape: tuple[int, ...]) -> None:
    same(single(tmp_path, "Reshape", f"reshape_param {{ {params} }}", X), X.reshape(shape))


@pytest.mark.parametrize(
    "dims, shape", [("dim: 1 dim: 60", (4, 60)), ("dim: 1 dim: -1", (4, 60)), ("dim: 1 dim: 0 dim: 20", (4, 3, 20))]
)
def test_a_reshape_that_writes_out_a_batch_of_one_follows_another(
    tmp_path: Path, dims: str, shape: tuple[int, ...]
) -> None:
    x = numbers(4, 3, 4, 5)
    path = write(tmp_path, net(one("Reshape", f"reshape_param {{ shape {{ {dims} }} }}"), "1 3 4 5"))
    with am.load(am.build(path).compile()) as opened:
        (found,) = opened.run(None, {"data": x})
    same(found, x.reshape(shape))


def test_scale_by_a_second_bottom(tmp_path: Path) -> None:
    declared = 'input: "x" input_shape { dim: [2, 3, 4, 5] } input: "s" input_shape { dim: [2, 3, 4, 5] }'
    x, s = numbers(2, 3, 4, 5), numbers(2, 3, 4, 5)
    same(run(read(write(tmp_path, declared + one("Scale", "scale_param { axis: 0 }", "x s"))), x, s), x * s)


def test_batch_norm_and_scale_as_residual_networks_have_them(tmp_path: Path) -> None:
    x, w, b = numbers(1, 3, 6, 5), numbers(4, 3, 3, 3), numbers(4)
    mean, variance, gamma, beta = numbers(4), np.abs(numbers(4)) + np.float32(0.5), numbers(4), numbers(4)
    body = (
        one("Convolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }", "data", "c", "conv")
        + one("BatchNorm", "", "c", "c", "bn")
        + one("Scale", "scale_param { bias_term: true }", "c", "c", "scale")
        + one("ReLU", "", "c", "c", "relu")
    )
    blobs = {"conv": [w, b], "bn": [mean * 2, variance * 2, np.array([2], np.float32)], "scale": [gamma, beta]}
    graph = read(write(tmp_path, net(body), model(blobs)))
    y = caffe.batch_norm(caffe.convolution(x, w, b, (1, 1), (1, 1), 1, 1), mean, variance, 1, 1e-5)
    assert graph.outputs == ["c"]
    same(run(graph, x), np.maximum(y * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1), 0))
