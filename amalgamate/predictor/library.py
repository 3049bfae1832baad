"""A shared library of a pair as cffi sees it: the C header itself is what cffi reads."""

from __future__ import annotations

import re
import runpy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cffi

from amalgamate.errors import AmalgamateError
from amalgamate.resources import runtime_files


class Library:
    """The functions of a shared library by the header's names without their prefix."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "does not exist"
            raise AmalgamateError("E100", f"'{path}' {what}", fix="Name a library that amalgamate compile made")
        found = re.search(rb"\0_?([A-Za-z]\w*)_session_new\0", path.read_bytes())
        if not found:
            raise AmalgamateError("E150", "this is no library of a pair", str(path), "Make one with amalgamate compile")
        self.prefix = found[1].decode()
        self.ffi = interface(self.prefix)
        try:
            # dlopen looks for a bare name elsewhere; a path with a slash is taken as it is.
            self.lib = self.ffi.dlopen(str(path.resolve()))
        except OSError as error:
            fix = "Compile it again on this machine"
            raise AmalgamateError("E150", f"cannot load: {error}", str(path), fix) from error
        self._functions: dict[str, Any] = {}

    def call(self, name: str, *arguments: Any) -> Any:
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = getattr(self.lib, f"{self.prefix}_{name}")
        return function(*arguments)

    def new(self, kind: str, *initial: Any) -> Any:
        return self.ffi.new(f"{self.prefix}_{kind}", *initial)

    def sizeof(self, kind: str) -> int:
        return int(self.ffi.sizeof(f"{self.prefix}_{kind}"))

    def text(self, pointer: Any) -> str | None:
        """The C string at `pointer`; None for NULL."""
        return bytes(self.ffi.string(pointer)).decode("utf-8", "replace") if pointer else None

    def check(self, status: int, said: str = "") -> None:
        """Raises E153 for a negative status, with what the runtime said about it."""
        if status < 0:
            general = self.text(self.call("strerror", status)) or str(status)
            raise AmalgamateError("E153", f"{general}: {said}" if said and said != general else general)


@cache
def interface(prefix: str) -> Any:
    """What cffi makes of the header with this prefix. Compiled, since only then it does not keep what it opens."""
    ffi = cffi.FFI()
    ffi.cdef(re.sub(r"\bamg_", f"{prefix}_", declarations()))
    ffi.set_source("interface", None)
    with TemporaryDirectory() as folder:
        return runpy.run_path(ffi.compile(folder))["ffi"]


def declarations() -> str:
    """amg.h as cffi reads it: its types and functions, without the preprocessor."""
    header = re.sub(r"/\*.*?\*/", "", runtime_files()["amg.h"], flags=re.S)
    sizes = re.findall(r"#define (AMG_MAX_\w+) (\d+)", header)
    header = re.sub(r"#ifdef __cplusplus\s.*?#endif", "", header, flags=re.S)
    header = re.sub(r"^[ \t]*#.*$", "", header, flags=re.M).replace("AMG_API", "")
    return "".join(f"#define {name} {value}\n" for name, value in sizes) + header
