/* winograd.h - convolutions of stride 1 by Winograd's F(4x4, 3x3), 36 products in place of 144, and F(6x6, 3x3) and
 * F(4x4, 5x5), 64 in place of 324 and 400.
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, with the six points 0, +-1, +-2, infinity, and
 * the eight that also have +-1/2. Input tiles of 6x6 or 8x8 become 36 or 64 matrices V [tiles][channels], weights as many
 * of [channels][outputs], whose products become tiles of outputs. Weights are transformed anew for each block of tiles, in
 * cache, which takes time but no memory. */
#ifndef AMG_KERNELS_WINOGRAD_H
#define AMG_KERNELS_WINOGRAD_H

#include "kernels/gemm.h"
#include "op.h"

#include <math.h>

#define AMG_WINOGRAD_TILES 14                /* of registers: blocks are of as many tiles, times something */
#define AMG_WINOGRAD_MOST_TILES 98           /* of a block; as many pay for transforming the weights once more */
#define AMG_WINOGRAD_V_FLOATS (256 * 1024)   /* transformed input that stays in the second-level cache */
#define AMG_WINOGRAD_FEWEST_PLACES (28 * 64) /* of a block's tiles that pay; where the cache has no room for as many, */
#define AMG_WINOGRAD_FAR_TILES 56            /* so many, beyond it */
#define AMG_WINOGRAD_U_FLOATS 4096           /* per matrix: transformed weights, two lines of matrices at a time */
#define AMG_WINOGRAD_M_FLOATS (36 * 4096)    /* products, which bound the scratch */
#define AMG_WINOGRAD_FEW 4                   /* tiles of a layer that have kernels of their own where registers are many */
#define AMG_WINOGRAD_POINTS 8                /* at most */

typedef struct amg_winograd_layer { /* one group */
    const float *x, *w, *bias, *add; /* w: panels of [taps * taps * c][16]; bias and add may be NULL */
    float *out;
    int64_t images, h, w_in, c, x_pitch;
    int64_t oh, ow, n, out_pitch, add_pitch;
    int64_t pad_top, pad_left;
    float lo, hi;
} amg_winograd_layer;

/* How a layer is cut: the same on every instruction set. */
typedef struct amg_winograd_cut {
    int64_t taps, points, size;    /* of the kernel, of input and of output along a tile: points = size + taps - 1 */
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

/* The time of a block of tiles as a count of multiply-adds: products, each with the time of 8 channels more to begin and to
 * end, and the transforms as measured. */
static inline double amg_winograd_cost(const amg_winograd_cut *cut, int64_t tiles, int64_t c, int64_t n)
{
    const double places = (double)(cut->points * cut->points);
    const double rows = (double)(tiles <= 4 ? 4 : (tiles + 7) / 8 * 8); /* as tiles of registers have them */
    const double inputs = (double)amg_round_up(c, AMG_LANES), outputs = (double)amg_round_up(n, AMG_LANES);
    const double weights = 2.0 * (double)cut->taps * places * (double)c * outputs;
    return places * (rows * (double)(c + 8) * outputs + 11.0 * (double)tiles * (inputs + outputs)) + weights;
}

/* Floats from one matrix of V to the next, off powers of two. */
static inline int64_t amg_winograd_v_step(int64_t tiles, int64_t c)
{
    return amg_round_up(tiles * c, AMG_LANES) + AMG_LANES;
}

/* Cuts a layer of `images` maps of oh x ow outputs and kernels of cut->taps into tiles of cut->points; 0 where a count does
 * not fit. */
static inline int amg_winograd_cut_of(int64_t images, int64_t oh, int64_t ow, int64_t c, int64_t n, amg_winograd_cut *cut)
{
    const int64_t places = cut->points * cut->points, lanes = (n + AMG_LANES - 1) / AMG_LANES;
    int64_t most;
    cut->size = cut->points + 1 - cut->taps;
    cut->rows = (oh + cut->size - 1) / cut->size;
    cut->columns = (ow + cut->size - 1) / cut->size;
    if (!amg_mul(cut->rows, cut->columns, &cut->tiles) || !amg_mul(cut->tiles, images, &cut->tiles)) {
        return 0;
    }
    most = AMG_MIN(AMG_WINOGRAD_MOST_TILES, AMG_WINOGRAD_V_FLOATS / places / c / AMG_WINOGRAD_TILES * AMG_WINOGRAD_TILES);
    most = most * places < AMG_WINOGRAD_FEWEST_PLACES ? AMG_WINOGRAD_FAR_TILES : most;
    cut->blocks = (cut->tiles + most - 1) / most;
    cut->block = (cut->tiles + cut->blocks - 1) / cut->blocks;
    cut->panels = AMG_MIN(AMG_WINOGRAD_U_FLOATS / c, AMG_WINOGRAD_M_FLOATS / places / cut->block) / AMG_LANES;
    cut->panels = AMG_MIN(lanes, cut->block <= AMG_WINOGRAD_FEW ? 2 : AMG_MAX(2, cut->panels));
    cut->depth = AMG_MIN(c, AMG_WINOGRAD_U_FLOATS / AMG_LANES / cut->panels);
    cut->v_floats = places * amg_winograd_v_step(cut->block, c);
    cut->u_floats = 2 * cut->points * (cut->panels * cut->depth + 1) * AMG_LANES;
    cut->m_floats = places * cut->block * cut->panels * AMG_LANES;
    cut->zeros = amg_round_up(c, AMG_LANES);
    return 1;
}

/* Cuts a layer the way that takes the least time; 0 where that is the direct one, or a count does not fit. */
static inline int amg_winograd_choose(int64_t images, int64_t oh, int64_t ow, int64_t taps, int64_t c, int64_t n,
                                      amg_winograd_cut *cut)
{
    const double pixels = (double)images * (double)oh * (double)ow;
    const double direct = (double)(taps * taps) * (double)c * (double)amg_round_up(n, AMG_LANES) * pixels;
    double least = AMG_WINOGRAD_BELOW * direct;
    int found = 0;
    if (c < 8 || n < 8 || c > 65536 || n > 65536 || direct < AMG_WINOGRAD_LEAST) {
        return 0;
    }
    for (int64_t points = taps == 3 ? 6 : 8; points <= AMG_WINOGRAD_POINTS; points += 2) {
        amg_winograd_cut other = {.taps = taps, .points = points};
        if (amg_winograd_cut_of(images, oh, ow, c, n, &other)) {
            const double time = (double)other.blocks * amg_winograd_cost(&other, other.block, c, n);
            if (time < least) {
                least = time;
                *cut = other;
                found = 1;
            }
        }
    }
    return found;
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
