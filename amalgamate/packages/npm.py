"""An npm package: an ES module with the types of this very model, and its WebAssembly beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate import toolchains
from amalgamate.packages import About
from amalgamate.writers import c_source

if TYPE_CHECKING:
    from amalgamate import Built


def write(built: Built, about: About, out: Path) -> Sequence[Path]:
    """NAME.mjs, NAME.wasm and NAME.scalar.wasm into `out`, and NAME.amg where the weights are not embedded."""
    files = c_source.write(built.pair(), out)
    toolchains.build(files[0], "wasm", out)
    for file in files[:2]:
        file.unlink()
    return sorted(path for path in out.iterdir() if path.name.startswith(built.name))
