"""ncnn: converted by pnnx, float32 throughout, memory pools. It knows no batch: the pictures of one run one after another."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amalgamate.benchmark.engines import Run, Task
from amalgamate.graph import Shape

TITLE = "ncnn"
MODULES = ("ncnn", "pnnx")
PACKAGE = "ncnn"
_REDUCED = (
    "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage",
    "use_int8_packed", "use_int8_storage", "use_int8_arithmetic",
)  # fmt: skip


def environment(isa: str, turn: int) -> Mapping[str, str]:
    """Threads that spin while they wait are fastest on a quiet machine, and ruin on any other: rounds try both."""
    return {"OMP_WAIT_POLICY": "active" if turn % 2 else "passive"}


def prepare(model: Path, shapes: Mapping[str, Shape], folder: Path) -> list[Path]:
    spec = importlib.util.find_spec("pnnx")  # importing it would import PyTorch
    assert spec and spec.submodule_search_locations
    (folder / "model.onnx").symlink_to(model)
    shape = ",".join(f"[{','.join(map(str, (1, *shape[1:])))}]" for shape in shapes.values())
    tool = [str(Path(spec.submodule_search_locations[0]) / "pnnx"), "model.onnx", f"inputshape={shape}", "fp16=0"]
    done = subprocess.run(tool, capture_output=True, text=True, errors="replace", cwd=folder)
    made = [folder / "model.ncnn.param", folder / "model.ncnn.bin"]
    if done.returncode != 0 or not all(path.is_file() for path in made):
        raise OSError(f"pnnx failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return made


def start(files: Sequence[str]) -> Any:
    import ncnn

    return ncnn


def load(library: Any, task: Task) -> Run:
    net = library.Net()
    net.opt.num_threads = task.threads
    for name in _REDUCED:
        setattr(net.opt, name, False)
    pools = library.UnlockedPoolAllocator(), library.PoolAllocator()
    net.opt.blob_allocator, net.opt.workspace_allocator = pools
    if net.load_param(task.files[0]) or net.load_model(task.files[1]):
        raise OSError("ncnn cannot load what pnnx wrote")
    batch = len(next(iter(task.inputs.values())))
    feeds = [[library.Mat(array[item]) for array in task.inputs.values()] for item in range(batch)]

    def one(feed: Sequence[Any]) -> list[Any]:
        extractor = net.create_extractor()
        for i, mat in enumerate(feed):
            extractor.input(f"in{i}", mat)
        return [np.array(extractor.extract(f"out{i}")[1]) for i in range(len(task.outputs))]

    def run(_keep: Any = (net, pools)) -> Sequence[Any]:
        items = [one(feed) for feed in feeds]
        return [np.stack(parts) for parts in zip(*items, strict=True)]

    return run
