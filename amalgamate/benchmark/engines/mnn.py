"""MNN: converted by its own tool; its CPU back end, whose normal precision is float32 on x86."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amalgamate.benchmark.engines import Run, Task, unlimited
from amalgamate.graph import Shape

TITLE = "MNN"
MODULES = ("MNN",)
PACKAGE = "mnn"
environment = unlimited


# The converter's log would install packages of its own with pip, and send what it does; without it the converter does without.
CONVERT = "import sys; sys.modules['MNN.tools.utils.log'] = None; from MNN.tools.mnnconvert import main; main()"


def prepare(model: Path, shapes: Mapping[str, Shape], folder: Path) -> list[Path]:
    made = folder / "model.mnn"
    # What mnnconvert calls: the command itself also installs packages, some older than ONNX needs, and reports its use.
    tool = [sys.executable, "-c", "import sys, _tools; _tools.mnnconvert(sys.argv)"]
    flags = ["-f", "ONNX", "--modelFile", str(model), "--MNNModel", str(made), "--bizCode", "bench"]
    done = subprocess.run([*tool, *flags], capture_output=True, text=True, errors="replace", cwd=folder)
    if done.returncode != 0 or not made.is_file():
        raise OSError(f"mnnconvert failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return [made]


def start(files: Sequence[str]) -> Any:
    import MNN.expr
    import MNN.nn

    return MNN


def load(library: Any, task: Task) -> Run:
    expr, nn = library.expr, library.nn
    config = {"backend": "CPU", "numThread": task.threads, "precision": "normal", "power": "high", "memory": "high"}
    manager = nn.create_runtime_manager((config,))
    net = nn.load_module_from_file(task.files[0], list(task.inputs), list(task.outputs), runtime_manager=manager)
    places = [expr.placeholder(list(array.shape), expr.NCHW) for array in task.inputs.values()]

    def run() -> Sequence[Any]:
        for place, array in zip(places, task.inputs.values(), strict=True):
            place.write(array)
        found = net.forward(places)
        return [expr.convert(var, expr.NCHW).read() for var in (found if isinstance(found, list) else [found])]

    return run
