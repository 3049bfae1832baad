/* integral.c - y = a whole number made of each x. x, y: float32 or int64, any shape; may run in place. Attribute: function
 * (0: floor, 1: ceil, 2: round to even, 3: sign, 4: not, which is 1 for 0, else 0). */
#include "op.h"

#include <math.h>

static AMG_COLD int32_t integral_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t function = amg_attr_int(&a);
    const amg_value *x = s->in[0];
    if (amg_check_arity(c, s, 1, 1, 1)) {
        return c->status;
    }
    if (x->packing != AMG_PLAIN || (x->dtype != AMG_F32 && x->dtype != AMG_I64) || !amg_attrs_done(&a) || function < 0 ||
        function > 4) {
        return amg_fail(c, AMG_E_FORMAT, "function is unknown, or its input is not plain float32 or int64");
    }
    return amg_same_shape(c, s);
}

/* x to the nearest integer, ties to even, whatever the rounding mode; beyond 2^23 every float is one. */
static float integral_round(float x)
{
    const float low = floorf(x), part = x - low;
    if (!(fabsf(x) < 8388608.0f)) {
        return x;
    }
    if (part != 0.5f) {
        return copysignf(part < 0.5f ? low : low + 1, x);
    }
    return copysignf(2 * floorf((low + 1) / 2), x);
}

static float integral_of(int32_t function, float x)
{
    switch (function) {
    case 0:
        return floorf(x);
    case 1:
        return ceilf(x);
    case 2:
        return integral_round(x);
    case 3:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    default:
        return x == 0;
    }
}

static void integral_run(const amg_step *s, const amg_context *t)
{
    const amg_value *x = s->in[0];
    const int32_t function = s->attr[0];
    (void)t;
    for (int64_t i = 0; i < x->count; i++) {
        if (x->dtype == AMG_F32) {
            ((float *)s->out[0]->data)[i] = integral_of(function, ((const float *)x->data)[i]);
        } else {
            const int64_t v = ((const int64_t *)x->data)[i];
            ((int64_t *)s->out[0]->data)[i] = function < 3 ? v : function == 3 ? (v > 0) - (v < 0) : v == 0;
        }
    }
}

AMG_INTERNAL const amg_op amg_op_integral = {"integral", AMG_OP_IN_PLACE, integral_check, integral_run};
