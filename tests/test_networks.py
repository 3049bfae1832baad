"""Whole networks through importer, passes, plan and C: against ONNX Runtime, and against what is stored beside them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from amalgamate import importers
from amalgamate.graph import Array
from harness import Model, amg, isas, run_c
from tools import shared

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = ("lenet", "squeezenet10", "squeezenet11", "mobilenet_v1", "mobilenet_v2", "inception_bn", "resnet18", "resnet50",
            "alexnet", "vgg16")  # fmt: skip


def picture(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def compare(path: Path, x: Array) -> None:
    """Raises where C, on any instruction set, and ONNX Runtime differ by more than 1e-5 of the largest value of an output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: x})
    del session
    with Model(amg(importers.read(path))) as model:
        for isa in isas():
            with model.session(isa) as opened:
                ours = opened.run([x])
            for a, b in zip(ours, theirs, strict=True):
                assert a.shape == b.shape
                assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max(), isa


@pytest.mark.parametrize("name", NETWORKS)
def test_benchmark_networks_agree_with_onnx_runtime(name: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_models", shared("bench/make_models.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / f"{name}.onnx"
    model = getattr(module, name)()
    logits = model.graph.node[-1].input[
        0
    ]  # of weights that nobody trained the softmax may be all one class, which shows little
    model.graph.output.append(onnx.helper.make_tensor_value_info(logits, onnx.TensorProto.FLOAT, None))
    onnx.save(model, path)
    shape = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    del model
    compare(path, picture(shape))
    path.unlink()


@pytest.mark.parametrize("name", ["slim-320.onnx", "slim-320-raw.onnx"])
def test_face_detectors_agree_with_onnx_runtime(name: str) -> None:
    compare(shared(f"data/face/{name}"), picture((1, 3, 240, 320)))


@pytest.mark.parametrize("path", sorted(LIGHT.glob("light_*.onnx")), ids=lambda p: p.stem)
def test_light_models_give_their_stored_outputs(path: Path) -> None:
    """Nine published networks with made-up weights; the input is 0 to 1 in even steps, as ONNX's own runner makes it."""
    graph = importers.read(path)
    (name,) = graph.inputs
    shape = graph.tensors[name].shape
    x = (np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32)
    (y,) = run_c(graph, [x])
    stored = onnx.TensorProto.FromString(path.with_name(f"{path.stem}_output_0.pb").read_bytes())
    np.testing.assert_allclose(y, numpy_helper.to_array(stored), rtol=1e-3, atol=1e-7)


def test_there_are_nine_light_models() -> None:
    assert len(list(LIGHT.glob("light_*.onnx"))) == 9
