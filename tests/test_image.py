"""amg_set_image against Pillow: the same pixels after resize and crop, whatever the format, order and layout.

Pillow shrinks across first and down second; from version 13 on it may choose the other order, which moves single pixels
by one of 255. So the exact comparison is with the two passes written here, and the one with Pillow allows for that.
"""

from __future__ import annotations

import ctypes
from itertools import product

import numpy as np
import pytest
from PIL import Image

from amalgamate.graph import Graph, ImageSpec, Tensor
from harness import INPUT, CError, Model, amg

FORMATS = {"L": 1, "RGB": 2, "BGR": 3, "RGBA": 4, "BGRA": 5}


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Random RGB pixels with smooth parts, sharp edges and extremes."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise[: height // 2] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    noise[:, width // 2 :, 1] = 255 * (np.arange(width - width // 2) % 2)
    return noise


def encode(rgb: np.ndarray, format: str) -> np.ndarray:
    if format == "L":
        return np.asarray(Image.fromarray(rgb).convert("L"))
    channels = rgb[..., ::-1] if format.startswith("BGR") else rgb
    if format.endswith("A"):
        alpha = np.random.default_rng(9).integers(0, 256, (*rgb.shape[:2], 1), dtype=np.uint8)
        channels = np.concatenate([channels, alpha], axis=2)
    return np.ascontiguousarray(channels)


def session_input(spec: ImageSpec, size: tuple[int, int], pixels: np.ndarray, format: str, pad: int = 0) -> np.ndarray:
    """What amg_set_image leaves in the input of a model that takes pictures of `size` (height, width)."""
    channels = 1 if spec.order == "gray" else 3
    shape = (1, *size, channels) if spec.channels_last else (1, channels, *size)
    graph = Graph("image", {"x": Tensor("x", shape)}, [], ["x"], ["x"], image=spec)
    height, width = pixels.shape[:2]
    rows = np.zeros((height, pixels[0].nbytes + pad), np.uint8)
    rows[:, : pixels[0].nbytes] = pixels.reshape(height, -1)
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        address = rows.ctypes.data_as(ctypes.c_void_p)
        session.check(
            session.lib.amg_set_image(session.handle, 0, address, width, height, rows.strides[0], FORMATS[format])
        )
        return session.data(INPUT, 0).copy()


def one_way(pixels: np.ndarray, size: int, axis: int) -> np.ndarray:
    """One pass of Pillow's BILINEAR: a triangle as wide as the reduction, weights of 22 bits, rounded to 8 bits."""
    pixels = np.moveaxis(pixels, axis, 0)
    have = len(pixels)
    scale = have / size
    support = max(scale, 1.0)
    result = []
    for at in range(size):
        center = (at + 0.5) * scale
        low, high = max(int(center - support + 0.5), 0), min(int(center + support + 0.5), have)
        weights = np.array([max(0.0, 1 - abs((x - center + 0.5) / support)) for x in range(low, high)])
        fixed = (weights / sum(weights.tolist()) * (1 << 22) + 0.5).astype(np.int64)
        result.append((np.tensordot(fixed, pixels[low:high].astype(np.int64), 1) + (1 << 21)) >> 22)
    return np.moveaxis(np.array(result).astype(np.uint8), 0, axis)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image at (width, height), and a check that Pillow has it within one of 255."""
    pixels = one_way(one_way(np.asarray(image), size[0], 1), size[1], 0)
    pillow = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    assert np.abs(pixels.astype(int) - pillow).max() <= 1
    return Image.fromarray(pixels)


def expected(spec: ImageSpec, size: tuple[int, int], rgb: np.ndarray) -> np.ndarray:
    """The same with Pillow and torchvision's rounding of sizes."""
    image = Image.fromarray(rgb).convert("L" if spec.order == "gray" else "RGB")
    if isinstance(spec.resize, int):
        short, long = sorted(image.size)
        sides = (spec.resize, int(spec.resize * long / short))
        image = resized(image, sides if image.width <= image.height else sides[::-1])
    elif spec.resize or not spec.crop:
        image = resized(image, (spec.resize or size)[::-1])
    if spec.crop:
        top, left = round((image.height - spec.crop[0]) / 2), round((image.width - spec.crop[1]) / 2)
        image = image.crop((left, top, left + spec.crop[1], top + spec.crop[0]))
    values = np.asarray(image, np.float32).reshape(image.height, image.width, -1)
    if spec.order == "bgr":
        values = values[..., ::-1]
    channels = values.shape[2]
    values = (values - np.float32(spec.mean[:channels])) / np.float32(spec.std[:channels])
    return values[None] if spec.channels_last else values.transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("format", "order", "channels_last"), list(product(FORMATS, ("rgb", "bgr", "gray"), (False, True)))
)
def test_every_format_order_and_layout(format: str, order: str, channels_last: bool) -> None:
    rgb = picture(61, 47)
    spec = ImageSpec("x", order, (104.0, 117.0, 123.0), (1.0, 2.0, 57.5), 32, (27, 31), channels_last)
    if format == "L":
        rgb = np.repeat(encode(rgb, "L")[..., None], 3, axis=2)
    got = session_input(spec, (27, 31), encode(rgb, format), format, pad=5)
    np.testing.assert_array_equal(got, expected(spec, (27, 31), rgb))


