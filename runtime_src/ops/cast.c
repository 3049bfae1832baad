/* cast.c - y = x as another type. Attribute: to (0: float32, 1: int64, 2: int64 that is 1 where x is not 0). float32 to
 * int64 rounds towards zero and saturates; NaN becomes 0. */
#include "op.h"

static AMG_COLD int32_t cast_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t to = amg_attr_int(&a);
    const amg_value *x = s->in[0];
    if (amg_check_arity(c, s, 1, 1, 1)) {
        return c->status;
    }
    if (!x || x->packing != AMG_PLAIN || (x->dtype != AMG_F32 && x->dtype != AMG_I64)) {
        return amg_fail(c, AMG_E_FORMAT, "its input is not a plain tensor of float32 or int64");
    }
    if (!amg_attrs_done(&a) || to < 0 || to > 2) {
        return amg_fail(c, AMG_E_FORMAT, "to is not a known type");
    }
    return amg_set_out(c, s->out[0], to ? AMG_I64 : AMG_F32, x->ndim, x->dim);
}

static int64_t cast_to_int(float x)
{
    if (x >= 9223372036854775808.0f) {
        return INT64_MAX;
    }
    if (x < -9223372036854775808.0f) {
        return INT64_MIN;
    }
    return x == x ? (int64_t)x : 0;
}

static void cast_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0], *y = s->out[0];
    (void)t;
    if (s->attr[0] == 2) {
        for (int64_t i = 0; i < x->count; i++) {
            const int64_t *whole = (const int64_t *)x->data;
            ((int64_t *)y->data)[i] = x->dtype == AMG_I64 ? whole[i] != 0 : ((const float *)x->data)[i] != 0;
        }
    } else if (x->dtype == y->dtype) {
        memcpy(y->data, x->data, (size_t)x->count * (x->dtype == AMG_I64 ? sizeof(int64_t) : sizeof(float)));
    } else if (y->dtype == AMG_I64) {
        for (int64_t i = 0; i < x->count; i++) {
            ((int64_t *)y->data)[i] = cast_to_int(((const float *)x->data)[i]);
        }
    } else {
        for (int64_t i = 0; i < x->count; i++) {
            ((float *)y->data)[i] = (float)((const int64_t *)x->data)[i];
        }
    }
}

AMG_INTERNAL const amg_op amg_op_cast = {"cast", 0, cast_check, cast_run};
