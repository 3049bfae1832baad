/* strided.h - copies elements between two layouts: what every operator that only moves data comes down to.
 *
 * A view names axes by length and by the distance, in elements, between neighbours where they are read and written.
 * Axes are added from the outermost inwards; those that run on in both layouts become one. The two innermost axes go by
 * what they are: rows that lie together, a matrix to transpose in blocks that stay in cache, or anything else; the axes
 * around them by counting. No vectors: no instruction set moves single elements faster than another. */
#ifndef AMG_KERNELS_STRIDED_H
#define AMG_KERNELS_STRIDED_H

#include "op.h"

#define AMG_STRIDED_NDIM (2 * AMG_MAX_NDIM) /* a tiled or split axis is two */
#define AMG_STRIDED_BLOCK 16 /* rows and columns of a transposed block: 16 cache lines on each side */

typedef struct amg_strided_view {
    int32_t dtype, ndim;
    int64_t dim[AMG_STRIDED_NDIM], from[AMG_STRIDED_NDIM], to[AMG_STRIDED_NDIM];
} amg_strided_view;

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
static AMG_MAYBE_UNUSED AMG_NO_INLINE void amg_strided_of(const amg_value *v, int64_t *stride)
{
    int64_t step = v->pitch;
    for (int32_t i = v->ndim - 1; i >= 0; i--) {
        stride[i] = i == v->ndim - 1 ? 1 : step;
        step = i == v->ndim - 1 ? v->pitch : step * v->dim[i];
    }
}

static AMG_MAYBE_UNUSED AMG_NO_INLINE void amg_strided_axis(amg_strided_view *v, int64_t dim, int64_t from, int64_t to)
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

typedef struct amg_strided_plane {
    int64_t m, n;   /* rows and columns */
    int64_t fa, fb; /* from one row, one column to the next, reading */
    int64_t ta, tb; /* and writing */
} amg_strided_plane;

static inline void amg_strided_rows(const amg_strided_plane *p, size_t size, const char *x, char *y)
{
    const size_t from = (size_t)p->fa * size, to = (size_t)p->ta * size, bytes = (size_t)p->n * size;
    for (int64_t i = 0; i < p->m; i++) {
        memcpy(y + (size_t)i * to, x + (size_t)i * from, bytes);
    }
}

/* y[i][j] = x[j][i]: i runs where x is dense, j where y is. */
static inline void amg_strided_transpose(const amg_strided_plane *p, const float *x, float *y)
{
    for (int64_t i0 = 0; i0 < p->m; i0 += AMG_STRIDED_BLOCK) {
        const int64_t i1 = AMG_MIN(i0 + AMG_STRIDED_BLOCK, p->m);
        for (int64_t j0 = 0; j0 < p->n; j0 += AMG_STRIDED_BLOCK) {
            const int64_t j1 = AMG_MIN(j0 + AMG_STRIDED_BLOCK, p->n);
            for (int64_t i = i0; i < i1; i++) {
                for (int64_t j = j0; j < j1; j++) {
                    y[i * p->ta + j] = x[i + j * p->fb];
                }
            }
        }
    }
}

/* Three planes become pixels: what every network that takes a picture begins with. */
static inline void amg_strided_interleave(const amg_strided_plane *p, const float *x, float *y)
{
    const float *r = x, *g = x + p->fb, *b = x + 2 * p->fb;
    for (int64_t i = 0; i < p->m; i++) {
        y[0] = r[i];
        y[1] = g[i];
        y[2] = b[i];
        y += p->ta;
    }
}

#define AMG_STRIDED_ANY(type)                                            \
    do {                                                                 \
        const type *from = (const type *)(const void *)x;                \
        type *to = (type *)(void *)y;                                    \
        for (int64_t i = 0; i < p->m; i++) {                             \
            for (int64_t j = 0; j < p->n; j++) {                         \
                to[i * p->ta + j * p->tb] = from[i * p->fa + j * p->fb]; \
            }                                                            \
        }                                                                \
    } while (0)

