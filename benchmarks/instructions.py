"""Counts the instructions per multiply-add of the innermost loops, per instruction set, from the machine code.

    python benchmarks/instructions.py [--isa neon] [--time]

A loop needs its multiply-adds (two instructions where a set does not fuse them), its loads, its stores and what else it
computes on vectors; the share says how much of its instructions that is: the rest counts, addresses, asks for memory ahead,
copies registers or spills them. x86 may load and multiply in one instruction, so its share may pass 100%. Of WebAssembly
the module's instructions are counted, but for constants, blocks and locals, which need not become any. Where a turn branches,
the shortest way that multiplies most is counted: away from the padding, with nothing to add.
--time runs a product of 784 x 1152 x 128 beside the peak of its core, each set where it runs, WebAssembly in Node.
Instruction sets whose compiler is not installed are left out, and named.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).with_suffix(".c")
# Functions stay apart, as they are where they have several callers, so that loops have names.
FLAGS = ("-O2", "-std=c99", "-fno-inline-functions-called-once")
NAMED = ("--profiling-funcs", "-finline-hint-functions")
WASM = (
    "-O3",
    "-std=c99",
    "-fno-unroll-loops",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-msimd128",
    "--profiling-funcs",
)
NODE = """
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
const wasi = new WASI({ version: "preview1", args: ["instructions"], returnOnExit: true });
const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[1]), wasi.getImportObject());
wasi.start(instance);
"""


@dataclass(frozen=True)
class Isa:
    """How the kernels of an instruction set are compiled, disassembled and run, and which of its instructions count."""

    name: str
    compiler: str
    flags: tuple[str, ...]
    disassembler: str
    counted: str  # a pattern of multiply-adds, or of multiplications where they are not fused
    fused: bool

    def missing(self) -> list[str]:
        return [tool for tool in (self.compiler, self.disassembler) if shutil.which(tool) is None]


X86 = ("gcc", FLAGS, "objdump")
ISAS = (
    Isa("sse2", *X86, r"mulps", False),
    Isa("avx2", *X86, r"vfn?madd\d+ps", True),
    Isa("avx512", *X86, r"vfn?madd\d+ps", True),
    Isa("neon", "aarch64-linux-gnu-gcc", (*FLAGS, "-static"), "aarch64-linux-gnu-objdump", r"fml[as]", True),
    Isa(
        "wasm",
        "emcc",
        (*WASM, *NAMED, "-sSTANDALONE_WASM", "-sINITIAL_MEMORY=16777216"),
        "wasm-objdump",
        r"f32x4\.mul",
        False,
    ),
)


@dataclass(frozen=True)
class Loop:
    """What one turn of a kernel's innermost loop needs."""

    kernel: str
    what: str
    adds: int  # multiply-adds
    loads: int
    multiplies: int = 0  # alone
    others: int = 0
    stores: int = 0
    size: str = ""

    def counted(self, isa: Isa) -> int:
        return self.adds + (0 if isa.fused else self.multiplies)

    def needed(self, isa: Isa) -> int:
        return self.adds * (1 if isa.fused else 2) + self.multiplies + self.others + self.loads + self.stores


