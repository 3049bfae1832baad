/* split.c - parts of x along one axis. Attributes: axis, sizes (one per output). x and the parts may be slices of
 * concatenated buffers. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t split_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    int64_t size[AMG_MAX_OUT], dim[AMG_MAX_NDIM], total = 0;
    const int32_t parts = amg_attr_list(&a, AMG_MAX_OUT, size);
    if (amg_check_arity(c, s, 1, 1, parts) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || axis < 0 || axis >= s->in[0]->ndim) {
        return amg_fail(c, AMG_E_FORMAT, "axis is out of range, or sizes are malformed");
    }
    memcpy(dim, s->in[0]->dim, sizeof dim);
    for (int32_t i = 0; i < parts; i++) {
        total += size[i]; /* 16 words of 32 bits */
        dim[axis] = size[i];
        if (amg_set_out(c, s->out[i], s->in[0]->dtype, s->in[0]->ndim, dim)) {
            return c->status;
        }
    }
    return total == s->in[0]->dim[axis] ? AMG_OK : amg_fail(c, AMG_E_SHAPE, "sizes do not add up to the axis");
}

static void split_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    const amg_value *x = s->in[0];
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM], start = 0;
    amg_strided_of(x, from);
    for (int32_t i = 0; i < s->n_out; i++) {
        const amg_value *y = s->out[i];
        amg_strided_view v = {.dtype = x->dtype};
        amg_strided_of(y, to);
        for (int32_t j = 0; j < x->ndim; j++) {
            amg_strided_axis(&v, y->dim[j], from[j], to[j]);
        }
        amg_strided_run(&v, t, amg_strided_at(x, start * from[axis]), y->data);
        start += y->dim[axis];
    }
}

AMG_INTERNAL const amg_op amg_op_split = {"split", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, split_check, split_run};
