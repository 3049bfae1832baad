"""Pairs on other processors: NEON under an emulator, 32 bits, and a microcontroller without an operating system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import amalgamate as am
import nets
from tools import tool

# Reads the input from stdin and writes the output to stdout, as raw floats. argv[1]: an instruction set.
MAIN = """
#include "lenet.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    amg_model *model = NULL;
    amg_session *session = NULL;
    amg_session_options options = {0};
    size_t in = 0, out = 0;
    options.struct_size = sizeof options;
    options.isa = argc > 1 ? atoi(argv[1]) : AMG_ISA_AUTO;
    if (amg_open(NULL, &model) != AMG_OK || amg_session_new(model, &options, &session) != AMG_OK) {
        return 3;
    }
    void *x = amg_data(session, AMG_INPUT, 0, &in);
    if (fread(x, 1, in, stdin) != in || amg_run(session) != AMG_OK) {
        return 1;
    }
    void *y = amg_data(session, AMG_OUTPUT, 0, &out);
    if (amg_arena_size(model, NULL) != LENET_ARENA_BYTES) {
        fprintf(stderr, "the arena is %zu bytes\\n", amg_arena_size(model, NULL));
    }
    fwrite(y, 1, out, stdout);
    amg_session_free(session);
    amg_close(model);
    return 0;
}
"""
CROSS = {
    "arm64": ("aarch64-linux-gnu-gcc", ["qemu-aarch64"], ["5"]),
    "i686": ("i686-linux-gnu-gcc", [], ["1"]),
}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("targets")
    am.build(nets.lenet(path / "lenet.onnx")).write(path)
    (path / "main.c").write_text(MAIN)
    return path


@pytest.fixture(scope="module")
def expected(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(7).standard_normal((1, 1, 28, 28)).astype(np.float32)
    with am.load(am.build(folder / "lenet.onnx").compile()) as model:
        return x, model.run(None, {"data": x})[0]


@pytest.mark.parametrize("target", sorted(CROSS))
@pytest.mark.parametrize("switch", ["", "-DAMG_SCALAR_ONLY"])
def test_other_processors_agree(
    target: str, switch: str, folder: Path, expected: tuple[np.ndarray, np.ndarray]
) -> None:
    compiler, emulator, isa = CROSS[target]
    program = folder / f"{target}{switch}"
    flags = ["-std=c99", "-O2", "-static", *WARNINGS, *([switch] if switch else [])]
    command = [tool(compiler), *flags, folder / "main.c", folder / "lenet.c", "-o", program, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = [tool(emulator[0]), *emulator[1:]] if emulator else []
    x, y = expected
    ran = subprocess.run([*words, program, *([] if switch else isa)], input=x.tobytes(), capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert np.abs(np.frombuffer(ran.stdout, np.float32) - y[0]).max() <= 1e-6
    if target == "arm64":  # on 32 bits sizes of the arena may be smaller, never on 64
        assert not ran.stderr


def test_vectors_that_are_not_there_are_refused(folder: Path) -> None:
    program = folder / "scalar"
    command = [
        tool("gcc"),
        "-std=c99",
        "-DAMG_SCALAR_ONLY",
        folder / "main.c",
        folder / "lenet.c",
        "-o",
        program,
        "-lm",
    ]
    subprocess.run(command, check=True)
    assert subprocess.run([program, "3"], stdin=subprocess.DEVNULL).returncode == 3


def test_small_builds_agree_in_less_memory(folder: Path, expected: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = expected
    flags = ["-std=c99", "-Os", "-DAMG_SCALAR_ONLY", *WARNINGS]
    command = [tool("gcc"), *flags, "main.c", "lenet.c", "-o", "small", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    ran = subprocess.run([folder / "small"], input=x.tobytes(), capture_output=True)
    assert np.abs(np.frombuffer(ran.stdout, np.float32) - y[0]).max() <= 1e-6
    assert not ran.stderr  # the arena is what the header says
    promised = [int(part.split()[0]) for part in (folder / "lenet.h").read_text().split("LENET_ARENA_BYTES ")[1:]]
    assert promised[0] * 3 < promised[1] * 2


# What a program without an operating system must bring: gcc itself calls the first four, the runtime asks for the rest.
# Its result goes to a file of the host, by the calls that debuggers serve (semihosting).
BARE = r"""
#include "lenet.h"
#include <string.h>

static char heap[1 << 16], *top = heap;
static _Alignas(64) char arena[LENET_ARENA_BYTES];
extern const char model_start[], model_end[], input[];

static void *bump(void *user, size_t size)
{
    char *at = top;
    (void)user;
    top += (size + 7) & ~(size_t)7;
    return at;
}

