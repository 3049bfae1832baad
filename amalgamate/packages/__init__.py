"""Packages of a model for the ecosystems that people use: one file per ecosystem, found by file name, `write(...)` in each."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate import Built


@dataclass(frozen=True)
class About:
    """What a package says of itself: its version, and the name under which its users install it."""

    name: str
    version: str = "0.1.0"
    fallback: bool = True  # whether a Go module holds what runs it where cgo is off, if it can be made here
    targets: tuple[str, ...] = ()  # what compiled libraries are for, as toolchains.targets names it; else this machine

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            raise AmalgamateError(
                "E107", f"version '{self.version}'", "--package-version", "Give three numbers, such as 1.0.0"
            )


class Package(Protocol):
    """A module of this package."""

    def write(self, built: Built, about: About, out: Path) -> Sequence[Path]:
        """Writes the package of `built` into folder `out`, which is there; returns its files. Raises E100, E140, E141."""


SMALL = 256 << 10  # bytes of a model that is best carried within the code


def placed(built: Built) -> Built:
    """The same model with its weights in the code where it is small, and in a file of their own where it is not."""
    where = "embed" if len(built.data) <= SMALL else "file"
    return replace(built, options=replace(built.options, weights=where))


def ecosystems() -> list[str]:
    """The names of the ecosystems, in alphabetical order: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def write(built: Built, ecosystem: str, out: Path | str, about: About | None = None) -> list[Path]:
    """Writes the package of a built model for `ecosystem` into folder `out`; returns its files.

    Raises E107 for an unknown ecosystem, and what the ecosystem's own `write` raises.
    """
    if ecosystem not in ecosystems():
        raise AmalgamateError("E107", f"package '{ecosystem}'", "--as", f"Choose from {', '.join(ecosystems())}")
    package = cast(Package, importlib.import_module(f"{__name__}.{ecosystem}"))
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AmalgamateError("E100", f"cannot write: {error.strerror}", str(folder), "Choose another -o") from error
    return list(package.write(built, about or About(built.name), folder))
