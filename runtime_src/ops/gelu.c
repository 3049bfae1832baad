/* gelu.c - y = x Phi(x), or its approximation by tanh, elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t gelu_check(amg_check *c, amg_step *s)
{
    const int32_t status = amg_unary_check(c, s, 1);
    if (status == AMG_OK && s->attr[0] != 0 && s->attr[0] != 1) {
        return amg_fail(c, AMG_E_FORMAT, "approximate is neither none nor tanh");
    }
    return status;
}

static void gelu_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, s->attr[0] ? AMG_ACT_GELU_TANH : AMG_ACT_GELU, 0.0f, 0.0f);
}

AMG_INTERNAL const amg_op amg_op_gelu = {"gelu", AMG_UNARY_FLAGS, gelu_check, gelu_run};
