"""The scratch memory of Winograd convolutions, and where the runtime uses them: runtime_src/kernels/winograd.h in Python."""

from __future__ import annotations

from amalgamate.graph import Shape
from amalgamate.ops._window import Window

LANES = 16
MOST_TILES, FEWEST_TILES, V_FLOATS, U_FLOATS, M_FLOATS = 98, 56, 256 * 1024, 4096, 98 * 16
LEAST = 512 * 1024  # multiply-adds of a layer that it is worth the scratch for
TILES = {(3, 3): 4, (5, 5): 2}  # kernel -> outputs along an axis of a tile


def winograd_bytes(op: Window, x: Shape, weights: Shape, y: Shape) -> int:
    """Bytes of scratch of a convolution of x [N, H, W, C] with y [N, H, W, O]; 0 where the direct way is taken."""
    ones = set(op.strides) == {1} and set(op.dilations) == {1}
    if op.kernel not in TILES or not ones or op.dynamic:
        return 0
    c, n, size = weights[1], weights[0] // op.group, TILES[op.kernel]
    if c < 8 or n < 8 or c > 65536 or n > 65536:
        return 0
    images, height, width = y[0], y[1], y[2]
    tiles = -(-height // size) * -(-width // size) * images
    blocks = -(-tiles // max(FEWEST_TILES, min(MOST_TILES, V_FLOATS // 36 // c)))
    block = -(-tiles // blocks)
    panels = min(-(-n // LANES), max(2, min(U_FLOATS // c, M_FLOATS * size // block) // LANES))
    depth = min(c, U_FLOATS // LANES // panels)
    direct = float((7 - size) ** 2) * float(c) * _lanes(n) * float(images * height * width)
    if direct < LEAST or float(blocks) * _cost(size, block, c, n) >= 0.9 * direct:
        return 0
    v_step = -(-block * c // LANES) * LANES + LANES
    return 4 * (36 * (v_step + (panels * depth + 1) * LANES + block * panels * LANES) + -(-c // LANES) * LANES)


def _cost(size: int, tiles: int, c: int, n: int) -> float:
    rows = float(4 if tiles <= 4 else -(-tiles // 8) * 8)
    weights = 72.0 * float(7 - size) * float(c) * _lanes(n)
    return 36.0 * rows * float(c + 8) * _lanes(n) + weights + 400.0 * float(tiles) * (_lanes(c) + _lanes(n))


def _lanes(n: int) -> float:
    return float(-(-n // LANES) * LANES)
