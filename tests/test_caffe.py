"""Caffe networks as a whole: three generations of prototxt, rules, in-place layers, inputs, outputs, weights files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import caffe_layers as caffe
from amalgamate import reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph
from amalgamate.importers import read, recognise
from amalgamate.importers.caffe_composites import COMPOSITES
from amalgamate.importers.caffe_schema import ALIASES, TYPES
from amalgamate.ops import by_source
from caffe_bytes import blob, field, layer, model, net, one, write
from tools import ROOT

RNG = np.random.default_rng(8)


def numbers(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def run(graph: Graph, *values: Array) -> dict[str, Array]:
    return reference.run(graph, dict(zip(graph.inputs, values, strict=True)))


def power(scale: float, bottoms: str = "data", tops: str = "y", name: str = "layer") -> str:
    """A layer that multiplies by `scale`: easy to follow through a network."""
    return one("Power", f"power_param {{ scale: {scale} }}", bottoms, tops, name)


# -- generations ---------------------------------------------------------------------------------------------------------

V2 = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "drop1" type: "Dropout" bottom: "pool1" top: "pool1" dropout_param { dropout_ratio: 0.4 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
V1 = """
name: "tiny" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
         convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool1" type: 17 bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "drop1" type: DROPOUT bottom: "pool1" top: "pool1" dropout_param { dropout_ratio: 0.4 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool1" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
