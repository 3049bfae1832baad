"""Every case of every operator on NEON, under an emulator, on 32 bits, and in WebAssembly with SIMD and without."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import harness
from amalgamate import passes, reference
from amalgamate.graph import Array
from amalgamate.ops import Case, registry
from amalgamate.plan import plan
from amalgamate.toolchains.wasm import RELAXED
from amalgamate.writers import c_source, model_file
from machines import BIG_ENDIAN, EMULATED, program
from test_kernels import growth, rounding
from tools import package, tool

SOURCE = Path(__file__).parent / "c" / "cases.c"
WASM = ["-sSTANDALONE_WASM", "-sALLOW_MEMORY_GROWTH=1", "-DAMG_NO_FILE", "-DAMG_NO_THREADS"]


def cases() -> Iterator[tuple[str, Case]]:
    for name, op in sorted(registry().items()):
        for i, case in enumerate(() if op.folds_only else op().cases()):
            if _has_elements(case):
                yield f"{name} {i} {case.name}", case


def _has_elements(case: Case) -> bool:
    return all(value is None or value.size for value in case.inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("elsewhere")
    c_source.write(c_source.runtime_pair(), path)
    return path


def compiled(folder: Path, compiler: str, program: str, *flags: str) -> Path:
    words = [tool(compiler), "-std=c99", "-O1", *flags, "-I", folder, SOURCE, folder / "amg.c", "-o", folder / program]
    done = subprocess.run([*map(str, words), "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / program


def native(program: Path) -> Callable[[bytes], bytes]:
    emulator = tool("qemu-aarch64")
    return lambda given: subprocess.run([emulator, program], input=given, capture_output=True).stdout


def webassembly(program: Path) -> Callable[[bytes], bytes]:
    wasmtime = package("wasmtime")

    def run(given: bytes) -> bytes:
        before, after = program.with_suffix(".in"), program.with_suffix(".out")
        before.write_bytes(given)
        wasi = wasmtime.WasiConfig()
        wasi.stdin_file, wasi.stdout_file = str(before), str(after)
        engine = wasmtime.Engine()
        store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
        store.set_wasi(wasi)
        linker.define_wasi()
        code = wasmtime.Module(engine, program.read_bytes())
        for i in code.imports:
            if i.module == "env":  # emscripten says that the memory has grown
                linker.define(store, i.module, i.name, wasmtime.Func(store, i.type, lambda *_: None))
        try:
            linker.instantiate(store, code).exports(store)["_start"](store)
        except wasmtime.ExitTrap as trap:
            assert trap.code in (0, 1)
        del store
        return after.read_bytes()

    return run


def near(case: Case, got: Array, want: Array) -> bool:
    """Equal but for rounding: of a few operations, or of sums of as many products as the operator says."""
    shapes = [None if value is None else value.shape for value in case.inputs]
    terms = case.op.macs(shapes, [want.shape]) // want.size
    few = 2e-6 * np.abs(want[np.isfinite(want)]).max(initial=1)
    sums = rounding(terms, growth(case)) if terms else 0.0
    return np.allclose(got, want, rtol=2e-5, atol=max(few, sums), equal_nan=True)


def results(run: Callable[[bytes], bytes], isa: str, order: str = "<") -> Iterator[tuple[str, Case, list[Array]]]:
    """Each case with its outputs; `order` is that of the bytes of the machine."""
    listed = list(cases())
    assert {name.split()[0] for name, _ in listed} == {n for n, op in registry().items() if not op.folds_only}
    given = b""
    for _, case in listed:
        data = harness.amg(harness.graph_of(case))
        given += np.array([harness.ISA[isa], len(data)], f"{order}i4").tobytes() + data
        for value in harness.inputs_of(case).values():
            given += np.ascontiguousarray(value, value.dtype.newbyteorder(order)).tobytes()
    made, at = run(given), 0
    for name, case in listed:
        assert made[at : at + 4] == bytes(4), f"{name}: status {np.frombuffer(made[at : at + 4], f'{order}i4')}"
        at += 4
        outputs = []
        for want in reference.run(harness.graph_of(case), harness.inputs_of(case)).values():
            got = np.frombuffer(made[at : at + want.nbytes], want.dtype.newbyteorder(order)).reshape(want.shape)
            outputs.append(got.astype(want.dtype))
            at += want.nbytes
        yield name, case, outputs
    assert at == len(made)


def check(run: Callable[[bytes], bytes], isa: str) -> None:
    wrong = []
    for name, case, outputs in results(run, isa):
        wanted = reference.run(harness.graph_of(case), harness.inputs_of(case)).values()
        if not all(near(case, got, want) for got, want in zip(outputs, wanted, strict=True)):
            wrong.append(name)
    assert not wrong


@pytest.mark.parametrize(("isa", "flags"), [("scalar", ["-DAMG_SCALAR_ONLY"]), ("neon", [])])
def test_64_bit_arm(isa: str, flags: list[str], folder: Path) -> None:
    check(native(compiled(folder, "aarch64-linux-gnu-gcc", f"arm64-{isa}", "-static", *flags)), isa)


def test_32_bit_x86_with_vectors(folder: Path) -> None:
    program = compiled(folder, "i686-linux-gnu-gcc", "i686-sse2", "-static", "-msse2")
    check(lambda given: subprocess.run([program], input=given, capture_output=True).stdout, "sse2")


@pytest.mark.parametrize("compiler", ["gcc", "i686-linux-gnu-gcc"])
def test_small_builds(compiler: str, folder: Path) -> None:
    """With AMG_SMALL, as on microcontrollers; 32 bits index with less."""
    flags = ("-Os", "-DAMG_SCALAR_ONLY", "-DAMG_NO_THREADS", "-DAMG_NO_IMAGE", "-static")
    trap = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    program = compiled(folder, compiler, f"small-{compiler}", *flags, *trap)
    check(lambda given: subprocess.run([program], input=given, capture_output=True).stdout, "scalar")


ARENAS = r"""
#include "amg.h"
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    unsigned size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        void *data = malloc(size + 1);
        amg_options options = {0};
        amg_model *model = NULL;
        options.struct_size = sizeof options;
        options.data = data;
        options.size = fread(data, 1, size, stdin);
        if (amg_open(&options, &model) != AMG_OK) {
            return 1;
        }
        printf("%zu\n", amg_arena_size(model, NULL));
        amg_close(model);
        free(data);
    }
    return 0;
}
"""


def test_small_builds_need_the_arena_that_headers_say(folder: Path) -> None:
    (folder / "arenas.c").write_text(ARENAS)
    flags = ["-std=c99", "-Os", "-DAMG_SCALAR_ONLY", *map(str, (folder / "arenas.c", folder / "amg.c"))]
    subprocess.run([tool("gcc"), *flags, "-lm", "-o", folder / "arenas"], check=True)
    plans = {name: plan(passes.run(harness.graph_of(case))) for name, case in cases()}
    files = [model_file.write(made) for made in plans.values()]
    given = b"".join(len(data).to_bytes(4, "little") + data for data in files)
    ran = subprocess.run([folder / "arenas"], input=given, capture_output=True)
    assert ran.returncode == 0
    needed = dict(zip(plans, map(int, ran.stdout.split()), strict=True))
    assert needed == {name: made.small_bytes for name, made in plans.items()}
    assert any(made.small_bytes < made.arena_bytes for made in plans.values())


@pytest.mark.parametrize(("isa", "flags"), [("scalar", []), ("wasm", ["-msimd128"])])
def test_webassembly(isa: str, flags: list[str], folder: Path) -> None:
    check(webassembly(compiled(folder, "emcc", f"{isa}.wasm", *WASM, *flags)), isa)


def test_webassembly_with_relaxed_vectors(folder: Path) -> None:
    made = folder / "relaxed.wasm"
    flags = (*RELAXED, "-DAMG_NO_FILE", "-DAMG_NO_THREADS", "-I", folder)
    program("wasm32-wasi", [SOURCE, folder / "amg.c"], made, *flags)
    check(webassembly(made), "wasm")


@pytest.mark.parametrize("target", [name for name in EMULATED if name != "linux-aarch64"])
def test_bits_of_other_processors(target: str, folder: Path) -> None:
    """The same as here, one after the other: with 32 bits, and where the first byte is the highest."""
    flags = ("-DAMG_SCALAR_ONLY", "-ffp-contract=off")
    here = compiled(folder, "gcc", f"here-{target}", *flags)
    there = program(target, [SOURCE, folder / "amg.c"], folder / target, *flags, "-I", folder)
    order = ">" if target in BIG_ENDIAN else "<"
    expected = results(lambda given: subprocess.run([here], input=given, capture_output=True).stdout, "scalar")
    made = results(lambda given: subprocess.run(there, input=given, capture_output=True).stdout, "scalar", order)
    for (name, _, wanted), (_, _, got) in zip(expected, made, strict=True):
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(got, wanted, strict=True)), name
