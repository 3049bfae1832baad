/* tile.c - x repeated along its axes. Attribute: repeats, one per axis. x, y: any type, either may be a slice of a
 * concatenated buffer. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t tile_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    int64_t repeats[AMG_MAX_NDIM], dim[AMG_MAX_NDIM] = {0};
    const int32_t count = amg_attr_list(&a, AMG_MAX_NDIM, repeats);
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || count != s->in[0]->ndim) {
        return amg_fail(c, AMG_E_SHAPE, "repeats does not have an entry per axis");
    }
    for (int32_t i = 0; i < count; i++) {
        if (!amg_mul(s->in[0]->dim[i], repeats[i], &dim[i])) {
            return amg_fail(c, AMG_E_SHAPE, "repeats are negative or too many");
        }
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, count, dim);
}

static void tile_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0], *y = s->out[0];
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM];
    amg_strided_view v = {.dtype = x->dtype};
    amg_strided_of(x, from);
    amg_strided_of(y, to);
    for (int32_t i = 0; i < x->ndim; i++) { /* each axis is two: which repeat, and where in it */
        amg_strided_axis(&v, y->dim[i] / x->dim[i], 0, to[i] * x->dim[i]);
        amg_strided_axis(&v, x->dim[i], from[i], to[i]);
    }
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_tile = {"tile", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, tile_check, tile_run};
