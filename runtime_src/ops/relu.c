/* relu.c - y = max(x, 0), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

#include <math.h>

static AMG_COLD int32_t relu_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 0);
}

static void relu_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_CLIP, 0.0f, INFINITY);
}

AMG_INTERNAL const amg_op amg_op_relu = {"relu", AMG_UNARY_FLAGS, relu_check, relu_run};
