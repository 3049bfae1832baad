/* broadcast.h - the whole of an operator y = activation(f(a, b)) but its function f of kernels/binary.h: shapes broadcast as
 * in NumPy, any strides. a, b, y: float32, pitched or not; may run in place of a where a has the shape of y. */
#ifndef AMG_KERNELS_BROADCAST_H
#define AMG_KERNELS_BROADCAST_H

#include "kernels/activate.h"
#include "kernels/binary.h"

#define AMG_BROADCAST_FLAGS (AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT)
#define AMG_BROADCAST_CHUNK 4096 /* elements computed at a time: they are still in the cache when they are activated */

/* Two inputs, one output, and the three words of an activation. */
static inline AMG_COLD int32_t amg_broadcast_check(amg_check *c, amg_step *s)
{
    int32_t status = amg_check_arity(c, s, 2, 2, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status != AMG_OK) {
        return status;
    }
    amg_attrs attrs = amg_attrs_of(s);
    (void)amg_attr_activation(&attrs);
    if (!amg_attrs_done(&attrs)) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not an activation");
    }
    const amg_value *a = s->in[0], *b = s->in[1];
    const int32_t ndim = AMG_MAX(a->ndim, b->ndim);
    int64_t dim[AMG_MAX_NDIM];
    for (int32_t i = 0; i < ndim; i++) {
        const int64_t of_a = i < ndim - a->ndim ? 1 : a->dim[i - ndim + a->ndim];
        const int64_t of_b = i < ndim - b->ndim ? 1 : b->dim[i - ndim + b->ndim];
        if (of_a != of_b && of_a != 1 && of_b != 1) {
            return amg_fail(c, AMG_E_SHAPE, "the inputs cannot be broadcast to one shape");
        }
        dim[i] = AMG_MAX(of_a, of_b);
    }
    return amg_set_out(c, s->out[0], AMG_F32, ndim, dim);
}

/* One axis, or several that every operand walks as one; strides in elements, 0 where an operand is repeated. */
typedef struct amg_broadcast_axis {
    int64_t dim, a, b, y;
} amg_broadcast_axis;

typedef struct amg_broadcast_job {
    const amg_step *step;
    const amg_binary_kernels *kernels;
    const amg_activate_kernels *activate;
    amg_activation act;
    int32_t kind, count;
    amg_broadcast_axis axis[AMG_MAX_NDIM + 2]; /* innermost first: elements of a row, rows, and what lies outside */
    int64_t chunks;                            /* pieces of a row */
    int64_t most;                              /* rows at a time */
} amg_broadcast_job;

/* The stride of axis i of `ndim` broadcast axes in v. */
static inline int64_t amg_broadcast_stride(const amg_value *v, int32_t i, int32_t ndim)
{
    const int32_t own = i - ndim + v->ndim;
    if (own < 0 || v->dim[own] == 1) {
        return 0;
    }
    int64_t stride = own == v->ndim - 1 ? 1 : v->pitch;
    for (int32_t k = own + 1; k < v->ndim - 1; k++) {
        stride *= v->dim[k];
    }
    return stride;
}

/* Finds the fewest axes that describe the walk over a, b and y. */
static inline void amg_broadcast_collapse(amg_broadcast_job *j, const amg_value *a, const amg_value *b, const amg_value *y)
{
    for (int32_t i = y->ndim - 1; i >= 0; i--) {
        const amg_broadcast_axis next = {y->dim[i], amg_broadcast_stride(a, i, y->ndim), amg_broadcast_stride(b, i, y->ndim),
                                         amg_broadcast_stride(y, i, y->ndim)};
        amg_broadcast_axis *last = j->count ? &j->axis[j->count - 1] : NULL;
        if (next.dim == 1) {
            continue;
        }
        if (last && next.a == last->a * last->dim && next.b == last->b * last->dim && next.y == last->y * last->dim) {
            last->dim *= next.dim;
            continue;
        }
        if (!last && (next.a > 1 || next.b > 1 || next.y > 1)) {
            const amg_broadcast_axis single = {1, 1, 1, 1}; /* rows of one element, apart from each other */
            j->axis[j->count++] = single;
        }
        j->axis[j->count++] = next;
    }
    while (j->count < 2) {
        const amg_broadcast_axis single = {1, 1, 1, 1};
        j->axis[j->count++] = single;
    }
}

/* Computes pieces begin..end: chunks of rows, or whole rows. */
static inline void amg_broadcast_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_broadcast_job *j = (const amg_broadcast_job *)arg;
    const amg_broadcast_axis *inner = &j->axis[0], *rows = &j->axis[1];
    (void)thread;
    for (int64_t piece = begin, take; piece < end; piece += take) {
        int64_t rest = piece / j->chunks, at = piece % j->chunks * AMG_BROADCAST_CHUNK;
        take = j->chunks > 1 ? 1 : AMG_MIN(AMG_MIN(end - piece, j->most), rows->dim - rest % rows->dim);
        amg_binary_span s = {amg_in_f32(j->step, 0) + at * inner->a, amg_in_f32(j->step, 1) + at * inner->b,
                             amg_out_f32(j->step, 0) + at, inner->a, inner->b, rows->a, rows->b, rows->y, take, 0};
        s.width = j->chunks > 1 ? AMG_MIN(AMG_BROADCAST_CHUNK, inner->dim - at) : inner->dim;
        for (int32_t i = 1; i < j->count; i++) {
            const int64_t index = rest % j->axis[i].dim;
            rest /= j->axis[i].dim;
            s.a += index * j->axis[i].a;
            s.b += index * j->axis[i].b;
            s.y += index * j->axis[i].y;
        }
        j->kernels->run(j->kind, &s);
        for (int64_t row = 0; j->act.kind != AMG_ACT_NONE && row < take; row++) {
            j->activate->run(j->act.kind, j->act.a, j->act.b, s.y + row * s.y_row, s.y + row * s.y_row, s.width);
        }
    }
}

static inline void amg_broadcast_run(const amg_step *s, const amg_context *t, int32_t kind)
{
    amg_attrs attrs = amg_attrs_of(s);
    amg_broadcast_job j = {s, amg_binary[t->isa], amg_activate[t->isa], {0, 0.0f, 0.0f}, kind, 0, {{0, 0, 0, 0}}, 1, 1};
    j.act = amg_attr_activation(&attrs);
    amg_broadcast_collapse(&j, s->in[0], s->in[1], s->out[0]);
    int64_t rows = 1;
    for (int32_t i = 1; i < j.count; i++) {
        rows *= j.axis[i].dim;
    }
    j.chunks = (j.axis[0].dim + AMG_BROADCAST_CHUNK - 1) / AMG_BROADCAST_CHUNK;
    j.most = AMG_MAX(1, AMG_BROADCAST_CHUNK / j.axis[0].dim);
    amg_parallel(t, rows * j.chunks, j.most, amg_broadcast_piece, &j);
}

#endif
