"""What a person says about a model beside its files: how pictures become its input, and what its classes are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate.graph import Graph, ImageSpec, Tensor

ORDERS = {"rgb": 3, "bgr": 3, "gray": 1}  # channels


@dataclass(frozen=True)
class Image:
    """How a picture becomes an input: (pixel - mean) / std per channel in `order`, after resize and crop.

    `order` is "rgb", "bgr" or "gray"; `mean` and `std` are one number or one per channel, in units of a pixel's 0..255;
    `resize` is the short side or (height, width); `crop` the side, or (height, width), cut from the centre; `input`
    names the input, by default the first.
    """

    order: str = "rgb"
    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    resize: int | tuple[int, int] | None = None
    crop: int | tuple[int, int] | None = None
    input: str = ""


def apply(
    graph: Graph,
    image: Image | ImageSpec | None,
    labels: Path | str | Sequence[str] | None,
    softmax: bool | None = None,
) -> None:
    """Gives a graph its picture and labels. Raises E107 and E108 where they do not fit, E100 where there is no such file.

    `softmax` appends one to the first output; None does so where labels are given and the network ends in bare scores.
    """
    if image is not None:
        graph.image = _spec(graph, image)
    if labels is not None:
        graph.labels = _read(Path(labels)) if isinstance(labels, str | Path) else list(labels)
    if graph.labels:
        _check_labels(graph)
    if softmax or (softmax is None and labels is not None and _bare(graph)):
        _append_softmax(graph)


def _spec(graph: Graph, image: Image | ImageSpec) -> ImageSpec:
    """The picture's input, order and sizes, made whole and checked against the input that takes it."""
    from amalgamate.graph import ImageSpec

    name = image.input or graph.inputs[0]
    if name not in graph.inputs:
        fix = f"Name one of {', '.join(graph.inputs)}"
        raise AmalgamateError("E107", f"there is no input '{name}' for pictures", graph.name, fix)
    tensor = graph.tensors[name]
    if image.order not in ORDERS:
        raise AmalgamateError("E107", f"order '{image.order}'", "--image", f"Choose one of {', '.join(ORDERS)}")
    channels = ORDERS[image.order]
    last = _channels_last(tensor, channels)
    height, width = tensor.shape[1:3] if last else tensor.shape[2:4]
    crop = (image.crop, image.crop) if isinstance(image.crop, int) else image.crop
    if crop is not None and crop != (height, width):
        fix = f"Crop to {height}x{width}, or set the shape with --input-shape"
        raise AmalgamateError("E107", f"a crop of {crop[0]}x{crop[1]} for an input of {height}x{width}", name, fix)
    if crop is None and image.resize is not None and image.resize != (height, width):
        crop = (height, width)
    mean, std = _per_channel(image.mean, channels, "mean"), _per_channel(image.std, channels, "std")
    if 0.0 in std:
        raise AmalgamateError("E107", "std holds a zero", name, "Pixels are divided by it")
    _check_sizes(image.resize, (height, width))
    return ImageSpec(name, image.order, mean, std, image.resize, crop, last)


def _channels_last(tensor: Tensor, channels: int) -> bool:
    """Whether an input for pictures is [1, H, W, C] rather than [1, C, H, W]; E107 if it is neither."""
    shape = tensor.shape
    if len(shape) == 4 and tensor.dtype == "float32":
        if shape[1] == channels:
            return False
        if shape[3] == channels:
            return True
    what = f"an input of {tensor.dtype}{list(shape)} takes no pictures of {channels} channels"
    raise AmalgamateError("E107", what, tensor.name, "Choose another --image or input")


def _per_channel(value: float | Sequence[float], channels: int, what: str) -> tuple[float, ...]:
    values = (value,) if isinstance(value, int | float) else tuple(value)
    if len(values) not in (1, channels):
        raise AmalgamateError(
            "E107", f"{what} has {len(values)} values for {channels} channels", f"--{what}", "Give one each"
        )
    return tuple(float(v) for v in (values * channels if len(values) == 1 else values))


def _check_sizes(resize: int | tuple[int, int] | None, crop: tuple[int, int]) -> None:
    sides = () if resize is None else (resize, resize) if isinstance(resize, int) else resize
    if any(side < 1 for side in sides):
        raise AmalgamateError("E107", f"resize to {resize}", "--resize", "Sizes are at least 1")
    if any(side < needed for side, needed in zip(sides, crop, strict=False)):
        fix = f"Resize to at least {max(crop)}"
        raise AmalgamateError(
            "E107", f"resizing to {resize} leaves nothing to cut {crop[0]}x{crop[1]} from", "--resize", fix
        )


def _bare(graph: Graph) -> bool:
    """Whether the first output holds scores that no softmax, sigmoid or the like has made comparable."""
    makers, name = graph.producers(), graph.outputs[0]
    while name in makers and makers[name].op.name in ("identity", "reshape", "transpose"):
        name = makers[name].inputs[0]
    ends = ("arg_max", "hard_sigmoid", "log_softmax", "sigmoid", "softmax")
    return graph.tensors[name].dtype == "float32" and name in makers and makers[name].op.name not in ends


def _append_softmax(graph: Graph) -> None:
    """Makes the first output the softmax, over its classes, of what it was; the output is then called `prob`."""
    from amalgamate.ops.softmax import Softmax

    shape = graph.tensors[graph.outputs[0]].shape
    classes = len(graph.labels) or max(shape, default=1)
    axis = next((i for i, d in enumerate(shape) if i and d == classes), len(shape) - 1)
    node = graph.add(Softmax(axis), graph.outputs[:1], [graph.fresh("prob")])
    graph.outputs[0] = node.outputs[0]
    graph.meta["softmax"] = "added"


def _read(path: Path) -> list[str]:
    """The lines of a file of labels; quotes around all of them and WordNet identifiers (n02123394 Persian cat) are dropped."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise AmalgamateError(
            "E100", f"cannot read the labels: {reason}", str(path), "Give a file of one per line"
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if all(re.fullmatch(r"'.*'|\".*\"", line) for line in lines):
        lines = [line[1:-1] for line in lines]
    stripped = [re.sub(r"^n\d{8}\s+", "", line) for line in lines]
    return stripped if all(a != b for a, b in zip(stripped, lines, strict=True)) else lines


def _check_labels(graph: Graph) -> None:
    shape = graph.tensors[graph.outputs[0]].shape
    sizes = {d for d in shape[1:] if d > 1} or {1}
    if len(graph.labels) not in sizes:
        what = f"{len(graph.labels)} labels for output '{graph.outputs[0]}' of {list(shape)}"
        raise AmalgamateError("E108", what, "", f"Give {' or '.join(map(str, sorted(sizes)))} labels")
