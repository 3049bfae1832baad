/* pad.c - grows axes at both ends, or crops them where a pad is negative. Attributes: pads (all beginnings, then all ends),
 * mode (0: constant, 1: reflect, 2: edge, 3: wrap), value. x: any type. */
#include "kernels/strided.h"
#include "op.h"

/* Along one axis y is `before` elements of padding, `count` elements of x from `first` on, and padding to the end. */
typedef struct pad_axis {
    int64_t before, first, count, out;
} pad_axis;

typedef struct pad_job {
    const amg_value *x, *y;
    pad_axis axis[AMG_MAX_NDIM];
    int32_t mode, last; /* the last padded axis */
    int64_t inner;      /* elements behind it, which move together */
    float value;
} pad_job;

static const char *pad_read(const amg_step *s, pad_job *job)
{
    amg_attrs a = amg_attrs_of(s);
    int64_t pads[2 * AMG_MAX_NDIM];
    const int32_t count = amg_attr_list(&a, 2 * AMG_MAX_NDIM, pads), ndim = s->in[0]->ndim;
    job->mode = amg_attr_int(&a);
    job->value = amg_attr_float(&a);
    job->last = 0;
    job->inner = 1;
    if (!amg_attrs_done(&a) || count != 2 * ndim || job->mode < 0 || job->mode > 3) {
        return "pads do not have two entries per axis, or mode is unknown";
    }
    for (int32_t i = 0; i < ndim; i++) {
        const int64_t n = s->in[0]->dim[i], before = pads[i], after = pads[ndim + i];
        pad_axis *axis = &job->axis[i];
        axis->before = AMG_MAX(before, 0);
        axis->first = AMG_MAX(-before, 0);
        axis->count = n + AMG_MIN(before, 0) + AMG_MIN(after, 0);
        axis->out = n + before + after;
        if (axis->count < (job->mode && AMG_MAX(before, after) > 0)) {
            return "pads leave nothing of the input";
        }
        job->last = before || after ? i : job->last;
    }
    for (int32_t i = job->last + 1; i < ndim; i++) {
        job->inner *= s->in[0]->dim[i];
    }
    return NULL;
}

static AMG_COLD int32_t pad_check(amg_check *c, amg_step *s)
{
    pad_job job;
    int64_t dim[AMG_MAX_NDIM] = {0};
    const char *wrong;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_movable(c, s)) {
        return c->status;
    }
    wrong = pad_read(s, &job);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    for (int32_t i = 0; i < s->in[0]->ndim; i++) {
        dim[i] = job.axis[i].out;
    }
    return amg_set_out(c, s->out[0], s->in[0]->dtype, s->in[0]->ndim, dim);
}

/* The index of x that index i of y shows, or -1 for the constant. */
static int64_t pad_source(const pad_axis *axis, int32_t mode, int64_t i)
{
    const int64_t n = axis->count, period = mode == 1 ? AMG_MAX(2 * (n - 1), 1) : n;
    i -= axis->before;
    if (i >= 0 && i < n) {
        return axis->first + i;
    }
    if (mode == 0) {
        return -1;
    }
    if (mode == 2) {
        return axis->first + (i < 0 ? 0 : n - 1);
    }
    i = (i % period + period) % period;
    return axis->first + (i < n ? i : period - i); /* reflect: back from the far edge */
}

static void pad_fill(const pad_job *job, int64_t at, int64_t count)
{
    if (job->y->dtype == AMG_I64) {
        const int64_t value = job->value > -9e18f && job->value < 9e18f ? (int64_t)job->value : 0;
        for (int64_t i = 0; i < count; i++) {
            ((int64_t *)job->y->data)[at + i] = value;
        }
    } else {
        for (int64_t i = 0; i < count; i++) {
            ((float *)job->y->data)[at + i] = job->value;
        }
    }
}

static void pad_copy(const pad_job *job, int64_t from, int64_t to, int64_t count)
{
    memcpy(amg_strided_at(job->y, to), amg_strided_at(job->x, from), (size_t)count * amg_strided_size(job->x->dtype));
}

/* Rows begin..end of y: the axes before the last padded one. */
static void pad_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const pad_job *job = (const pad_job *)arg;
    const pad_axis *last = &job->axis[job->last];
    const int64_t inner = job->inner, length = job->x->dim[job->last] * inner;
    (void)thread;
    for (int64_t row = begin; row < end; row++) {
        int64_t left = row, from = 0, stride = length, to = row * last->out * inner;
        for (int32_t i = job->last - 1; i >= 0 && from >= 0; i--) {
            const int64_t source = pad_source(&job->axis[i], job->mode, left % job->axis[i].out);
            from = source < 0 ? -1 : from + source * stride;
            stride *= job->x->dim[i];
            left /= job->axis[i].out;
        }
        if (from < 0) {
            pad_fill(job, to, last->out * inner);
            continue;
        }
        for (int64_t i = 0; i < last->out; i++, to += inner) {
            const int64_t source = pad_source(last, job->mode, i);
            if (source < 0) {
                pad_fill(job, to, inner);
            } else if (i == last->before) { /* all of x that there is */
                pad_copy(job, from + source * inner, to, last->count * inner);
                to += (last->count - 1) * inner;
                i += last->count - 1;
            } else {
                pad_copy(job, from + source * inner, to, inner);
            }
        }
    }
}

static void pad_run(const amg_step *s, const amg_context *t)
{
    pad_job job = {.x = s->in[0], .y = s->out[0]};
    int64_t row;
    (void)pad_read(s, &job);
    if (job.x->ndim == 0) {
        pad_copy(&job, 0, 0, 1);
        return;
    }
    row = job.axis[job.last].out * job.inner;
    amg_parallel(t, job.y->count / row, 1 + 16384 / row, pad_rows, &job);
}

AMG_INTERNAL const amg_op amg_op_pad = {"pad", 0, pad_check, pad_run};
