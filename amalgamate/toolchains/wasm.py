"""WebAssembly: the modules of BUILDS, and NAME.mjs, which loads the best that an engine runs.

The modules need no JavaScript but that: a few imports that may be stubs. Those of threads run on memory that they are given,
and NAME.threads.mjs makes it. emscripten compiles them; those of relaxed SIMD zig, because the emscripten of Debian 12 writes
these instructions by the numbers of a proposal. Without zig a package has none of them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.resources import cache_folder, folder
from amalgamate.toolchains import compile, loader, zig

PAGE = 1 << 16
STACK = 1 << 20
MOST = 1 << 15  # pages: addresses are numbers with a sign in JavaScript
FLAGS = (
    "-O3",
    "-std=c99",
    # Kernels say themselves what is a vector and what is unrolled: more of it is an eighth of the module, and no faster.
    "-fno-unroll-loops",
    "-fno-vectorize",
    "-fno-slp-vectorize",
)
EMSCRIPTEN = ("--no-entry", "-sSTANDALONE_WASM", "-sALLOW_MEMORY_GROWTH=1", f"-sTOTAL_STACK={STACK}")
ZIG = (*zig.PLAIN, "-target", "wasm32-wasi", "-mexec-model=reactor", "-s", f"-Wl,-z,stack-size={STACK}")
SHARED = ("-matomics", "-mbulk-memory", "-Wl,--shared-memory")
# emscripten's C library was compiled for one thread, and what threads call of it keeps nothing: hence no check of features.
EMSCRIPTEN_SHARED = (
    *SHARED,
    "-sIMPORTED_MEMORY=1",
    "-sERROR_ON_UNDEFINED_SYMBOLS=0",  # system.start is the loader's
    "-sWARN_ON_UNDEFINED_SYMBOLS=0",
    "-Wl,--no-check-features",
)
ZIG_SHARED = (*SHARED, "-Wl,--import-memory", "-Wl,--export-table")
ROOM = 16 << 20  # bytes, for the stacks of threads and what each needs of the arena
BATCH = 16  # of the largest shapes that the memory of threads has room for


@dataclass(frozen=True)
class Build:
    """One module: the end of its name, what the processor has, whether it is for several threads."""

    suffix: str
    features: tuple[str, ...] = ()
    threads: bool = False

    @property
    def relaxed(self) -> bool:
        """Whether vectors are multiplied and added with one rounding or two, as the host does it: with zig only."""
        return "-mrelaxed-simd" in self.features

    def command(self, initial: int, maximum: int) -> list[str]:
        """The compiler with all but the files, for memory of `initial` to `maximum` bytes. Raises E140."""
        if self.relaxed:
            limits = [f"-Wl,--initial-memory={initial}", f"-Wl,--max-memory={maximum}"]
            start = [*zig.compiler(), *ZIG, *(ZIG_SHARED if self.threads else ())]
        else:
            limits = [f"-sINITIAL_MEMORY={initial}", f"-sMAXIMUM_MEMORY={maximum}"]
            start = [compiler(), *EMSCRIPTEN, *(EMSCRIPTEN_SHARED if self.threads else ())]
        return [*start, *FLAGS, *self.features, *limits]


SIMD = ("-msimd128",)
RELAXED = (*SIMD, "-mrelaxed-simd")
BUILDS = {
    "wasm-simd": Build("wasm", SIMD),
    "wasm-threads": Build("threads.wasm", SIMD, threads=True),
    "wasm-scalar": Build("scalar.wasm"),
    "wasm-relaxed": Build("relaxed.wasm", RELAXED),
    "wasm-relaxed-threads": Build("relaxed.threads.wasm", RELAXED, threads=True),
}


def build(source: Path, target: str, out: Path) -> Path:
    """For "wasm" every one of `builds` and what loads it, returning NAME.wasm; for one of BUILDS that one alone."""
    if target != "wasm":
        return _module(source, BUILDS[target], out)
    made = builds()
    with ThreadPoolExecutor() as pool:
        paths = list(pool.map(lambda each: _module(source, each, out), made))
    facts = {
        "weights": source.with_suffix(".amg").is_file(),
        "halves": "WEIGHTS" in _stated(source),
        "relaxed": any(each.relaxed for each in made),
    }
    (out / f"{source.stem}.mjs").write_text(loader.module(source.stem, **facts), "utf-8")
    (out / f"{source.stem}.threads.mjs").write_text(loader.threads(source.stem, *_pages(source)), "utf-8")
    return paths[0]


def builds() -> list[Build]:
    """What "wasm" makes: all of BUILDS, or without zig those that need none."""
    return [each for each in BUILDS.values() if zig.found() or not each.relaxed]


def compiler() -> str:
    """The path of emcc. Raises E140."""
    if path := shutil.which("emcc"):
        return path
    raise AmalgamateError("E140", "no emscripten, which compiles to WebAssembly", "", "Run apt install emscripten")


def identity() -> str:
    """What tells artifacts of one pair apart, beside the target."""
    return repr((builds(), FLAGS, EMSCRIPTEN, EMSCRIPTEN_SHARED, ZIG, ZIG_SHARED, glue(), loader.texts()))


def glue(prefix: str = "amg") -> dict[str, str]:
    """The C files that are compiled together with a pair whose names begin with `prefix`."""
    texts = {name: (folder("bindings") / "js" / name).read_text("utf-8") for name in ("glue.c", "heap.c")}
    return {
        name: re.sub(r"\bAMG_", f"{prefix.upper()}_", re.sub(r"\bamg_", f"{prefix}_", text))
        for name, text in texts.items()
    }


def _module(source: Path, build: Build, out: Path) -> Path:
    header = source.with_suffix(".h")
    if not header.is_file():
        raise AmalgamateError("E100", "the header of the pair is missing", str(header), "Keep both files together")
    found = re.search(r"\b(\w+)_session_new\(", header.read_text("utf-8"))
    if not found:
        raise AmalgamateError("E141", "the header is not that of a pair", str(header), "Write it with amalgamate build")
    prefix = found[1]
    artifact = out / f"{source.stem}.{build.suffix}"
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        texts = {f"pair/{source.name}": _small_but_for_kernels(source.read_text("utf-8")), **glue(prefix)}
        files = [Path(scratch) / name for name in texts]
        for file, text in zip(files, texts.values(), strict=True):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
        threads = "WEB_THREADS" if build.threads else "NO_THREADS"  # there are none but those that the loader makes
        switches = [f"-D{prefix.upper()}_{name}" for name in ("NO_FILE", threads)]
        named = [f"-I{source.parent.resolve()}", f'-DPAIR_HEADER="{header.name}"']
        initial, maximum = _pages(source)
        limits = initial * PAGE, (maximum if build.threads else MOST) * PAGE
        command: list[str | Path] = [*build.command(*limits), *switches, *named, *files]
        try:
            return compile(command, artifact)
        except AmalgamateError as error:
            if build.relaxed or "cache" not in str(error):
                raise
            # Some distributions ship a cache that may not be written to, and not all that a build needs in it.
            own = cache_folder() / "emscripten"
            return compile(command, artifact, {"EM_CACHE": str(own), "EM_FROZEN_CACHE": ""})


def _small_but_for_kernels(text: str) -> str:
    """The pair with all that stands before its kernels compiled for size: a third less to load, and as fast."""
    before, mark, kernels = text.partition("/* begin generated/kernels.c */")
    first = before.find("/* begin ")
    if not mark or first < 0:
        return text
    push = "#pragma clang attribute push(__attribute__((minsize)), apply_to = function)\n"
    return f"{before[:first]}{push}{before[first:]}#pragma clang attribute pop\n{mark}{kernels}"


def _pages(source: Path) -> tuple[int, int]:
    """Pages of memory of a pair: to begin with, for the stack, the embedded model and a little; and at most, with threads,
    whose memory has an end: for the model's weights and sixteen times its arena, or 1 GiB for the runtime alone."""
    embedded = re.search(r"_embedded_size = (\d+);", source.read_text("utf-8"))
    initial = (STACK + int(embedded[1] if embedded else 0)) // PAGE + 6
    stated = _stated(source)
    if "ARENA" not in stated:
        return initial, (1 << 30) // PAGE
    file = source.with_suffix(".amg")
    weights = stated.get("WEIGHTS", 0) + (file.stat().st_size if file.is_file() else 0)
    return initial, min(initial + (weights + BATCH * stated["ARENA"] + ROOM) // PAGE, MOST)


def _stated(source: Path) -> dict[str, int]:
    """What the header of a pair says that it takes: bytes of the ARENA, and of WEIGHTS where opening expands them."""
    header = source.with_suffix(".h").read_text("utf-8")
    return {what: int(size) for what, size in re.findall(r"#define \w+_(ARENA|WEIGHTS)_BYTES (\d+)", header)}
