"""ONNX Runtime: all optimisations, inputs and outputs bound to memory once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amalgamate.benchmark.engines import Run, Task, unlimited
from amalgamate.graph import Array, Shape

TITLE = "ONNX Runtime"
MODULES = ("onnxruntime",)
PACKAGE = "onnxruntime"
environment = unlimited


def prepare(model: Path, shapes: Mapping[str, Shape], folder: Path) -> list[Path]:
    return [model]


def start(files: Sequence[str]) -> Any:
    import onnxruntime

    return onnxruntime


def load(library: Any, task: Task) -> Run:
    options = library.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = task.threads, 1, 3
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = library.InferenceSession(task.files[0], options, providers=["CPUExecutionProvider"])
    arrays: list[Array] = session.run(list(task.outputs), dict(task.inputs))
    binding = session.io_binding()
    for name, array in task.inputs.items():
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    for name, array in zip(task.outputs, arrays, strict=True):
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run() -> Sequence[Array]:
        session.run_with_iobinding(binding)
        return arrays

    return run
