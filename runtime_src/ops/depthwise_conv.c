/* depthwise_conv.c - every channel with kernels of its own: y[c m + i] = act(bias + sum over taps t of x[at t][c] w[t][c m + i]
 * (+ add)).
 *
 * x [N, H, W, C] or [N, W, C]; weights as lane rows [kh * kw, C m], constant; bias [C m]; add as y. Attributes as conv's,
 * group is C. Not in place. */
#include "kernels/activate.h"
#include "kernels/depthwise.h"
#include "kernels/fused.h"
#include "kernels/window.h"
#include "op.h"

typedef struct depthwise_conv_plan {
    amg_window win;
    amg_nhwc x, y;
    int64_t multiplier; /* outputs per channel */
    int64_t scratch;    /* bytes: input rows with every channel `multiplier` times, where that is not 1 */
} depthwise_conv_plan;

static const char *depthwise_conv_read(const amg_step *s, depthwise_conv_plan *p, int64_t out[2])
{
    amg_attrs attrs = amg_attrs_of(s);
    const amg_value *w = s->in[1];
    const char *wrong = amg_attr_window(&attrs, &p->win);
    int64_t taps, floats = 0;
    if (wrong || !amg_attrs_done(&attrs) || p->win.dynamic) {
        return wrong ? wrong : "attributes are missing, superfluous or unknown";
    }
    if (s->in[0]->ndim != p->win.rank + 2 || !amg_nhwc_of(s->in[0], &p->x) || p->x.c != p->win.group) {
        return "the input has another number of axes than the kernel needs, or group is not its channels";
    }
    if (!amg_mul(p->win.kernel[0], p->win.kernel[1], &taps) || w->dtype != AMG_F32 || w->packing != AMG_LANE_ROWS ||
        w->ndim != 2 || w->dim[0] != taps || w->dim[1] % p->x.c) {
        return "the weights do not fit kernel and input channels";
    }
    p->multiplier = w->dim[1] / p->x.c;
    if (p->multiplier > 1 && (!amg_mul(p->win.kernel[0], p->x.w, &floats) ||
                              !amg_mul(floats, amg_round_up(w->dim[1], AMG_LANES), &floats) || floats > INT64_MAX / 16)) {
        return "the input rows are too large to be expanded";
    }
    p->scratch = floats * 4;
    return amg_window_over(&p->win, &p->x, out);
}

static AMG_COLD int32_t depthwise_conv_check(amg_check *c, amg_step *s)
{
    depthwise_conv_plan p;
    int64_t out[2];
    int32_t status = amg_window_inputs(c, s);
    if (status) {
        return status;
    }
    const char *wrong = depthwise_conv_read(s, &p, out);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    s->by_rows = 1;
    return amg_window_results(c, s, &p.win, p.x.n, out, s->in[1]->dim[1], s->in[1]->dim[0], p.scratch);
}

/* What the threads of one run share. */
typedef struct depthwise_conv_work {
    const amg_context *t;
    depthwise_conv_plan p;
    const float *x, *w, *bias, *add;
    float *out;
    int64_t add_pitch;
    float lo, hi;
} depthwise_conv_work;

/* Every channel `multiplier` times, so that outputs and inputs of a depthwise convolution lie lane by lane. */
static void depthwise_conv_expand(const depthwise_conv_plan *p, const float *x, float *out, int64_t pitch)
{
    for (int64_t i = 0; i < p->x.w; i++) {
        for (int64_t c = 0; c < p->x.c * p->multiplier; c++) {
            out[i * pitch + c] = x[i * p->x.pitch + c / p->multiplier];
        }
    }
}

/* Whether the kernels for 3x3 do it. */
static int32_t depthwise_conv_square(const depthwise_conv_plan *p)
{
    const amg_window *w = &p->win;
    return !AMG_SMALL && w->kernel[0] == 3 && w->kernel[1] == 3 && w->dilation[0] == 1 && w->dilation[1] == 1 &&
           w->stride[0] == w->stride[1] && w->stride[1] <= 2 && w->before[1] <= 1 && p->y.w >= 4 &&
           (p->y.w - 1) * w->stride[1] + 3 - w->before[1] <= p->x.w + 1;
}