def loops(isa: Isa) -> list[Loop]:
    """The loops of an instruction set, by the sizes that its header states."""
    text = (ROOT / "runtime_src" / "simd" / f"f32_{isa.name}.h").read_text()
    size = {name: int(value) for name, value in re.findall(r"#define (\w+) (\d+)", text)}
    lanes, rows, small = size["VF_LANES"], size["AMG_TILE_ROWS"], size["AMG_TILE_SMALL"]
    tiles = [
        ("gemm_full", "tile", rows, size["AMG_TILE_LANES"]),
        ("gemm_small", "low tile", small, size["AMG_TILE_LANES"]),
        ("gemm_full_half", "half a tile", rows, 2 * lanes),
        ("gemm_full_quarter", "a quarter of one", rows, lanes),
        ("gemm_full_panel", "tile of a panel", rows, 16),
        ("gemm_small_panel", "low tile of a panel", small, 16),
        ("gemm_small_wide", "wide tile", small, 48),
    ]
    row = 16 * size["AMG_VECTOR_PANELS"] // lanes
    tiled = [
        Loop("depthwise_1", "a row of 3x3 taps", 12, 6 + 3),
        Loop("depthwise_2", "the same, stride 2", 12, 9 + 3),
        Loop("depthwise_1_high", "3x3 on two lines", 72, 24 + 9, others=16, stores=8),
    ]
    sliding = [
        Loop("depthwise_1", "3x3 that slides", 9, 3, others=2, stores=1),
        Loop("depthwise_2", "the same, stride 2, that slides", 9, 6, others=2, stores=1),
        Loop("depthwise_1_high", "3x3 that slides on four lines", 36, 6, others=8, stores=4),
    ]
    return [
        *(Loop(name, what, m * n // lanes, m + n // lanes, size=f"{m}x{n} ") for name, what, m, n in tiles),
        Loop("gemm_vector", "matrix x vector", row, row + 1),
        *(sliding if size["AMG_DEPTHWISE_SLIDES"] else tiled),
        Loop("winograd_few", "Winograd, few tiles", 31, 9 + 24, multiplies=8, others=5),
    ]


@dataclass(frozen=True)
class Step:
    """An instruction of a loop: what it is, what it costs, and where it may lead, by its place in the loop."""

    word: str
    cost: int
    next: tuple[int, ...]


def path(steps: list[Step], counted: str) -> tuple[int, int]:
    """Of the ways through one turn of a loop that with the most multiply-adds, and of these the shortest: both counts."""
    best = [
        (0, 0)
    ]  # from the end of the turn, from its last step, and so on: multiply-adds, and steps as a negative number
    for at in reversed(range(len(steps))):
        step = steps[at]
        ends = [best[len(steps) - to] for to in step.next if at < to <= len(steps)]
        most, length = max(ends, default=(-1000, 0))
        best.append((most + bool(re.fullmatch(counted, step.word)), length - step.cost))
    return best[-1][0], -best[-1][1]


def functions(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of each function of a disassembly."""
    name, lines = "", list[str]()
    for line in text.splitlines():
        if found := re.match(r"[0-9a-f]+ (?:func\[\d+\] )?<(\w+)[.\w]*>:", line):
            yield name, lines
            name, lines = found[1], []
        else:
            lines.append(line)
    yield name, lines


def native_loops(lines: list[str]) -> Iterator[list[Step]]:
    """What lies between the target of a jump backwards and the jump, where no other such pair lies in between."""
    code = [found.groups() for line in lines if (found := re.match(r"\s+([0-9a-f]+):\t(\S+)\s*([^<]*)", line))]
    places = {int(at, 16): i for i, (at, _, _) in enumerate(code)}
    steps = []
    for i, (_, word, operands) in enumerate(code):
        jump = re.fullmatch(r"j\w+|b(\.\w+)?|[ct]bn?z", word) and re.search(r"([0-9a-f]+)\s*$", operands)
        to = (places.get(int(jump[1], 16), -1),) if jump else ()
        on = () if word in ("jmp", "b", "ret") else (i + 1,)
        steps.append(Step(word, int(not word.startswith(("nop", "data16", "cs"))), (*on, *to)))
    spans = [(to, i) for i, step in enumerate(steps) for to in step.next if 0 <= to <= i]
    for start, end in spans:
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in spans):
            yield within(steps, start, end + 1)


def module_loops(lines: list[str]) -> Iterator[list[Step]]:
    """The same of WebAssembly, where loops are blocks."""
    free = re.compile(r"local\.\w+|\w+\.const|block|loop|else|end|drop|nop")
    code = [found.groups() for line in lines if (found := re.match(r" [0-9a-f]+: [^|]*\|\s+(\S+) ?(\d*)", line))]
    opened: list[int] = []
    closes: dict[int, int] = {}  # where each block ends
    others: dict[int, int] = {}  # where the other branch of an if begins
    for i, (word, _) in enumerate(code):
        if word in ("block", "loop", "if"):
            opened.append(i)
        elif word == "else":
            others[opened[-1]] = i
        elif word == "end" and opened:
            closes[opened.pop()] = i
    steps, around = [], list[int]()
    for i, (word, depth) in enumerate(code):
        to: tuple[int, ...] = (i + 1,)
        if word in ("block", "loop", "if"):
            around.append(i)
        if word in ("br", "br_if") and int(depth) < len(around):
            block = around[-1 - int(depth)]
            to = (*to[: word == "br_if"], block if code[block][0] == "loop" else closes[block])
        elif word == "if":
            to = (i + 1, others.get(i, closes[i]) + 1)
        elif word == "else":
            to = (closes[around[-1]],)
        elif word == "end" and around:
            around.pop()
        steps.append(Step(word, int(not free.fullmatch(word)), to))
    for start, end in closes.items():
        if code[start][0] == "loop" and not any(code[i][0] == "loop" for i in range(start + 1, end)):
            yield within(steps, start, end)


def within(steps: list[Step], start: int, end: int) -> list[Step]:
    """A loop by itself: to go back to its start ends a turn."""
    count = end - start
    turned = [Step(s.word, s.cost, tuple(to - start for to in s.next)) for s in steps[start:end]]
    return [Step(s.word, s.cost, tuple(count if to == 0 else to for to in s.next)) for s in turned]


def measured(isa: Isa, program: Path) -> list[tuple[Loop, int, int]]:
    """Each loop that a build has, with how often it is in one turn, and the turn's instructions."""
    options = ["-d"] if isa.name == "wasm" else ["-d", "--no-show-raw-insn"]
    done = subprocess.run([isa.disassembler, *options, program], capture_output=True, text=True, check=True)
    inner = module_loops if isa.name == "wasm" else native_loops
    bodies = {name.partition("__")[0]: list(inner(lines)) for name, lines in functions(done.stdout)}
    found = []
    for loop in loops(isa):
        counts = [path(body, isa.counted) for body in bodies.get(loop.kernel, [])]
        whole = [(count // loop.counted(isa), n) for count, n in counts if count > 0 and count % loop.counted(isa) == 0]
        if whole:
            found.append((loop, *max(whole, key=lambda pair: (pair[0], -pair[1]))))
    return found


def compiled(isa: Isa, out: Path) -> Path:
    program = out / (f"{isa.name}.wasm" if isa.name == "wasm" else isa.name)
    header = f'-DAMG_SIMD_HEADER="simd/f32_{isa.name}.h"'
    where = [f"-I{ROOT / 'runtime_src'}", f"-I{ROOT / 'amalgamate' / 'benchmark'}"]
    subprocess.run([isa.compiler, *isa.flags, header, *where, SOURCE, "-o", program, "-lm"], check=True)
    return program


def timed(isa: Isa, program: Path) -> str:
    """GFLOP/s at the peak and of the product; nothing where it does not run."""
    node = ["node", "--no-warnings", "--no-liftoff", "--input-type=module", "-e", NODE]
    command: list[str | Path] = [*node, program] if isa.name == "wasm" else [program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "does not run here"
    peak, product = map(float, done.stdout.split())
    return f"{product:.0f} of {peak:.0f} GFLOP/s, {product / peak:.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=[isa.name for isa in ISAS], help="instead of all of them")
    parser.add_argument("--time", action="store_true", help="also run a product, beside the peak of the core")
    args = parser.parse_args()
    cells: dict[str, dict[str, str]] = {}
    times = []
    there = [isa for isa in ISAS if not args.isa or isa.name in args.isa]
    with tempfile.TemporaryDirectory() as folder:
        for isa in there:
            if missing := isa.missing():
                print(f"{isa.name}: {', '.join(missing)} is not installed", file=sys.stderr)
                continue
            program = compiled(isa, Path(folder))
            for loop, turns, length in measured(isa, program):
                each, share = length / turns / loop.adds, turns * loop.needed(isa) / length
                cells.setdefault(loop.what, {})[isa.name] = f"{loop.size}{each:.2f} ({share:.0%})"
            if args.time:
                times.append(f"{isa.name}: {timed(isa, program)}")
    print(f"| loop | {' | '.join(isa.name for isa in there)} |")
    print(f"| --- |{' --- |' * len(there)}")
    for what, row in cells.items():
        print(f"| {what} | {' | '.join(row.get(isa.name, '') for isa in there)} |")
    print("\n".join(["", *times]) if times else "", end="\n" if times else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
