/* resize.c - interpolates maps to another height and width, rows first, then pixels. x: [N, H, W, C] or [N, W, C], float32.
 * Attributes: as amalgamate/ops/resize.py lists and defines them. x and y may be slices of concatenated buffers.
 * Coordinates are computed in double precision; the taps of columns once per thread, those of rows as they come. */
#include "kernels/resize.h"
#include "op.h"

#include <math.h>

enum { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };
enum { RESIZE_HALF_PIXEL, RESIZE_SYMMETRIC, RESIZE_PYTORCH, RESIZE_ALIGN, RESIZE_ASYMMETRIC, RESIZE_CROP };
enum { RESIZE_PREFER_FLOOR, RESIZE_PREFER_CEIL, RESIZE_FLOOR, RESIZE_CEIL };

typedef struct resize_axis {
    int64_t n, out, reach; /* taps from 1 - reach to reach around the coordinate; 0: the nearest */
    double scale, stretch, start, end;
} resize_axis;

typedef struct resize_plan {
    const amg_value *x, *y;
    int32_t mode, coordinates, nearest, exclude_outside;
    double cubic_a;
    float extrapolation;
    resize_axis axis[2];
    size_t column_bytes, row_bytes; /* scratch: taps of columns; pointers (8 bytes) and taps of a row; then a row of x */
} resize_plan;

/* Sets the output size and reach of an axis; 0 where scale and size do not make sense. */
static int resize_axis_set(resize_axis *a, const resize_plan *p, double scale, int64_t size, int32_t antialias)
{
    const double whole = scale * (double)a->n, most = 2147483647.0;
    const double out = size > 0 ? (double)size : floor((double)((float)scale * (float)a->n)); /* as ONNX infers shapes */
    if (size < 0 || !(scale >= 0) || !(out >= 1) || !(out <= most)) {
        return 0;
    }
    if (scale > 0 && !(whole >= 0.5 && fabs(whole - out) <= 1)) {
        return 0;
    }
    a->out = (int64_t)out;
    a->scale = scale > 0 ? scale : out / (double)a->n;
    a->stretch = antialias && a->scale < 1 ? a->scale : 1;
    a->reach = 0;
    if (p->mode != RESIZE_NEAREST && a->n > 1) {
        a->reach = (int64_t)ceil((p->mode == RESIZE_LINEAR ? 1 : 2) / a->stretch);
    }
    return 1;
}

static int64_t resize_taps_of(const resize_axis *a)
{
    return a->reach ? 2 * a->reach : 1;
}

/* Reads the attributes; returns what is wrong, or NULL. */
static const char *resize_read(const amg_step *s, resize_plan *p)
{
    amg_attrs a = amg_attrs_of(s);
    const amg_value *x = s->in[0];
    double scale[2];
    int64_t size[2];
    int32_t antialias, good = 1;
    p->x = x;
    p->y = s->out[0];
    p->mode = amg_attr_int(&a);
    p->coordinates = amg_attr_int(&a);
    p->nearest = amg_attr_int(&a);
    scale[0] = (double)amg_attr_float(&a);
    scale[1] = (double)amg_attr_float(&a);
    size[0] = amg_attr_int(&a);
    size[1] = amg_attr_int(&a);
    antialias = amg_attr_int(&a);
    p->exclude_outside = amg_attr_int(&a);
    p->cubic_a = (double)amg_attr_float(&a);
    p->extrapolation = amg_attr_float(&a);
    for (int32_t i = 0; i < 2; i++) {
        p->axis[i].start = (double)amg_attr_float(&a);
        p->axis[i].end = (double)amg_attr_float(&a);
        good = good && fabs(p->axis[i].start) < 1e6 && fabs(p->axis[i].end) < 1e6;
    }
    if (!amg_attrs_done(&a) || p->mode < 0 || p->mode > RESIZE_CUBIC || p->coordinates < 0 ||
        p->coordinates > RESIZE_CROP || p->nearest < 0 || p->nearest > RESIZE_CEIL || !good) {
        return "an attribute is out of range";
    }
    if (x->ndim != 3 && x->ndim != 4) {
        return "its input has neither 1 nor 2 spatial axes";
    }
    if (x->ndim == 3) {
        scale[0] = 1;
        size[0] = 0;
    }
    for (int32_t i = 0; i < 2; i++) {
        p->axis[i].n = i || x->ndim == 4 ? x->dim[x->ndim - 3 + i] : 1;
        if (!resize_axis_set(&p->axis[i], p, scale[i], size[i], antialias)) {
            return "scale and size are out of range, or contradict each other";
        }
    }
    return NULL;
}

