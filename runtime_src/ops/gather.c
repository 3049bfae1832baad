/* gather.c - y = the slices of x at indices along one axis. x: any type; indices: int64, negative ones count from the end,
 * and one out of range is clamped, since they may change after the model was checked. Attribute: axis. */
#include "kernels/strided.h"
#include "op.h"

typedef struct gather_job {
    const char *x;
    const int64_t *index;
    char *y;
    int64_t n, count; /* elements of the axis, indices */
    size_t slice;     /* bytes */
} gather_job;

static AMG_COLD int32_t gather_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    const amg_value *x, *index;
    int64_t dim[2 * AMG_MAX_NDIM];
    if (amg_check_arity(c, s, 2, 2, 1)) {
        return c->status;
    }
    x = s->in[0];
    index = s->in[1];
    if (x->packing != AMG_PLAIN || index->packing != AMG_PLAIN || index->dtype != AMG_I64) {
        return amg_fail(c, AMG_E_FORMAT, "x is packed, or indices are not plain int64");
    }
    if (!amg_attrs_done(&a) || axis < 0 || axis >= x->ndim) {
        return amg_fail(c, AMG_E_FORMAT, "axis is out of range");
    }
    memcpy(dim, x->dim, (size_t)axis * sizeof dim[0]);
    memcpy(dim + axis, index->dim, (size_t)index->ndim * sizeof dim[0]);
    memcpy(dim + axis + index->ndim, x->dim + axis + 1, (size_t)(x->ndim - 1 - axis) * sizeof dim[0]);
    return amg_set_out(c, s->out[0], x->dtype, x->ndim - 1 + index->ndim, dim);
}

/* Slices begin..end of y: (what lies before the axis, index). */
static void gather_slices(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const gather_job *job = (const gather_job *)arg;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = job->index[i % job->count], from = at < 0 && at >= -job->n ? at + job->n : at;
        const int64_t slice = i / job->count * job->n + AMG_MAX(AMG_MIN(from, job->n - 1), 0);
        memcpy(job->y + (size_t)i * job->slice, job->x + (size_t)slice * job->slice, job->slice);
    }
}

static void gather_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    const amg_value *x = s->in[0], *index = s->in[1];
    gather_job job = {(const char *)x->data, (const int64_t *)index->data, (char *)s->out[0]->data, x->dim[axis],
                      index->count, amg_strided_size(x->dtype)};
    int64_t outer = 1;
    for (int32_t i = 0; i < x->ndim; i++) {
        outer *= i < axis ? x->dim[i] : 1;
        job.slice *= i > axis ? (size_t)x->dim[i] : 1;
    }
    amg_parallel(t, outer * job.count, (int64_t)(1 + 65536 / job.slice), gather_slices, &job);
}

AMG_INTERNAL const amg_op amg_op_gather = {"gather", 0, gather_check, gather_run};
