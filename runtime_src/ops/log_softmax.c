/* log_softmax.c - y = x - log of the sum of e^x along an axis. x, y: any shape, float32; may run in place. */
#include "kernels/along.h"

static void log_softmax_run(const amg_step *s, const amg_context *t)
{
    amg_softmax_run(s, t, 1);
}

AMG_INTERNAL const amg_op amg_op_log_softmax = {"log_softmax", AMG_SOFTMAX_FLAGS, amg_softmax_check, log_softmax_run};
