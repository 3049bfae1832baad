"""The engines that are timed: one file per engine, found by file name.

An engine gets the ONNX file, converts it where it must, and runs it at its best settings for one prediction at a time in
float32. What its API can use where it lies is not copied.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from amalgamate import resources
from amalgamate.graph import Array, Shape

OURS = "amalgamate"
PEERS = ("onnxruntime", "openvino", "mnn", "ncnn")  # in the order of the tables; results are compared with the first
Run = Callable[[], Sequence[Array]]


@dataclass(frozen=True)
class Task:
    """What an engine loads: its files, the inputs by name, the names of the outputs, threads, and the instruction set."""

    files: Sequence[str]
    inputs: Mapping[str, Array]
    outputs: Sequence[str]
    threads: int
    isa: str


class Engine(Protocol):
    """A module of this package."""

    TITLE: str  # in tables
    MODULES: Sequence[str]  # that have to be installed
    PACKAGE: str  # whose version is told

    def environment(self, isa: str, turn: int) -> Mapping[str, str]:
        """Variables that hold the engine to an instruction set, where it can be, and try another setting in each round."""

    def start(self, files: Sequence[str]) -> Any:
        """Imports what the engine needs: not part of the time of loading."""

    def load(self, library: Any, task: Task) -> Run:
        """Opens the model; what `start` gave is `library`. The function returned predicts once."""


class Peer(Engine, Protocol):
    """An engine of somebody else's, which opens ONNX files."""

    def prepare(self, model: Path, shapes: Mapping[str, Shape], folder: Path) -> list[Path]:
        """The files to load for an ONNX model; converted ones lie in `folder`, which is new. Raises OSError."""


def engine(name: str) -> Engine:
    return cast(Engine, importlib.import_module(f"{__name__}.{name}"))


def missing(name: str) -> list[str]:
    """The modules that engine `name` needs and that are not installed."""
    return [module for module in engine(name).MODULES if importlib.util.find_spec(module) is None]


def version(name: str) -> str:
    if name == OURS:
        return resources.version()
    try:
        return importlib.metadata.version(engine(name).PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def prepared(name: str, model: Path, shapes: Mapping[str, Shape], cache: Path) -> list[Path]:
    """The files that peer `name` loads, converted unless they were before. Raises OSError."""
    about = model.stat()
    key = f"{model.stem}-{name}-{version(name)}-{about.st_size:x}-{about.st_mtime_ns:x}"
    key += "".join(f"-{'x'.join(map(str, shape))}" for shape in shapes.values())
    folder, listed = cache / key, cache / key / "files"
    if not listed.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            made = cast(Peer, engine(name)).prepare(model.resolve(), shapes, Path(scratch))
            kept = [path.name if path.parent == Path(scratch) else str(path) for path in made]
            for path in Path(scratch).iterdir():
                if path.name not in kept:
                    path.unlink()
            (Path(scratch) / "files").write_text("\n".join(kept))
            os.rename(scratch, folder)
            Path(scratch).mkdir()  # for TemporaryDirectory to remove
    return [folder / line for line in listed.read_text().splitlines()]


def unlimited(isa: str, turn: int) -> Mapping[str, str]:
    """The environment of an engine that is not, or cannot be, held to an instruction set by it."""
    return {}
