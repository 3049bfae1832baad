"""Compares what a built model computes with a reference engine, on the same inputs.

The reference of an ONNX model is ONNX Runtime; every format can be compared with this project's own NumPy operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amalgamate import importers, reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, ImageSpec

Engine = Callable[[Mapping[str, Array]], Mapping[str, Array]]
PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".webp"}


@dataclass
class Difference:
    """How far one tensor is from the reference's, the worst over all inputs tried.

    `relative` is the largest absolute difference over the largest magnitude of the reference; `ulp` the most floats that lie
    between a value and its reference; `top1` how often the largest value of a row stands in the same place.
    """

    name: str
    shape: tuple[int, ...]
    absolute: float = 0.0
    relative: float = 0.0
    ulp: int = 0
    agreed: int = 0
    rows: int = 0

    @property
    def top1(self) -> float:
        return self.agreed / self.rows if self.rows else 1.0

    def add(self, ours: Array, theirs: Array) -> None:
        """Takes one more pair of results into account. NaN and infinity must stand in the same places."""
        if ours.shape != theirs.shape:
            raise AmalgamateError("E160", f"the shape is {ours.shape}, the reference's {theirs.shape}", self.name)
        a, b = ours.astype(np.float64), theirs.astype(np.float64)
        finite = np.isfinite(b)
        same = np.array_equal(np.isnan(a), np.isnan(b)) and np.array_equal(
            a[~finite & ~np.isnan(b)], b[~finite & ~np.isnan(b)]
        )
        if not same or not np.isfinite(a[finite]).all():
            self.absolute = self.relative = float("inf")
            return
        worst = float(np.abs(a[finite] - b[finite]).max(initial=0.0))
        self.absolute = max(self.absolute, worst)
        self.relative = max(self.relative, worst / (float(np.abs(b[finite]).max(initial=0.0)) or 1.0))
        if ours.dtype == np.float32 and ours.size:
            self.ulp = max(self.ulp, int(np.abs(_ordinal(ours) - _ordinal(theirs))[finite].max(initial=0)))
        if ours.ndim and ours.size:
            hits = ours.argmax(-1) == theirs.argmax(-1)
            self.agreed, self.rows = self.agreed + int(hits.sum()), self.rows + hits.size


def _ordinal(values: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The rank of each float32 among all floats, so that neighbours differ by one and the two zeros not at all."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def compare(
    ours: Engine, theirs: Engine, feeds: Iterator[Mapping[str, Array]], names: Sequence[str]
) -> list[Difference]:
    """The difference of each tensor in `names` over all `feeds`."""
    found: dict[str, Difference] = {}
    for feed in feeds:
        mine, other = ours(feed), theirs(feed)
        for name in names:
            found.setdefault(name, Difference(name, mine[name].shape)).add(mine[name], np.asarray(other[name]))
    return list(found.values())


# -- engines ----------------------------------------------------------------------------------------------------------


def inner_names(path: Path, graph: Graph) -> list[str]:
    """Every float tensor that a node makes, in running order, but those that the source does not know by that name."""
    made = [name for node in graph.nodes for name in node.outputs if graph.tensors[name].dtype == "float32"]
    if importers.recognise(path) == "onnx":
        import onnx

        known = {name for node in onnx.load(str(path), load_external_data=False).graph.node for name in node.output}
        made = [name for name in made if name in known]
    return made + [name for name in graph.outputs if name not in made]


def numpy_engine(graph: Graph, names: Sequence[str]) -> Engine:
    """The graph as imported, run by the NumPy reference of each operator."""
    return lambda feed: reference.run(graph, feed, names)


def onnxruntime_engine(path: Path, names: Sequence[str], bind: Mapping[str, Array], threads: int = 1) -> Engine:
    """ONNX Runtime, asked for the tensors `names`, inner ones too. Raises E161 where it is not installed."""
    try:
        import onnx
        import onnxruntime as ort
    except ImportError as error:
        fix = "pip install 'amalgamate[verify]', or compare with --against numpy"
        raise AmalgamateError("E161", "onnxruntime is not installed", fix=fix) from error
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    model = onnx.load(str(path))
    own = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in own)
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the classes it raises are not public
        what = f"ONNX Runtime cannot open the model: {str(error).splitlines()[0]}"
        raise AmalgamateError("E103", what, str(path), "Compare with --against numpy") from error
    kinds = {i.name: i.type for i in session.get_inputs()}
    bound = {name: np.asarray(value, _dtype(kinds[name])) for name, value in bind.items() if name in kinds}

    def run(feed: Mapping[str, Array]) -> Mapping[str, Array]:
        return dict(zip(names, session.run(list(names), {**feed, **bound}), strict=True))

    return run


def _dtype(kind: str) -> str:
    """The NumPy name of ONNX Runtime's `tensor(float)` and the like."""
    word = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(word, word)


