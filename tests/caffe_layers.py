"""Caffe's layers as its C++ says them, loop by loop: what imported layers are compared with. Slow, on purpose.

Source: src/caffe/layers/*.cpp of BVLC/caffe; names of variables are theirs.
"""

from __future__ import annotations

import math

import numpy as np

from amalgamate.graph import Array


def convolution(
    x: Array, w: Array, b: Array | None, stride: tuple[int, int], pad: tuple[int, int], dilation: int, group: int
) -> Array:
    n, c, height, width = x.shape
    outputs, inner, kh, kw = w.shape
    out_h = (height + 2 * pad[0] - (dilation * (kh - 1) + 1)) // stride[0] + 1
    out_w = (width + 2 * pad[1] - (dilation * (kw - 1) + 1)) // stride[1] + 1
    y = np.zeros((n, outputs, out_h, out_w), np.float64)
    for i, o, r, s, q, u, v in np.ndindex(n, outputs, out_h, out_w, inner, kh, kw):
        row, column = r * stride[0] - pad[0] + u * dilation, s * stride[1] - pad[1] + v * dilation
        if 0 <= row < height and 0 <= column < width:
            y[i, o, r, s] += float(w[o, q, u, v]) * x[i, o // (outputs // group) * (c // group) + q, row, column]
    return y + (0 if b is None else b[:, None, None])


def deconvolution(x: Array, w: Array, b: Array, stride: int, pad: int, group: int) -> Array:
    n, c, height, width = x.shape
    _, inner, kh, kw = w.shape  # (inputs, outputs / group, kh, kw)
    out_h, out_w = stride * (height - 1) + kh - 2 * pad, stride * (width - 1) + kw - 2 * pad
    y = np.zeros((n, inner * group, out_h, out_w), np.float64)
    for i, q, r, s, o, u, v in np.ndindex(n, c, height, width, inner, kh, kw):
        row, column = r * stride - pad + u, s * stride - pad + v
        if 0 <= row < out_h and 0 <= column < out_w:
            y[i, q // (c // group) * inner + o, row, column] += float(w[q, o, u, v]) * x[i, q, r, s]
    return y + b[:, None, None]


def pooling(
    x: Array, method: str, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], floor: bool = False
) -> Array:
    """pooling_layer.cpp: rounds up, clips so that no window begins outside, and averages over the padded window."""
    height, width = x.shape[2:]
    rounds = math.floor if floor else math.ceil
    pooled_height = rounds((height + 2 * pad[0] - kernel[0]) / stride[0]) + 1
    pooled_width = rounds((width + 2 * pad[1] - kernel[1]) / stride[1]) + 1
    if pad != (0, 0):
        pooled_height -= (pooled_height - 1) * stride[0] >= height + pad[0]
        pooled_width -= (pooled_width - 1) * stride[1] >= width + pad[1]
    y = np.zeros((*x.shape[:2], pooled_height, pooled_width), np.float64)
    for ph, pw in np.ndindex(pooled_height, pooled_width):
        hstart, wstart = ph * stride[0] - pad[0], pw * stride[1] - pad[1]
        hend, wend = min(hstart + kernel[0], height + pad[0]), min(wstart + kernel[1], width + pad[1])
        pool_size = (hend - hstart) * (wend - wstart)
        window = x[:, :, max(hstart, 0) : min(hend, height), max(wstart, 0) : min(wend, width)]
        y[:, :, ph, pw] = (
            window.max(axis=(2, 3)) if method == "MAX" else window.sum(axis=(2, 3), dtype=np.float64) / pool_size
        )
    return y


def lrn_across(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """lrn_layer.cpp: scale = k + alpha / size * sum of squares over `size` channels."""
    scale = np.full(x.shape, k, np.float64)
    pre_pad = (size - 1) // 2
    for c in range(x.shape[1]):
        first, last = max(0, c - pre_pad), min(x.shape[1], c - pre_pad + size)
        scale[:, c] += alpha / size * (x[:, first:last].astype(np.float64) ** 2).sum(axis=1)
    return x * scale**-beta


def lrn_within(x: Array, size: int, alpha: float, beta: float) -> Array:
    """lrn_layer.cpp, WithinChannelForward: x * (1 + alpha * average pool of squares with padding) ^ -beta."""
    pre_pad = (size - 1) // 2
    pooled = pooling(x.astype(np.float64) ** 2, "AVE", (size, size), (1, 1), (pre_pad, pre_pad))
    return x * (1 + alpha * pooled) ** -beta


def batch_norm(x: Array, mean: Array, variance: Array, factor: float, eps: float) -> Array:
    """batch_norm_layer.cpp with global statistics, which are stored times `factor`."""
    scale = 0.0 if factor == 0 else 1 / factor
    shape = (1, -1) + (1,) * (x.ndim - 2)
    centred = x.astype(np.float64) - (mean * scale).reshape(shape)
    return centred / np.sqrt((variance * scale).reshape(shape) + eps)


def inner_product(x: Array, w: Array, b: Array | None, axis: int, transpose: bool) -> Array:
    rows = x.reshape(math.prod(x.shape[:axis]), -1).astype(np.float64)
    y = rows @ (w if transpose else w.T) + (0 if b is None else b)
    return y.reshape(*x.shape[:axis], -1)


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def mvn(x: Array, variance: bool, across: bool, eps: float) -> Array:
    axes = tuple(range(1 if across else 2, x.ndim))
    y = x.astype(np.float64) - x.mean(axis=axes, keepdims=True, dtype=np.float64)
    return y / (np.sqrt((y**2).mean(axis=axes, keepdims=True)) + eps) if variance else y
