"""The C runtime and the bindings: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import os
import re
import tempfile
from functools import cache
from pathlib import Path

from amalgamate.errors import AmalgamateError

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder `runtime_src` or `bindings`. Raises E100 where the installation lacks it."""
    for path in (_PACKAGE / f"_{name}", _PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise AmalgamateError(
        "E100", f"the installation lacks its folder {name}", str(_PACKAGE), "Install amalgamate again"
    )


@cache
def runtime_files() -> dict[str, str]:
    """The text of every file of the C runtime by its name within `runtime_src`, such as "ops/relu.c", in sorted order."""
    root = folder("runtime_src")
    found = (p for suffix in ("c", "h", "inc") for p in root.rglob(f"*.{suffix}"))
    return {p.relative_to(root).as_posix(): p.read_text("utf-8") for p in sorted(found)}


def version() -> str:
    """The version of the runtime, as amg.h states it: "0.1.0"."""
    match = re.search(r"#define AMG_VERSION (\d+)", runtime_files()["amg.h"])
    assert match, "amg.h states no version"
    number = int(match[1])
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def cache_folder() -> Path:
    """Where compiled libraries are kept: $AMALGAMATE_CACHE, or amalgamate/ in the user's cache, or in the temporary folder."""
    if named := os.environ.get("AMALGAMATE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        folder = (Path(base) if base else Path.home() / ".cache") / "amalgamate"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # no home, or a read-only one
        pass
    user = getattr(os, "getuid", lambda: "user")()
    return Path(tempfile.gettempdir()) / f"amalgamate-{user}"
