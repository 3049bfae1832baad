/* resize.h - mixes rows or pixels with weights: the two halves of a separable resize. */
#ifndef AMG_KERNELS_RESIZE_H
#define AMG_KERNELS_RESIZE_H

#include "op.h"

/* Where the pixels along one axis of the output come from: pixel o is the sum over t < taps of weight[o * taps + t] times
 * pixel first[o] + t of the input, which is clamped to 0..n - 1. */
typedef struct amg_resize_taps {
    int64_t n, out, taps;
    const int32_t *first;
    const float *weight;
} amg_resize_taps;

typedef struct amg_resize_kernels {
    /* y[i] = sum over t of weight[t] row[t][i], i < n; y is none of the rows */
    void (*rows)(const float *const *row, const float *weight, int64_t taps, float *y, int64_t n);
    /* A row of pixels of `channels` floats, x_pitch and y_pitch apart. */
    void (*pixels)(const amg_resize_taps *w, const float *x, int64_t x_pitch, float *y, int64_t y_pitch, int64_t channels);
} amg_resize_kernels;
AMG_KERNELS(resize);

#endif
