/* selu.c - y = gamma (x < 0 ? alpha (e^x - 1) : x), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t selu_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 2);
}

static void selu_run(const amg_step *s, const amg_context *t)
{
    const float alpha = amg_float_of_bits(s->attr[0]), gamma = amg_float_of_bits(s->attr[1]);
    amg_unary_run(s, t, AMG_ACT_ELU, alpha * gamma, gamma);
}

AMG_INTERNAL const amg_op amg_op_selu = {"selu", AMG_UNARY_FLAGS, selu_check, selu_run};
