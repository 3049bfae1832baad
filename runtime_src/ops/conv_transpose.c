/* conv_transpose.c - y[o, s i + d t - pad] += x[i, c] w[o, t, c], then bias and activation.
 *
 * x [N, H, W, C] or [N, W, C]; weights as panels [group, O / group, kh * kw * I], or plain [C, O / group, kh, kw] where
 * they are not constant; bias [O]. Not in place. Outputs `stride` apart read the same taps: each such phase of an
 * output row is a matrix product of rows reached through pointers, and every output is written once. */
#include "kernels/activate.h"
#include "kernels/fused.h"
#include "kernels/gemm.h"
#include "kernels/panels.h"
#include "kernels/window.h"
#include "op.h"

#define CONV_TRANSPOSE_TILES 16 /* most tiles that share the weights in cache */

typedef struct conv_transpose_plan {
    amg_window win;
    amg_nhwc x, y;
    int64_t taps, inputs, outputs, k, out[2]; /* inputs and outputs per group; k = taps * inputs */
    int64_t tiles;
    int64_t runs_at, zeros_at, packed_at; /* bytes into the scratch, which begins with the row pointers */
    int64_t scratch;
} conv_transpose_plan;

static const char *conv_transpose_shape(amg_attrs *attrs, conv_transpose_plan *p)
{
    const amg_window *w = &p->win;
    int64_t more[2], in[2] = {p->x.h, p->x.w};
    if (amg_attr_list(attrs, 2, more) != w->rank || !amg_attrs_done(attrs)) {
        return "output_padding is not one number per axis, or attributes are superfluous";
    }
    for (int i = 0; i < 2; i++) {
        int64_t added = w->rank == 2 ? more[i] : i ? more[0] : 0, steps;
        if (added < 0 || !amg_mul(in[i] - 1, w->stride[i], &steps) || steps > INT64_MAX / 2) {
            return "output_padding is negative or the output too large";
        }
        p->out[i] = steps + (w->kernel[i] - 1) * w->dilation[i] + 1 - w->before[i] - w->after[i] + added;
        if (p->out[i] < 1) {
            return "the padding leaves nothing of the output";
        }
    }
    return NULL;
}

static const char *conv_transpose_weights(const amg_value *w, conv_transpose_plan *p)
{
    const amg_window *win = &p->win;
    int fits;
    if (w->dtype != AMG_F32 || p->x.c % win->group || !amg_mul(win->kernel[0], win->kernel[1], &p->taps)) {
        return "the channels are not divisible by group, or weights are not float32";
    }
    p->inputs = p->x.c / win->group;
    if (!amg_mul(p->taps, p->inputs, &p->k)) {
        return "the kernel is too large";
    }
    if (win->dynamic) {
        fits = w->packing == AMG_PLAIN && w->ndim == win->rank + 2 && w->dim[0] == p->x.c &&
               w->dim[w->ndim - 1] == win->kernel[1] && (win->rank == 1 || w->dim[2] == win->kernel[0]);
    } else {
        fits = w->packing == AMG_PANELS && w->ndim == 3 && w->dim[0] == win->group && w->dim[2] == p->k;
    }
    p->outputs = fits ? w->dim[1] : 0;
    return fits && p->outputs >= 1 ? NULL : "the weights do not fit kernel, group and input channels";
}

static const char *conv_transpose_read(const amg_step *s, conv_transpose_plan *p)
{
    amg_attrs attrs = amg_attrs_of(s);
    const char *wrong = amg_attr_window(&attrs, &p->win);
    int64_t bytes, packed = 0;
    if (wrong) {
        return wrong;
    }
    if (s->in[0]->ndim != p->win.rank + 2 || !amg_nhwc_of(s->in[0], &p->x)) {
        return "the input has another number of axes than the kernel needs";
    }
    if ((wrong = conv_transpose_shape(&attrs, p)) || (wrong = conv_transpose_weights(s->in[1], p))) {
        return wrong;
    }
    if (p->win.dynamic) {
        packed = amg_panels_floats(p->win.group, p->outputs, p->k);
    }
    if (!amg_mul(p->taps, CONV_TRANSPOSE_TILES * (AMG_GEMM_MAX_ROWS + 1) * 8, &bytes) || bytes > INT64_MAX / 4 ||
        p->x.c > INT64_MAX / 64 || (p->win.dynamic && packed < 1)) {
        return "kernel or channels are too large";
    }
    p->tiles = AMG_MAX(1, AMG_MIN(CONV_TRANSPOSE_TILES, 512 / p->taps));
    p->runs_at = p->tiles * AMG_GEMM_MAX_ROWS * p->taps * 8;
    p->zeros_at = p->runs_at + p->tiles * p->taps * 8;
    p->packed_at = p->zeros_at + amg_round_up(p->x.c, AMG_LANES) * 4;
    p->scratch = p->packed_at + packed * 4;
    return NULL;
}

