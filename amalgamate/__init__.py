"""Turns a trained network into one C file and one header, and runs the result.

import amalgamate as am
built = am.build("squeezenet.onnx", image=am.Image(mean=(124, 116, 104), resize=256, crop=224), labels="synset.txt")
built.write("dist/")
with am.load(built.compile()) as model:
    model.classify("cat.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amalgamate.errors import AmalgamateError
from amalgamate.resources import version
from amalgamate.settings import Image

if TYPE_CHECKING:
    from amalgamate.graph import Array, ImageSpec, Shape
    from amalgamate.plan import Plan
    from amalgamate.predictor import Model, Prediction
    from amalgamate.predictor.handle import Progress
    from amalgamate.writers.c_source import Options

__all__ = ["AmalgamateError", "Built", "Image", "Model", "Prediction", "__version__", "build", "load"]
__version__ = version()


@dataclass(frozen=True)
class Built:
    """A network ready to be written as C: its plan, and its .amg bytes."""

    name: str
    plan: Plan
    data: bytes
    options: Options

    def pair(self) -> dict[str, bytes]:
        """The pair's files by name: NAME.c, NAME.h, and NAME.amg where the weights are not embedded."""
        from dataclasses import replace

        from amalgamate.writers import c_source

        return c_source.model_pair(replace(c_source.describe(self.plan, self.data), name=self.name), self.options)

    def write(self, out: Path | str = "dist") -> list[Path]:
        """Writes the pair into a folder; returns the paths. The same model and options give the same bytes anywhere."""
        from amalgamate.writers import c_source

        return c_source.write(self.pair(), out)

    def compile(self, target: str = "native", out: Path | str | None = None) -> Path:
        """Compiles the pair and returns the artifact, in `out`, or in a cache where it is found the next time.

        `target` is "native", "wasm", another of toolchains.WASM, or a triple such as aarch64-linux-gnu. Raises E140, E141.
        """
        from amalgamate import toolchains
        from amalgamate.writers import c_source

        pair = self.pair()
        if out is None:
            return toolchains.cached(pair, target)
        written = c_source.write(pair, out)
        return toolchains.build(next(path for path in written if path.suffix == ".c"), target)


def build(
    model: Path | str,
    *,
    weights: Path | str | None = None,
    image: Image | ImageSpec | None = None,
    labels: Path | str | Sequence[str] | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] | None = None,
    bind: Mapping[str, Array] | None = None,
    softmax: bool | None = None,
    name: str | None = None,
    prefix: str = "amg",
    weights_as: str = "embed",
    weights_type: str = "float32",
    arena: str = "fast",
    lines: bool = False,
) -> Built:
    """Reads a model file, whatever its format, and makes it ready to be written as C.

    `weights` is the second file of a two-file format; `labels` a file of one class per line, or the classes; `input_shapes`
    fixes symbolic dimensions; `outputs` asks for tensors by name, inner ones too; `bind` makes inputs constants; `softmax`
    appends one, None does where labels are given and the network ends in bare scores. The pair is called `name`, its
    functions `prefix`_open and so on; `weights_as` is "embed", "integers" or "file"; `weights_type` "float16" stores weights in
    half the bytes, from which opening makes float32; `arena` says which tensors are made a few rows at a time: "fast" large ones,
    "small" all that this makes the arena smaller for, "whole" none; `lines` adds #line, for those who debug the runtime.
    Raises E100 to E108 for what is wrong with the files or options, E110 and E120 for what cannot be planned.
    """
    from amalgamate import importers, passes
    from amalgamate.plan import plan
    from amalgamate.settings import apply
    from amalgamate.writers import c_source, model_file
    from amalgamate.writers.names import identifier

    options = c_source.Options(prefix, weights_as, lines)
    path = Path(model)
    source = Path(weights) if weights is not None else None
    graph = importers.read(path, source, dict(input_shapes or {}), list(outputs or ()), dict(bind or {}))
    apply(graph, image, labels, softmax)
    graph.name = name or graph.name or path.stem
    planned = plan(passes.run(graph), weights_type, arena)
    return Built(identifier(graph.name), planned, model_file.write(planned), options)


def load(path: Path | str, *, isa: str = "auto", threads: int = 1, progress: Progress | None = None) -> Model:
    """Loads what `compile` made, or a .amg file, for which the whole runtime is compiled once and kept. Options are
    those of Model.

    Raises E100, E150 and E153; E140 and E141 where the runtime has to be compiled and cannot.
    """
    from amalgamate.predictor import Model

    if Path(path).suffix != ".amg":
        return Model(path, isa=isa, threads=threads, progress=progress)
    from amalgamate import toolchains
    from amalgamate.writers import c_source

    library = toolchains.cached(c_source.runtime_pair(), "native")
    return Model(library, path, isa=isa, threads=threads, progress=progress)


def __getattr__(name: str) -> Any:
    """Model and Prediction, which need cffi and NumPy, once somebody asks for them."""
    if name in ("Model", "Prediction"):
        from amalgamate import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module 'amalgamate' has no attribute '{name}'")
