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

FLAGS = ("-O3", "-std=c99", "--no-entry", "-sSTANDALONE_WASM", "-sALLOW_MEMORY_GROWTH=1", "-sTOTAL_STACK=1048576")
LEFT_OUT = ("NO_FILE", "NO_THREADS", "NO_PROFILE")  # what there is no system for
PAGE = 1 << 16


def build(source: Path, target: str, out: Path) -> Path:
    """For "wasm" both modules and their loader, returning NAME.wasm; for "wasm-scalar" NAME.scalar.wasm alone."""
    if target == "wasm-scalar":
        return _module(source, out / f"{source.stem}.scalar.wasm", [])
    loader = (folder("bindings") / "js" / "amalgamate.mjs").read_text("utf-8")
    (out / f"{source.stem}.mjs").write_text(
        re.sub(r"\./amalgamate((\.scalar)?\.wasm)", rf"./{source.stem}\1", loader), "utf-8"
    )
    _module(source, out / f"{source.stem}.scalar.wasm", [])
    return _module(source, out / f"{source.stem}.wasm", ["-msimd128"])


def compiler() -> str:
    """The path of emcc. Raises E140."""
    if path := shutil.which("emcc"):
        return path
    raise AmalgamateError("E140", "no emscripten, which compiles to WebAssembly", "", "Run apt install emscripten")


def _module(source: Path, artifact: Path, flags: list[str]) -> Path:
    header = source.with_suffix(".h")
    if not header.is_file():
        raise AmalgamateError("E100", "the header of the pair is missing", str(header), "Keep both files together")
    found = re.search(r"\b(\w+)_session_new\(", header.read_text("utf-8"))
    if not found:
        raise AmalgamateError("E141", "the header is not that of a pair", str(header), "Write it with amalgamate build")
    prefix = found[1]
    # The glue speaks of amg_: it takes the prefix of the pair.
    glue = (folder("bindings") / "js" / "glue.c").read_text("utf-8")
    glue = re.sub(r"\bAMG_", f"{prefix.upper()}_", re.sub(r"\bamg_", f"{prefix}_", glue))
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        (Path(scratch) / "glue.c").write_text(glue, "utf-8")
        switches = [f"-D{prefix.upper()}_{name}" for name in LEFT_OUT]
        named = [f"-I{source.parent.resolve()}", f'-DPAIR_HEADER="{header.name}"']
        inputs = [source, Path(scratch) / "glue.c"]
        command = [compiler(), *FLAGS, f"-sINITIAL_MEMORY={_memory(source)}", *flags, *switches, *named, *inputs]
        try:
            return compile(command, artifact)
        except AmalgamateError as error:
            if "cache" not in str(error):
                raise
            # Some distributions ship a cache that may not be written to, and not all that a build needs in it.
            own = cache_folder() / "emscripten"
            return compile(command, artifact, {"EM_CACHE": str(own), "EM_FROZEN_CACHE": ""})


def _memory(source: Path) -> int:
    """Bytes of memory to begin with: the embedded model, and room; it grows when a session asks for more."""
    text = source.read_text("utf-8")
    found = re.search(r"_embedded_size = (\d+);", text)
    return ((int(found[1]) if found else 0) // PAGE + 64) * PAGE
