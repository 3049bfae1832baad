"""This project: the runtime as a shared library and the model as a .amg file, through the C functions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from amalgamate.benchmark.engines import Run, Task, unlimited
from amalgamate.predictor import ISAS

TITLE = "amalgamate"
MODULES = ("cffi",)
PACKAGE = "amalgamate"
environment = unlimited


def files(data: bytes, folder: Path) -> list[Path]:
    """What `load` needs for the bytes of a .amg file: the library of the runtime, and the file, written to `folder`."""
    from amalgamate import toolchains
    from amalgamate.writers import c_source

    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "model.amg"
    made.write_bytes(data)
    return [toolchains.cached(c_source.runtime_pair()), made]


def start(files: Sequence[str]) -> Any:
    from amalgamate.predictor.library import Library

    return Library(Path(files[0]))


def load(library: Any, task: Task) -> Run:
    """Inputs are copied into the memory of the session with each run; outputs are read where they lie."""
    ffi, call, new = library.ffi, library.call, library.new
    model, session = new("model **"), new("session **")
    library.check(call("open_file", os.fsencode(task.files[1]), ffi.NULL, model))
    options = {"struct_size": library.sizeof("session_options"), "threads": task.threads, "isa": ISAS[task.isa]}
    library.check(call("session_new", model[0], new("session_options *", options), session))
    tensor, size = new("tensor *"), ffi.new("size_t *")

    def place(kind: int, i: int) -> Any:
        """Of an input (0) or output (1) of the session: its name, and its memory as an array."""
        library.check(call("session_tensor", session[0], kind, i, tensor))
        data = call("data", session[0], kind, i, size)
        dtype = np.float32 if tensor.dtype == 1 else np.int64
        array = np.frombuffer(ffi.buffer(data, size[0]), dtype).reshape(tuple(tensor.dims[0 : tensor.ndim]))
        return library.text(tensor.name), array

    inputs = dict(place(0, i) for i in range(call("tensor_count", model[0], 0)))
    outputs = dict(place(1, i) for i in range(call("tensor_count", model[0], 1)))
    arrays = [outputs[name] for name in task.outputs]
    copies = [
        (ffi.from_buffer(inputs[name]), ffi.from_buffer(array), array.nbytes) for name, array in task.inputs.items()
    ]
    predict, memmove, pointer = getattr(library.lib, f"{library.prefix}_run"), ffi.memmove, session[0]

    def run(_keep: Any = (model, session)) -> Sequence[Any]:
        for to, source, count in copies:
            memmove(to, source, count)
        if predict(pointer):
            raise OSError(library.text(call("errmsg", pointer)))
        return arrays

    return run
