"""WebAssembly through emscripten: NAME.wasm with SIMD, NAME.scalar.wasm without, and NAME.mjs, which loads them.

The modules are standalone: no JavaScript of emscripten's, a few imports that may be stubs.
"""

from __future__ import annotations

import re
import shutil
import tempfile
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
)
LEFT_OUT = ("NO_FILE", "NO_THREADS")  # what there is no system for
_REEXPORT = re.compile(r'(?m)^export \{(.*)\} from "[^"]+";$')
_IMPORT = re.compile(r'(?m)^(?:import|export) \{.*\} from "\./([^"]+)";\n')


def build(source: Path, target: str, out: Path) -> Path:
    """For "wasm" both modules and their loader, returning NAME.wasm; for "wasm-simd" or "wasm-scalar" that one alone."""
    if target == "wasm-simd":
        return _module(source, out / f"{source.stem}.wasm", ["-msimd128"])
    if target == "wasm-scalar":
        return _module(source, out / f"{source.stem}.scalar.wasm", [])
    weights = source.with_suffix(".amg").is_file()
    (out / f"{source.stem}.mjs").write_text(loader(source.stem, weights), "utf-8")
    _module(source, out / f"{source.stem}.scalar.wasm", [])
    return _module(source, out / f"{source.stem}.wasm", ["-msimd128"])


def compiler() -> str:
    """The path of emcc. Raises E140."""
    if path := shutil.which("emcc"):
        return path
    raise AmalgamateError("E140", "no emscripten, which compiles to WebAssembly", "", "Run apt install emscripten")


def loader(name: str, weights: bool) -> str:
    """The JavaScript that loads NAME.wasm, and NAME.amg if the module does not embed its weights: one ES module."""
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
    body = "\n".join(_IMPORT.sub("", text).strip() + "\n" for text in bodies)
    public = [name for names in _REEXPORT.findall(texts[entry]) for name in re.findall(r"\w+", names)]
    public += re.findall(r"(?m)^export (?:class|function|const) (\w+)", texts[entry])
    body += f"\nexport {{ {', '.join(sorted(public))} }};\n"
    if weights:
        body = body.replace("WEIGHTS = () => null;", 'WEIGHTS = () => new URL("./amalgamate.amg", import.meta.url);')
    return re.sub(r"\./amalgamate((\.scalar)?\.(wasm|mjs|amg))", rf"./{name}\1", body)


def glue(prefix: str = "amg") -> str:
    """The C that is compiled together with a pair whose names begin with `prefix`."""
    text = (folder("bindings") / "js" / "glue.c").read_text("utf-8")
    return re.sub(r"\bAMG_", f"{prefix.upper()}_", re.sub(r"\bamg_", f"{prefix}_", text))


def _module(source: Path, artifact: Path, flags: list[str]) -> Path:
    header = source.with_suffix(".h")
    if not header.is_file():
        raise AmalgamateError("E100", "the header of the pair is missing", str(header), "Keep both files together")
    found = re.search(r"\b(\w+)_session_new\(", header.read_text("utf-8"))
    if not found:
        raise AmalgamateError("E141", "the header is not that of a pair", str(header), "Write it with amalgamate build")
    prefix = found[1]
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        (Path(scratch) / "glue.c").write_text(glue(prefix), "utf-8")
        switches = [f"-D{prefix.upper()}_{name}" for name in LEFT_OUT]
        named = [f"-I{source.parent.resolve()}", f'-DPAIR_HEADER="{header.name}"']
        text = source.read_text("utf-8")
        pair = Path(scratch) / source.name
        pair.write_text(_small_but_for_kernels(text), "utf-8")
        inputs = [pair, Path(scratch) / "glue.c"]
        command: list[str | Path] = [
            compiler(),
            *FLAGS,
            f"-sINITIAL_MEMORY={_memory(text)}",
            *flags,
            *switches,
            *named,
            *inputs,
        ]
        try:
            return compile(command, artifact)
        except AmalgamateError as error:
            if "cache" not in str(error):
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


def _memory(text: str) -> int:
    """Bytes of memory to begin with: the stack, the embedded model, and a little; it grows by what a session asks for."""
    found = re.search(r"_embedded_size = (\d+);", text)
    return ((STACK + int(found[1] if found else 0)) // PAGE + 6) * PAGE
