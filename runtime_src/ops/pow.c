/* pow.c - y = activation(a to the power of b) with NumPy's broadcasting. a, b, y: float32; in place of a where it has y's shape. */
#include "kernels/broadcast.h"

static void pow_run(const amg_step *s, const amg_context *t)
{
    amg_broadcast_run(s, t, AMG_BINARY_POW);
}

AMG_INTERNAL const amg_op amg_op_pow = {"pow", AMG_BROADCAST_FLAGS, amg_broadcast_check, pow_run};
