"""Whole random networks, through importer, passes, plan and C, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Model, amg
from onnx_text import read
from random_onnx import network


def peer(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )  # it fuses Pad where it may not
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {"x": x}))


def error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-30))


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_networks_agree_with_onnx_runtime(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """At the batch size that they were built for, and after a change of it at run time."""
    model = network(lambda options: data.draw(st.sampled_from(list(options))))
    graph = read(model, tmp_path_factory.getbasetemp())
    x = np.random.default_rng(9).standard_normal((3, *graph.tensors["x"].shape[1:])).astype(np.float32)
    with Model(amg(graph)) as opened, opened.session() as session:
        for batch in (x[:1], x, x[:2]):
            session.set_shape(0, batch.shape)
            for ours, theirs in zip(session.run([batch]), peer(model, batch), strict=True):
                assert ours.shape == theirs.shape
                assert error(ours, theirs) <= 1e-5