static inline void amg_strided_plane_copy(const amg_strided_plane *p, int32_t dtype, const char *x, char *y)
{
    if (p->fb == 1 && p->tb == 1 && p->n > 4) {
        amg_strided_rows(p, amg_strided_size(dtype), x, y);
    } else if (dtype == AMG_I64) {
        AMG_STRIDED_ANY(int64_t);
    } else if (p->fa == 1 && p->tb == 1 && p->n == 3) {
        amg_strided_interleave(p, (const float *)(const void *)x, (float *)(void *)y);
    } else if (p->fa == 1 && p->tb == 1) {
        amg_strided_transpose(p, (const float *)(const void *)x, (float *)(void *)y);
    } else {
        AMG_STRIDED_ANY(float);
    }
}
#undef AMG_STRIDED_ANY

/* The axis along which x is dense becomes the last but one, so that the two innermost axes are what decides the speed. */
static inline void amg_strided_order(amg_strided_view *v)
{
    const int32_t last = v->ndim - 1;
    int32_t dense = last;
    for (int32_t i = 0; i < last && v->from[last] != 1; i++) {
        dense = v->from[i] == 1 ? i : dense;
    }
    if (dense < last - 1) {
        const int64_t dim = v->dim[dense], from = v->from[dense], to = v->to[dense];
        for (int32_t i = dense; i < last - 1; i++) {
            v->dim[i] = v->dim[i + 1];
            v->from[i] = v->from[i + 1];
            v->to[i] = v->to[i + 1];
        }
        v->dim[last - 1] = dim;
        v->from[last - 1] = from;
        v->to[last - 1] = to;
    }
}

/* x, y: the first element of each; they do not overlap. */
static inline void amg_strided_copy(const amg_strided_view *view, const void *x, void *y)
{
    amg_strided_view v = *view;
    const int64_t size = (int64_t)amg_strided_size(v.dtype);
    int64_t index[AMG_STRIDED_NDIM] = {0};
    const char *from = (const char *)x;
    char *to = (char *)y;
    amg_strided_plane p = {1, 1, 0, 1, 0, 1};
    int32_t outer = AMG_MAX(v.ndim - 2, 0);
    size_t run = (size_t)size; /* small builds copy a run of bytes at a time: an element, or a row that lies together */
    if (AMG_SMALL) {
        outer = v.ndim;
        if (outer > 0 && v.from[outer - 1] == 1 && v.to[outer - 1] == 1) {
            run *= (size_t)v.dim[--outer];
        }
    } else {
        amg_strided_order(&v);
    }
    if (v.ndim > 0) {
        p.n = v.dim[v.ndim - 1];
        p.fb = v.from[v.ndim - 1];
        p.tb = v.to[v.ndim - 1];
    }
    if (v.ndim > 1) {
        p.m = v.dim[v.ndim - 2];
        p.fa = v.from[v.ndim - 2];
        p.ta = v.to[v.ndim - 2];
    }
    for (;;) {
        int32_t i = outer - 1;
        if (AMG_SMALL) {
            memcpy(to, from, run);
        } else {
            amg_strided_plane_copy(&p, v.dtype, from, to);
        }
        for (; i >= 0; i--) { /* the next index of the outer axes, the last of them fastest */
            from += v.from[i] * size;
            to += v.to[i] * size;
            if (++index[i] < v.dim[i]) {
                break;
            }
            from -= v.from[i] * v.dim[i] * size;
            to -= v.to[i] * v.dim[i] * size;
            index[i] = 0;
        }
        if (i < 0) {
            return;
        }
    }
}

typedef struct amg_strided_job {
    const amg_strided_view *v;
    const char *x;
    char *y;
} amg_strided_job;

static inline void amg_strided_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_strided_job *job = (const amg_strided_job *)arg;
    const int64_t size = (int64_t)amg_strided_size(job->v->dtype);
    amg_strided_view piece = *job->v;
    (void)thread;
    piece.dim[0] = end - begin;
    amg_strided_copy(&piece, job->x + begin * piece.from[0] * size, job->y + begin * piece.to[0] * size);
}

/* Copies on all threads, the outermost axis in pieces. */
static AMG_MAYBE_UNUSED AMG_NO_INLINE void amg_strided_run(const amg_strided_view *v, const amg_context *t, const void *x, void *y)
{
    amg_strided_job job = {v, (const char *)x, (char *)y};
    int64_t inner = 1;
    if (v->ndim < 2) {
        amg_strided_copy(v, x, y);
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
