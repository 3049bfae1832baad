"""ONNX's elementwise, normalising and reducing operators in their older forms, through importer and C, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import harness
import onnx_text
from amalgamate import passes
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array
from amalgamate.ops.transpose import Transpose

X = "float[2, 3, 4, 5] x"
SAME = "float[2, 3, 4, 5] y"
TWO = "<int64[1] k = {2}>"
THREE = "float[3] s = {1, 2, 3}"

# text of the graph -> the operator set
MODELS: dict[str, int] = {
    f"({X}) => ({SAME}) {{ y = Clip <min = -0.5, max = 0.25> (x) }}": 10,
    f"({X}) => ({SAME}) {{ y = Clip <max = 0.25> (x) }}": 10,
    f"({X}) => ({SAME}) <float low = {{-0.5}}> {{ y = Clip (x, low) }}": 13,
    f"({X}) => ({SAME}) <float high = {{0.5}}> {{ y = Clip (x, , high) }}": 13,
    f"({X}, float high) => ({SAME}) <float low = {{-0.5}}> {{ y = Clip (x, low, high) }}": 13,
    f"({X}) => ({SAME}) {{ y = Softmax (x) }}": 11,
    f"({X}) => ({SAME}) {{ y = Softmax <axis = 0> (x) }}": 11,
    f"({X}) => ({SAME}) {{ y = LogSoftmax <axis = 2> (x) }}": 11,
    f"({X}) => ({SAME}) {{ y = Softmax <axis = -1> (x) }}": 11,
    f"({X}) => ({SAME}) {{ y = Softmax <axis = 1> (x) }}": 13,
    "(float[2, 3, 1, 1] x) => (float[2, 3, 1, 1] y) { y = Softmax (x) }": 9,
    f"({X}) => (float[2, 3] y) {{ y = ReduceMean <axes = [2, 3], keepdims = 0> (x) }}": 12,
    f"({X}) => (float[2, 4, 5] y) {{ y = ReduceMax <axes = [-3], keepdims = 0> (x) }}": 12,
    f"({X}) => (float[1, 1, 1, 1] y) {{ y = ReduceSum (x) }}": 12,
    f"({X}) => (float y) {{ y = ReduceMin <keepdims = 0> (x) }}": 12,
    f"({X}) => (float[2, 1, 4, 5] y) {{ y = ReduceL2 <axes = [1]> (x) }}": 12,
    f"({X}) => (float[2, 3, 5] y) {{ y = ReduceLogSumExp <axes = [2], keepdims = 0> (x) }}": 12,
    f"({X}) => (float[2, 3, 4, 1] y) {{ y = ReduceL1 <axes = [3]> (x) }}": 12,
    f"({X}) => (float[2, 3, 4, 1] y) {{ y = ReduceSumSquare <axes = [3]> (x) }}": 12,
    f"({X}) => (float[1, 3, 4, 5] y) {{ y = ReduceProd <axes = [0]> (x) }}": 12,
    f"({X}) => (int64[2, 4, 5] y) {{ y = ArgMax <axis = 1, keepdims = 0> (x) }}": 11,
    f"({X}) => (int64[2, 3, 4, 1] y) {{ y = ArgMin <axis = -1> (x) }}": 11,
    f"({X}) => (float[2, 3, 4, 2] y, int64[2, 3, 4, 2] i) {TWO} {{ y, i = TopK (x, k) }}": 11,
    f"({X}) => (float[2, 3, 2, 5] y, int64[2, 3, 2, 5] i) {TWO} {{ y, i = TopK <axis = -2, largest = 0> (x, k) }}": 11,
    f"({X}) => (float[2, 2, 4, 5] y, int64[2, 2, 4, 5] i) {{ y, i = TopK <axis = 1, k = 2> (x) }}": 9,
    f"({X}) => ({SAME}) {{ y = LRN <size = 3, alpha = 0.5, beta = 0.6, bias = 2.0> (x) }}": 13,
    f"({X}) => ({SAME}) <{THREE}> {{ y = BatchNormalization <epsilon = 0.1> (x, s, s, s, s) }}": 9,
    f"({X}, float[3] s, float[3] v) => ({SAME}) {{ w = Abs (v) y = BatchNormalization (x, s, s, v, w) }}": 15,
    f"({X}) => ({SAME}) <{THREE}> {{ y = InstanceNormalization (x, s, s) }}": 13,
    f"({X}) => ({SAME}) <float[5] s = {{1, 2, 3, 4, 5}}> {{ y = LayerNormalization <axis = 2> (x, s, s) }}": 17,
    f"({X}) => ({SAME}) <float[5] s = {{1, 2, 3, 4, 5}}> {{ y = LayerNormalization (x, s) }}": 17,
    f"({X}) => ({SAME}) <float[3, 1, 1] s = {{0.1, 0.2, 0.3}}> {{ y = PRelu (x, s) }}": 9,
    f"({X}) => ({SAME}) <float[1] s = {{0.1}}> {{ y = PRelu (x, s) }}": 16,
    f"({X}) => ({SAME}) <float e = {{2}}> {{ y = Pow (x, e) }}": 7,
    f"({X}) => ({SAME}) <int64 e = {{3}}> {{ y = Pow (x, e) }}": 13,
    f"({X}) => ({SAME}) <float[5] e = {{0, 1, 2, 3, -1}}> {{ y = Pow (x, e) }}": 13,
    f"({X}, float[4, 1] a, float[3, 1, 1] b) => ({SAME}) {{ y = Sum (a, x, b) }}": 13,
    f"({X}, float[4, 1] a, float[3, 1, 1] b) => ({SAME}) {{ y = Mean (a, x, b) }}": 13,
    f"({X}, float[4, 1] a, float[3, 1, 1] b) => ({SAME}) {{ y = Max (a, b, x) }}": 13,
    f"({X}) => ({SAME}) {{ y = Min (x) }}": 13,
    f"({X}) => ({SAME}) {{ a = Abs (x) y = Reciprocal (a) }}": 13,
    f"({X}) => ({SAME}) {{ y = Gelu <approximate = \"tanh\"> (x) }}": 20,
    f"({X}) => ({SAME}) {{ y = Selu <alpha = 2.0, gamma = 3.0> (x) }}": 9,
    f"({X}) => ({SAME}) {{ y = HardSigmoid <alpha = 0.3> (x) }}": 9,
}  # fmt: skip


@pytest.mark.parametrize("text", MODELS, ids=lambda t: t[t.index("{") :] if "<" not in t else t[t.rindex("{") :])
def test_against_onnx_runtime(tmp_path: Path, text: str) -> None:
    model = onnx_text.model(text, MODELS[text])
    rng = np.random.default_rng(3)
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input]
    values: list[Array] = [np.asarray(2 * rng.standard_normal(s), np.float32) for s in shapes]
    graph = onnx_text.read(model, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    wanted = session.run(None, dict(zip(graph.inputs, values, strict=True)))
    for y, expected in zip(harness.run_c(graph, values), wanted, strict=True):
        assert y.shape == expected.shape and y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, 1e-5, 1e-5)


@pytest.mark.parametrize(
    "text, why",
    [
        ("(int64[3] x, int64[3] z) => (int64[3] y) { y = Add (x, z) }", "input 'x' is int64"),
        ("(int64[3] x, float[3] z) => (int64[3] y) { y = Pow (x, z) }", "it raises int64 to float32"),
        ("(float[3, 4] x, int64[1] k) => (float[3, 2] y, int64[3, 2] i) { y, i = TopK (x, k) }", "k is not a constant"),
        ("(float[3, 4] x, int64[1] a) => (float[3, 1] y) { y = ReduceSum (x, a) }", "axes is not a constant"),
        ("(float[3, 4] x) => (float[3, 4] y) { y = Softmax <axis = 2> (x) }", "axis 2 of a tensor with 2 axes"),
    ],
)
def test_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(AmalgamateError, match=why) as caught:
        onnx_text.read(onnx_text.model(text), tmp_path)
    assert caught.value.code == "E104"


@pytest.mark.parametrize(
    "tail, shape",
    [
        ("y = ReduceMean <axes = [2, 3], keepdims = 0> (c)", "1, 8"),
        ("g = ReduceMean <axes = [2, 3]> (c) y = Softmax <axis = 1> (g)", "1, 8, 1, 1"),
        (
            "g = ReduceMean <axes = [2, 3]> (c) z = Sigmoid (g) m = Mul (c, z) y = ReduceMax <axes = [2, 3], keepdims = 0> (m)",
            "1, 8",
        ),
        ("y = ArgMax <axis = 1, keepdims = 0> (c)", "1, 6, 6"),
    ],
)
def test_no_data_moves_behind_a_convolution(tmp_path: Path, tail: str, shape: str) -> None:
    """Reductions and softmax take channels-last tensors as they are; the one transpose left turns the input."""
    kind = "int64" if "ArgMax" in tail else "float"
    text = f"(float[1, 4, 6, 6] x, float[8, 4, 1, 1] w) => ({kind}[{shape}] y) {{ c = Conv (x, w) {tail} }}"
    weights = np.random.default_rng(4).standard_normal((8, 4, 1, 1)).astype(np.float32)
    graph = passes.run(onnx_text.read(onnx_text.model(text, 13), tmp_path, bind={"w": weights}))
    assert sum(isinstance(node.op, Transpose) for node in graph.nodes) == 1
