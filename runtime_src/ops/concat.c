/* concat.c - inputs side by side along one axis. Attribute: axis. Inputs and y may be slices of concatenated buffers; an
 * input that was made in its place in y stays there. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t concat_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    int64_t dim[AMG_MAX_NDIM], total = 0;
    if (amg_check_arity(c, s, 1, AMG_MAX_IN, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    if (!amg_attrs_done(&a) || axis < 0 || axis >= s->in[0]->ndim) {
        return amg_fail(c, AMG_E_FORMAT, "axis is out of range");
    }
    for (int32_t i = 0; i < s->n_in; i++) {
        const amg_value *x = s->in[i];
        if (x->ndim != s->in[0]->ndim) {
            return amg_fail(c, AMG_E_SHAPE, "its inputs differ in the number of axes");
        }
        for (int32_t j = 0; j < x->ndim; j++) {
            if (j != axis && x->dim[j] != s->in[0]->dim[j]) {
                return amg_fail(c, AMG_E_SHAPE, "its inputs differ off the axis");
            }
        }
        if (x->dim[axis] > INT64_MAX - total) {
            return amg_fail(c, AMG_E_SHAPE, "its inputs are too long together");
        }
        total += x->dim[axis];
    }
    memcpy(dim, s->in[0]->dim, sizeof dim);
    dim[axis] = total;
    return amg_set_out(c, s->out[0], s->in[0]->dtype, s->in[0]->ndim, dim);
}

static void concat_run(const amg_step *s, const amg_context *t)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    const amg_value *y = s->out[0];
    int64_t from[AMG_MAX_NDIM], to[AMG_MAX_NDIM], start = 0;
    amg_strided_of(y, to);
    for (int32_t i = 0; i < s->n_in; i++) {
        const amg_value *x = s->in[i];
        void *place = amg_strided_at(y, start * to[axis]);
        amg_strided_view v = {.dtype = x->dtype};
        start += x->dim[axis];
        if (x->data == place) {
            continue;
        }
        amg_strided_of(x, from);
        for (int32_t j = 0; j < x->ndim; j++) {
            amg_strided_axis(&v, x->dim[j], from[j], to[j]);
        }
        amg_strided_run(&v, t, x->data, place);
    }
}

AMG_INTERNAL const amg_op amg_op_concat = {
    "concat", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT | AMG_OP_JOINS, concat_check, concat_run
};
