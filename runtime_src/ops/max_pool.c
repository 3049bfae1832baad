/* max_pool.c - the largest element under each window. x: [N, spatial..., C], 1 to 3 spatial axes, float32. Attributes:
 * kernel (empty: the whole map), stride, pads (beginnings, then ends), dilation, ceil_mode. x and y may be slices of
 * concatenated buffers. */
#include "kernels/pool.h"
#include "kernels/pool_max.h"
#include "op.h"

static AMG_COLD int32_t max_pool_check(amg_check *c, amg_step *s)
{
    s->by_rows = 1;
    return amg_pool_check(c, s, 0);
}

static void max_pool_run(const amg_step *s, const amg_context *t)
{
    amg_pool_on(s, t, 0, amg_pool_max[t->isa]->run);
}

AMG_INTERNAL const amg_op amg_op_max_pool = {
    "max_pool", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, max_pool_check, max_pool_run
};