/* *bytes += count * size, rounded up to whole cache lines; 0 where that is too much. */
static int resize_add_bytes(size_t *bytes, int64_t count, int64_t size)
{
    int64_t more;
    if (!amg_mul(count, size, &more) || more > INT32_MAX - 64) {
        return 0;
    }
    *bytes += (size_t)amg_round_up(more, 64);
    return 1;
}

/* The scratch that a thread needs; 0 where that is too much. */
static int resize_layout(resize_plan *p, size_t *scratch)
{
    const int64_t c = p->x->dim[p->x->ndim - 1];
    const resize_axis *h = &p->axis[0], *w = &p->axis[1];
    int64_t row;
    p->column_bytes = p->row_bytes = *scratch = 0;
    if (!resize_add_bytes(&p->column_bytes, w->out, 4) ||
        !resize_add_bytes(&p->column_bytes, w->out, 4 * resize_taps_of(w)) ||
        !resize_add_bytes(&p->row_bytes, resize_taps_of(h), 8) ||
        !resize_add_bytes(&p->row_bytes, resize_taps_of(h), 4) || !amg_mul(w->n, c, &row) ||
        !resize_add_bytes(scratch, row, 4)) {
        return 0;
    }
    *scratch += p->column_bytes + p->row_bytes;
    return 1;
}

static AMG_COLD int32_t resize_check(amg_check *c, amg_step *s)
{
    resize_plan p;
    int64_t dim[AMG_MAX_NDIM];
    const char *wrong;
    if (amg_check_arity(c, s, 1, 1, 1) || amg_check_float(c, s)) {
        return c->status;
    }
    wrong = resize_read(s, &p);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    if (!resize_layout(&p, &s->scratch)) {
        return amg_fail(c, AMG_E_SHAPE, "its rows are too large");
    }
    memcpy(dim, s->in[0]->dim, sizeof dim);
    for (int32_t i = 1; i < s->in[0]->ndim - 1; i++) {
        dim[i] = p.axis[i + 3 - s->in[0]->ndim].out;
    }
    return amg_set_out(c, s->out[0], AMG_F32, s->in[0]->ndim, dim);
}

/* The source coordinate of output pixel o. */
static double resize_source(const resize_plan *p, const resize_axis *a, int64_t o)
{
    const double n = (double)a->n, at = (double)o, whole = a->scale * n;
    switch (p->coordinates) {
    case RESIZE_ALIGN:
        return whole == 1 ? 0 : at * (n - 1) / (whole - 1);
    case RESIZE_ASYMMETRIC:
        return at / a->scale;
    case RESIZE_CROP:
        return a->start * (n - 1) +
               (whole == 1 ? (a->end - a->start) * (n - 1) / 2 : at * (a->end - a->start) * (n - 1) / (whole - 1));
    case RESIZE_PYTORCH:
        return whole == 1 ? -0.5 : (at + 0.5) / a->scale - 0.5;
    case RESIZE_SYMMETRIC:
        return n / 2 * (1 - (double)a->out / whole) + (at + 0.5) / a->scale - 0.5;
    default:
        return (at + 0.5) / a->scale - 0.5;
    }
}

