/* sigmoid.c - y = 1 / (1 + e^-x), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t sigmoid_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void sigmoid_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_SIGMOID, 0.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_sigmoid = {"sigmoid", AMG_UNARY_FLAGS, sigmoid_check, sigmoid_run};
