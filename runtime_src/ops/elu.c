/* elu.c - y = x < 0 ? alpha (e^x - 1) : x, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t elu_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 1);
}

static void elu_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_ELU, amg_float_of_bits(s->attr[0]), 1.0f);
}

AMG_INTERNAL const amg_op amg_op_elu = {"elu", AMG_UNARY_FLAGS, elu_check, elu_run};
