/* expand.c - x broadcast against a shape: axes of 1 repeat. Attribute: target. x, y: any type, either may be a slice of a
 * concatenated buffer. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t expand_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    int64_t target[AMG_MAX_NDIM], dim[AMG_MAX_NDIM] = {0};
    const int32_t count = amg_attr_list(&a, AMG_MAX_NDIM, target);
    int32_t ndim;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a)) {
        return amg_fail(c, AMG_E_FORMAT, "target is malformed");
    }
    ndim = AMG_MAX(count, s->in[0]->ndim);
    for (int32_t i = 0; i < ndim; i++) { /* both aligned at their last axes */
        const int32_t mine = i - (ndim - s->in[0]->ndim), theirs = i - (ndim - count);
        const int64_t have = mine < 0 ? 1 : s->in[0]->dim[mine], want = theirs < 0 ? 1 : target[theirs];
        if (have != want && have != 1 && want != 1) {
            return amg_fail(c, AMG_E_SHAPE, "the input does not broadcast to target");
        }
        dim[i] = have == 1 ? want : have;
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, ndim, dim);
}

static void expand_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0], *y = s->out[0];
    const int32_t lead = y->ndim - x->ndim;
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM];
    amg_strided_view v = {.dtype = x->dtype};
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    for (int32_t i = 0; i < y->ndim; i++) {
        const int repeats = i < lead || x->dim[i - lead] == 1;
        amg_strided_axis(&v, y->dim[i], repeats ? 0 : from[i - lead], to[i]);
    }
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_expand = {"expand", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, expand_check, expand_run};
