/* prelu.c - y = activation(x < 0 ? slope x : x), the slope broadcast. x, slope, y: float32; may run in place of x. */
#include "kernels/broadcast.h"

static AMG_COLD int32_t prelu_check(amg_check *c, amg_step *s)
{
    const int32_t status = amg_broadcast_check(c, s);
    if (status == AMG_OK && (s->out[0]->ndim != s->in[0]->ndim || s->out[0]->count != s->in[0]->count)) {
        return amg_fail(c, AMG_E_SHAPE, "the slope does not fit the input");
    }
    return status;
}

static void prelu_run(const amg_step *s, const amg_context *t)
{
    amg_broadcast_run(s, t, AMG_BINARY_PRELU);
}

AMG_INTERNAL const amg_op amg_op_prelu = {"prelu", AMG_BROADCAST_FLAGS, prelu_check, prelu_run};
