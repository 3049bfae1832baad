"""The scratch memory of Winograd convolutions, and where the runtime uses them: runtime_src/kernels/winograd.h in Python."""

from __future__ import annotations

from amalgamate.graph import Shape
from amalgamate.ops._window import Window

LANES = 16
MOST_TILES, FEWEST_TILES, V_FLOATS, U_FLOATS, M_FLOATS = 98, 56, 256 * 1024, 4096, 98 * 64


def winograd_bytes(op: Window, x: Shape, weights: Shape, y: Shape) -> int:
    """Bytes of scratch of a convolution of x [N, H, W, C] with y [N, H, W, O]; 0 where the direct way is taken."""
    ones = set(op.strides) == {1} and set(op.dilations) == {1}
    if op.kernel != (3, 3) or not ones or op.dynamic:
        return 0
    c, n = weights[1], weights[0] // op.group
    if c < 8 or n < 8 or c > 65536 or n > 65536:
        return 0
    images, height, width = y[0], y[1], y[2]
    tiles = -(-height // 4) * -(-width // 4) * images
    blocks = -(-tiles // max(FEWEST_TILES, min(MOST_TILES, V_FLOATS // 36 // c)))
    block = -(-tiles // blocks)
    panels = min(-(-n // LANES), max(2, min(U_FLOATS // c, M_FLOATS // block) // LANES))
    depth = min(c, U_FLOATS // LANES // panels)
    if not _pays(tiles, blocks, block, c, n, images * height * width):
        return 0
    v_step = -(-block * c // LANES) * LANES + LANES
    return 4 * (36 * (v_step + (panels * depth + 1) * LANES + block * panels * LANES) + -(-c // LANES) * LANES)


def _pays(tiles: int, blocks: int, block: int, c: int, n: int, pixels: int) -> bool:
    rows, area = float(blocks * (-(-block // 8) * 8)), float(c) * float(n)
    cost = 36.0 * area * rows + float(tiles) * (250.0 * c + 200.0 * n) + 160.0 * area * blocks
    return cost < 0.9 * (9.0 * area * float(pixels))
