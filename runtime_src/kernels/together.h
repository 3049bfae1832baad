/* together.h - walks up to three operands of any type row by row, broadcast against each other as in NumPy. For operators that
 * are not worth vectors of their own. */
#ifndef AMG_KERNELS_TOGETHER_H
#define AMG_KERNELS_TOGETHER_H

#include "op.h"

#define AMG_TOGETHER_MAX 3

typedef struct amg_together {
    const amg_step *step;
    int64_t stride[AMG_TOGETHER_MAX][AMG_MAX_NDIM]; /* elements along the axes of the output; 0 where an operand repeats */
    int64_t inner[AMG_TOGETHER_MAX];                /* along its last axis */
} amg_together;

/* Checks that all inputs are plain float32 or int64 and broadcast; gives the output that shape. */
static inline AMG_COLD int32_t amg_together_check(amg_check *c, amg_step *s, int32_t dtype)
{
    int64_t dim[AMG_MAX_NDIM] = {0};
    int32_t ndim = 0;
    for (int32_t i = 0; i < s->n_in; i++) {
        ndim = AMG_MAX(ndim, s->in[i]->ndim);
        if (s->in[i]->packing != AMG_PLAIN || (s->in[i]->dtype != AMG_F32 && s->in[i]->dtype != AMG_I64)) {
            return amg_fail(c, AMG_E_FORMAT, "an input is not a plain tensor of float32 or int64");
        }
    }
    for (int32_t j = 0; j < ndim; j++) {
        dim[j] = 1;
        for (int32_t i = 0; i < s->n_in; i++) {
            const int32_t mine = j - (ndim - s->in[i]->ndim);
            const int64_t n = mine < 0 ? 1 : s->in[i]->dim[mine];
            if (n != 1 && dim[j] != 1 && n != dim[j]) {
                return amg_fail(c, AMG_E_SHAPE, "its inputs do not broadcast");
            }
            dim[j] = AMG_MAX(dim[j], n);
        }
    }
    return amg_set_out(c, s->out[0], dtype, ndim, dim);
}

static inline amg_together amg_together_of(const amg_step *s)
{
    amg_together w = {.step = s};
    const int32_t ndim = s->out[0]->ndim;
    for (int32_t i = 0; i < s->n_in; i++) {
        int64_t stride = 1;
        for (int32_t j = s->in[i]->ndim - 1; j >= 0; j--) {
            w.stride[i][j + ndim - s->in[i]->ndim] = s->in[i]->dim[j] == 1 ? 0 : stride;
            stride *= s->in[i]->dim[j];
        }
        w.inner[i] = ndim ? w.stride[i][ndim - 1] : 0;
    }
    return w;
}

/* Where in each operand row `row` of the output begins. */
static inline void amg_together_row(const amg_together *w, int64_t row, int64_t *at)
{
    const amg_value *y = w->step->out[0];
    for (int32_t i = 0; i < w->step->n_in; i++) {
        int64_t left = row;
        at[i] = 0;
        for (int32_t j = y->ndim - 2; j >= 0; j--) {
            at[i] += left % y->dim[j] * w->stride[i][j];
            left /= y->dim[j];
        }
    }
}

/* Calls job, whose argument is an amg_together, over the rows of the output. */
static inline void amg_together_run(const amg_step *s, const amg_context *t, amg_job job)
{
    amg_together w = amg_together_of(s);
    int64_t rows, width;
    amg_rows_of(s->out[0], &rows, &width);
    amg_parallel(t, rows, 1 + 16384 / width, job, &w);
}

#endif
