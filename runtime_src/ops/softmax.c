/* softmax.c - y = e^x / sum of e^x along an axis. x, y: any shape, float32; may run in place. */
#include "kernels/along.h"

static void softmax_run(const amg_step *s, const amg_context *t)
{
    amg_softmax_run(s, t, 0);
}

AMG_INTERNAL const amg_op amg_op_softmax = {"softmax", AMG_SOFTMAX_FLAGS, amg_softmax_check, softmax_run};
