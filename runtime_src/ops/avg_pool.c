/* avg_pool.c - the mean of the elements under each window. x: [N, spatial..., C], 1 to 3 spatial axes, float32. Attributes:
 * kernel (empty: the whole map), stride, pads (beginnings, then ends), dilation, ceil_mode, count_include_pad (taps in the
 * padding count in the divisor). x and y may be slices of concatenated buffers. */
#include "kernels/pool.h"
#include "kernels/pool_mean.h"
#include "op.h"

static AMG_COLD int32_t avg_pool_check(amg_check *c, amg_step *s)
{
    return amg_pool_check(c, s, 1);
}

static void avg_pool_run(const amg_step *s, const amg_context *t)
{
    amg_pool_on(s, t, 1, amg_pool_mean[t->isa]->run);
}

AMG_INTERNAL const amg_op amg_op_avg_pool = {
    "avg_pool", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, avg_pool_check, avg_pool_run
};
