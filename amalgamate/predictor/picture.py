"""Pictures as rows of 8-bit pixels, which the C runtime resizes, crops and normalises itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
FORMATS = {1: 1, 3: 2, 4: 4}  # channels -> AMG_GRAY8, AMG_RGB8, AMG_RGBA8


def pixels(image: str | Path | Picture | Any) -> Pixels:
    """uint8 [height, width, 1, 3 or 4] with dense rows, of a file, a Pillow image (upright, as EXIF says) or an array.

    Raises E152 for what is not a picture, E100 where there is no such file.
    """
    if isinstance(image, str | Path):
        return _of_file(Path(image))
    if hasattr(image, "convert"):
        return _of_picture(image)
    array: Any = np.asarray(image)
    got = f"got {array.dtype} {list(array.shape)}"
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in FORMATS or 0 in array.shape:
        raise AmalgamateError("E152", f"an array of pixels is uint8 [height, width] or [height, width, 3 or 4]; {got}")
    return np.ascontiguousarray(array)


def _of_file(path: Path) -> Pixels:
    from PIL import Image

    if not path.is_file():
        raise AmalgamateError("E100", f"'{path}' {'is a directory' if path.is_dir() else 'does not exist'}")
    try:
        with Image.open(path) as opened:
            return _of_picture(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AmalgamateError("E152", f"not a picture: {error}", str(path), "Give a PNG, JPEG or the like") from error


def _of_picture(image: Picture) -> Pixels:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image) or image
    kept = upright if upright.mode in ("L", "RGB") else upright.convert("L" if upright.mode in ("1", "LA") else "RGB")
    array = np.asarray(kept, np.uint8)
    return np.ascontiguousarray(array.reshape(array.shape[0], array.shape[1], -1))
