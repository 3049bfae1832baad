/* leaky_relu.c - y = x < 0 ? alpha x : x, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t leaky_relu_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 1);
}

static void leaky_relu_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_LEAKY_RELU, amg_float_of_bits(s->attr[0]), 0.0f);
}

AMG_INTERNAL const amg_op amg_op_leaky_relu = {"leaky_relu", AMG_UNARY_FLAGS, leaky_relu_check, leaky_relu_run};
