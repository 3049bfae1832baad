/* lrn.c - y = x / (bias + alpha / n sum)^beta, the sum over squares of `size` neighbouring channels (n = size), or of the
 * size x size neighbouring pixels of a channel (n = size^2). x, y: [N, ..., C]; not in place. */
#include "kernels/lrn.h"

typedef struct lrn_job {
    const amg_step *step;
    const amg_context *context;
    int64_t size;
    int32_t within;
    float scale, beta, bias;
    amg_nhwc x;            /* where within */
    int64_t before, after; /* neighbours */
} lrn_job;

/* Everything that the attributes and shapes say; 0 if they are not valid. */
static int32_t lrn_read(const amg_step *s, lrn_job *j)
{
    amg_attrs attrs = amg_attrs_of(s);
    memset(j, 0, sizeof *j);
    j->step = s;
    j->size = amg_attr_int(&attrs);
    const float alpha = amg_attr_float(&attrs);
    j->beta = amg_attr_float(&attrs);
    j->bias = amg_attr_float(&attrs);
    j->within = amg_attr_int(&attrs);
    if (!amg_attrs_done(&attrs) || j->size < 1 || j->within < 0 || j->within > 1 || s->in[0]->ndim < 2) {
        return 0;
    }
    if (j->within && (j->size % 2 == 0 || !amg_nhwc_of(s->in[0], &j->x))) {
        return 0;
    }
    const float area = s->in[0]->ndim == 4 ? (float)j->size * (float)j->size : (float)j->size;
    j->scale = alpha / (j->within ? area : (float)j->size);
    j->before = (j->size - 1) / 2;
    j->after = j->size / 2;
    if (!j->within) {
        j->before = AMG_MIN(j->before, s->in[0]->dim[s->in[0]->ndim - 1]);
        j->after = AMG_MIN(j->after, s->in[0]->dim[s->in[0]->ndim - 1]);
    }
    return 1;
}

static AMG_COLD int32_t lrn_check(amg_check *c, amg_step *s)
{
    lrn_job j;
    int32_t status = amg_check_arity(c, s, 1, 1, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status == AMG_OK && !lrn_read(s, &j)) {
        status = amg_fail(c, AMG_E_FORMAT, "size or region is out of range, or does not fit the input");
    }
    if (status == AMG_OK) {
        status = amg_same_shape(c, s);
    }
    if (status == AMG_OK) {
        const int64_t channels = s->in[0]->dim[s->in[0]->ndim - 1];
        const int64_t floats = j.within ? j.x.w * j.x.c : j.before + channels + j.after + AMG_LRN_SLACK;
        s->scratch = (size_t)floats * sizeof(float);
        s->macs = (uint64_t)s->out[0]->count * (uint64_t)j.size;
    }
    return status;
}

static void lrn_across(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const lrn_job *j = (const lrn_job *)arg;
    const amg_value *x = j->step->in[0], *y = j->step->out[0];
    float *squares = (float *)amg_scratch_of(j->context, thread);
    for (int64_t row = begin; row < end; row++) {
        amg_lrn[j->context->isa]->across((const float *)x->data + row * x->pitch, (float *)y->data + row * y->pitch,
                                         x->dim[x->ndim - 1], j->before, j->after, j->scale, j->beta, j->bias, squares);
    }
}

/* Rows of the image: sums of squares down the columns first, then along the row. */
static void lrn_within(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const lrn_job *j = (const lrn_job *)arg;
    const amg_nhwc *x = &j->x;
    const amg_lrn_kernels *kernels = amg_lrn[j->context->isa];
    const float *in = amg_in_f32(j->step, 0);
    float *sums = (float *)amg_scratch_of(j->context, thread), *out = amg_out_f32(j->step, 0);
    for (int64_t row = begin; row < end; row++) {
        const int64_t top = AMG_MAX(0, row % x->h - j->before), bottom = AMG_MIN(x->h, row % x->h + j->after + 1);
        const int64_t first = row - row % x->h + top;
        for (int64_t col = 0; col < x->w; col++) {
            kernels->squares(in + (first * x->w + col) * x->pitch, x->w * x->pitch, bottom - top, sums + col * x->c, x->c);
        }
        for (int64_t col = 0; col < x->w; col++) {
            const int64_t left = AMG_MAX(0, col - j->before), right = AMG_MIN(x->w, col + j->after + 1);
            kernels->within(in + (row * x->w + col) * x->pitch, sums + left * x->c, x->c, right - left,
                            out + (row * x->w + col) * j->step->out[0]->pitch, x->c, j->scale, j->beta, j->bias);
        }
    }
}

static void lrn_run(const amg_step *s, const amg_context *t)
{
    lrn_job j;
    (void)lrn_read(s, &j);
    j.context = t;
    if (j.within) {
        amg_parallel(t, j.x.n * j.x.h, 1, lrn_within, &j);
    } else {
        const int64_t channels = s->in[0]->dim[s->in[0]->ndim - 1];
        amg_parallel(t, s->in[0]->count / channels, AMG_MAX(1, 4096 / channels), lrn_across, &j);
    }
}

AMG_INTERNAL const amg_op amg_op_lrn = {"lrn", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, lrn_check, lrn_run};