static AMG_COLD int32_t conv_transpose_check(amg_check *c, amg_step *s)
{
    conv_transpose_plan p;
    int64_t dim[4], n;
    int32_t status = amg_check_arity(c, s, 2, 3, 1);
    if (status) {
        return status;
    }
    const amg_value *x = s->in[0], *bias = s->n_in > 2 ? s->in[2] : NULL;
    if (!x || !s->in[1] || x->dtype != AMG_F32 || x->packing != AMG_PLAIN) {
        return amg_fail(c, AMG_E_SHAPE, "the input is not float32, or input or weights are missing");
    }
    const char *wrong = conv_transpose_read(s, &p);
    if (!wrong && !amg_mul(p.outputs, p.win.group, &n)) {
        wrong = "the output is too large";
    }
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    if (bias && (bias->dtype != AMG_F32 || bias->packing != AMG_PLAIN || bias->ndim != 1 || bias->dim[0] != n)) {
        return amg_fail(c, AMG_E_SHAPE, "the bias is not one float per output channel");
    }
    dim[0] = p.x.n;
    dim[1] = p.out[0];
    dim[p.win.rank] = p.out[1];
    dim[p.win.rank + 1] = n;
    if ((status = amg_set_out(c, s->out[0], AMG_F32, (int32_t)p.win.rank + 2, dim))) {
        return status;
    }
    s->scratch = (size_t)p.scratch;
    s->macs = (uint64_t)x->count * (uint64_t)p.outputs * (uint64_t)p.taps;
    if ((uint64_t)p.scratch > SIZE_MAX / 2) {
        return amg_fail(c, AMG_E_SHAPE, "the scratch is too large for this machine");
    }
    return AMG_OK;
}

typedef struct conv_transpose_work {
    const amg_context *t;
    conv_transpose_plan p;
    const float *x, *w, *bias;
    float *out, lo, hi;
} conv_transpose_work;

/* The input position that tap `tap` carries to output position `at`, or -1. */
static int64_t conv_transpose_source(const amg_window *w, int axis, int64_t at, int64_t tap, int64_t size)
{
    int64_t from = at + w->before[axis] - tap * w->dilation[axis];
    return from >= 0 && from % w->stride[axis] == 0 && from / w->stride[axis] < size ? from / w->stride[axis] : -1;
}

/* Points a tile at the inputs of outputs ox, ox + stride, ... of output row oy: a run per tap that this phase reads. */
static void conv_transpose_point(const conv_transpose_work *j, const float *zeros, int64_t image, int64_t oy,
                                 int64_t ox, amg_gemm_tile *tile, const float **row, int64_t *k_first)
{
    const conv_transpose_plan *p = &j->p;
    const amg_window *w = &p->win;
    tile->row = row;
    tile->k_first = k_first;
    tile->len = p->inputs;
    tile->runs = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++) {
        int64_t iy = conv_transpose_source(w, 0, oy, ky, p->x.h);
        for (int64_t kx = 0; kx < w->kernel[1] && iy >= 0; kx++) {
            int64_t phase = (ox + w->before[1] - kx * w->dilation[1]) % w->stride[1];
            if (phase) {
                continue;
            }
            *k_first++ = (ky * w->kernel[1] + kx) * p->inputs;
            tile->runs++;
            for (int32_t i = 0; i < tile->height; i++) {
                int64_t at = ox + AMG_MIN(i, tile->rows - 1) * w->stride[1];
                int64_t ix = conv_transpose_source(w, 1, at, kx, p->x.w);
                *row++ = ix < 0 ? zeros : j->x + ((image * p->x.h + iy) * p->x.w + ix) * p->x.pitch;
            }
        }
    }
}

