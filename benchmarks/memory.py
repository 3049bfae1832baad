"""Memory that a run needs, and the time that opening a model takes, beside what was promised.

python benchmarks/memory.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import networks
from size import Figure

import amalgamate
from amalgamate import toolchains
from amalgamate.predictor.library import Library
from amalgamate.writers import c_source

MODELS = Path(__file__).resolve().parent.parent / "build" / "models"
MIB = 2**20


def built(name: str) -> amalgamate.Built:
    return amalgamate.build(networks.write(MODELS, name))


def arena_figures() -> Iterator[Figure]:
    for name, limit in (("squeezenet10", 5.7), ("squeezenet11", 3.8), ("alexnet", 2.3)):
        yield Figure(f"arena of {name}", built(name).plan.arena_bytes / MIB, limit, "MiB")


def milliseconds(action: Callable[[], object], rounds: int = 50) -> float:
    """The best time of `rounds`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def opening_figures(folder: Path) -> Iterator[Figure]:
    """Opening and closing a model: from memory, and a large file by mmap. The call from Python is part of it."""
    api = Library(toolchains.cached(c_source.runtime_pair(), "native"))
    out = api.new("model **")
    small = built("squeezenet10").data
    keep = api.ffi.new("char[]", len(small) + 64)
    data = keep + (-int(api.ffi.cast("uintptr_t", keep)) % 64)
    api.ffi.memmove(data, small, len(small))
    options = api.new("options *", {"struct_size": api.sizeof("options"), "data": data, "size": len(small)})

    def from_memory() -> None:
        api.check(api.call("open", options, out))
        api.call("close", out[0])

    yield Figure("squeezenet10.amg, opened from memory", milliseconds(from_memory), 0.2, "ms")
    large = folder / "resnet50.amg"
    large.write_bytes(built("resnet50").data)

    def from_file() -> None:
        api.check(api.call("open_file", str(large).encode(), api.ffi.NULL, out))
        api.call("close", out[0])

    size = large.stat().st_size / MIB
    yield Figure(f"resnet50.amg, {size:.0f} MiB, opened by mmap", milliseconds(from_file), 2, "ms")


def main() -> int:
    """Prints every figure; 1 if one is over its limit."""
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        for figures in (arena_figures(), opening_figures(Path(folder))):
            for figure in figures:
                print(figure, flush=True)
                over += figure.value > figure.limit
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
