/* clip.c - y = min(max(x, low), high), elementwise. x, y: any shape, float32; may run in place. */
#include "kernels/unary.h"

static AMG_COLD int32_t clip_check(amg_check *c, amg_step *s)
{
    return amg_unary_check(c, s, 2);
}

static void clip_run(const amg_step *s, const amg_context *t)
{
    amg_unary_run(s, t, AMG_ACT_CLIP, amg_float_of_bits(s->attr[0]), amg_float_of_bits(s->attr[1]));
}

AMG_INTERNAL const amg_op amg_op_clip = {"clip", AMG_UNARY_FLAGS, clip_check, clip_run};
