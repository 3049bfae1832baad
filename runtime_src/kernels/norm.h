/* norm.h - statistics of rows and columns, and what normalisations make of them. */
#ifndef AMG_KERNELS_NORM_H
#define AMG_KERNELS_NORM_H

#include "op.h"

typedef struct amg_norm_kernels {
    /* y[r][i] = x[r][i] scale[i] + shift[i]; y may be x. */
    void (*affine)(const float *x, int64_t x_row, const float *scale, const float *shift, float *y, int64_t y_row,
                   int64_t rows, int64_t width);
    /* Over the rows of each of `width` columns: scale[i] = gamma[i] / sqrt(variance + epsilon), shift[i] = beta[i] - mean scale[i]. */
    void (*columns)(const float *x, int64_t x_row, int64_t rows, int64_t width, const float *gamma, const float *beta,
                    float epsilon, float *scale, float *shift);
    /* y[i] = (x[i] - mean) / sqrt(variance + epsilon) scale[i] + bias[i] over one row; bias may be NULL, y may be x. */
    void (*row)(const float *x, float *y, int64_t width, const float *scale, const float *bias, float epsilon);
} amg_norm_kernels;
AMG_KERNELS(norm);

#endif
