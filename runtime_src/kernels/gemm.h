/* gemm.h - matrix products of rows reached through pointers with panels of weights: y = clamp(x W^T + bias + add).
 *
 * x [m, k] float32, read where it lies: a tile of rows is a table of pointers, so a convolution needs no im2col buffer.
 * W [n, k] as ceil(n / 16) panels of [k][16]. bias [n]. add [m, n]. A sum runs over k in order, from the bias on (in a
 * plain product of one row: part by part, which are then added), so results depend neither on tiles nor on threads. */
#ifndef AMG_KERNELS_GEMM_H
#define AMG_KERNELS_GEMM_H

#include "op.h"

#define AMG_GEMM_MAX_ROWS (AMG_SMALL ? 2 : 14) /* the highest tile of any instruction set */
#define AMG_GEMM_LEAST 4     /* rows of a third height, below the small one, where tiles are also wide */
#define AMG_ITEMS 4          /* to cut a product into, for each thread: so many that they are done at about the same time */

/* What the tiles of one product share. */
typedef struct amg_product {
    const float *w;    /* panels of [k][16] */
    const float *bias; /* [n] or NULL */
    int64_t n, k;      /* outputs; k as packed */
    int64_t x_offset;  /* added to every row pointer: the first channel of a group */
    float lo, hi;      /* the clamp; -inf and inf for none */
    int32_t distant;   /* 1: the output lies beyond the caches, and is asked for before a tile is computed */
} amg_product;

/* Some rows of the output. Sum over run r of x[0..len) times w[k_first[r]..k_first[r] + len). */
typedef struct amg_gemm_tile {
    const float *const *row; /* [runs][height] */
    const int64_t *k_first;  /* [runs], or NULL: run after run */
    int64_t runs, len;
    int32_t height;          /* the kernels' rows, small or least */
    int32_t rows;            /* of these, how many there are; the surplus pointers repeat the last row */
    float *out;              /* row i at out + i * out_pitch */
    int64_t out_pitch;
    const float *add;        /* as out, or NULL; may be out itself */
    int64_t add_pitch;
} amg_gemm_tile;

/* What a tile asks for while it is computed, at every step of k: its share of the weights of the next panels, which may
 * come from memory. */
typedef struct amg_gemm_ahead {
    uintptr_t at, step; /* an address, and bytes that it moves on */
} amg_gemm_ahead;

/* What the tiles of outputs from n on share. */
typedef struct amg_gemm_outputs {
    const float *w;    /* at output n and k = 0 */
    const float *bias; /* of as many outputs as a tile has */
    int64_t n, width;  /* the first, and how many there are from it on */
    float *ragged;     /* room for a tile of which some lies beyond the rows or the outputs */
    amg_gemm_ahead ahead;
} amg_gemm_outputs;

/* A plain matrix product, as many rows as one likes. */
typedef struct amg_gemm_matrix {
    const float *x, *add;
    float *out;
    int64_t m, x_pitch, add_pitch, out_pitch;
} amg_gemm_matrix;

typedef struct amg_gemm_kernels {
    int32_t rows, small; /* the two heights of tiles */
    int32_t wide;        /* 1: small tiles take up to 48 outputs in one go, and there are least ones */
    void (*tiles)(const amg_product *g, const amg_gemm_tile *tile, int64_t count, int64_t n0, int64_t n1);
    void (*matrix)(const amg_product *g, const amg_gemm_matrix *a, int64_t n0, int64_t n1); /* n0 is a multiple of 32 */
} amg_gemm_kernels;
AMG_KERNELS(gemm);

/* The height of the next tile where `left` rows are to be done: as few surplus rows as the heights allow; but the small
 * one where it goes with wide tiles and rows are many, or outputs just as many as are wide. */
static inline int32_t amg_gemm_height(const amg_gemm_kernels *kernels, int64_t n, int64_t left)
{
    if (!AMG_SMALL && kernels->wide && left <= AMG_GEMM_LEAST) {
        return AMG_GEMM_LEAST;
    }
    const int many = n > 4 * AMG_LANES && (left >= 8 * kernels->small || left % kernels->small == 0);
    if (AMG_SMALL || left <= kernels->small || (kernels->wide && (many || (n > 2 * AMG_LANES && n <= 3 * AMG_LANES)))) {
        return kernels->small;
    }
    return left > kernels->rows && left <= 2 * kernels->small ? kernels->small : kernels->rows;
}

/* How many of n outputs one item of a parallel product computes, where there are `blocks` blocks of rows: all of them,
 * unless that leaves threads idle. */
static inline int64_t amg_gemm_slice(const amg_context *t, int64_t n, int64_t blocks)
{
#ifdef AMG_NO_THREADS
    (void)t;
    (void)blocks;
    return n;
#else
    int64_t items = AMG_ITEMS * (int64_t)t->threads, slices = (items + blocks - 1) / blocks;
    return t->threads < 2 || slices < 2 ? n : AMG_MIN(n, amg_round_up((n + slices - 1) / slices, 2 * AMG_LANES));
#endif
}

/* How many slices n outputs have; 1 where there are no threads to share them. */
static inline int64_t amg_gemm_slices(int64_t n, int64_t slice)
{
#ifdef AMG_NO_THREADS
    (void)n;
    (void)slice;
    return 1;
#else
    return (n + slice - 1) / slice;
#endif
}

/* Of n outputs, those that an item computes, [*n0, *n1); items are blocks times slices. Returns the block. */
static inline int64_t amg_gemm_item(int64_t item, int64_t n, int64_t slice, int64_t *n0, int64_t *n1)
{
    const int64_t slices = amg_gemm_slices(n, slice);
    *n0 = slices == 1 ? 0 : item % slices * slice;
    *n1 = slices == 1 ? n : AMG_MIN(*n0 + slice, n);
    return slices == 1 ? item : item / slices;
}

/* How many of at most `most` tiles of rows an item takes: fewer where threads would idle and rows outnumber outputs, since
 * threads that share rows each read all of them, and threads that share outputs all of the weights. */
static inline int64_t amg_gemm_block(const amg_context *t, int64_t n, int64_t rows, int32_t height, int64_t most)
{
#ifdef AMG_NO_THREADS
    (void)t, (void)n, (void)rows, (void)height;
    return most;
#else
    int64_t items = AMG_ITEMS * (int64_t)t->threads, tiles = (rows + height - 1) / height;
    return t->threads < 2 || (rows < n && n >= items * 2 * AMG_LANES) ? most : AMG_MAX(1, AMG_MIN(most, tiles / items));
#endif
}

#endif
