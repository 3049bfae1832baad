/* arg_max.c - where the largest or smallest element along an axis stands; of equal ones the first or the last; a NaN is both.
 * x: any shape, float32; y: int64, the axis with size 1. */
#include "kernels/along.h"

typedef struct arg_max_job {
    const amg_step *step;
    amg_along along;
} arg_max_job;

static AMG_COLD int32_t arg_max_check(amg_check *c, amg_step *s)
{
    amg_along along;
    int32_t status = amg_check_arity(c, s, 1, 1, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status != AMG_OK) {
        return status;
    }
    if (s->attr_count != 3 || !amg_along_of(s->in[0], s->attr[0], &along)) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not an axis of the input and two choices");
    }
    int64_t dim[AMG_MAX_NDIM];
    memcpy(dim, s->in[0]->dim, sizeof dim);
    dim[s->attr[0]] = 1;
    return amg_set_out(c, s->out[0], AMG_I64, s->in[0]->ndim, dim);
}

/* Whether `next` takes the place of `best`, which stands before it. */
static int arg_max_better(float next, float best, int smallest, int last)
{
    if (next != next || best != best) {
        return next != next && (last || best == best);
    }
    return (smallest ? next < best : next > best) || (last && next == best);
}

static void arg_max_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const arg_max_job *j = (const arg_max_job *)arg;
    const int32_t *attr = j->step->attr;
    const int64_t inner = j->along.inner_rows * j->along.inner;
    int64_t *y = (int64_t *)j->step->out[0]->data;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const float *x = amg_in_f32(j->step, 0) + i / inner * inner * j->along.n + i % inner;
        float best = x[0];
        y[i] = 0;
        for (int64_t k = 1; k < j->along.n; k++) {
            if (arg_max_better(x[k * inner], best, attr[1], attr[2])) {
                best = x[k * inner];
                y[i] = k;
            }
        }
    }
}

static void arg_max_run(const amg_step *s, const amg_context *t)
{
    arg_max_job j = {s, {1, 1, 1, 1}};
    (void)amg_along_of(s->in[0], s->attr[0], &j.along);
    amg_parallel(t, s->out[0]->count, AMG_MAX(1, 4096 / j.along.n), arg_max_piece, &j);
}

AMG_INTERNAL const amg_op amg_op_arg_max = {"arg_max", 0, arg_max_check, arg_max_run};
