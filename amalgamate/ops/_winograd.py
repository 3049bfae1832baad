"""Which convolutions go Winograd's way, and the scratch memory of it: runtime_src/kernels/winograd.h in Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from amalgamate.graph import Shape
from amalgamate.ops._window import Window

LANES = 16
TILES, MOST_TILES, FAR_TILES = 14, 98, 56
FEWEST_PLACES, V_FLOATS, U_FLOATS, M_FLOATS = 28 * 64, 256 * 1024, 4096, 36 * 4096
FEW = 4
LEAST = 512 * 1024  # multiply-adds of a layer that it is worth the scratch for
BELOW = 0.9  # of the direct way's time, which it must need less than
POINTS = {(3, 3): (6, 8), (5, 5): (8,)}  # kernel -> inputs along an axis of a tile


def winograd_cut(op: Window, x: Shape, weights: Shape, y: Shape) -> Cut | None:
    """How a convolution of x [N, H, W, C] with y [N, H, W, O] is cut; None where the direct way is taken."""
    ones = set(op.strides) == {1} and set(op.dilations) == {1}
    c, n = weights[1], weights[0] // op.group
    if op.kernel not in POINTS or not ones or op.dynamic or not 8 <= c <= 65536 or not 8 <= n <= 65536:
        return None
    taps, (images, height, width) = op.kernel[0], y[:3]
    direct = float(taps * taps) * float(c) * _lanes(n) * (float(images) * float(height) * float(width))
    cuts = [Cut(taps, points, c, n, images, height, width) for points in POINTS[op.kernel]]
    best = min(cuts, key=lambda cut: cut.time)
    return best if direct >= LEAST and best.time < BELOW * direct else None


@dataclass(frozen=True)
class Cut:
    """A group of `c` channels and `n` outputs on maps of height x width outputs, in tiles of points x points inputs."""

    taps: int
    points: int
    c: int
    n: int
    images: int
    height: int
    width: int

    @property
    def size(self) -> int:
        """Outputs of a tile along an axis."""
        return self.points + 1 - self.taps

    @property
    def places(self) -> int:
        return self.points**2

    @cached_property
    def blocks(self) -> tuple[int, int]:
        """How many blocks of tiles, and how many tiles the largest has."""
        tiles = -(-self.height // self.size) * -(-self.width // self.size) * self.images
        most = min(MOST_TILES, V_FLOATS // self.places // self.c // TILES * TILES)
        if most * self.places < FEWEST_PLACES:
            most = FAR_TILES
        blocks = -(-tiles // most)
        return blocks, -(-tiles // blocks)

    @property
    def time(self) -> float:
        """As a count of multiply-adds."""
        blocks, tiles = self.blocks
        places, inputs, outputs = float(self.places), _lanes(self.c), _lanes(self.n)
        rows = float(4 if tiles <= 4 else -(-tiles // 8) * 8)
        weights = 2.0 * float(self.taps) * places * float(self.c) * outputs
        products = rows * float(self.c + 8) * outputs + 11.0 * float(tiles) * (inputs + outputs)
        return float(blocks) * (places * products + weights)

    @property
    def bytes(self) -> int:
        """Of scratch, for each thread."""
        c, block = self.c, self.blocks[1]
        fit = min(U_FLOATS // c, M_FLOATS // self.places // block) // LANES
        panels = min(-(-self.n // LANES), 2 if block <= FEW else max(2, fit))
        depth = min(c, U_FLOATS // LANES // panels)
        v_step = -(-block * c // LANES) * LANES + LANES
        u_step, m_step = (panels * depth + 1) * LANES, block * panels * LANES
        return 4 * (self.places * (v_step + m_step) + 2 * self.points * u_step + -(-c // LANES) * LANES)


def _lanes(n: int) -> float:
    return float(-(-n // LANES) * LANES)
