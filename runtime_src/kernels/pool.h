/* pool.h - windows over channels-last maps of 1 to 3 spatial axes, and the loops that max and average pooling share.
 *
 * A window axis that a map does not have is 1 long. Only taps inside the map are ever read. */
#ifndef AMG_KERNELS_POOL_H
#define AMG_KERNELS_POOL_H

#include "op.h"

#include <math.h>

/* A run of windows with the same taps: y[c] = max or mean over the taps of x[c], then both move on by their steps. */
typedef struct amg_pool_run {
    const float *x; /* the first tap of the first window */
    float *y;
    ptrdiff_t taps[3], tap_step[3]; /* depth, height, width; steps in floats */
    ptrdiff_t windows, x_step, y_step;
    ptrdiff_t channels;
    float divisor; /* of mean */
} amg_pool_run;

/* A window moving along one axis; `size` elements, `out` windows. */
typedef struct amg_pool_axis {
    ptrdiff_t size, out, kernel, stride, dilation, before, after;
} amg_pool_axis;

typedef struct amg_pool_plan {
    amg_pool_axis axis[3];
    int32_t counted; /* padding counts in the divisor of a mean */
} amg_pool_plan;

/* The number of windows on an axis; 0 where its attributes are out of range or none fits (ONNX: a window must start inside
 * the axis or the padding before it). */
static inline int64_t amg_pool_windows(const amg_pool_axis *a, int32_t ceil_mode)
{
    const int64_t extent = a->kernel < 1 || a->dilation < 1 ? 0 : ((int64_t)a->kernel - 1) * a->dilation + 1;
    const int64_t padded = (int64_t)a->size + a->before + a->after, room = padded - extent;
    int64_t count;
    if (a->stride < 1 || a->before < 0 || a->after < 0 || AMG_MAX(a->before, a->after) >= extent || room < 0 ||
        padded > INT32_MAX / 2 || a->stride > INT32_MAX / 2) { /* so that windows have an index on every machine */
        return 0;
    }
    count = room / a->stride + 1;
    return count + (ceil_mode && room % a->stride && count * a->stride < (int64_t)a->size + a->before);
}

/* Reads kernel, stride, pads, dilation, ceil_mode (and count_include_pad if `mean`); returns what is wrong, or NULL. */
static inline const char *amg_pool_read(const amg_step *s, int mean, amg_pool_plan *p)
{
    amg_attrs a = amg_attrs_of(s);
    const amg_value *x = s->in[0];
    const int32_t rank = x->ndim - 2, lead = 3 - rank;
    int64_t kernel[3], stride[3], pads[6], dilation[3];
    const int32_t n = amg_attr_list(&a, 3, kernel), ns = amg_attr_list(&a, 3, stride), np = amg_attr_list(&a, 6, pads),
                  nd = amg_attr_list(&a, 3, dilation), ceil_mode = amg_attr_int(&a);
    p->counted = mean ? amg_attr_int(&a) : 0;
    if (!amg_attrs_done(&a) || rank < 1 || rank > 3 || (n && (n != rank || ns != n || np != 2 * n || nd != n))) {
        return "its attributes do not fit an input of 1 to 3 spatial axes";
    }
    for (int32_t i = 0; i < 3; i++) {
        const int32_t j = i - lead;
        amg_pool_axis *axis = &p->axis[i];
        *axis = (amg_pool_axis){j < 0 ? 1 : (ptrdiff_t)x->dim[1 + j], 0, 1, 1, 1, 0, 0};
        if (j >= 0 && n) {
            *axis = (amg_pool_axis){axis->size, 0, (ptrdiff_t)kernel[j], (ptrdiff_t)stride[j], (ptrdiff_t)dilation[j],
                                    (ptrdiff_t)pads[j], (ptrdiff_t)pads[j + rank]};
        } else {
            axis->kernel = axis->size; /* an empty kernel: the whole map */
        }
        axis->out = (ptrdiff_t)amg_pool_windows(axis, ceil_mode);
        if (axis->out < 1) {
            return "no window fits, or kernel, stride, dilation or padding is out of range";
        }
    }
    return NULL;
}

static inline AMG_COLD int32_t amg_pool_check(amg_check *c, amg_step *s, int mean)
{
    amg_pool_plan p;
    int64_t dim[AMG_MAX_NDIM];
    const char *wrong;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_float(c, s)) {
        return c->status;
    }
    wrong = amg_pool_read(s, mean, &p);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    memcpy(dim, s->in[0]->dim, sizeof dim);
    for (int32_t i = 1; i < s->in[0]->ndim - 1; i++) {
        dim[i] = p.axis[i + 4 - s->in[0]->ndim].out;
    }
    return amg_set_out(c, s->out[0], AMG_F32, s->in[0]->ndim, dim);
}

