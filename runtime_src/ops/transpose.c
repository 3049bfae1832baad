/* transpose.c - y's axis i is x's axis perm[i]. Attribute: perm. x, y: any type, either may be a slice of a concatenated
 * buffer. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t transpose_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    int64_t perm[AMG_MAX_NDIM], dim[AMG_MAX_NDIM] = {0};
    const int32_t ndim = amg_attr_list(&a, AMG_MAX_NDIM, perm);
    uint32_t seen = 0;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || ndim != s->in[0]->ndim) {
        return amg_fail(c, AMG_E_SHAPE, "perm does not have an entry per axis");
    }
    for (int32_t i = 0; i < ndim; i++) {
        if (perm[i] < 0 || perm[i] >= ndim || seen >> perm[i] & 1u) {
            return amg_fail(c, AMG_E_FORMAT, "perm is not an order of the axes");
        }
        seen |= 1u << perm[i];
        dim[i] = s->in[0]->dim[perm[i]];
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, ndim, dim);
}

static void transpose_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const amg_value *x = s->in[0], *y = s->out[0];
    int64_t perm[AMG_MAX_NDIM], from[AMG_MAX_NDIM], to[AMG_MAX_NDIM];
    amg_strided_view v = {.dtype = x->dtype};
    amg_attr_list(&a, AMG_MAX_NDIM, perm);
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    for (int32_t i = 0; i < y->ndim; i++) {
        amg_strided_axis(&v, y->dim[i], from[perm[i]], to[i]);
    }
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_transpose = {
    "transpose", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, transpose_check, transpose_run
};
