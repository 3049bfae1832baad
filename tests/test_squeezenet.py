"""SqueezeNet v1.0 from its prototxt and its Deep Compression file: the weights decoded, and what it sees on two pictures.

The prototxt pads conv_final, a 1x1 convolution, by 1, so that Caffe averages 15x15 maps whose rim is relu(bias). The figures
known of this network, Persian cat 0.751 and so on, are those without that padding: both are tested.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import harness
from amalgamate import reference
from amalgamate.graph import Array, Graph
from amalgamate.importers import caffe_net, caffe_weights, prototxt, read
from tools import package, shared

PROTOTXT, WEIGHTS = "data/squeezenet/SqueezeNet_deploy.prototxt", "data/squeezenet/squeezenet_compressed.net"
MEAN = (104, 117, 123)  # blue, green, red


def network(folder: Path, padded: bool) -> Graph:
    text = shared(PROTOTXT).read_text()
    if not padded:
        assert text.count("num_output: 1000\n    pad: 1\n") == 1
        text = text.replace("num_output: 1000\n    pad: 1\n", "num_output: 1000\n")
    path = folder / "SqueezeNet.prototxt"
    path.write_text(text)
    return read(path, shared(WEIGHTS))


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return network(tmp_path_factory.mktemp("padded"), True)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return network(tmp_path_factory.mktemp("bare"), False)


def photo(name: str) -> Array:
    """A picture as SqueezeNet takes it: short side 256, centre crop 227, BGR, mean subtracted, [1, 3, 227, 227]."""
    picture = Image.open(shared(f"data/images/{name}.jpg")).convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (max(256, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - 227) // 2, (height - 227) // 2
    pixels = np.asarray(picture.crop((left, top, left + 227, top + 227)), np.float32)[:, :, ::-1]
    return np.ascontiguousarray((pixels - np.array(MEAN, np.float32)).transpose(2, 0, 1)[None])


def best(scores: Array, count: int) -> dict[str, float]:
    """The best classes, by the first words of their labels; the network ends before its softmax."""
    labels = shared("data/squeezenet/synset_words.txt").read_text().splitlines()
    flat = np.exp(scores.reshape(-1).astype(np.float64) - scores.max())
    flat /= flat.sum()
    return {labels[i].strip("'\"").split(" ", 1)[1].split(",")[0]: float(flat[i]) for i in np.argsort(-flat)[:count]}


BARE = {
    "persian-cat": {"Persian cat": 0.751, "tabby": 0.027, "Cardigan": 0.023},
    "cat": {"kit fox": 0.383, "Pembroke": 0.308, "red fox": 0.155, "tabby": 0.063, "tiger cat": 0.042},
}
PADDED = {
    "persian-cat": {"Persian cat": 0.429, "tabby": 0.036, "Cardigan": 0.032},
    "cat": {"kit fox": 0.310, "Pembroke": 0.270, "red fox": 0.158, "tabby": 0.081, "tiger cat": 0.060},
}


def test_decoded_weights(bare: Graph) -> None:
    path = shared(PROTOTXT)
    net = caffe_net.read(prototxt.parse(path.read_bytes()), path.name)
    weights = caffe_weights.read(net, path, shared(WEIGHTS))
    assert isinstance(weights, caffe_weights.DeepCompression)
    assert sum(layer.nnz for layer in weights.layers.values()) == 422_083
    kernels = [t.data for t in bare.constants() if t.data is not None and t.data.ndim == 4]
    assert len(kernels) == 26
    assert sum(k.size for k in kernels) == 1_244_448
    assert sum(int(np.count_nonzero(k)) for k in kernels) == 415_921  # 6,162 entries only bridge a gap
    assert bare.meta == {"format": "Caffe", "weights": "Deep Compression"}


def in_numpy(graph: Graph, x: Array) -> Array:
    return reference.run(graph, {"data": x})["pool_final"]


def in_c(graph: Graph, x: Array) -> Array:
    (found,) = harness.run_c(graph, {"data": x})
    return np.asarray(found)


@pytest.mark.parametrize("engine", [in_numpy, in_c])
@pytest.mark.parametrize("name", BARE)
def test_known_predictions(bare: Graph, name: str, engine: Callable[[Graph, Array], Array]) -> None:
    scores = engine(bare, photo(name))
    assert scores.shape == (1, 1000, 1, 1)
    found = best(scores, len(BARE[name]))
    assert list(found) == list(BARE[name])
    assert found == pytest.approx(BARE[name], abs=6e-4)


@pytest.mark.parametrize("engine", [in_numpy, in_c])
@pytest.mark.parametrize("name", PADDED)
def test_predictions_of_the_prototxt_as_it_is(
    padded: Graph, name: str, engine: Callable[[Graph, Array], Array]
) -> None:
    assert padded.tensors["conv_final"].shape == (1, 1000, 15, 15)
    found = best(engine(padded, photo(name)), len(PADDED[name]))
    assert list(found) == list(PADDED[name])
    assert found == pytest.approx(PADDED[name], abs=6e-4)


def test_numpy_c_and_onnx_runtime_agree(padded: Graph) -> None:
    """ONNX Runtime on a network said again from the prototxt, without our operators."""
    onnx, ort = package("onnx"), package("onnxruntime")
    x = photo("cat")
    session = ort.InferenceSession(as_onnx(onnx, padded).SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(["pool_final"], {"data": x})
    for found in (in_numpy(padded, x), in_c(padded, x)):
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def as_onnx(onnx: object, graph: Graph) -> object:
    """The network as ONNX, layer by layer from the prototxt; of `graph` only the decoded weights are taken."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper  # type: ignore[attr-defined]
    net = caffe_net.read(prototxt.parse(shared(PROTOTXT).read_bytes()), "net")
    nodes, weights, at = [], [], {"data": "data"}
    for layer in net.layers:
        out = layer.tops[0] if layer.name == "pool_final" else layer.name
        inputs, attrs = [at[b] for b in layer.bottoms], layer.attrs
        if layer.type == "Convolution":
            names = [f"{layer.name}.weight", f"{layer.name}.bias"]
            weights += [numpy_helper.from_array(np.asarray(graph.tensors[n].data), n) for n in names]
            pad, stride = attrs.get("pad", [0]) * 4, attrs.get("stride", [1]) * 2
            nodes.append(helper.make_node("Conv", inputs + names, [out], pads=pad, strides=stride))
        elif layer.type == "Pooling" and attrs.get("global_pooling"):
            nodes.append(helper.make_node("GlobalAveragePool", inputs, [out]))
        elif layer.type == "Pooling":
            window = {"kernel_shape": [attrs["kernel_size"]] * 2, "strides": [attrs["stride"]] * 2}
            nodes.append(helper.make_node("MaxPool", inputs, [out], ceil_mode=1, **window))
        elif layer.type == "Concat":
            nodes.append(helper.make_node("Concat", inputs, [out], axis=1))
        else:
            nodes.append(helper.make_node({"ReLU": "Relu", "Dropout": "Identity"}[layer.type], inputs, [out]))
        at[layer.tops[0]] = out
    value = helper.make_tensor_value_info
    inputs, outputs = value("data", 1, [1, 3, 227, 227]), value("pool_final", 1, None)
    made = helper.make_graph(nodes, "squeezenet", [inputs], [outputs], weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