typedef struct amg_pool_job {
    const amg_value *x, *y;
    amg_pool_plan plan;
    void (*kernel)(const amg_pool_run *r);
} amg_pool_job;

/* Window `at` of an axis: its taps inside (*first, *taps), and how many count for a mean. */
static inline ptrdiff_t amg_pool_taps(const amg_pool_axis *a, ptrdiff_t at, int32_t counted, ptrdiff_t *first, ptrdiff_t *taps)
{
    const ptrdiff_t start = at * a->stride - a->before, d = a->dilation;
    const ptrdiff_t skip = start < 0 ? (-start + d - 1) / d : 0;
    const ptrdiff_t end = start < a->size ? AMG_MIN((a->size - 1 - start) / d + 1, a->kernel) : 0;
    *first = start + skip * d;
    *taps = AMG_MAX(end - skip, 0);
    return counted ? AMG_MIN((a->size + a->after - 1 - start) / d + 1, a->kernel) : *taps;
}

/* Rows begin..end of the output: (batch, depth, height). */
static inline void amg_pool_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_pool_job *job = (const amg_pool_job *)arg;
    const amg_pool_axis *d = &job->plan.axis[0], *h = &job->plan.axis[1], *w = &job->plan.axis[2];
    const ptrdiff_t pitch = (ptrdiff_t)job->x->pitch, row = w->size * pitch, plane = h->size * row;
    const ptrdiff_t extent = (w->kernel - 1) * w->dilation + 1;
    (void)thread;
    for (ptrdiff_t i = (ptrdiff_t)begin; i < (ptrdiff_t)end; i++) {
        const ptrdiff_t n = i / (d->out * h->out), z = i / h->out % d->out, y = i % h->out;
        ptrdiff_t fz, fy, fx;
        amg_pool_run r = {.tap_step = {AMG_MIN(d->dilation, d->size) * plane, AMG_MIN(h->dilation, h->size) * row,
                                       AMG_MIN(w->dilation, w->size) * pitch}, /* a step beyond the map is never taken */
                          .x_step = AMG_MIN(w->stride, w->size) * pitch, .y_step = (ptrdiff_t)job->y->pitch,
                          .channels = (ptrdiff_t)job->x->dim[job->x->ndim - 1]};
        const ptrdiff_t outer = amg_pool_taps(d, z, job->plan.counted, &fz, &r.taps[0]) *
                              amg_pool_taps(h, y, job->plan.counted, &fy, &r.taps[1]);
        const float *rows = (const float *)job->x->data + n * d->size * plane + (r.taps[0] ? fz : 0) * plane +
                            (r.taps[1] ? fy : 0) * row;
        for (ptrdiff_t x = 0; x < w->out; x += r.windows) {
            const ptrdiff_t count = amg_pool_taps(w, x, job->plan.counted, &fx, &r.taps[2]);
            const ptrdiff_t start = x * w->stride - w->before; /* whole windows run on as long as they stay inside */
            const ptrdiff_t whole = start < 0 || start + extent > w->size ? 1 : (w->size - extent - start) / w->stride + 1;
            r.windows = AMG_MIN(whole, w->out - x);
            r.divisor = (float)AMG_MAX(outer * count, 1);
            r.x = rows + (r.taps[2] ? fx : 0) * pitch;
            r.y = (float *)job->y->data + (i * w->out + x) * r.y_step;
            job->kernel(&r);
        }
    }
}

static inline void amg_pool_on(const amg_step *s, const amg_context *t, int mean, void (*kernel)(const amg_pool_run *r))
{
    amg_pool_job job = {.x = s->in[0], .y = s->out[0], .kernel = kernel};
    const amg_pool_axis *axis = job.plan.axis;
    int64_t work;
    (void)amg_pool_read(s, mean, &job.plan);
    work = (int64_t)axis[2].out * s->in[0]->dim[s->in[0]->ndim - 1];
    for (int32_t i = 0; i < 3; i++) {
        work *= AMG_MIN(axis[i].kernel, axis[i].size);
    }
    amg_parallel(t, s->in[0]->dim[0] * axis[0].out * axis[1].out, 1 + 32768 / AMG_MAX(work, 1), amg_pool_rows, &job);
}

#endif
