/* binary.h - elementwise functions of two arguments over rows, each operand a vector or one number per row. */
#ifndef AMG_KERNELS_BINARY_H
#define AMG_KERNELS_BINARY_H

#include "kernels/math.h"
#include "op.h"

#define AMG_BINARY_ADD 0
#define AMG_BINARY_SUB 1
#define AMG_BINARY_MUL 2
#define AMG_BINARY_DIV 3
#define AMG_BINARY_MAX 4   /* NaN where either is */
#define AMG_BINARY_MIN 5
#define AMG_BINARY_PRELU 6 /* a < 0 ? a b : a */
#define AMG_BINARY_POW 7

/* rows of y, each `width` floats; y may be a or b. */
typedef struct amg_binary_span {
    const float *a, *b;
    float *y;
    int64_t a_step, b_step;       /* from one element to the next: 1, or 0 where a row has one number */
    int64_t a_row, b_row, y_row;  /* from one row to the next */
    int64_t rows, width;
} amg_binary_span;

typedef struct amg_binary_kernels {
    void (*run)(int32_t kind, const amg_binary_span *s);
} amg_binary_kernels;
AMG_KERNELS(binary);

#endif
