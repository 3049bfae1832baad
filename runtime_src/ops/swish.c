/* swish.c - y = x / (1 + e^(-alpha x)), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t swish_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 1);
}

static void swish_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_SWISH, amg_float_of_bits(s->attr[0]), 0.0f);
}

AMG_INTERNAL const amg_op amg_op_swish = {"swish", AMG_UNARY_FLAGS, swish_check, swish_run};
