"""OpenVINO: one stream for latency, float32, inputs used where they lie. oneDNN can be held to an instruction set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from amalgamate.benchmark.engines import Run, Task
from amalgamate.graph import Shape

TITLE = "OpenVINO"
MODULES = ("openvino",)
PACKAGE = "openvino"


def environment(isa: str, turn: int) -> Mapping[str, str]:
    return {"ONEDNN_MAX_CPU_ISA": "AVX2"} if isa == "avx2" else {}


def prepare(model: Path, shapes: Mapping[str, Shape], folder: Path) -> list[Path]:
    return [model]


def start(files: Sequence[str]) -> Any:
    import openvino

    return openvino


def load(library: Any, task: Task) -> Run:
    core = library.Core()
    model = core.read_model(task.files[0])
    model.reshape({name: list(array.shape) for name, array in task.inputs.items()})
    config = {"INFERENCE_NUM_THREADS": task.threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", {**config, "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    for name, array in task.inputs.items():
        request.set_tensor(name, library.Tensor(array, shared_memory=True))
    places = [compiled.output(name) for name in task.outputs]

    def run() -> Sequence[Any]:
        found = request.infer(share_outputs=True)
        return [found[place] for place in places]

    return run
