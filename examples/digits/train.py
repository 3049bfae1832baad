"""Trains the digit network that amalgamate carries, in plain NumPy: conv 3x3 - conv 3x3 - pool - dense, 9,930 weights.

    python examples/digits/train.py          # 15 seconds; writes amalgamate/data/digits.onnx and digits_samples.json

The data are the 1,797 8x8 pictures of scikit-learn. A fixed quarter of them is held out: it is used once, at the end,
for the accuracy that is printed and for the samples that `amalgamate demo` shows. The same machine gives the same bytes.
Weights are rounded to half precision at the end, so that storing them as float16 loses nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

DATA = Path(__file__).resolve().parents[2] / "amalgamate" / "data"
SEED, EPOCHS, BATCH, RATE = 0, 80, 32, 2e-3
CHANNELS = (16, 32)
Weights = dict[str, np.ndarray]


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training pictures [n, 1, 8, 8] in 0..1 and classes [n], then the same of the held-out quarter."""
    pixels, classes = load_digits(return_X_y=True)
    x = (pixels.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    order = np.random.default_rng(SEED).permutation(len(x))
    test, train = order[: len(x) // 4], order[len(x) // 4 :]
    return x[train], classes[train], x[test], classes[test]


def augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each picture shifted bilinearly by up to one pixel either way, with another contrast and a little noise."""
    n = len(x)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    dy, dx = (rng.uniform(-1, 1, (n, 1, 1)).astype(np.float32) for _ in range(2))
    item, rows, cols = np.arange(n)[:, None, None], np.arange(8)[None, :, None] + 2, np.arange(8)[None, None, :] + 2
    top, left = np.floor(dy).astype(int), np.floor(dx).astype(int)
    fy, fx = dy - top, dx - left
    picture = padded[:, 0]
    shifted = sum(
        (fy if i else 1 - fy) * (fx if j else 1 - fx) * picture[item, rows + top + i, cols + left + j]
        for i in (0, 1)
        for j in (0, 1)
    )
    contrast = rng.uniform(0.85, 1.15, (n, 1, 1))
    noise = rng.normal(0, 0.02, shifted.shape)
    return np.clip(shifted * contrast + noise, 0, 1)[:, None].astype(np.float32)


def patches(x: np.ndarray) -> np.ndarray:
    """Every 3x3 patch with a margin of zeros: [n, c, h, w] -> [n * h * w, c * 9]."""
    windows = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * 9)


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 3x3 convolution and the ReLU behind it, [n, c, h, w] -> [n, m, h, w], and the patches that the backward pass needs."""
    rows = patches(x)
    y = rows @ w.reshape(len(w), -1).T + b
    return np.maximum(y, 0).reshape(len(x), *x.shape[2:], -1).transpose(0, 3, 1, 2), rows


def forward(p: Weights, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores before softmax [n, 10], and what the backward pass needs."""
    a1, rows1 = convolve(x, p["conv1_w"], p["conv1_b"])
    a2, rows2 = convolve(a1, p["conv2_w"], p["conv2_b"])
    n, m = a2.shape[:2]
    blocks = a2.reshape(n, m, 4, 2, 4, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, m, 4, 4, 4)
    flat = blocks.max(-1).reshape(n, -1)
    kept = {"rows1": rows1, "rows2": rows2, "a1": a1, "a2": a2, "blocks": blocks, "flat": flat}
    return flat @ p["dense_w"].T + p["dense_b"], kept


def backward(p: Weights, k: dict[str, np.ndarray], slope: np.ndarray, mask: np.ndarray) -> Weights:
    """The gradient of every weight from that of the scores, [n, 10]; `mask` is the dropout of the dense layer's input."""
    n, m = k["a2"].shape[:2]
    grad = {"dense_w": slope.T @ (k["flat"] * mask), "dense_b": slope.sum(0)}
    pooled = ((slope @ p["dense_w"]) * mask).reshape(n, m, 4, 4, 1)
    first = np.arange(4) == k["blocks"].argmax(-1)[..., None]
    d2 = (first * pooled).reshape(n, m, 4, 4, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, m, 8, 8)
    rows = (d2 * (k["a2"] > 0)).transpose(0, 2, 3, 1).reshape(-1, m)
    grad["conv2_w"] = (rows.T @ k["rows2"]).reshape(p["conv2_w"].shape)
    grad["conv2_b"] = rows.sum(0)
    flipped = p["conv2_w"][:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(CHANNELS[0], -1)
    d1 = patches(d2 * (k["a2"] > 0)) @ flipped.T
    rows = d1 * (k["a1"] > 0).transpose(0, 2, 3, 1).reshape(-1, CHANNELS[0])
    grad["conv1_w"] = (rows.T @ k["rows1"]).reshape(p["conv1_w"].shape)
    grad["conv1_b"] = rows.sum(0)
    return grad


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y - y.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def train(x: np.ndarray, classes: np.ndarray) -> Weights:
    """Adam with a rate that falls along a cosine, on pictures augmented anew in each epoch; half of the dense inputs dropped."""
    rng = np.random.default_rng(SEED)
    c1, c2 = CHANNELS
    shapes = {"conv1_w": (c1, 1, 3, 3), "conv2_w": (c2, c1, 3, 3), "dense_w": (10, c2 * 16)}
    p: Weights = {}
    for name, shape in shapes.items():
        p[name] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        p[name[:-1] + "b"] = np.zeros(shape[0], np.float32)
    mean, square = ({key: np.zeros_like(value) for key, value in p.items()} for _ in range(2))
    steps, step = EPOCHS * (len(x) // BATCH), 0
    for epoch in range(EPOCHS):
        order, total = rng.permutation(len(x)), 0.0
        for start in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            _, kept = forward(p, augment(x[batch], rng))
            mask = (rng.random(kept["flat"].shape) < 0.5).astype(np.float32) * 2
            chance = softmax((kept["flat"] * mask) @ p["dense_w"].T + p["dense_b"])
            target = np.eye(10, dtype=np.float32)[classes[batch]]
            total -= float((target * np.log(chance + 1e-9)).sum())
            grad = backward(p, kept, (chance - target) / BATCH, mask)
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            for key, g in grad.items():
                mean[key] = 0.9 * mean[key] + 0.1 * g
                square[key] = 0.999 * square[key] + 0.001 * g * g
                unbiased = np.sqrt(square[key] / (1 - 0.999**step)) + 1e-8
                p[key] = (p[key] - rate * (mean[key] / (1 - 0.9**step) / unbiased + 1e-3 * p[key])).astype(np.float32)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}: loss {total / len(x):.4f}", flush=True)
    return p


def rounded(p: Weights) -> Weights:
    """The weights but for the biases rounded to numbers of half precision."""
    return {key: v.astype(np.float16).astype(np.float32) if v.ndim > 1 else v for key, v in p.items()}


def to_onnx(p: Weights) -> onnx.ModelProto:
    """The network as ONNX: input `image` [batch, 1, 8, 8] in 0..1, output `probabilities` [batch, 10]."""
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "conv1_w", "conv1_b"], ["conv1"], "conv1", **same),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("Conv", ["relu1", "conv2_w", "conv2_b"], ["conv2"], "conv2", **same),
        helper.make_node("Relu", ["conv2"], ["relu2"], "relu2"),
        helper.make_node("MaxPool", ["relu2"], ["pool"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool"], ["flat"], "flat"),
        helper.make_node("Gemm", ["flat", "dense_w", "dense_b"], ["dense"], "dense", transB=1),
        helper.make_node("Softmax", ["dense"], ["probabilities"], "probabilities", axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])
    scores = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])
    weights = [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in sorted(p.items())]
    graph = helper.make_graph(nodes, "digits", [image], [scores], weights)
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="amalgamate")
    onnx.checker.check_model(model, full_check=True)
    return model


def samples(x: np.ndarray, classes: np.ndarray) -> dict[str, list[object]]:
    """The first two held-out pictures of each digit, as grey values 0..255 in rows of 8."""
    chosen = [int(i) for digit in range(10) for i in np.flatnonzero(classes == digit)[:2]]
    pictures = [np.rint(x[i, 0] * 255).astype(int).ravel().tolist() for i in chosen]
    return {"labels": [int(classes[i]) for i in chosen], "images": pictures}


def main() -> None:
    x, classes, test_x, test_classes = load()
    p = rounded(train(x, classes))
    wrong = int((forward(p, test_x)[0].argmax(1) != test_classes).sum())
    print(f"test accuracy: {1 - wrong / len(test_x):.2%} ({wrong} of {len(test_x)} wrong)")
    DATA.mkdir(exist_ok=True)
    (DATA / "digits.onnx").write_bytes(to_onnx(p).SerializeToString())
    (DATA / "digits_samples.json").write_text(json.dumps(samples(test_x, test_classes), separators=(",", ":")) + "\n")
    print(f"{sum(value.size for value in p.values()):,} weights, {(DATA / 'digits.onnx').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
