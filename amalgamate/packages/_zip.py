"""Zip files, which wheels and jars are: the same inputs make the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from amalgamate.errors import AmalgamateError

_STAMP = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip file knows


def write(path: Path, files: Mapping[str, bytes]) -> Path:
    """Writes files, given by their names within it, in their order. Raises E100."""
    try:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name, _STAMP)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise AmalgamateError("E100", f"cannot write: {error.strerror}", str(path), "Choose another -o") from error
    return path