@pytest.mark.parametrize(
    ("width", "height", "resize", "crop", "size"),
    [
        (640, 427, 256, (227, 227), (227, 227)),
        (427, 640, 256, (224, 224), (224, 224)),
        (3001, 2003, 64, (64, 64), (64, 64)),  # a great reduction
        (5, 4, 64, (60, 61), (60, 61)),  # an enlargement
        (1, 1, (9, 7), None, (9, 7)),
        (100, 80, (33, 57), None, (33, 57)),
        (100, 80, (80, 57), (41, 42), (41, 42)),  # one direction only
        (50, 40, None, (40, 50), (40, 50)),  # nothing to do
        (50, 41, None, (38, 37), (38, 37)),  # halves round to even
        (51, 44, None, (39, 38), (39, 38)),
        (200, 90, None, None, (28, 28)),  # to the size of the input
        (2000, 3, (5, 4), None, (5, 4)),
    ],
)
def test_sizes_match_pillow(
    width: int, height: int, resize: int | tuple[int, int] | None, crop: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    rgb = picture(width, height, seed=width)
    spec = ImageSpec("x", "rgb", resize=resize, crop=crop)
    np.testing.assert_array_equal(session_input(spec, size, rgb, "RGB"), expected(spec, size, rgb))


def test_random_sizes_match_pillow() -> None:
    rng = np.random.default_rng(3)
    for seed in range(40):
        width, height, to_w, to_h = (int(v) for v in rng.integers(1, 90, 4))
        rgb = picture(width, height, seed)
        spec = ImageSpec("x", "bgr", resize=(to_h, to_w))
        np.testing.assert_array_equal(session_input(spec, (to_h, to_w), rgb, "RGB"), expected(spec, (to_h, to_w), rgb))


@pytest.mark.parametrize(
    ("spec", "pixels", "format", "why"),
    [
        (ImageSpec("x", resize=20, crop=(30, 30)), (40, 40), "RGB", "smaller than the crop"),
        (ImageSpec("x", resize=(20, 20)), (40, 40), "RGB", "not the size of the input"),
        (ImageSpec("x", crop=(30, 31)), (40, 40), "RGB", "not the size of the input"),
        (ImageSpec("x", resize=(30, 30)), (30, 20000), "RGB", "511 times"),
    ],
)
def test_pictures_that_do_not_fit_say_why(spec: ImageSpec, pixels: tuple[int, int], format: str, why: str) -> None:
    with pytest.raises(CError, match=why) as error:
        session_input(spec, (30, 30), picture(*pixels[::-1]), format)
    assert error.value.status == -7


def test_arguments_out_of_range() -> None:
    graph = Graph("image", {"x": Tensor("x", (1, 3, 4, 4))}, [], ["x"], ["x"], image=ImageSpec("x"))
    plain = Graph("plain", {"x": Tensor("x", (1, 3, 4, 4))}, [], ["x"], ["x"])
    pixels = np.zeros((4, 4, 3), np.uint8)
    address = pixels.ctypes.data_as(ctypes.c_void_p)
    with Model(amg(graph, run_passes=False)) as model, model.session() as session:
        call = session.lib.amg_set_image
        assert call(session.handle, 0, address, 4, 4, 12, 2) == 0
        for bad in [
            (None, 0, address, 4, 4, 12, 2),
            (session.handle, 1, address, 4, 4, 12, 2),
            (session.handle, -1, address, 4, 4, 12, 2),
            (session.handle, 0, None, 4, 4, 12, 2),
            (session.handle, 0, address, 0, 4, 12, 2),
            (session.handle, 0, address, 4, -1, 12, 2),
            (session.handle, 0, address, 4, 4, 11, 2),
            (session.handle, 0, address, 4, 4, -12, 2),
            (session.handle, 0, address, 4, 4, 12, 0),
            (session.handle, 0, address, 4, 4, 12, 6),
        ]:
            assert call(*bad) == -1, bad
    with Model(amg(plain, run_passes=False)) as model, model.session() as session:
        assert session.lib.amg_set_image(session.handle, 0, address, 4, 4, 12, 2) == -1
        assert b"takes no picture" in session.lib.amg_errmsg(session.handle)
