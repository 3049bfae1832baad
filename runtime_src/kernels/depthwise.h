/* depthwise.h - convolution of every channel with a kernel of its own, one output row at a time.
 *
 * y[ox][c] = clamp(bias[c] + sum over ky, kx of x[ky][ox stride + kx dilation - pad][c] w[ky][kx][c] (+ add[ox][c])).
 * Rows are [width][channels] with a pitch; weights [taps][w_pitch], w_pitch a multiple of 16, zero padded. */
#ifndef AMG_KERNELS_DEPTHWISE_H
#define AMG_KERNELS_DEPTHWISE_H

#include "op.h"

/* What the rows of one layer share. */
typedef struct amg_depthwise_layer {
    const float *bias; /* [channels] or NULL */
    int64_t channels, width, out_width;
    int64_t kernel_h, kernel_w, stride, dilation, pad; /* all but kernel_h along the row */
    int64_t x_pitch, x_row;                            /* floats from pixel to pixel, from one tap's row to the next */
    int64_t w_pitch, out_pitch, add_pitch;
    float lo, hi;
    int32_t square; /* 1: 3x3 with stride 1 or 2, at most one column of padding at either end, four outputs or more */
} amg_depthwise_layer;

/* One output row: rows taps of the kernel, of which x is the first input row, at column 0, and w the weights. */
typedef struct amg_depthwise_row {
    const float *x, *w, *add; /* add may be NULL */
    float *out;
    int64_t rows;  /* kernel_h, or less where the kernel reaches into the padding */
    int32_t lines; /* 1, or the kernels' lines: with the output rows that follow; square, stride 1, all of 3 rows, channels a
                      multiple of 16 */
} amg_depthwise_row;

typedef struct amg_depthwise_kernels {
    int32_t lines; /* most that a row may have */
    void (*row)(const amg_depthwise_layer *d, const amg_depthwise_row *r);
} amg_depthwise_kernels;
AMG_KERNELS(depthwise);

#endif
