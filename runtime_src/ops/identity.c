/* identity.c - y = x. x, y: any shape and type, either may be a slice of a concatenated buffer; may run in place. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t identity_check(amg_check *c, amg_step *s)
{
    const amg_attrs a = amg_attrs_of(s);
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    return amg_attrs_done(&a) ? amg_same_shape(c, s) : amg_fail(c, AMG_E_FORMAT, "it has attributes");
}

static void identity_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0], *y = s->out[0];
    amg_strided_view v = {.dtype = x->dtype};
    int64_t rows, width;
    if (x->data == y->data) {
        return;
    }
    amg_rows_of(x, &rows, &width);
    amg_strided_axis(&v, rows, x->pitch, y->pitch);
    amg_strided_axis(&v, width, 1, 1);
    amg_strided_run(&v, t, x->data, y->data);
}

AMG_INTERNAL const amg_op amg_op_identity = {
    "identity", AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, identity_check, identity_run
};
