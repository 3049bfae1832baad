/* sqrt.c - y = the square root of x, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t sqrt_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void sqrt_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_SQRT, 0.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_sqrt = {"sqrt", AMG_UNARY_FLAGS, sqrt_check, sqrt_run};
