/* div.c - y = activation(a / b) with NumPy's broadcasting. a, b, y: float32; in place of a where it has y's shape. */
#include "kernels/broadcast.h"

static void div_run(const amg_step *s, const amg_context *t)
{
    amg_broadcast_run(s, t, AMG_BINARY_DIV);
}

AMG_INTERNAL const amg_op amg_op_div = {"div", AMG_BROADCAST_FLAGS, amg_broadcast_check, div_run};
