"""The face detector slim-320 from Caffe, beside its ONNX twin under ONNX Runtime; its boxes are the raw ones of both."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import harness
from amalgamate import reference
from amalgamate.graph import Array, Graph
from amalgamate.importers import read
from tools import package, shared

FACES = {"people-1": 87, "people-13": 16, "people-19": 36}  # scores over 0.7


@pytest.fixture(scope="module")
def slim() -> Graph:
    return read(shared("data/face/slim-320.prototxt"))


def photo(name: str) -> Array:
    """A picture as the detector takes it: 320x240, RGB, (x - 127) / 128, [1, 3, 240, 320]."""
    picture = Image.open(shared(f"data/images/{name}.jpg")).convert("RGB").resize((320, 240), Image.Resampling.BILINEAR)
    return ((np.asarray(picture, np.float32) - 127) / 128).transpose(2, 0, 1)[None].copy()


def twin(x: Array, model: str) -> dict[str, Array]:
    ort = package("onnxruntime")
    quiet = ort.SessionOptions()
    quiet.log_severity_level = 3  # the twin lists its weights among its inputs, each of which is a warning
    session = ort.InferenceSession(str(shared(f"data/face/{model}.onnx")), quiet, providers=["CPUExecutionProvider"])
    return dict(zip(("scores", "boxes"), session.run(["scores", "boxes"], {"input": x}), strict=True))


def test_interface(slim: Graph) -> None:
    shapes = {name: slim.tensors[name].shape for name in (*slim.inputs, *slim.outputs)}
    assert shapes == {"input": (1, 3, 240, 320), "boxes": (1, 4420, 4), "scores": (1, 4420, 2)}
    assert slim.macs() == pytest.approx(60e6, rel=0.5)


@pytest.mark.parametrize("name", FACES)
def test_equals_its_onnx_twin(slim: Graph, name: str) -> None:
    x = photo(name)
    expected = twin(x, "slim-320-raw")
    assert int((expected["scores"][0, :, 1] > 0.7).sum()) == FACES[name]
    in_numpy = reference.run(slim, {"input": x})
    in_c = dict(zip(slim.outputs, harness.run_c(slim, {"input": x}), strict=True))
    for found in (in_numpy, in_c):
        assert int((found["scores"][0, :, 1] > 0.7).sum()) == FACES[name]
        for output, value in expected.items():
            assert found[output].shape == value.shape
            assert np.abs(found[output] - value).max() <= 1e-5 * np.abs(value).max(), output


def test_decoded_it_equals_the_twin_with_post_processing(slim: Graph) -> None:
    """slim-320.onnx also decodes the boxes against its anchors, which are constants in it: centre and size, then corners."""
    onnx = package("onnx")
    nodes = onnx.load(str(shared("data/face/slim-320.onnx"))).graph.node
    known = {n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in nodes if n.op_type == "Constant"}
    centre_variance, size, centre, size_variance = (known[k] for k in ("378", "380", "382", "385"))
    x = photo("people-1")
    found, expected = dict(zip(slim.outputs, harness.run_c(slim, {"input": x}), strict=True)), twin(x, "slim-320")
    middle = found["boxes"][..., :2] * centre_variance * size + centre
    extent = np.exp(found["boxes"][..., 2:] * size_variance) * size
    boxes = np.concatenate([middle - extent / 2, middle + extent / 2], -1)
    for value, goal in ((found["scores"], expected["scores"]), (boxes, expected["boxes"])):
        assert np.abs(value - goal).max() <= 1e-5 * np.abs(goal).max()
