/* slice.c - start:end:step on some axes, as in NumPy. Attributes: axes, starts, ends, steps (lists of one length). Negative
 * starts and ends count from the end, all are clamped. x, y: any type, either may be a slice of a concatenated buffer. */
#include "kernels/strided.h"
#include "op.h"

typedef struct slice_range {
    int64_t start, step, count;
} slice_range;

/* start:end:step of an axis of n elements. */
static slice_range slice_of(int64_t n, int64_t start, int64_t end, int64_t step)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    slice_range r = {start < 0 ? start + n : start, step, 0};
    end = end < 0 ? end + n : end;
    r.start = AMG_MAX(AMG_MIN(r.start, high), 0);
    end = AMG_MAX(AMG_MIN(end, high), low);
    r.count = step > 0 ? (end - r.start + step - 1) / step : (r.start - end - step - 1) / -step;
    r.count = AMG_MAX(r.count, 0);
    return r;
}

/* What is taken of every axis of x; returns what is wrong with the attributes, or NULL. */
static const char *slice_read(const amg_step *s, slice_range *range)
{
    amg_attrs a = amg_attrs_of(s);
    const amg_value *x = s->in[0];
    int64_t axes[AMG_MAX_NDIM], starts[AMG_MAX_NDIM], ends[AMG_MAX_NDIM], steps[AMG_MAX_NDIM];
    const int32_t count = amg_attr_list(&a, AMG_MAX_NDIM, axes);
    const int same = amg_attr_list(&a, AMG_MAX_NDIM, starts) == count && amg_attr_list(&a, AMG_MAX_NDIM, ends) == count &&
                     amg_attr_list(&a, AMG_MAX_NDIM, steps) == count;
    uint32_t seen = 0;
    if (!same || !amg_attrs_done(&a)) {
        return "axes, starts, ends and steps are not of one length";
    }
    for (int32_t i = 0; i < x->ndim; i++) {
        range[i] = (slice_range){0, 1, x->dim[i]};
    }
    for (int32_t i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= x->ndim || seen >> axes[i] & 1u) {
            return "axes name an axis that is not there, or one twice";
        }
        if (steps[i] == 0) {
            return "a step is 0";
        }
        seen |= 1u << axes[i];
        range[axes[i]] = slice_of(x->dim[axes[i]], starts[i], ends[i], steps[i]);
    }
    return NULL;
}

static AMG_COLD int32_t slice_check(amg_check *c, amg_step *s)
{
    slice_range range[AMG_MAX_NDIM];
    int64_t dim[AMG_MAX_NDIM] = {0};
    const char *wrong;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    wrong = slice_read(s, range);
    if (wrong) {
        return amg_fail(c, AMG_E_FORMAT, wrong);
    }
    for (int32_t i = 0; i < s->in[0]->ndim; i++) {
        dim[i] = range[i].count;
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, s->in[0]->ndim, dim);
}

static void slice_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0], *y = s->out[0];
    slice_range range[AMG_MAX_NDIM];
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM], first = 0;
    amg_strided_view v = {.dtype = x->dtype};
    slice_read(s, range);
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    for (int32_t i = 0; i < x->ndim; i++) {
        first += range[i].start * from[i];
        amg_strided_axis(&v, range[i].count, range[i].step * from[i], to[i]);
    }
    amg_strided_run(&v, t, amg_strided_at(x, first), y->data);
}

AMG_INTERNAL const amg_op amg_op_slice = {"slice", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, slice_check, slice_run};
