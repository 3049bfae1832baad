/* lrn.h - local response normalisation, y = x / (bias + scale sum)^beta with a sum of squares of neighbours. */
#ifndef AMG_KERNELS_LRN_H
#define AMG_KERNELS_LRN_H

#include "kernels/math.h"
#include "op.h"

#define AMG_LRN_SLACK 16 /* floats that `squares` is longer than its row, so that whole vectors can be read */

typedef struct amg_lrn_kernels {
    /* One pixel: neighbours are `before` channels before and `after` behind. squares: [before + width + after + SLACK]. */
    void (*across)(const float *x, float *y, int64_t width, int64_t before, int64_t after, float scale, float beta,
                   float bias, float *squares);
    /* sums[i] = sum over `rows` rows of x[row][i]^2 */
    void (*squares)(const float *x, int64_t x_row, int64_t rows, float *sums, int64_t width);
    /* y[i] = x[i] / (bias + scale * sum over `rows` rows of sums[row][i])^beta */
    void (*within)(const float *x, const float *sums, int64_t sums_row, int64_t rows, float *y, int64_t width, float scale,
                   float beta, float bias);
} amg_lrn_kernels;
AMG_KERNELS(lrn);

#endif