static void keep(void *user, void *memory)
{
    (void)user;
    (void)memory;
}

void *malloc(size_t size) { return bump(NULL, size); }
void free(void *memory) { (void)memory; }

static uintptr_t host(uintptr_t call, const uintptr_t *what)
{
    register uintptr_t r0 __asm__("r0") = call;
    register const uintptr_t *r1 __asm__("r1") = what;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void run(amg_session *session)
{
    size_t bytes = 0;
    void *x = amg_data(session, AMG_INPUT, 0, &bytes);
    memcpy(x, input, bytes);
    if (amg_run(session) == AMG_OK) {
        const void *y = amg_data(session, AMG_OUTPUT, 0, &bytes);
        const uintptr_t file = host(0x01, (const uintptr_t[]){(uintptr_t)"output.bin", 5, 10});
        host(0x05, (const uintptr_t[]){file, (uintptr_t)y, bytes});
        host(0x02, &file);
    }
}

void start(void)
{
    amg_options options = {0};
    amg_session_options how = {0};
    amg_model *model = NULL;
    amg_session *session = NULL;
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* switches the floating-point unit on */
    __asm__ volatile("dsb; isb");
    options.struct_size = sizeof options;
    options.data = model_start;
    options.size = (size_t)(model_end - model_start);
    options.alloc = bump;
    options.release = keep;
    how.struct_size = sizeof how;
    how.arena = arena;
    how.arena_size = sizeof arena;
    if (amg_open(&options, &model) == AMG_OK && amg_session_new(model, &how, &session) == AMG_OK) {
        run(session);
    }
    host(0x18, (const uintptr_t *)0x20026); /* the end */
    for (;;) {
    }
}

__asm__(".section .vectors, \"a\"\n.word stack_top, start + 1\n"
        ".section .rodata\n.balign 64\n.global model_start, model_end, input\n"
        "model_start:\n.incbin \"lenet.amg\"\nmodel_end:\ninput:\n.incbin \"input.bin\"\n");
"""
# 4 MB for code and constants, 4 MB for data: the board of the emulator, and larger than the ones that this is for.
LAYOUT = """ENTRY(start)
SECTIONS
{
    . = 0;
    .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM.exidx*) }
    . = 0x20000000;
    .data : { *(.data*) }
    .bss : { *(.bss*) *(COMMON) . = ALIGN(8); . += 16384; stack_top = .; }
}
"""
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os", "-ffreestanding"]
SMALLEST = [f"-DAMG_{name}" for name in ("SCALAR_ONLY", "NO_FILE", "NO_IMAGE", "NO_PROFILE", "NO_THREADS")]


def test_microcontroller_needs_libm_alone_and_runs(tmp_path: Path, expected: tuple[np.ndarray, np.ndarray]) -> None:
    compiler, emulator = tool("arm-none-eabi-gcc"), tool("qemu-system-arm")
    x, y = expected
    am.build(nets.lenet(tmp_path / "lenet.onnx"), weights_as="file").write(tmp_path)
    (tmp_path / "input.bin").write_bytes(x.tobytes())
    (tmp_path / "main.c").write_text(BARE)
    (tmp_path / "layout.ld").write_text(LAYOUT)
    flags = [*CORTEX_M4, *SMALLEST, "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
    for name, standard in (("lenet", "c99"), ("main", "c11")):
        command = [compiler, *flags, f"-std={standard}", "-c", f"{name}.c", "-o", f"{name}.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    sizes = subprocess.run([tool("arm-none-eabi-size"), tmp_path / "lenet.o"], capture_output=True, text=True).stdout
    assert int(sizes.splitlines()[1].split()[0]) <= 20 * 1024, "code without weights"
    # The C library gives memcpy and its kin, which gcc calls by itself; nothing of it needs a system.
    link = [compiler, *CORTEX_M4, "-nostartfiles", "-Tlayout.ld", "main.o", "lenet.o", "-lm", "-o", "firmware"]
    done = subprocess.run(link, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    needed = subprocess.run(
        [tool("arm-none-eabi-nm"), "-u", tmp_path / "lenet.o"], capture_output=True, text=True
    ).stdout
    foreign = {name for name in needed.split() if name != "U" and not name.startswith("__aeabi_")}
    libc = {"malloc", "free", "memcpy", "memmove", "memset", "memcmp", "strcmp", "strlen"}
    libm = {"fabsf", "sqrtf", "floorf", "rintf", "roundf", "nearbyintf", "fmaf", "lrintf"}
    assert foreign <= libc | libm, foreign - libc - libm
    board = ["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting"]
    words = [emulator, *board, "-kernel", "firmware"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert np.abs(np.fromfile(tmp_path / "output.bin", np.float32) - y[0]).max() <= 1e-6
