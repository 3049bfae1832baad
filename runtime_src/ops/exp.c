/* exp.c - y = e^x, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t exp_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void exp_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_EXP, 0.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_exp = {"exp", AMG_UNARY_FLAGS, exp_check, exp_run};
