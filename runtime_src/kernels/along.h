/* along.h - a tensor seen along one of its axes: [outer][n][inner], and the whole of softmax and log_softmax. */
#ifndef AMG_KERNELS_ALONG_H
#define AMG_KERNELS_ALONG_H

#include "kernels/softmax.h"

typedef struct amg_along {
    int64_t outer, n;
    int64_t inner_rows, inner; /* behind the axis: rows of the last axis, and their width; 1 and 1 where it is the last */
} amg_along;

/* 0 where v has no such axis. */
static inline int amg_along_of(const amg_value *v, int32_t axis, amg_along *out)
{
    if (axis < 0 || axis >= v->ndim) {
        return 0;
    }
    out->outer = out->inner_rows = out->inner = 1;
    out->n = v->dim[axis];
    for (int32_t i = 0; i < axis; i++) {
        out->outer *= v->dim[i];
    }
    for (int32_t i = axis + 1; i < v->ndim - 1; i++) {
        out->inner_rows *= v->dim[i];
    }
    if (axis < v->ndim - 1) {
        out->inner = v->dim[v->ndim - 1];
    }
    return 1;
}

#define AMG_SOFTMAX_FLAGS (AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT)

typedef struct amg_softmax_job {
    const amg_step *step;
    const amg_softmax_kernels *kernels;
    int32_t logarithm;
    amg_along along;
    int64_t rows; /* of the last axis, from one element along the axis to the next */
} amg_softmax_job;

static inline AMG_COLD int32_t amg_softmax_check(amg_check *c, amg_step *s)
{
    amg_along along;
    int32_t status = amg_check_arity(c, s, 1, 1, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status == AMG_OK && (s->attr_count != 1 || !amg_along_of(s->in[0], s->attr[0], &along))) {
        status = amg_fail(c, AMG_E_FORMAT, "the attribute is not an axis of the input");
    }
    return status == AMG_OK ? amg_same_shape(c, s) : status;
}

static inline void amg_softmax_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_softmax_job *j = (const amg_softmax_job *)arg;
    const amg_value *x = j->step->in[0], *y = j->step->out[0];
    const amg_along *a = &j->along;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int last = j->step->attr[0] == x->ndim - 1;
        const int64_t row = last ? i : i / a->inner_rows * a->n * j->rows + i % a->inner_rows;
        const float *from = (const float *)x->data + row * x->pitch;
        float *to = (float *)y->data + row * y->pitch;
        if (last || (a->inner == 1 && j->rows * x->pitch == 1 && j->rows * y->pitch == 1)) { /* elements side by side */
            j->kernels->row(from, to, a->n, j->logarithm);
        } else {
            j->kernels->tile(from, j->rows * x->pitch, to, j->rows * y->pitch, a->n, a->inner, j->logarithm);
        }
    }
}

static inline void amg_softmax_run(const amg_step *s, const amg_context *t, int32_t logarithm)
{
    amg_softmax_job j = {s, amg_softmax[t->isa], logarithm, {1, 1, 1, 1}, 1};
    (void)amg_along_of(s->in[0], s->attr[0], &j.along);
    j.rows = j.along.inner_rows;
    if (j.along.inner < AMG_LANES && s->in[0]->pitch == j.along.inner && s->out[0]->pitch == j.along.inner) {
        j.along.inner *= j.along.inner_rows; /* short rows without gaps make long vectors */
        j.along.inner_rows = 1;
    }
    amg_parallel(t, j.along.outer * j.along.inner_rows, AMG_MAX(1, 4096 / j.along.n), amg_softmax_piece, &j);
}

#endif
