/* hard_sigmoid.c - y = min(max(alpha x + beta, 0), 1), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t hard_sigmoid_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 2);
}

static void hard_sigmoid_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_HARD_SIGMOID, amg_float_of_bits(s->attr[0]), amg_float_of_bits(s->attr[1]));
}

AMG_INTERNAL const amg_op amg_op_hard_sigmoid = {"hard_sigmoid", AMG_UNARY_FLAGS, hard_sigmoid_check, hard_sigmoid_run};