static double resize_filter(const resize_plan *p, double d)
{
    const double a = p->cubic_a;
    if (p->mode == RESIZE_LINEAR) {
        return d < 1 ? 1 - d : 0;
    }
    if (d <= 1) {
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static double resize_nearest(const resize_plan *p, double x)
{
    switch (p->nearest) {
    case RESIZE_PREFER_FLOOR:
        return ceil(x - 0.5);
    case RESIZE_PREFER_CEIL:
        return floor(x + 0.5);
    case RESIZE_FLOOR:
        return floor(x);
    default:
        return ceil(x);
    }
}

/* The first tap of output pixel o and the weights of all; returns 1 where it lies outside of the map to crop from. */
static int resize_weigh(const resize_plan *p, const resize_axis *a, int64_t o, int64_t *first, float *weight)
{
    const double source = resize_source(p, a, o), least = -1.0 - (double)a->reach, most = (double)(a->n + a->reach);
    const double x = source > most ? most : source >= least ? source : least; /* beyond, all taps read the edge */
    const int64_t taps = resize_taps_of(a);
    double sum = 0;
    if (!a->reach) {
        *first = (int64_t)resize_nearest(p, x);
        weight[0] = 1;
    } else {
        *first = (int64_t)floor(x) + 1 - a->reach;
        for (int64_t t = 0; t < taps; t++) {
            const int64_t at = *first + t;
            const int outside = p->exclude_outside && (at < 0 || at >= a->n);
            const double w = outside ? 0 : resize_filter(p, fabs((double)at - x) * a->stretch);
            weight[t] = (float)w;
            sum += w;
        }
        for (int64_t t = 0; t < taps && sum != 0; t++) {
            weight[t] = (float)((double)weight[t] / sum);
        }
    }
    return p->coordinates == RESIZE_CROP && (source < 0 || source > (double)(a->n - 1));
}

typedef struct resize_job {
    const resize_plan *plan;
    const amg_context *context;
} resize_job;

/* The parts of a thread's scratch. */
typedef struct resize_area {
    int32_t *first;      /* [columns] */
    float *weight;       /* [columns][taps] */
    const float **row;   /* [taps of rows] */
    float *row_weight;   /* [taps of rows] */
    float *mixed;        /* a row of x */
} resize_area;

static resize_area resize_area_of(const resize_plan *p, char *scratch)
{
    resize_area area;
    const size_t firsts = (size_t)amg_round_up(p->axis[1].out * 4, 64);
    const size_t pointers = (size_t)amg_round_up(resize_taps_of(&p->axis[0]) * 8, 64);
    area.first = (int32_t *)(void *)scratch;
    area.weight = (float *)(void *)(scratch + firsts);
    area.row = (const float **)(void *)(scratch + p->column_bytes);
    area.row_weight = (float *)(void *)(scratch + p->column_bytes + pointers);
    area.mixed = (float *)(void *)(scratch + p->column_bytes + p->row_bytes);
    return area;
}

static void resize_columns(const resize_plan *p, const resize_area *area)
{
    const int64_t taps = resize_taps_of(&p->axis[1]);
    for (int64_t o = 0; o < p->axis[1].out; o++) {
        int64_t first;
        (void)resize_weigh(p, &p->axis[1], o, &first, area->weight + o * taps);
        area->first[o] = (int32_t)first;
    }
}

/* The row of x, mixed from several where there are taps, that the pixels of an output row are made of; *pitch is its pitch. */
static const float *resize_mix(const resize_job *job, const resize_area *area, int64_t batch, int64_t first, int64_t *pitch)
{
    const resize_plan *p = job->plan;
    const resize_axis *h = &p->axis[0], *w = &p->axis[1];
    const int64_t channels = p->x->dim[p->x->ndim - 1], taps = resize_taps_of(h), step = p->x->pitch;
    const int64_t run = step == channels ? w->n * channels : channels;
    for (int64_t t = 0; t < taps; t++) {
        const int64_t y = AMG_MAX(AMG_MIN(first + t, h->n - 1), 0);
        area->row[t] = (const float *)p->x->data + (batch * h->n + y) * w->n * step;
    }
    *pitch = taps == 1 ? step : channels;
    if (taps == 1) {
        return area->row[0];
    }
    for (int64_t at = 0; at < w->n * channels; at += run) {
        amg_resize[job->context->isa]->rows(area->row, area->row_weight, taps, area->mixed + at, run);
        for (int64_t t = 0; t < taps; t++) {
            area->row[t] += step;
        }
    }
    return area->mixed;
}

static void resize_fill(const resize_plan *p, float *y)
{
    for (int64_t c = 0; c < p->x->dim[p->x->ndim - 1]; c++) {
        y[c] = p->extrapolation;
    }
}

/* Rows begin..end of the output: (batch, height). */
static void resize_rows_of(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const resize_job *job = (const resize_job *)arg;
    const resize_plan *p = job->plan;
    const resize_axis *h = &p->axis[0], *w = &p->axis[1];
    const resize_area area = resize_area_of(p, (char *)amg_scratch_of(job->context, thread));
    const amg_resize_taps columns = {w->n, w->out, resize_taps_of(w), area.first, area.weight};
    const int64_t y_pitch = p->y->pitch;
    resize_columns(p, &area);
    for (int64_t i = begin; i < end; i++) {
        float *y = (float *)p->y->data + i * w->out * y_pitch;
        int64_t first, pitch;
        const int outside = resize_weigh(p, h, i % h->out, &first, area.row_weight);
        const float *row = resize_mix(job, &area, i / h->out, first, &pitch);
        amg_resize[job->context->isa]->pixels(&columns, row, pitch, y, y_pitch, p->x->dim[p->x->ndim - 1]);
        for (int64_t o = 0; o < w->out && p->coordinates == RESIZE_CROP; o++) {
            const double x = resize_source(p, w, o);
            if (outside || x < 0 || x > (double)(w->n - 1)) {
                resize_fill(p, y + o * y_pitch);
            }
        }
    }
}

static void resize_run(const amg_step *s, const amg_context *t)
{
    resize_plan p;
    resize_job job = {&p, t};
    size_t scratch;
    (void)resize_read(s, &p);
    (void)resize_layout(&p, &scratch);
    amg_parallel(t, p.x->dim[0] * p.axis[0].out, 8, resize_rows_of, &job);
}

AMG_INTERNAL const amg_op amg_op_resize = {"resize", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, resize_check, resize_run};