def reference_engine(path: Path, graph: Graph, names: Sequence[str], bind: Mapping[str, Array], against: str) -> Engine:
    """The engine called `against`: "onnxruntime", "numpy", or "auto", which is the former for ONNX models."""
    is_onnx = importers.recognise(path) == "onnx"
    if against == "onnxruntime" and not is_onnx:
        raise AmalgamateError("E107", "ONNX Runtime opens ONNX models only", str(path), "Compare with --against numpy")
    if against == "onnxruntime" or (against == "auto" and is_onnx):
        return onnxruntime_engine(path, names, bind)
    return numpy_engine(graph, names)


# -- inputs -----------------------------------------------------------------------------------------------------------


def random_feeds(graph: Graph, count: int) -> Iterator[dict[str, Array]]:
    """`count` sets of inputs, the same each time: normal floats, and whole numbers from 0 to 3."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        feed: dict[str, Array] = {}
        for name in graph.inputs:
            tensor = graph.tensors[name]
            if tensor.dtype == "float32":
                feed[name] = rng.standard_normal(tensor.shape).astype(np.float32)
            else:
                feed[name] = rng.integers(0, 4, tensor.shape).astype(tensor.dtype)
        yield feed


def picture_feeds(graph: Graph, spec: ImageSpec, folder: Path) -> Iterator[dict[str, Array]]:
    """Every picture of a folder (or the one picture named), made into the model's first input."""
    files = [folder] if folder.is_file() else sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES)
    if not files:
        raise AmalgamateError("E152", "no pictures found", str(folder), f"Known are {', '.join(sorted(PICTURES))}")
    name = spec.input or graph.inputs[0]
    for file in files:
        yield {name: picture(spec, file, graph.tensors[name].shape)}


def picture(spec: ImageSpec, file: Path, shape: tuple[int, ...]) -> Array:
    """A picture as an input of `shape`: resized and cropped by Pillow, ordered and normalised as `spec` says."""
    from PIL import Image

    height, width = shape[1:3] if spec.channels_last else shape[2:4]
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if spec.order == "gray" else "RGB")
    except (OSError, ValueError) as error:
        raise AmalgamateError("E152", f"'{file.name}' is not a picture: {error}", str(file)) from error
    w, h = image.size
    if isinstance(spec.resize, int):
        scale = spec.resize / min(w, h)
        w, h = max(spec.resize, round(w * scale)), max(spec.resize, round(h * scale))
    elif spec.resize:
        h, w = spec.resize
    elif not spec.crop:
        h, w = height, width
    image = image.resize((w, h), Image.Resampling.BILINEAR)
    if (h, w) != (height, width):
        left, top = (w - width) // 2, (h - height) // 2
        image = image.crop((left, top, left + width, top + height))
    pixels = np.asarray(image, np.float32).reshape(height, width, -1)
    pixels = pixels[:, :, ::-1] if spec.order == "bgr" else pixels
    data = (pixels - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    return np.ascontiguousarray(data if spec.channels_last else data.transpose(2, 0, 1), np.float32).reshape(shape)
