/* hard_swish.c - y = x min(max(x + 3, 0), 6) / 6, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t hard_swish_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void hard_swish_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_HARD_SWISH, 0.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_hard_swish = {"hard_swish", AMG_UNARY_FLAGS, hard_swish_check, hard_swish_run};