V0 = """
name: "tiny" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layers { layer { name: "pad1" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 blobs_lr: 1. weight_decay: 1. }
         bottom: "padded" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "conv1" top: "pool1" }
layers { layer { name: "drop1" type: "dropout" dropout_ratio: 0.4 } bottom: "pool1" top: "pool1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "pool1" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""


@pytest.mark.parametrize("text, generation", [(V2, 2), (V1, 1), (V0, 0)], ids=["layer", "V1", "V0"])
@pytest.mark.parametrize("form", ["shape", "legacy", "double", "unpacked"])
def test_generations(tmp_path: Path, text: str, generation: int, form: str) -> None:
    w, b, m, c, x = numbers(4, 3, 3, 3), numbers(4), numbers(5, 64), numbers(5), numbers(1, 3, 8, 8)
    graph = read(write(tmp_path, text, model({"conv1": [w, b], "fc": [m, c]}, form, generation)))
    assert (graph.name, graph.inputs, graph.outputs) == ("tiny", ["data"], ["prob"])
    assert graph.meta["weights"] == "caffemodel"
    y = np.maximum(caffe.convolution(x, w, b, (1, 1), (1, 1), 1, 1), 0)
    y = caffe.inner_product(caffe.pooling(y, "AVE", (3, 3), (2, 2), (0, 0)), m, c, 1, False)
    np.testing.assert_allclose(run(graph, x)["prob"], caffe.softmax(y, 1), atol=1e-6)


def test_a_name_and_a_blob_may_come_in_pieces(tmp_path: Path) -> None:
    """Packed data in two pieces, and fields that we do not know, are protobuf all the same."""
    slope = numbers(4)
    shape = field(7, field(1, 4) + field(9, b"unknown"))
    raw = shape + field(5, slope[:1].tobytes()) + field(6, slope.tobytes()) + field(5, slope[1:].tobytes())
    path = write(tmp_path, net(one("PReLU"), "1 4 2 2"), layer("layer", raw) + field(1, "late name"))
    x = numbers(1, 4, 2, 2)
    np.testing.assert_array_equal(run(read(path), x)["y"], np.where(x > 0, x, x * slope.reshape(1, 4, 1, 1)))


# -- in place ------------------------------------------------------------------------------------------------------------


def test_in_place_layers_make_new_tensors_and_the_last_bears_the_name(tmp_path: Path) -> None:
    body = power(2, "data", "a", "first") + power(3, "a", "early", "reader")
    body += power(5, "a", "a", "second") + power(7, "a", "a", "third") + power(11, "a", "late", "last")
    graph = read(write(tmp_path, net(body)))
    assert graph.outputs == ["early", "late"]
    x = numbers(1, 3, 6, 5)
    found = run(graph, x)
    np.testing.assert_allclose(
        found["early"], x * 6, rtol=1e-6
    )  # before the layers in place: as Caffe's splits have it
    np.testing.assert_allclose(found["late"], x * 770, rtol=1e-6)
    inner = reference.run(graph, {"data": x}, ["a.0", "a.1", "a"])
    np.testing.assert_allclose(inner["a"], x * 70, rtol=1e-6)
    np.testing.assert_allclose(inner["a.0"], x * 2, rtol=1e-6)


def test_in_place_on_the_input(tmp_path: Path) -> None:
    graph = read(write(tmp_path, net(power(2, "data", "data", "a") + power(3, "data", "data", "b"))))
    assert (graph.inputs, graph.outputs) == (["data"], ["data.2"])
    x = numbers(1, 3, 6, 5)
    np.testing.assert_allclose(run(graph, x)["data.2"], x * 6, rtol=1e-6)


def test_names_that_versions_and_constants_would_take(tmp_path: Path) -> None:
    body = power(2, "data", "a", "a") + power(3, "a", "a", "b") + power(5, "data", "a.0", "c")
    body += one("PReLU", "", "a.0", "p.slope", "p") + one(
        "Eltwise", "eltwise_param { coeff: 2 coeff: 3 }", "p.slope a", "p", "p"
    )
    graph = read(write(tmp_path, net(body), model({"p": [np.ones(3, np.float32)]})))
    x = numbers(1, 3, 6, 5)
    np.testing.assert_allclose(run(graph, x)["p"], x * (2 * 5 + 3 * 6), rtol=1e-5)


def test_split_and_silence(tmp_path: Path) -> None:
    body = one("Split", "", "data", "a b c", "split") + power(2, "a", "y", "p") + one("Silence", "", "b", "", "quiet")
    graph = read(write(tmp_path, net(body)))
    assert sorted(graph.outputs) == ["c", "y"]
    x = numbers(1, 3, 6, 5)
    np.testing.assert_array_equal(run(graph, x)["c"], x)


# -- phases, losses, data layers -------------------------------------------------------------------------------------------

RULES = [  # a layer's rules, the network's state, whether the layer stands
    ("", "", True),
    ("include { phase: TEST }", "", True),
    ("include { phase: TRAIN }", "", False),
    ("include { phase: 1 }", "", True),
    ("include { phase: TRAIN } include { phase: TEST }", "", True),
    ("exclude { phase: TEST }", "", False),
    ("exclude { phase: TRAIN }", "", True),
    ("include { min_level: 1 }", "", False),
    ("include { min_level: 1 }", "state { level: 1 }", True),
    ("include { max_level: 0 }", "state { level: 1 }", False),
    ("exclude { min_level: 1 max_level: 3 }", "state { level: 2 }", False),
    ("include { stage: 'a' }", "", False),
    ("include { stage: 'a' stage: 'b' }", "state { stage: 'b' stage: 'a' stage: 'c' }", True),
    ("include { stage: 'a' not_stage: 'c' }", "state { stage: 'a' stage: 'c' }", False),
    ("exclude { not_stage: 'a' }", "", False),
    ("exclude { phase: TEST stage: 'deploy' }", "state { stage: 'deploy' }", False),
    ("include { phase: TEST } include { stage: 'x' }", "state { phase: TRAIN }", True),
]


@pytest.mark.parametrize("rules, state, stands", RULES, ids=[f"{r} {s}" for r, s, _ in RULES])
def test_rules(tmp_path: Path, rules: str, state: str, stands: bool) -> None:
    text = (
        net(power(2, "data", "data", "always"))
        + state
        + one("Power", f"power_param {{ scale: 3 }} {rules}", "data", "data", "x")
    )
    graph = read(write(tmp_path, text))
    assert [n.name for n in graph.nodes] == ["always", "x"][: 1 + stands]


TRAINING = """
name: "lenet"
layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "a" backend: LMDB } }
layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { crop_size: 12 mean_value: 1 mirror: false force_gray: true }
        data_param { source: "b" batch_size: 100 backend: LMDB } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 12 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "accuracy" type: "Accuracy" bottom: "flat" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "flat" bottom: "label" top: "loss" }
