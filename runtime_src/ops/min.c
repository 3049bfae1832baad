/* min.c - y = activation(the smaller of a and b, NaN where either is) with NumPy's broadcasting. a, b, y: float32; in place of a where it has y's shape. */
#include "kernels/broadcast.h"

static void min_run(const amg_step *s, const amg_context *t)
{
    amg_broadcast_run(s, t, AMG_BINARY_MIN);
}

AMG_INTERNAL const amg_op amg_op_min = {"min", AMG_BROADCAST_FLAGS, amg_broadcast_check, min_run};