/* Items are output rows. */
static void depthwise_conv_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const depthwise_conv_work *j = (const depthwise_conv_work *)arg;
    const depthwise_conv_plan *p = &j->p;
    const amg_window *w = &p->win;
    int64_t n = p->x.c * p->multiplier, lanes = amg_round_up(n, AMG_LANES), wide = p->multiplier > 1;
    float *expanded = (float *)amg_scratch_of(j->t, thread);
    int64_t x_row = w->dilation[0] * p->x.w * p->x.pitch;
    amg_depthwise_layer d = {j->bias, n, p->x.w, p->y.w, w->kernel[0], w->kernel[1], w->stride[1], w->dilation[1],
                             w->before[1], wide ? lanes : p->x.pitch, wide ? p->x.w * lanes : x_row, lanes,
                             p->y.pitch, j->add_pitch, j->lo, j->hi, depthwise_conv_square(p)};
    const int32_t several = d.square && d.stride == 1 && !wide && n % AMG_LANES == 0;
    const int64_t most = several ? amg_depthwise[j->t->isa]->lines : 1; /* output rows in one go, away from the padding */
    for (int64_t line = begin, lines; line < end; line += lines) {
        int64_t iy = line % p->y.h * w->stride[0] - w->before[0], ky0 = 0, ky1 = w->kernel[0];
        ky0 = iy < 0 ? AMG_MIN((-iy + w->dilation[0] - 1) / w->dilation[0], ky1) : 0;
        ky1 = iy < p->x.h ? AMG_MIN(ky1, (p->x.h - 1 - iy) / w->dilation[0] + 1) : ky0;
        int64_t rows = AMG_MAX(ky1 - ky0, 0), first = line / p->y.h * p->x.h + iy + ky0 * w->dilation[0];
        const float *x = rows ? j->x + first * p->x.w * p->x.pitch : j->x;
        for (int64_t ky = 0; ky < rows && wide; ky++) {
            depthwise_conv_expand(p, x + ky * x_row, expanded + ky * d.x_row, lanes);
        }
        lines = ky0 == 0 && line + most <= end && iy + most + 1 < p->x.h ? most : 1;
        amg_depthwise_row r = {wide ? expanded : x, j->w + ky0 * w->kernel[1] * lanes, NULL, NULL, rows, (int32_t)lines};
        r.add = j->add ? j->add + line * p->y.w * j->add_pitch : NULL;
        r.out = j->out + line * p->y.w * p->y.pitch;
        amg_depthwise[j->t->isa]->row(&d, &r);
        amg_activate_rows(&w->act, j->t->isa, r.out, lines * p->y.w, n, p->y.pitch);
    }
}

static void depthwise_conv_run(const amg_step *s, const amg_context *t)
{
    depthwise_conv_work j;
    int64_t out[2];
    (void)depthwise_conv_read(s, &j.p, out);
    (void)amg_nhwc_of(s->out[0], &j.p.y);
    j.t = t;
    j.x = amg_in_f32(s, 0);
    j.w = amg_in_f32(s, 1);
    j.bias = amg_in_f32(s, 2);
    j.add = amg_in_f32(s, 3);
    j.add_pitch = j.add ? s->in[3]->pitch : 0;
    j.out = amg_out_f32(s, 0);
    amg_activation_clamp(&j.p.win.act, &j.lo, &j.hi);
    amg_parallel(t, j.p.y.n * j.p.y.h, 1, depthwise_conv_job, &j);
}

AMG_INTERNAL const amg_op amg_op_depthwise_conv = {
    "depthwise_conv", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, depthwise_conv_check, depthwise_conv_run
};
