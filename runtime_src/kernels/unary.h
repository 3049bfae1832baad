/* unary.h - the whole of an elementwise operator but its function: y = f(x), f of kernels/activate.h.
 * x, y: any shape, float32, pitched or not; may run in place. */
#ifndef AMG_KERNELS_UNARY_H
#define AMG_KERNELS_UNARY_H

#include "kernels/activate.h"

#define AMG_UNARY_FLAGS (AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT)
#define AMG_UNARY_GRAIN 4096 /* elements: what one thread takes at a time */

typedef struct amg_unary_job {
    const amg_step *step;
    const amg_activate_kernels *kernels;
    amg_activation act;
    int64_t width; /* of a row; 0: rows follow each other without gaps, and elements are counted instead */
} amg_unary_job;

/* One input, one output of its shape, and `words` attributes. */
static inline AMG_COLD int32_t amg_unary_check(amg_check *c, amg_step *s, int32_t words)
{
    int32_t status = amg_check_arity(c, s, 1, 1, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status == AMG_OK && s->attr_count != words) {
        status = amg_fail(c, AMG_E_FORMAT, "wrong number of attributes");
    }
    return status == AMG_OK ? amg_same_shape(c, s) : status;
}

static inline void amg_unary_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_unary_job *j = (const amg_unary_job *)arg;
    const float *x = amg_in_f32(j->step, 0);
    float *y = amg_out_f32(j->step, 0);
    const int64_t x_row = j->step->in[0]->pitch, y_row = j->step->out[0]->pitch;
    (void)thread;
    if (!j->width) {
        j->kernels->run(j->act.kind, j->act.a, j->act.b, x + begin, y + begin, end - begin);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        j->kernels->run(j->act.kind, j->act.a, j->act.b, x + row * x_row, y + row * y_row, j->width);
    }
}

static AMG_MAYBE_UNUSED AMG_NO_INLINE void amg_unary_run(const amg_step *s, const amg_context *t, int32_t kind, float a, float b)
{
    amg_unary_job job = {s, amg_activate[t->isa], {kind, a, b}, 0};
    int64_t rows, width;
    amg_rows_of(s->out[0], &rows, &width);
    if (rows == 1 || (s->in[0]->pitch == width && s->out[0]->pitch == width)) {
        amg_parallel(t, s->out[0]->count, AMG_UNARY_GRAIN, amg_unary_piece, &job);
    } else {
        job.width = width;
        amg_parallel(t, rows, AMG_MAX(1, AMG_UNARY_GRAIN / width), amg_unary_piece, &job);
    }
}

#endif
