/* reshape.c - the same elements in another shape. x, y: any type. Attributes: target (0: the input's axis at the same place,
 * unless allowzero; one -1: what is left; -2 - i: the input's axis i), allowzero. May run in place. */
#include "op.h"

/* Completes dim, whose -1 (at `free`, or none if negative) takes what the others leave of count; 0 where they do not fit. */
static int reshape_resolve(int64_t *dim, int32_t ndim, int32_t free, int64_t count)
{
    int64_t known = 1;
    for (int32_t i = 0; i < ndim; i++) {
        if (i != free && !amg_mul(known, dim[i], &known)) {
            return 0;
        }
    }
    if (free < 0) {
        return known == count;
    }
    if (known == 0 || count % known) {
        return 0;
    }
    dim[free] = count / known;
    return 1;
}

static AMG_COLD int32_t reshape_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    int64_t dim[AMG_MAX_NDIM];
    const int32_t ndim = amg_attr_list(&a, AMG_MAX_NDIM, dim), allowzero = amg_attr_int(&a);
    int32_t free = -1;
    if (amg_check_arity(c, s, 1, 1, 1)) {
        return c->status;
    }
    if (!s->in[0] || s->in[0]->packing != AMG_PLAIN || !amg_attrs_done(&a)) {
        return amg_fail(c, AMG_E_FORMAT, "its input or attributes are malformed");
    }
    for (int32_t i = 0; i < ndim; i++) {
        const int64_t axis = dim[i] < -1 ? -2 - dim[i] : i;
        if (dim[i] < -1 || (dim[i] == 0 && !allowzero)) {
            if (axis >= s->in[0]->ndim) {
                return amg_fail(c, AMG_E_SHAPE, "target copies an axis that the input does not have");
            }
            dim[i] = s->in[0]->dim[axis];
        } else if (dim[i] == -1) {
            if (free >= 0) {
                return amg_fail(c, AMG_E_FORMAT, "target has more than one free axis");
            }
            free = i;
        }
    }
    if (!reshape_resolve(dim, ndim, free, s->in[0]->count)) {
        return amg_fail(c, AMG_E_SHAPE, "the input's elements do not fit target");
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, ndim, dim);
}

static void reshape_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0];
    const size_t size = x->dtype == AMG_I64 ? sizeof(int64_t) : sizeof(float);
    (void)t;
    if (x->data != s->out[0]->data) {
        memmove(s->out[0]->data, x->data, (size_t)x->count * size);
    }
}

AMG_INTERNAL const amg_op amg_op_reshape = {"reshape", AMG_OP_IN_PLACE, reshape_check, reshape_run};
