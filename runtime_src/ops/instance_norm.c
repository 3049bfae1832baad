/* instance_norm.c - every channel of every image to mean 0 and variance 1, then y = activation(scale x + bias).
 * x, y: [N, ..., C]; scale, bias: [C]; may run in place. Scratch: a scale and a shift for each image and channel. */
#include "kernels/scale.h"

#define INSTANCE_NORM_CHANNELS 16 /* that one thread takes at a time */

static AMG_COLD int32_t instance_norm_check(amg_check *c, amg_step *s)
{
    amg_attrs attrs = amg_attrs_of(s);
    (void)amg_attr_float(&attrs);
    (void)amg_attr_activation(&attrs);
    if (!amg_attrs_done(&attrs)) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not epsilon and an activation");
    }
    const int32_t status = amg_scale_check(c, s);
    if (status == AMG_OK) {
        s->scratch = (size_t)(s->in[0]->dim[0] * s->in[1]->dim[0]) * 2 * sizeof(float); /* twice in[0] at most */
    }
    return status;
}

static void instance_norm_statistics(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_scale_job *j = (const amg_scale_job *)arg;
    const amg_step *s = j->step;
    const int64_t width = s->in[1]->dim[0], x_row = s->in[0]->pitch, blocks = (width - 1) / INSTANCE_NORM_CHANNELS + 1;
    float *sets = (float *)j->context->scratch;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t image = i / blocks, first = i % blocks * INSTANCE_NORM_CHANNELS;
        float *scale = sets + image * 2 * width + first;
        amg_norm[j->context->isa]->columns(amg_in_f32(s, 0) + image * j->set_rows * x_row + first, x_row, j->set_rows,
                                           AMG_MIN(INSTANCE_NORM_CHANNELS, width - first), amg_in_f32(s, 1) + first,
                                           amg_in_f32(s, 2) + first, amg_float_of_bits(s->attr[0]), scale, scale + width);
    }
}

static void instance_norm_run(const amg_step *s, const amg_context *t)
{
    const int64_t width = s->in[1]->dim[0], images = s->in[0]->dim[0];
    const float *sets = (const float *)t->scratch;
    amg_attrs attrs = amg_attrs_of(s);
    (void)amg_attr_float(&attrs);
    amg_scale_job j = {s, t, {0, 0.0f, 0.0f}, sets, sets + width, s->in[0]->count / (images * width), 2 * width};
    j.act = amg_attr_activation(&attrs);
    amg_parallel(t, images * ((width - 1) / INSTANCE_NORM_CHANNELS + 1), 1, instance_norm_statistics, &j);
    amg_scale_run(&j);
}

AMG_INTERNAL const amg_op amg_op_instance_norm = {"instance_norm", AMG_SCALE_FLAGS, instance_norm_check, instance_norm_run};
