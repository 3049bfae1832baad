/* winograd.h - convolutions of stride 1 by Winograd's F(4x4, 3x3) and F(2x2, 5x5): 36 products in place of 144 and 100.
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, with points 0, +-1, +-2, infinity.
 * Input tiles of 6x6 become 36 matrices [tiles][channels], weights 36 of [channels][outputs], whose products become
 * tiles of outputs. Weights are transformed anew for each block of tiles, in cache, which takes time but no memory. */
#ifndef AMG_KERNELS_WINOGRAD_H
#define AMG_KERNELS_WINOGRAD_H

#include "kernels/gemm.h"
#include "op.h"

#include <math.h>

#define AMG_WINOGRAD_MOST_TILES 98           /* of a block; as many pay for transforming the weights once more */
#define AMG_WINOGRAD_FEWEST_TILES 56
#define AMG_WINOGRAD_V_FLOATS (256 * 1024)   /* at most, unless the fewest tiles need more: transformed input */
#define AMG_WINOGRAD_U_FLOATS 4096           /* per matrix: transformed weights that stay in the second-level cache */
#define AMG_WINOGRAD_M_FLOATS (98 * 16)      /* per matrix and output along a tile: products, which bound the scratch */

typedef struct amg_winograd_layer { /* one group */
    const float *x, *w, *bias, *add; /* w: panels of [9 * c][16]; bias and add may be NULL */
    float *out;
    int64_t images, h, w_in, c, x_pitch;
    int64_t oh, ow, n, out_pitch, add_pitch;
    int64_t pad_top, pad_left;
    float lo, hi;
} amg_winograd_layer;

/* How a layer is cut: the same on every instruction set. */
typedef struct amg_winograd_cut {
    int64_t size;                  /* of a tile: size x size outputs */
    int64_t rows, columns, tiles;  /* of tiles per image, and of all images */
    int64_t block, blocks;         /* tiles of a block, and how many blocks */
    int64_t panels, depth;         /* outputs / 16 and channels of the weights that are transformed at a time */
    int64_t v_step;                /* floats from one transformed matrix to the next, off powers of two */
    int64_t v_floats, u_floats, m_floats, zeros;
} amg_winograd_cut;

#ifndef AMG_WINOGRAD_BELOW
#define AMG_WINOGRAD_BELOW 0.9 /* of the direct way's time: Winograd's is taken where it needs less */
#endif

#define AMG_WINOGRAD_LEAST (512 * 1024) /* multiply-adds of a layer whose microseconds are worth the scratch */

/* The time of `tiles` tiles and n outputs as a count of multiply-adds: products, each with the time of 8 channels more to
 * begin and to end, and the transforms as measured. */
static inline double amg_winograd_cost(int64_t size, int64_t tiles, int64_t c, int64_t n)
{
    const double rows = (double)(tiles <= 4 ? 4 : (tiles + 7) / 8 * 8); /* as tiles of registers have them */
    const double inputs = (double)amg_round_up(c, AMG_LANES), outputs = (double)amg_round_up(n, AMG_LANES);
    const double weights = 72.0 * (double)(7 - size) * (double)c * outputs;
    return 36.0 * rows * (double)(c + 8) * outputs + weights + 400.0 * (double)tiles * (inputs + outputs);
}

/* Whether Winograd's way takes less time than the direct one. */
static inline int amg_winograd_pays(const amg_winograd_cut *cut, int64_t c, int64_t n, int64_t pixels)
{
    const double taps = (double)((7 - cut->size) * (7 - cut->size));
    const double direct = taps * (double)c * (double)amg_round_up(n, AMG_LANES) * (double)pixels;
    return (double)cut->blocks * amg_winograd_cost(cut->size, cut->block, c, n) < AMG_WINOGRAD_BELOW * direct;
}

