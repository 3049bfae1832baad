/* batch_norm.c - y = activation(scale x + shift) per channel. x, y: [N, ..., C]; scale, shift: [C]; may run in place. */
#include "kernels/scale.h"

static AMG_COLD int32_t batch_norm_check(amg_check *c, amg_step *s)
{
    amg_attrs attrs = amg_attrs_of(s);
    (void)amg_attr_activation(&attrs);
    return amg_attrs_done(&attrs) ? amg_scale_check(c, s) : amg_fail(c, AMG_E_FORMAT, "the attributes are not an activation");
}

static void batch_norm_run(const amg_step *s, const amg_context *t)
{
    amg_attrs attrs = amg_attrs_of(s);
    amg_scale_job j = {s, t, {0, 0.0f, 0.0f}, amg_in_f32(s, 1), amg_in_f32(s, 2), s->out[0]->count, 0};
    j.act = amg_attr_activation(&attrs);
    amg_scale_run(&j);
}

AMG_INTERNAL const amg_op amg_op_batch_norm = {"batch_norm", AMG_SCALE_FLAGS, batch_norm_check, batch_norm_run};
