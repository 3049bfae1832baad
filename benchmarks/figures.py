"""Measures what the project promises besides speed: memory, time to open, and the size and compile time of its C.

python benchmarks/figures.py          # a table of figures beside their bounds; exit code 1 where one is missed
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import networks

import amalgamate
from amalgamate import toolchains
from amalgamate.predictor.library import Library
from amalgamate.writers import c_source

MODELS = Path(__file__).resolve().parent.parent / "build" / "models"
MIB = 2**20


@dataclass
class Figure:
    """Something measured: at most `bound`, in `unit`."""

    name: str
    measured: float
    bound: float
    unit: str

    def __str__(self) -> str:
        verdict = "" if self.measured <= self.bound else "  MISSED"
        return f"{self.name:62}{self.measured:>10,.2f}{self.bound:>10,.2f} {self.unit}{verdict}"


def built(network: str, **options: str) -> amalgamate.Built:
    return amalgamate.build(networks.write(MODELS, network), **options)


def arenas() -> Iterator[Figure]:
    for name, bound in (("squeezenet10", 5.7), ("squeezenet11", 3.8), ("alexnet", 2.3)):
        yield Figure(f"arena, {name}", built(name).plan.arena_bytes / MIB, bound, "MiB")


def seconds(action: Callable[[], object], rounds: int) -> float:
    """The best time of `rounds`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def compile_seconds(source: Path) -> float:
    """The processor time that the compiler takes, which a busy machine does not change much."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    toolchains.build(source)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opening(folder: Path, library: Path) -> Iterator[Figure]:
    """Opening and closing a model: from memory, and a large file by mmap. The call from Python is part of it."""
    api = Library(library)
    out = api.new("model **")
    small = built("squeezenet10").data
    keep = api.ffi.new("char[]", len(small) + 64)
    address = int(api.ffi.cast("uintptr_t", keep))
    data = keep + (-address % 64)
    api.ffi.memmove(data, small, len(small))
    options = api.new("options *", {"struct_size": api.sizeof("options"), "data": data, "size": len(small)})

    def from_memory() -> None:
        api.check(api.call("open", options, out))
        api.call("close", out[0])

    yield Figure("open and close squeezenet10.amg from memory", seconds(from_memory, 50) * 1e3, 0.2, "ms")
    large = folder / "resnet50.amg"
    large.write_bytes(built("resnet50").data)

    def from_file() -> None:
        api.check(api.call("open_file", str(large).encode(), api.ffi.NULL, out))
        api.call("close", out[0])

    name = f"open and close resnet50.amg ({large.stat().st_size / MIB:.0f} MiB) by mmap"
    yield Figure(name, seconds(from_file, 50) * 1e3, 2, "ms")


def runtime(folder: Path) -> Iterator[Figure]:
    source, _ = c_source.write(c_source.runtime_pair(), folder)
    yield Figure("amalgamated runtime, every operator", len(source.read_text().splitlines()), 15000, "lines")
    library = folder / "amg.so"
    yield Figure("  compiled at -O2", compile_seconds(source), 10, "s")
    stripped = folder / "stripped.so"
    subprocess.run(["strip", "-o", str(stripped), str(library)], check=True)
    yield Figure("  its .so, stripped", stripped.stat().st_size / 1024, 300, "KiB")
    yield from opening(folder, library)


def embedded(folder: Path) -> Iterator[Figure]:
    """A C file with its weights in it, as a compiler sees it."""
    source = next(p for p in built("squeezenet10").write(folder) if p.suffix == ".c")
    name = f"squeezenet10.c with embedded weights ({source.stat().st_size / MIB:.0f} MiB), compiled"
    yield Figure(name, compile_seconds(source), 5, "s")


def microcontroller(folder: Path) -> Iterator[Figure]:
    """The code of LeNet for a Cortex-M4 that a program which runs it needs, without its weights and the C library."""
    compiler = "arm-none-eabi-gcc"
    if not shutil.which(compiler):
        print(f"{compiler} is not installed: the size for a Cortex-M4 is left out", file=sys.stderr)
        return
    built("lenet", weights_as="file", name="lenet").write(folder)
    (folder / "main.c").write_text(MAIN)
    switches = [f"-DAMG_{s}" for s in ("SCALAR_ONLY", "NO_THREADS", "NO_FILE", "NO_IMAGE", "NO_PROFILE")]
    flags = [
        "-mcpu=cortex-m4",
        "-Os",
        "-std=c99",
        "-ffreestanding",
        "-ffunction-sections",
        "-fdata-sections",
        *switches,
    ]
    files = ["main.c", "lenet.c"]
    subprocess.run([compiler, *flags, *files, "--specs=nosys.specs", "-lm", "-o", "lenet.elf"], cwd=folder, check=True)
    reach = ["-r", "-nostdlib", "-Wl,--gc-sections", "-Wl,--entry=main", "-o", "code.o"]
    subprocess.run([compiler, *flags, *files, *reach], cwd=folder, check=True)
    sizes = subprocess.run(["arm-none-eabi-size", "code.o"], cwd=folder, check=True, capture_output=True, text=True)
    text, data = (int(v) for v in sizes.stdout.splitlines()[1].split()[:2])
    yield Figure("lenet for a Cortex-M4, scalar, -Os, code", (text + data) / 1024, 20, "KiB")


MAIN = """\
#include "lenet.h"
static char heap[65536], arena[LENET_ARENA_BYTES];
static size_t used;
static void *take(void *user, size_t size)
{
    void *p = heap + used;
    (void)user;
    used += (size + 15) / 16 * 16;
    return used <= sizeof heap ? p : NULL;
}
static void drop(void *user, void *p)
{
    (void)user;
    (void)p;
}
static const unsigned char weights[64];
int main(void)
{
    amg_options o = {sizeof o};
    amg_session_options so = {sizeof so};
    amg_model *m;
    amg_session *s;
    o.alloc = take;
    o.release = drop;
    o.data = weights;
    o.size = sizeof weights;
    so.arena = arena;
    so.arena_size = sizeof arena;
    if (amg_open(&o, &m) || amg_session_new(m, &so, &s)) {
        return 1;
    }
    return amg_run(s);
}
"""


def main() -> int:
    print(f"{'':62}{'measured':>10}{'at most':>10}")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for part in (arenas(), runtime(Path(folder)), embedded(Path(folder)), microcontroller(Path(folder))):
            for figure in part:
                print(figure, flush=True)
                missed += figure.measured > figure.bound
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