/* Cuts a layer of `images` maps of oh x ow outputs and kernels of taps x taps; 0 where a count does not fit. */
static inline int amg_winograd_cut_of(int64_t images, int64_t oh, int64_t ow, int64_t taps, int64_t c, int64_t n,
                                      amg_winograd_cut *cut)
{
    int64_t most, lanes;
    if (c < 8 || n < 8 || c > 65536 || n > 65536) {
        return 0;
    }
    cut->size = 7 - taps;
    cut->rows = (oh + cut->size - 1) / cut->size;
    cut->columns = (ow + cut->size - 1) / cut->size;
    if (!amg_mul(cut->rows, cut->columns, &cut->tiles) || !amg_mul(cut->tiles, images, &cut->tiles)) {
        return 0;
    }
    most = AMG_MAX(AMG_WINOGRAD_FEWEST_TILES, AMG_MIN(AMG_WINOGRAD_MOST_TILES, AMG_WINOGRAD_V_FLOATS / 36 / c));
    cut->blocks = (cut->tiles + most - 1) / most;
    cut->block = (cut->tiles + cut->blocks - 1) / cut->blocks;
    lanes = amg_round_up(n, AMG_LANES) / AMG_LANES;
    cut->panels = AMG_MIN(AMG_WINOGRAD_U_FLOATS / c, AMG_WINOGRAD_M_FLOATS * cut->size / cut->block) / AMG_LANES;
    cut->panels = AMG_MIN(lanes, AMG_MAX(2, cut->panels));
    cut->depth = AMG_MIN(c, AMG_WINOGRAD_U_FLOATS / AMG_LANES / cut->panels);
    cut->v_step = amg_round_up(cut->block * c, AMG_LANES) + AMG_LANES;
    cut->v_floats = 36 * cut->v_step;
    cut->u_floats = 36 * (cut->panels * cut->depth + 1) * AMG_LANES;
    cut->m_floats = 36 * cut->block * cut->panels * AMG_LANES;
    cut->zeros = amg_round_up(c, AMG_LANES);
    return 1;
}

/* Cuts blocks smaller and outputs into slices, of which *slice gets the size, so that `threads` threads end soonest by a
 * count of instructions: each item transforms its input, and its weights. Needs no more scratch than before. */
static inline void amg_winograd_spread(amg_winograd_cut *cut, int64_t c, int64_t n, int64_t groups, int64_t threads,
                                       int64_t *slice)
{
    double least = INFINITY;
    *slice = n;
    for (int64_t tiles = cut->block; threads > 1 && tiles > 0; tiles = (tiles - 1) / 8 * 8) {
        for (int64_t width = n; width > 0; width = (width - 1) / (2 * AMG_LANES) * (2 * AMG_LANES)) {
            const int64_t items = (cut->tiles + tiles - 1) / tiles * ((n + width - 1) / width) * groups;
            const double item = amg_winograd_cost(cut->size, tiles, c, width);
            const double time = item * (double)((items + threads - 1) / threads);
            if (time < least) {
                least = time;
                cut->block = tiles;
                *slice = width;
            }
        }
    }
    cut->blocks = (cut->tiles + cut->block - 1) / cut->block;
    cut->v_step = amg_round_up(cut->block * c, AMG_LANES) + AMG_LANES;
}

/* What of a tile of outputs lies on the map: so many rows of so many columns, from pixel `at` on. */
typedef struct amg_winograd_place {
    ptrdiff_t at, rows, columns;
} amg_winograd_place;

static inline amg_winograd_place amg_winograd_place_of(const amg_winograd_layer *l, const amg_winograd_cut *cut, int64_t tile)
{
    const int64_t image = tile / (cut->rows * cut->columns), place = tile % (cut->rows * cut->columns);
    const int64_t oy = place / cut->columns * cut->size, ox = place % cut->columns * cut->size;
    const int64_t rows = AMG_MIN(cut->size, l->oh - oy), columns = AMG_MIN(cut->size, l->ow - ox);
    return (amg_winograd_place){(ptrdiff_t)((image * l->oh + oy) * l->ow + ox), (ptrdiff_t)rows, (ptrdiff_t)columns};
}

/* Bytes of scratch that run needs. */
static inline int64_t amg_winograd_scratch(const amg_winograd_cut *cut)
{
    return 4 * (cut->v_floats + cut->u_floats + cut->m_floats + cut->zeros);
}

typedef struct amg_winograd_kernels {
    /* Outputs [n0, n1) of block `block` of the tiles; n0 is a multiple of 16. */
    void (*run)(const amg_winograd_layer *l, const amg_winograd_cut *cut, int64_t block, int64_t n0, int64_t n1,
                float *scratch);
} amg_winograd_kernels;
AMG_KERNELS(winograd);

AMG_INTERNAL_DATA const int32_t amg_winograd_here; /* 1: this build has it, since a layer of its model goes that way */

#endif
