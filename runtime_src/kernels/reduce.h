/* reduce.h - sum, max, min or product of a row, or of each column of some rows. */
#ifndef AMG_KERNELS_REDUCE_H
#define AMG_KERNELS_REDUCE_H

#include "op.h"

#define AMG_REDUCE_MEAN 0 /* as AMG_REDUCE_SUM: the operator divides */
#define AMG_REDUCE_SUM 1
#define AMG_REDUCE_MAX 2 /* NaN where any is */
#define AMG_REDUCE_MIN 3
#define AMG_REDUCE_PROD 4
#define AMG_REDUCE_COUNT 5

typedef struct amg_reduce_kernels {
    float (*row)(int32_t kind, const float *x, int64_t n);
    /* y[i] = y[i] combined with x[r][i] for all r; y holds what came before. */
    void (*columns)(int32_t kind, const float *x, int64_t x_row, int64_t rows, float *y, int64_t width);
} amg_reduce_kernels;
AMG_KERNELS(reduce);

/* What combining starts from. */
static inline float amg_reduce_first(int32_t kind)
{
    const float infinity = amg_float_of_bits(0x7f800000);
    return kind == AMG_REDUCE_MAX ? -infinity : kind == AMG_REDUCE_MIN ? infinity : kind == AMG_REDUCE_PROD ? 1.0f : 0.0f;
}

/* Two partial results as one. */
static inline float amg_reduce_pair(int32_t kind, float a, float b)
{
    switch (kind) {
    case AMG_REDUCE_MAX:
        return b > a || b != b ? b : a;
    case AMG_REDUCE_MIN:
        return b < a || b != b ? b : a;
    case AMG_REDUCE_PROD:
        return a * b;
    default:
        return a + b;
    }
}

#endif
