/* strided.h - copies elements between two layouts: what every operator that only moves data comes down to.
 *
 * A view names axes by length and by the distance, in elements, between neighbours where they are read and written.
 * Axes are added from the outermost inwards; those that run on in both layouts become one. */
#ifndef AMG_KERNELS_STRIDED_H
#define AMG_KERNELS_STRIDED_H

#include "op.h"

#define AMG_STRIDED_NDIM (2 * AMG_MAX_NDIM) /* a tiled or split axis is two */

typedef struct amg_strided_view {
    int32_t dtype, ndim;
    int64_t dim[AMG_STRIDED_NDIM], from[AMG_STRIDED_NDIM], to[AMG_STRIDED_NDIM];
} amg_strided_view;

typedef struct amg_strided_kernels {
    void (*copy)(const amg_strided_view *v, const void *x, void *y); /* x, y: the first element of each; they do not overlap */
} amg_strided_kernels;
AMG_KERNELS(strided);

static inline size_t amg_strided_size(int32_t dtype)
{
    return dtype == AMG_I64 ? sizeof(int64_t) : sizeof(float);
}

/* Element `index` of v. */
static inline void *amg_strided_at(const amg_value *v, int64_t index)
{
    return (char *)v->data + (size_t)index * amg_strided_size(v->dtype);
}

/* stride[i]: elements from one index of axis i of v to the next. */
static inline void amg_strided_of(const amg_value *v, int64_t *stride)
{
    int64_t step = v->pitch;
    for (int32_t i = v->ndim - 1; i >= 0; i--) {
        stride[i] = i == v->ndim - 1 ? 1 : step;
        step = i == v->ndim - 1 ? v->pitch : step * v->dim[i];
    }
}

static inline void amg_strided_axis(amg_strided_view *v, int64_t dim, int64_t from, int64_t to)
{
    const int32_t last = v->ndim - 1;
    if (dim == 1) {
        return;
    }
    if (v->ndim && v->from[last] == from * dim && v->to[last] == to * dim) {
        v->dim[last] *= dim;
        v->from[last] = from;
        v->to[last] = to;
        return;
    }
    v->dim[v->ndim] = dim;
    v->from[v->ndim] = from;
    v->to[v->ndim++] = to;
}

typedef struct amg_strided_job {
    const amg_strided_view *v;
    const char *x;
    char *y;
    int32_t isa;
} amg_strided_job;

static inline void amg_strided_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_strided_job *job = (const amg_strided_job *)arg;
    const int64_t size = (int64_t)amg_strided_size(job->v->dtype);
    amg_strided_view piece = *job->v;
    (void)thread;
    piece.dim[0] = end - begin;
    amg_strided[job->isa]->copy(&piece, job->x + begin * piece.from[0] * size, job->y + begin * piece.to[0] * size);
}

/* Copies on all threads, the outermost axis in pieces. */
static inline void amg_strided_run(const amg_strided_view *v, const amg_context *t, const void *x, void *y)
{
    amg_strided_job job = {v, (const char *)x, (char *)y, t->isa};
    int64_t inner = 1;
    if (v->ndim < 2) {
        amg_strided[t->isa]->copy(v, x, y);
        return;
    }
    for (int32_t i = 1; i < v->ndim; i++) {
        inner *= v->dim[i];
    }
    amg_parallel(t, v->dim[0], AMG_MAX(16384 / inner, 1), amg_strided_piece, &job);
}

/* What every operator that moves data of any type checks: all inputs are there, plain, and of one type. */
static inline int32_t amg_check_movable(amg_check *c, const amg_step *s)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        if (!s->in[i]) {
            return amg_fail(c, AMG_E_FORMAT, "an input is absent");
        }
        if (s->in[i]->packing != AMG_PLAIN) {
            return amg_fail(c, AMG_E_FORMAT, "an input is packed as the weights of another operator");
        }
        if (s->in[i]->dtype != s->in[0]->dtype || (s->in[i]->dtype != AMG_F32 && s->in[i]->dtype != AMG_I64)) {
            return amg_fail(c, AMG_E_FORMAT, "its inputs are not all float32 or all int64");
        }
    }
    return AMG_OK;
}

#endif
