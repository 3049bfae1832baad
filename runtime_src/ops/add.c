/* add.c - y = activation(a + b) with NumPy's broadcasting. a, b, y: float32; in place of a where it has y's shape. */
#include "kernels/broadcast.h"

static void add_run(const amg_step *s, const amg_context *t)
{
    amg_broadcast_run(s, t, AMG_BINARY_ADD);
}

AMG_INTERNAL const amg_op amg_op_add = {"add", AMG_BROADCAST_FLAGS, amg_broadcast_check, add_run};
