"""The weights of a Caffe network: which blobs each layer must have, and where they come from.

Shapes follow the LayerSetUp of each layer in BVLC/caffe. Old files hold every blob with four axes, so a blob fits when
its shape is the expected one but for leading ones, as Blob::ShapeEquals allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NoReturn, Protocol

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Shape
from amalgamate.importers import caffemodel, deep_compression
from amalgamate.importers.caffe_net import Layer, Net

Blobs = list[tuple[str, Shape]]  # name, shape
_CONVOLUTIONS = ("Convolution", "Deconvolution")


# -- which blobs a layer has -------------------------------------------------------------------------------------------


def _misfit(layer: Layer, why: str) -> NoReturn:
    raise AmalgamateError("E103", why, layer.where)


def _axis(layer: Layer, rank: int, default: int = 1, most: int | None = None) -> int:
    """The field `axis`, counted from the front; it may be as large as `most` (by default the last axis)."""
    axis = int(layer.attrs.get("axis", default))
    last = rank - 1 if most is None else most
    if not -rank <= axis <= last:
        _misfit(layer, f"axis {axis} of a blob with {rank} axes")
    return axis if axis >= 0 else axis + rank


def kernel(layer: Layer, spatial: int) -> Shape:
    """The kernel's size along each of the `spatial` axes."""
    attrs = layer.attrs
    if "kernel_h" in attrs or "kernel_w" in attrs:
        if not ("kernel_h" in attrs and "kernel_w" in attrs) or "kernel_size" in attrs or spatial != 2:
            _misfit(layer, "kernel_h and kernel_w go together, without kernel_size, and with two spatial axes")
        return (attrs["kernel_h"], attrs["kernel_w"])
    sizes = attrs.get("kernel_size", [])
    if len(sizes) not in (1, spatial):
        _misfit(layer, f"kernel_size is given {len(sizes)} times for {spatial} spatial axes")
    return tuple(sizes[i % len(sizes)] for i in range(spatial))


