/* layer_norm.c - all from an axis on to mean 0 and variance 1, then y = scale x + bias, element by element.
 * x, y: any shape; scale and the optional bias: the axes of x from `axis` on; may run in place. */
#include "kernels/norm.h"

static AMG_COLD int32_t layer_norm_check(amg_check *c, amg_step *s)
{
    int32_t status = amg_check_arity(c, s, 2, 3, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status != AMG_OK) {
        return status;
    }
    amg_attrs attrs = amg_attrs_of(s);
    const amg_value *x = s->in[0];
    const int32_t axis = amg_attr_int(&attrs);
    (void)amg_attr_float(&attrs);
    if (!amg_attrs_done(&attrs) || axis < 0 || axis >= x->ndim) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not an axis of the input and epsilon");
    }
    for (int32_t i = 1; i < s->n_in; i++) {
        const amg_value *v = s->in[i];
        if (v && (v->ndim != x->ndim - axis || memcmp(v->dim, x->dim + axis, (size_t)v->ndim * sizeof *v->dim) != 0)) {
            return amg_fail(c, AMG_E_SHAPE, "scale or bias does not have the axes that are normalised");
        }
    }
    return amg_same_shape(c, s);
}

static void layer_norm_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_step *s = ((const amg_step *const *)arg)[0];
    const amg_context *t = ((const amg_context *const *)arg)[1];
    const int64_t width = s->in[1]->count;
    (void)thread;
    for (int64_t row = begin; row < end; row++) {
        amg_norm[t->isa]->row(amg_in_f32(s, 0) + row * width, amg_out_f32(s, 0) + row * width, width, amg_in_f32(s, 1),
                              amg_in_f32(s, 2), amg_float_of_bits(s->attr[1]));
    }
}

static void layer_norm_run(const amg_step *s, const amg_context *t)
{
    const void *arg[2] = {s, t};
    amg_parallel(t, s->out[0]->count / s->in[1]->count, 1, layer_norm_rows, arg);
}

AMG_INTERNAL const amg_op amg_op_layer_norm = {"layer_norm", AMG_OP_IN_PLACE, layer_norm_check, layer_norm_run};
