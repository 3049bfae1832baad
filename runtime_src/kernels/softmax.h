/* softmax.h - softmax and its logarithm along a row, or along the first axis of a tile. y may be x. */
#ifndef AMG_KERNELS_SOFTMAX_H
#define AMG_KERNELS_SOFTMAX_H

#include "kernels/math.h"
#include "op.h"

typedef struct amg_softmax_kernels {
    void (*row)(const float *x, float *y, int64_t n, int32_t logarithm);
    /* x, y: n rows of `width` floats, x_row and y_row apart; every column is one softmax. */
    void (*tile)(const float *x, int64_t x_row, float *y, int64_t y_row, int64_t n, int64_t width, int32_t logarithm);
} amg_softmax_kernels;
AMG_KERNELS(softmax);

#endif
