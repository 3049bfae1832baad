/* winograd.h - convolutions of stride 1 by Winograd's F(4x4, 3x3) and F(2x2, 5x5): 36 products in place of 144 and 100.
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, with points 0, +-1, +-2, infinity.
 * Input tiles of 6x6 become 36 matrices V [tiles][channels], weights 36 of [channels][outputs], whose products become tiles
 * of outputs. Weights are transformed anew for each block of tiles, in cache, which takes time but no memory. */
#ifndef AMG_KERNELS_WINOGRAD_H
#define AMG_KERNELS_WINOGRAD_H

#include "kernels/gemm.h"
#include "op.h"

#include <math.h>

#define AMG_WINOGRAD_MOST_TILES 98           /* of a block; as many pay for transforming the weights once more */
#define AMG_WINOGRAD_FEWEST_TILES 56
#define AMG_WINOGRAD_V_FLOATS (256 * 1024)   /* at most, unless the fewest tiles need more: transformed input */
#define AMG_WINOGRAD_U_FLOATS 4096           /* per matrix: transformed weights that stay in the second-level cache */
#define AMG_WINOGRAD_FEW 4                   /* tiles of a layer that have kernels of their own where registers are many */
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
    int64_t v_floats, u_floats, m_floats, zeros; /* for each thread */
} amg_winograd_cut;

/* Some tiles of a layer, and their inputs transformed. */
typedef struct amg_winograd_tiles {
    int64_t first, count;
    float *v;
    int64_t v_step;     /* floats from one matrix of V to the next, off powers of two */
    const float *zeros; /* as many as there are channels */
} amg_winograd_tiles;

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
    const double time = (double)cut->blocks * amg_winograd_cost(cut->size, cut->block, c, n);
    return direct >= AMG_WINOGRAD_LEAST && time < AMG_WINOGRAD_BELOW * direct;
}

/* Floats from one matrix of V to the next, off powers of two. */
static inline int64_t amg_winograd_v_step(int64_t tiles, int64_t c)
{
    return amg_round_up(tiles * c, AMG_LANES) + AMG_LANES;
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
    cut->v_floats = 36 * amg_winograd_v_step(cut->block, c);
    cut->u_floats = 36 * (cut->panels * cut->depth + 1) * AMG_LANES;
    cut->m_floats = 36 * cut->block * cut->panels * AMG_LANES;
    cut->zeros = amg_round_up(c, AMG_LANES);
    return 1;
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

/* Bytes of scratch that each thread needs. */
static inline int64_t amg_winograd_scratch(const amg_winograd_cut *cut)
{
    return 4 * (cut->v_floats + cut->u_floats + cut->m_floats + cut->zeros);
}

typedef struct amg_winograd_kernels {
    /* Channels [c0, c1) of tile `tile` of some to their V; c0 is a multiple of 16. */
    void (*input)(const amg_winograd_layer *l, const amg_winograd_cut *cut, const amg_winograd_tiles *s, int64_t tile,
                  int64_t c0, int64_t c1);
    /* Outputs [n0, n1) of some tiles; n0 is a multiple of 16. scratch: u_floats + m_floats. */
    void (*output)(const amg_winograd_layer *l, const amg_winograd_cut *cut, const amg_winograd_tiles *s, int64_t n0,
                   int64_t n1, float *scratch);
} amg_winograd_kernels;
AMG_KERNELS(winograd);

AMG_INTERNAL_DATA const int32_t amg_winograd_here; /* 1: this build has it, since a layer of its model goes that way */

#endif