def _convolution(layer: Layer, x: Shape) -> Blobs:
    axis = _axis(layer, len(x))
    outputs, group, channels = layer.attrs.get("num_output"), layer.attrs.get("group", 1), x[axis]
    if outputs is None:
        _misfit(layer, "num_output is missing")
    if channels % group or outputs % group:
        _misfit(layer, f"{channels} channels and {outputs} outputs do not divide into {group} groups")
    size = kernel(layer, len(x) - axis - 1)
    weight = (channels, outputs // group) if layer.type == "Deconvolution" else (outputs, channels // group)
    blobs: Blobs = [("weight", weight + size)]
    return [*blobs, ("bias", (outputs,))] if layer.attrs.get("bias_term", True) else blobs


def _inner_product(layer: Layer, x: Shape) -> Blobs:
    outputs = layer.attrs.get("num_output")
    if outputs is None:
        _misfit(layer, "num_output is missing")
    width = prod(x[_axis(layer, len(x)) :])
    blobs: Blobs = [("weight", (width, outputs) if layer.attrs.get("transpose") else (outputs, width))]
    return [*blobs, ("bias", (outputs,))] if layer.attrs.get("bias_term", True) else blobs


def _scale(layer: Layer, x: Shape, *second: Shape) -> Blobs:
    """Scale and Bias: the second bottom, or a blob that covers num_axes axes from `axis` on."""
    if second:
        shape = second[0]
    else:
        first, count = _axis(layer, len(x)), layer.attrs.get("num_axes", 1)
        if count < -1 or (count >= 0 and first + count > len(x)):
            _misfit(layer, f"num_axes {count} from axis {first} of a blob with {len(x)} axes")
        shape = x[first:] if count == -1 else x[first : first + count]
    own: Blobs = [] if second else [("bias" if layer.type == "Bias" else "scale", shape)]
    return [*own, ("bias", shape)] if layer.type == "Scale" and layer.attrs.get("bias_term") else own


def blobs_of(layer: Layer, bottoms: list[Shape]) -> Blobs:
    """The blobs that `layer` must have on bottoms of these shapes, in the order of the file."""
    x = bottoms[0] if bottoms else ()
    channels = x[1] if len(x) > 1 else 1
    if layer.type in _CONVOLUTIONS:
        return _convolution(layer, x)
    if layer.type == "InnerProduct":
        return _inner_product(layer, x)
    if layer.type in ("Scale", "Bias"):
        return _scale(layer, *bottoms)
    if layer.type == "BatchNorm":
        return [("mean", (channels,)), ("variance", (channels,)), ("factor", (1,))]
    if layer.type == "PReLU":
        return [("slope", (1,) if layer.attrs.get("channel_shared") else (channels,))]
    if layer.type == "Normalize":
        return [("scale", (1,) if layer.attrs.get("channel_shared", True) else (channels,))]
    return []


# -- where they come from ----------------------------------------------------------------------------------------------


class Weights(Protocol):
    """A file of weights."""

    format: str

    def blobs(self, layer: Layer, expected: Blobs) -> list[Array]:
        """The blobs of `layer` in the expected shapes; E103 where the file has others, E102 where it is damaged."""
        ...


def _core(shape: Shape) -> Shape:
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


@dataclass
class Caffemodel:
    layers: dict[str, list[Array]]
    where: str
    format: str = "caffemodel"

    def blobs(self, layer: Layer, expected: Blobs) -> list[Array]:
        found = self.layers.get(layer.name)
        if found is None:
            fix = "Weights are matched by layer name: is it the file of this network?"
            raise AmalgamateError("E103", f"{self.where} has no weights for layer '{layer.name}'", layer.where, fix)
        if len(found) != len(expected):
            names = ", ".join(name for name, _ in expected)
            fault = f"layer '{layer.name}' has {len(found)} blobs in {self.where}, and {len(expected)} by the prototxt ({names})"
            raise AmalgamateError("E103", fault, layer.where)
        for i, (blob, (name, shape)) in enumerate(zip(found, expected, strict=True)):
            if _core(blob.shape) != _core(shape):
                fault = f"layer '{layer.name}': blob {i} ({name}) has shape {list(blob.shape)} in {self.where}"
                raise AmalgamateError("E103", f"{fault}, and {list(shape)} by the prototxt", layer.where)
        return [blob.reshape(shape) for blob, (_, shape) in zip(found, expected, strict=True)]


@dataclass
class DeepCompression:
    layers: dict[str, deep_compression.Compressed]
    where: str
    format: str = "Deep Compression"

    def blobs(self, layer: Layer, expected: Blobs) -> list[Array]:
        if layer.name not in self.layers:
            fault = (
                f"a Deep Compression file has weights of convolutions and inner products only, none of a {layer.type}"
            )
            raise AmalgamateError("E103", fault, layer.where, "Give the .caffemodel")
        if [name for name, _ in expected] != ["weight", "bias"]:
            raise AmalgamateError(
                "E103", "a Deep Compression file has a bias for every layer, this layer has none", layer.where
            )
        compressed = self.layers[layer.name]
        shape = expected[0][1]
        return [compressed.decode(prod(shape)).reshape(shape), compressed.bias]


@dataclass
class Missing:
    """No file: good as long as no layer has blobs."""

    looked_for: list[Path]
    format: str = "none"

    def blobs(self, layer: Layer, expected: Blobs) -> list[Array]:
        names = " or ".join(str(p) for p in self.looked_for)
        fix = "Put it there, or name it with --weights-from"
        raise AmalgamateError("E106", f"layer '{layer.name}' has weights, and there is no {names}", layer.where, fix)


def _trainable(net: Net) -> list[deep_compression.Trainable]:
    bits = {"Convolution": 8, "InnerProduct": 4}
    return [
        deep_compression.Trainable(layer.name, bits[layer.type], layer.attrs.get("num_output", 0))
        for layer in net.layers
        if layer.type in bits
    ]


def read(net: Net, prototxt: Path, given: Path | None) -> Weights:
    """The weights of `net`, from the file `given`, or from the one that lies beside `prototxt` under its stem.

    A `.net` file is known by its length, which its own counts and the prototxt determine; all else must be a caffemodel.
    """
    beside = [prototxt.with_suffix(suffix) for suffix in (".caffemodel", ".net")]
    path = given or next((p for p in beside if p.is_file()), None)
    if path is None:
        return Missing(beside)
    data = _bytes(path)
    layers = _trainable(net)
    if deep_compression.announced(data, layers) == len(data) and layers:
        return _compressed(data, layers, path)
    if data.startswith(b"\x89HDF"):
        fix = "Convert it with Caffe: load it and save it as a .caffemodel"
        raise AmalgamateError("E101", "weights in HDF5 are not supported", str(path), fix)
    if path.suffix == ".net" and not caffemodel.plausible(data):
        return _compressed(data, layers, path)
    return Caffemodel(caffemodel.parse(data, path.name), path.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fault = f"the weights cannot be read: {error.strerror or error}"
        raise AmalgamateError("E100", fault, str(path), "Check the path given with --weights-from") from error


def _compressed(data: bytes, layers: list[deep_compression.Trainable], path: Path) -> DeepCompression:
    found = deep_compression.parse(data, layers, path.name)
    return DeepCompression({layer.name: c for layer, c in zip(layers, found, strict=True)}, path.name)
