/* scale.h - y = activation(scale x + shift) per channel over rows [..., C], for batch_norm and instance_norm. */
#ifndef AMG_KERNELS_SCALE_H
#define AMG_KERNELS_SCALE_H

#include "kernels/activate.h"
#include "kernels/norm.h"

#define AMG_SCALE_FLAGS (AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT)
#define AMG_SCALE_GRAIN 4096 /* elements computed at a time: they are still in the cache when they are activated */

typedef struct amg_scale_job {
    const amg_step *step;
    const amg_context *context;
    amg_activation act;
    const float *scale, *shift; /* [sets][width], rows of a set set_step apart */
    int64_t set_rows, set_step; /* rows that share a set, and elements from one set to the next */
} amg_scale_job;

/* x, and a scale and a shift of its channels. */
static inline AMG_COLD int32_t amg_scale_check(amg_check *c, amg_step *s)
{
    int32_t status = amg_check_arity(c, s, 3, 3, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    const amg_value *x = s->n_in ? s->in[0] : NULL;
    for (int32_t i = 1; i < 3 && status == AMG_OK; i++) {
        if (x->ndim < 2 || s->in[i]->ndim != 1 || s->in[i]->dim[0] != x->dim[x->ndim - 1]) {
            status = amg_fail(c, AMG_E_SHAPE, "scale and shift do not fit the channels");
        }
    }
    return status == AMG_OK ? amg_same_shape(c, s) : status;
}

static inline void amg_scale_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_scale_job *j = (const amg_scale_job *)arg;
    const int64_t width = j->step->in[1]->dim[0], x_row = j->step->in[0]->pitch, y_row = j->step->out[0]->pitch;
    const int64_t most = AMG_MAX(1, AMG_SCALE_GRAIN / width);
    (void)thread;
    for (int64_t row = begin, take; row < end; row += take) {
        const int64_t set = row / j->set_rows * j->set_step;
        float *y = amg_out_f32(j->step, 0) + row * y_row;
        take = AMG_MIN(AMG_MIN(end - row, most), j->set_rows - row % j->set_rows);
        amg_norm[j->context->isa]->affine(amg_in_f32(j->step, 0) + row * x_row, x_row, j->scale + set, j->shift + set, y, y_row,
                                          take, width);
        for (int64_t i = 0; j->act.kind != AMG_ACT_NONE && i < take; i++, y += y_row) {
            amg_activate[j->context->isa]->run(j->act.kind, j->act.a, j->act.b, y, y, width);
        }
    }
}

static inline void amg_scale_run(amg_scale_job *j)
{
    const int64_t width = j->step->in[1]->dim[0];
    amg_parallel(j->context, j->step->out[0]->count / width, AMG_MAX(1, AMG_SCALE_GRAIN / width), amg_scale_rows, j);
}

#endif
