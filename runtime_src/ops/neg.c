/* neg.c - y = -x, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t neg_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void neg_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_AFFINE, -1.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_neg = {"neg", AMG_UNARY_FLAGS, neg_check, neg_run};