static void conv_transpose_tiles(const conv_transpose_work *j, amg_gemm_tile *tile, int64_t count)
{
    const conv_transpose_plan *p = &j->p;
    for (int64_t g = 0; g < p->win.group; g++) {
        const float *w = j->w + g * amg_round_up(p->outputs, AMG_LANES) * p->k, *bias = j->bias;
        amg_product product = {w, bias ? bias + g * p->outputs : NULL, p->outputs, p->k, g * p->inputs, j->lo, j->hi, 0};
        amg_gemm[j->t->isa]->tiles(&product, tile, count, 0, p->outputs);
        for (int64_t i = 0; i < count; i++) {
            tile[i].out += p->outputs;
        }
    }
}

/* Items are output rows. */
static void conv_transpose_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const conv_transpose_work *j = (const conv_transpose_work *)arg;
    const conv_transpose_plan *p = &j->p;
    int64_t stride = p->win.stride[1];
    char *scratch = (char *)amg_scratch_of(j->t, thread);
    const float **rows = (const float **)(void *)scratch;
    int64_t *runs = (int64_t *)(void *)(scratch + p->runs_at);
    float *zeros = (float *)(void *)(scratch + p->zeros_at);
    amg_gemm_tile tile[CONV_TRANSPOSE_TILES];
    memset(zeros, 0, (size_t)(p->packed_at - p->zeros_at));
    for (int64_t line = begin; line < end; line++) {
        float *out = j->out + line * p->y.w * p->y.pitch;
        int64_t count = 0;
        for (int64_t phase = 0; phase < AMG_MIN(stride, p->y.w); phase++) {
            int64_t left = (p->y.w - phase + stride - 1) / stride;
            for (int64_t ox = phase; left > 0; count++) {
                if (count == p->tiles) {
                    conv_transpose_tiles(j, tile, count);
                    count = 0;
                }
                int32_t height = amg_gemm_height(amg_gemm[j->t->isa], p->outputs, left);
                int32_t used = (int32_t)AMG_MIN(height, left);
                float *at = out + ox * p->y.pitch;
                tile[count] = (amg_gemm_tile){NULL, NULL, 0, 0, height, used, at, stride * p->y.pitch, NULL, 0};
                conv_transpose_point(j, zeros, line / p->y.h, line % p->y.h, ox, tile + count,
                                     rows + count * AMG_GEMM_MAX_ROWS * p->taps, runs + count * p->taps);
                ox += used * stride;
                left -= used;
            }
        }
        conv_transpose_tiles(j, tile, count);
        amg_activate_rows(&p->win.act, j->t->isa, out, p->y.w, p->y.c, p->y.pitch);
    }
}

/* Packs weights that are not constant into the scratch of the first thread, where all read them. */
static const float *conv_transpose_pack(const amg_step *s, const amg_context *t, const conv_transpose_plan *p)
{
    const amg_value *v = s->in[1];
    float *packed = (float *)(void *)((char *)amg_scratch_of(t, 0) + p->packed_at);
    int64_t plane = p->win.kernel[0] * v->pitch, step = p->outputs * plane;
    for (int64_t g = 0; g < p->win.group; g++) {
        amg_matrix_view view = {(const float *)v->data + g * p->inputs * step, p->outputs, p->win.kernel[0],
                                p->win.kernel[1], p->inputs, plane, v->pitch, 1, step};
        amg_pack_panels(&view, packed + g * amg_round_up(p->outputs, AMG_LANES) * p->k);
    }
    return packed;
}

static void conv_transpose_run(const amg_step *s, const amg_context *t)
{
    conv_transpose_work j;
    (void)conv_transpose_read(s, &j.p);
    (void)amg_nhwc_of(s->out[0], &j.p.y);
    j.t = t;
    j.x = amg_in_f32(s, 0);
    j.w = j.p.win.dynamic ? conv_transpose_pack(s, t, &j.p) : amg_in_f32(s, 1);
    j.bias = amg_in_f32(s, 2);
    j.out = amg_out_f32(s, 0);
    amg_activation_clamp(&j.p.win.act, &j.lo, &j.hi);
    amg_parallel(t, j.p.y.n * j.p.y.h, 1, conv_transpose_job, &j);
}

AMG_INTERNAL const amg_op amg_op_conv_transpose = {"conv_transpose", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT,
                                                   conv_transpose_check, conv_transpose_run};
