"""WebAssembly through emscripten: NAME.wasm with SIMD, NAME.threads.wasm with threads too, NAME.scalar.wasm without either,
and NAME.mjs, which loads them.

The modules are standalone: no JavaScript of emscripten's, a few imports that may be stubs. That of threads runs on memory that
it is given, and NAME.threads.mjs makes it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from amalgamate.errors import AmalgamateError
from amalgamate.resources import cache_folder, folder
from amalgamate.toolchains import compile

PAGE = 1 << 16
STACK = 1 << 20
FLAGS = (
    "-O3",
    "-std=c99",
    "--no-entry",
    "-sSTANDALONE_WASM",
    "-sALLOW_MEMORY_GROWTH=1",
    f"-sTOTAL_STACK={STACK}",
    # Kernels say themselves what is a vector and what is unrolled: more of it is an eighth of the module, and no faster.
    "-fno-unroll-loops",
    "-fno-vectorize",
    "-fno-slp-vectorize",
)
SIMD = ("-msimd128",)
# The C library was compiled for one thread, and what threads call of it keeps nothing: hence no check of features.
SHARED = (
    "-matomics",
    "-mbulk-memory",
    "-sIMPORTED_MEMORY=1",
    "-sERROR_ON_UNDEFINED_SYMBOLS=0",  # system.start is the loader's
    "-sWARN_ON_UNDEFINED_SYMBOLS=0",
    "-Wl,--shared-memory,--no-check-features",
)
# What each is called, its flags, and the runtime's switch: there are no threads but those that the loader makes.
BUILDS = {
    "wasm-simd": ("wasm", SIMD, "NO_THREADS"),
    "wasm-threads": ("threads.wasm", (*SIMD, *SHARED), "WEB_THREADS"),
    "wasm-scalar": ("scalar.wasm", (), "NO_THREADS"),
}
ROOM = 16 << 20  # bytes, for the stacks of threads and what each needs of the arena
BATCH = 16  # of the largest shapes that the memory of threads has room for
_REEXPORT = re.compile(r'(?m)^export \{(.*)\} from "[^"]+";$')
_IMPORT = re.compile(r'(?m)^(?:import|export) \{.*\} from "\./([^"]+)";\n')
_COMMENT = re.compile(r"(?ms)^[ \t]*(?://[^\n]*|/\*\*.*?\*/)\n")  # on lines of its own; the types say what users need


def build(source: Path, target: str, out: Path) -> Path:
    """For "wasm" every one of BUILDS and what loads it, returning NAME.wasm; for one of BUILDS that one alone."""
    if target != "wasm":
        return _module(source, target, out)
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda build: _module(source, build, out), BUILDS))
    weights = source.with_suffix(".amg").is_file()
    (out / f"{source.stem}.mjs").write_text(loader(source.stem, weights, "WEIGHTS" in _stated(source)), "utf-8")
    (out / f"{source.stem}.threads.mjs").write_text(threads_loader(source.stem, *_pages(source)), "utf-8")
    return made[0]


def compiler() -> str:
    """The path of emcc. Raises E140."""
    if path := shutil.which("emcc"):
        return path
    raise AmalgamateError("E140", "no emscripten, which compiles to WebAssembly", "", "Run apt install emscripten")


def loader(name: str, weights: bool, halves: bool = False) -> str:
    """The JavaScript that loads NAME.wasm, and NAME.amg if the module does not embed its weights: one ES module.

    `halves`: whether the weights are in half precision.
    """
    entry = "amalgamate.mjs"
    order: list[str] = []
    texts: dict[str, str] = {}

    def add(file: str) -> None:
        if file in texts:
            return
        text = texts[file] = (folder("bindings") / "js" / file).read_text("utf-8")
        for needed in _IMPORT.findall(text):
            add(needed)
        order.append(file)

    add(entry)
    # Only what the entry exports stays exported; names are shared by all files.
    bodies = [re.sub(r"(?m)^export (?=async|function|class|const)", "", texts[file]) for file in order]
    body = "\n".join(_COMMENT.sub("", _IMPORT.sub("", text)).strip() + "\n" for text in bodies)
    public = [name for names in _REEXPORT.findall(texts[entry]) for name in re.findall(r"\w+", names)]
    public += re.findall(r"(?m)^export (?:class|function|const) (\w+)", texts[entry])
    body += f"\nexport {{ {', '.join(sorted(public))} }};\n"
    if weights:
        body = body.replace("WEIGHTS = () => null;", 'WEIGHTS = () => new URL("./amalgamate.amg", import.meta.url);')
    if halves:
        body = body.replace("HALVES = false;", "HALVES = true;")
    head = f"// Runs {name}.wasm. The types beside it, or docs/web.md of amalgamate, say how it is used.\n\n"
    return head + _named(body, name)


def threads_loader(name: str, initial: int, maximum: int) -> str:
    """The JavaScript that makes the threads of NAME.threads.wasm, on memory of `initial` to `maximum` pages."""
    text = (folder("bindings") / "js" / "amalgamate.threads.mjs").read_text("utf-8")
    pages = f"PAGES = {{ initial: {initial}, maximum: {maximum} }}"
    return _named(re.sub(r"PAGES = \{.*?\}", pages, text, count=1), name)


def _named(text: str, name: str) -> str:
    return re.sub(r"\./amalgamate((\.scalar|\.threads)?\.(wasm|mjs|amg))", rf"./{name}\1", text)


def glue(prefix: str = "amg") -> str:
    """The C that is compiled together with a pair whose names begin with `prefix`."""
    text = (folder("bindings") / "js" / "glue.c").read_text("utf-8")
    return re.sub(r"\bAMG_", f"{prefix.upper()}_", re.sub(r"\bamg_", f"{prefix}_", text))


def _module(source: Path, build: str, out: Path) -> Path:
    suffix, flags, threads = BUILDS[build]
    header = source.with_suffix(".h")
    if not header.is_file():
        raise AmalgamateError("E100", "the header of the pair is missing", str(header), "Keep both files together")
    found = re.search(r"\b(\w+)_session_new\(", header.read_text("utf-8"))
    if not found:
        raise AmalgamateError("E141", "the header is not that of a pair", str(header), "Write it with amalgamate build")
    prefix = found[1]
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        (Path(scratch) / "glue.c").write_text(glue(prefix), "utf-8")
        switches = [f"-D{prefix.upper()}_{name}" for name in ("NO_FILE", threads)]
        named = [f"-I{source.parent.resolve()}", f'-DPAIR_HEADER="{header.name}"']
        text = source.read_text("utf-8")
        pair = Path(scratch) / source.name
        pair.write_text(_small_but_for_kernels(text), "utf-8")
        initial, maximum = _pages(source)
        inputs = [pair, Path(scratch) / "glue.c"]
        command: list[str | Path] = [
            compiler(),
            *FLAGS,
            f"-sINITIAL_MEMORY={initial * PAGE}",
            *([f"-sMAXIMUM_MEMORY={maximum * PAGE}"] if threads == "WEB_THREADS" else []),
            *flags,
            *switches,
            *named,
            *inputs,
        ]
        try:
            return compile(command, out / f"{source.stem}.{suffix}")
        except AmalgamateError as error:
            if "cache" not in str(error):
                raise
            # Some distributions ship a cache that may not be written to, and not all that a build needs in it.
            own = cache_folder() / "emscripten"
            return compile(command, out / f"{source.stem}.{suffix}", {"EM_CACHE": str(own), "EM_FROZEN_CACHE": ""})


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
    return initial, min(initial + (weights + BATCH * stated["ARENA"] + ROOM) // PAGE, 1 << 16)


def _stated(source: Path) -> dict[str, int]:
    """What the header of a pair says that it takes: bytes of the ARENA, and of WEIGHTS where opening expands them."""
    header = source.with_suffix(".h").read_text("utf-8")
    return {what: int(size) for what, size in re.findall(r"#define \w+_(ARENA|WEIGHTS)_BYTES (\d+)", header)}
