/* affine.c - y = scale x + shift, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t affine_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 2);
}

static void affine_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_AFFINE, amg_float_of_bits(s->attr[0]), amg_float_of_bits(s->attr[1]));
}

AMG_INTERNAL const amg_op amg_op_affine = {"affine", AMG_UNARY_FLAGS, affine_check, affine_run};