"""


def test_a_training_network(tmp_path: Path) -> None:
    """The data layer becomes an input at batch 1, the loss a Softmax; labels and accuracy vanish."""
    graph = read(write(tmp_path, TRAINING))
    assert (graph.inputs, graph.tensors["data"].shape, graph.outputs) == (["data"], (1, 1, 12, 12), ["prob"])


DATA_LAYERS = {
    'type: "Data" data_param { crop_size: 10 }': (1, 3, 10, 10),
    'type: "ImageData" image_data_param { new_height: 8 new_width: 9 batch_size: 5 }': (1, 3, 8, 9),
    'type: "ImageData" image_data_param { is_color: false } transform_param { crop_size: 7 }': (
        1,
        1,
        7,
        7,
    ),
    'type: "MemoryData" memory_data_param { batch_size: 64 channels: 4 height: 5 width: 6 }': (1, 4, 5, 6),
    'type: "DummyData" dummy_data_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } data_filler { type: "gaussian" } }': (
        2,
        3,
        4,
        5,
    ),
    'type: "DummyData" dummy_data_param { num: 2 channels: 3 height: 4 width: 5 }': (2, 3, 4, 5),
}


@pytest.mark.parametrize("data", DATA_LAYERS)
def test_data_layers_tell_a_shape(tmp_path: Path, data: str) -> None:
    graph = read(write(tmp_path, f'layer {{ name: "d" top: "data" top: "label" {data} }}' + power(2)))
    assert (graph.inputs, graph.tensors["data"].shape) == (["data"], DATA_LAYERS[data])


def test_a_data_layer_without_a_shape_asks_for_one(tmp_path: Path) -> None:
    path = write(tmp_path, 'layer { name: "d" type: "Data" top: "data" top: "label" }' + power(2))
    with pytest.raises(AmalgamateError, match=r"E105.*--input-shape data="):
        read(path)
    assert read(path, input_shapes={"data": (1, 1, 4, 4)}).tensors["y"].shape == (1, 1, 4, 4)


def test_losses_become_predictions(tmp_path: Path) -> None:
    loss = one("SoftmaxWithLoss", "softmax_param { axis: 2 }", "data label", "loss prob2", "loss")
    declared = 'input: "data" input_shape { dim: [1, 3, 4] } input: "label" input_shape { dim: 1 }'
    assert read(write(tmp_path, declared + loss)).outputs == ["prob2"]
    both = one("Softmax", "", "data", "prob", "prob") + one("SoftmaxWithLoss", "", "data label", "loss", "loss")
    graph = read(write(tmp_path, declared + both))
    assert ([n.name for n in graph.nodes], graph.outputs) == (["prob"], ["prob"])
    sigmoid = one("SigmoidCrossEntropyLoss", "", "data label", "loss", "loss")
    x = numbers(1, 3, 4)
    graph = read(write(tmp_path, declared + sigmoid))
    np.testing.assert_allclose(run(graph, x, numbers(1))["prob"], 1 / (1 + np.exp(-x)), rtol=1e-5)


# -- inputs, outputs, files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [
    'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5',
    'input: "data" input_shape { dim: 1 dim: 3 dim: 4 dim: 5 }',
    'layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: [1, 3, 4, 5] } } }',
])  # fmt: skip
def test_inputs(tmp_path: Path, declared: str) -> None:
    path = write(tmp_path, declared + "\n" + power(2))
    assert read(path).tensors["y"].shape == (1, 3, 4, 5)
    assert read(path, input_shapes={"data": (2, 3, 7, 5)}).tensors["y"].shape == (2, 3, 7, 5)


def test_several_inputs_share_a_shape_or_have_their_own(tmp_path: Path) -> None:
    for shapes in ("shape { dim: 2 dim: 3 }", "shape { dim: 2 dim: 3 } shape { dim: 2 dim: 3 }"):
        inputs = f'layer {{ name: "i" type: "Input" top: "a" top: "b" input_param {{ {shapes} }} }}'
        graph = read(write(tmp_path, inputs + one("Eltwise", "", "b a")))
        assert (graph.inputs, graph.tensors["y"].shape) == (["a", "b"], (2, 3))


def test_outputs_may_be_chosen_and_cut_off_what_is_unsupported(tmp_path: Path) -> None:
    body = power(2, "data", "a", "a") + power(3, "a", "a", "b") + one("DetectionOutput", "", "a", "found", "detect")
    path = write(tmp_path, net(body))
    with pytest.raises(AmalgamateError, match=r"E104.*DetectionOutput"):
        read(path)
    assert read(path, outputs=["a", "a.0"]).outputs == ["a", "a.0"]
    with pytest.raises(AmalgamateError, match=r"E107.*'b'"):
        read(path, outputs=["b"])


def test_an_input_may_be_bound(tmp_path: Path) -> None:
    declared = 'input: "data" input_shape { dim: [1, 2] } input: "other" input_shape { dim: [1, 2] }'
    path = write(tmp_path, declared + power(2, "other", "twice", "p") + one("Eltwise", "", "data twice"))
    graph = read(path, bind={"other": np.array([[1, 2]], np.float32)})
    assert graph.inputs == ["data"]
    np.testing.assert_array_equal(run(graph, np.array([[10, 20]], np.float32))["y"], [[12, 24]])


def test_weights_beside_the_prototxt_or_named(tmp_path: Path) -> None:
    path = write(tmp_path, net(one("PReLU")))
    with pytest.raises(AmalgamateError) as caught:
        read(path)
    assert caught.value.code == "E106"
    assert str(tmp_path / "net.caffemodel") in caught.value.what and "--weights-from" in caught.value.fix
    other = tmp_path / "elsewhere.bin"
    other.write_bytes(model({"layer": [numbers(3)]}))
    assert read(path, other).outputs == ["y"]
    (tmp_path / "net.caffemodel").write_bytes(other.read_bytes())
    assert read(path).outputs == ["y"]


def test_a_network_without_weights_needs_no_second_file(tmp_path: Path) -> None:
    assert read(write(tmp_path, net(power(2)))).meta["weights"] == "none"


def test_recognised_by_content(tmp_path: Path) -> None:
    texts = {
        "a.txt": "# deploy\n\nname: 'x'\nlayer {\n",
        "b": "layers { type: RELU }",
        "c.pb": "input: 'x'",
        "d": "layer:<>",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert recognise(tmp_path / name) == "caffe"
    path = tmp_path / "net.caffemodel"
    path.write_bytes(layer("x", blob(numbers(3))))
    assert recognise(path) == "caffe"
    with pytest.raises(AmalgamateError, match=r"E106.*weights only.*net\.prototxt"):
        read(path)


def test_the_manual_lists_the_layers() -> None:
    text = (ROOT / "docs" / "importing.md").read_text()
    listed = set(re.split(r"[\s,;]+", re.search(r"^Layers: (.*?)\.\n\n", text, re.S | re.M).group(1)))  # type: ignore[union-attr]
    known = (set(by_source("caffe")) | set(COMPOSITES)) & set(TYPES)
    assert known | set(ALIASES) == listed - {"of", "other", "branches"}
    assert set(by_source("caffe")) <= set(TYPES), (
        "an operator claims a layer whose parameters the importer does not know"
    )
