/* conv.c - y[o] = act(bias[o] + sum over taps t and channels i of the group of x[at t][i] w[o][t][i] (+ add[o])).
 *
 * x [N, H, W, C] or [N, W, C]; weights as panels [group, O / group, kh * kw * I], or plain [O, I, kh, kw] where they are
 * not constant; bias [O]; add as y. Not in place.
 * A matrix product whose rows are reached through pointers: nothing is copied but zeros for the padding; or Winograd's way. */
#include "kernels/activate.h"
#include "kernels/fused.h"
#include "kernels/gemm.h"
#include "kernels/panels.h"
#include "kernels/window.h"
#include "kernels/winograd_layer.h"
#include "op.h"

#define CONV_TILES (AMG_SMALL ? 1 : 16) /* most tiles of a block: they share the weights in cache */
#define CONV_WINOGRAD (AMG_WINOGRAD && amg_winograd_here)
#define CONV_FAR (1024 * 1024)   /* floats of output, above which little of it stays in a second-level cache until it is read */
#define CONV_FLOATS (128 * 1024) /* most floats of input that a block reads: half a second-level cache of 1 MiB */

typedef struct conv_plan {
    amg_window win;
    amg_nhwc x, y;
    int64_t taps, inputs, outputs, k; /* inputs and outputs per group; k = taps * inputs */
    int32_t plain;                    /* 1x1 with nothing around it, a matrix product as it stands */
    int32_t winograd;                 /* 3x3 or 5x5 where Winograd's way pays, cut as `cut` says */
    amg_winograd_cut cut;
    int64_t tiles;                    /* per block */
    int64_t zeros_at, packed_at;      /* bytes into the scratch: a row of zeros; weights packed */
    int64_t pads_at, patch;           /* bytes into it: padded lines of few channels; floats of a tile */
    int64_t scratch;
} conv_plan;

/* Dimensions of the weights against window and input; sets inputs, outputs, taps and k. */
static const char *conv_weights(const amg_value *w, conv_plan *p)
{
    const amg_window *win = &p->win;
    int64_t depth, n;
    if (w->dtype != AMG_F32 || !amg_mul(win->kernel[0], win->kernel[1], &p->taps) || p->x.c % win->group) {
        return "the channels are not divisible by group, or weights are not float32";
    }
    p->inputs = p->x.c / win->group;
    if (!amg_mul(p->taps, p->inputs, &p->k)) {
        return "the kernel is too large";
    }
    if (win->dynamic) {
        int fits = w->packing == AMG_PLAIN && w->ndim == win->rank + 2 && w->dim[1] == p->inputs &&
                   w->dim[w->ndim - 1] == win->kernel[1] && (win->rank == 1 || w->dim[2] == win->kernel[0]);
        n = fits ? w->dim[0] : 0;
        depth = p->k;
    } else {
        int fits = w->packing == AMG_PANELS && w->ndim == 3 && w->dim[0] == win->group;
        depth = fits ? w->dim[2] : 0;
        if (!fits || !amg_mul(w->dim[0], w->dim[1], &n)) {
            n = 0;
        }
    }
    if (n < 1 || n % win->group || depth != p->k) {
        return "the weights do not fit kernel, group and input channels";
    }
    p->outputs = n / win->group;
    return NULL;
}

/* Chooses between the direct way and Winograd's; winograd_cut in amalgamate/ops/_winograd.py does the same. */
static void conv_choose(conv_plan *p, const int64_t out[2])
{
    const amg_window *w = &p->win;
    const int64_t taps = w->kernel[0];
    int ones = w->stride[0] == 1 && w->stride[1] == 1 && w->dilation[0] == 1 && w->dilation[1] == 1;
    p->winograd = CONV_WINOGRAD && (taps == 3 || taps == 5) && w->kernel[1] == taps && ones && !w->dynamic &&
                  amg_winograd_choose(p->x.n, out[0], out[1], taps, p->inputs, p->outputs, &p->cut);
}

/* Lays out the scratch; Conv.scratch in amalgamate/ops/conv.py computes the same. */
static const char *conv_scratch(conv_plan *p)
{
    const amg_window *w = &p->win;
    int64_t packed = 0, zeros, tile = 0, floats;
    p->plain = p->taps == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->group == 1 &&
               w->before[0] + w->before[1] + w->after[0] + w->after[1] == 0;
    if (w->dynamic) {
        packed = amg_panels_floats(w->group, p->outputs, p->k);
        if (packed < 1 || packed > INT64_MAX / 8) {
            return "the weights are too large to be packed";
        }
    }
    p->tiles = CONV_TILES;
    p->zeros_at = p->packed_at = p->pads_at = p->patch = 0;
    if (CONV_WINOGRAD && p->winograd) {
        p->scratch = amg_winograd_scratch(&p->cut);
        return NULL;
    }
    if (!p->plain) {
        int64_t read = AMG_MIN(w->stride[0], w->kernel[0]) * AMG_MIN(w->stride[1], w->kernel[1]); /* pixels per output */
        if (!amg_mul(w->kernel[1], p->x.c, &zeros) || zeros > INT64_MAX / 16 ||
            (!AMG_SMALL && (!amg_mul(p->x.c, AMG_GEMM_MAX_ROWS, &tile) || !amg_mul(tile, read, &tile))) ||
            !amg_mul(p->taps, AMG_GEMM_MAX_ROWS * 8 * CONV_TILES * AMG_LANES, &floats)) {
            return "kernel, stride or channels are too large";
        }
        p->tiles = AMG_SMALL ? 1 : AMG_MAX(1, AMG_MIN(CONV_TILES, AMG_MIN(512 / p->taps, CONV_FLOATS / tile)));
        p->zeros_at = p->tiles * AMG_GEMM_MAX_ROWS * p->taps * 8;
        p->pads_at = p->zeros_at + amg_round_up(zeros, AMG_LANES) * 4;
        if (!AMG_SMALL && p->x.c < AMG_LANES && w->group == 1 && w->stride[1] <= w->kernel[1] && w->before[1] + w->after[1] > 0) {
            p->patch = AMG_GEMM_MAX_ROWS * p->k;
        }
        p->packed_at = p->pads_at + amg_round_up(p->patch * p->tiles, AMG_LANES) * 4;
    }
    if (p->packed_at > INT64_MAX / 4) {
        return "kernel or channels are too large";
    }
    p->scratch = p->packed_at + packed * 4;
    return NULL;
}

static const char *conv_read(const amg_step *s, conv_plan *p, int64_t out[2])
{
    amg_attrs attrs = amg_attrs_of(s);
    const char *wrong = amg_attr_window(&attrs, &p->win);
    if (wrong || !amg_attrs_done(&attrs)) {
        return wrong ? wrong : "attributes are missing, superfluous or unknown";
    }
    if (s->in[0]->ndim != p->win.rank + 2 || !amg_nhwc_of(s->in[0], &p->x)) {
        return "the input has another number of axes than the kernel needs";
    }
    if ((wrong = amg_window_over(&p->win, &p->x, out)) || (wrong = conv_weights(s->in[1], p))) {
        return wrong;
    }
    conv_choose(p, out);
    return conv_scratch(p);
}

static AMG_COLD int32_t conv_check(amg_check *c, amg_step *s)
{
    conv_plan p;
    int64_t out[2];
    int32_t status = amg_window_inputs(c, s);
    if (status) {
        return status;
    }
    const char *wrong = conv_read(s, &p, out);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    s->by_rows = !p.winograd && !p.win.dynamic;
    return amg_window_results(c, s, &p.win, p.x.n, out, p.outputs * p.win.group, p.k, p.scratch);
}

/* What the threads of one run share. */
typedef struct conv_work {
    const amg_context *t;
    conv_plan p;
    const float *x, *w, *bias, *add;
    float *out;
    int64_t add_pitch, block, slice; /* rows of a block, outputs of a slice */
    float lo, hi;
    int32_t distant; /* as in amg_product */
} conv_work;

static void conv_activate(const conv_work *j, float *row, int64_t count, int64_t width)
{
    amg_activate_rows(&j->p.win.act, j->t->isa, row, count, width, j->p.y.pitch);
}

/* Copies what `count` neighbouring pixels read of line iy of an image, from column ix on, with zeros for the padding. */
static const float *conv_pad(const conv_work *j, const float *line, ptrdiff_t ix, ptrdiff_t columns, float *to)
{
    const conv_plan *p = &j->p;
    ptrdiff_t end = ix + columns, first = AMG_MIN(AMG_MAX(ix, 0), end), last = AMG_MAX(first, AMG_MIN(end, (ptrdiff_t)p->x.w));
    ptrdiff_t c = (ptrdiff_t)p->x.c;
    memset(to, 0, (size_t)((first - ix) * c) * sizeof *to);
    memcpy(to + (first - ix) * c, line + first * c, (size_t)((last - first) * c) * sizeof *to);
    memset(to + (last - ix) * c, 0, (size_t)((end - last) * c) * sizeof *to);
    return to;
}

/* An output pixel. */
typedef struct conv_place {
    ptrdiff_t image, y, x;
} conv_place;

/* Points the rows of a tile at the patches of the pixels from `at` on, which moves past them: a run per line of the kernel
 * where every line lies inside the map's columns, or is copied to `pad` and padded, and is contiguous there; else a run per
 * tap. */
static void conv_point(const conv_work *j, const float *zeros, float *pad, conv_place *at, amg_gemm_tile *tile,
                       const float **row)
{
    const conv_plan *p = &j->p;
    const amg_window *w = &p->win;
    const ptrdiff_t kernel_h = (ptrdiff_t)w->kernel[0], kernel_w = (ptrdiff_t)w->kernel[1], c = (ptrdiff_t)p->x.pitch;
    const ptrdiff_t top = (ptrdiff_t)w->before[0], left = (ptrdiff_t)w->before[1], step = (ptrdiff_t)w->stride[1];
    const ptrdiff_t x_h = (ptrdiff_t)p->x.h, x_w = (ptrdiff_t)p->x.w, y_w = (ptrdiff_t)p->y.w;
    ptrdiff_t image = at->image, oy = at->y, ox = at->x;
    ptrdiff_t first = ox + tile->rows > y_w ? 0 : ox, last = AMG_MIN(ox + tile->rows, y_w) - 1;
    int whole = w->dilation[1] == 1 && w->group == 1 && c == p->x.c;
    int inside = first * step >= left && last * step - left + kernel_w <= x_w;
    int lines = whole && (inside || (!AMG_SMALL && p->patch));
    ptrdiff_t columns = lines ? 1 : kernel_w, count;
    tile->row = row;
    tile->runs = kernel_h * columns;
    tile->len = lines ? w->kernel[1] * p->x.c : p->inputs;
    for (ptrdiff_t i = 0; i < tile->rows; i += count) {
        const ptrdiff_t y = oy * (ptrdiff_t)w->stride[0] - top, x = ox * step - left;
        const float **to = row + i;
        count = AMG_MIN(tile->rows - i, y_w - ox);
        for (ptrdiff_t ky = 0; ky < kernel_h; ky++) {
            const ptrdiff_t iy = y + ky * (ptrdiff_t)w->dilation[0];
            if (iy < 0 || iy >= x_h) {
                for (ptrdiff_t kx = 0; kx < columns; kx++, to += tile->height) {
                    for (ptrdiff_t k = 0; k < count; k++) {
                        to[k] = zeros;
                    }
                }
                continue;
            }
            const float *line = j->x + (image * x_h + iy) * x_w * c;
            if (lines) {
                ptrdiff_t width = (count - 1) * step + kernel_w;
                const float *from = line + x * c;
                if (!AMG_SMALL && !inside && (x < 0 || x + width > x_w)) {
                    from = conv_pad(j, line, x, width, pad);
                    pad += width * c;
                }
                for (ptrdiff_t k = 0; k < count; k++) {
                    to[k] = from + k * step * c;
                }
                to += tile->height;
                continue;
            }
            for (ptrdiff_t kx = 0; kx < columns; kx++, to += tile->height) {
                for (ptrdiff_t k = 0; k < count; k++) {
                    const ptrdiff_t column = x + kx * (ptrdiff_t)w->dilation[1] + k * step;
                    to[k] = column >= 0 && column < x_w ? line + column * c : zeros;
                }
            }
        }
        if ((ox += count) < y_w) {
            break;
        }
        ox = 0;
        if (++oy == (ptrdiff_t)p->y.h) {
            oy = 0;
            image++;
        }
    }
    *at = (conv_place){image, oy, ox};
    for (ptrdiff_t run = 0; run < kernel_h * columns; run++) {
        for (ptrdiff_t i = tile->rows; i < tile->height; i++) {
            row[run * tile->height + i] = row[run * tile->height + tile->rows - 1];
        }
    }
}

/* Items are blocks of output pixels, times slices of the output channels. */
static void conv_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const conv_work *j = (const conv_work *)arg;
    const conv_plan *p = &j->p;
    const amg_gemm_kernels *gemm = amg_gemm[j->t->isa];
    char *scratch = (char *)amg_scratch_of(j->t, thread);
    const float **rows = (const float **)(void *)scratch;
    float *zeros = (float *)(void *)(scratch + p->zeros_at), *pads = (float *)(void *)(scratch + p->pads_at);
    int64_t pixels = p->y.n * p->y.h * p->y.w;
    amg_gemm_tile tile[CONV_TILES];
    memset(zeros, 0, (size_t)(p->pads_at - p->zeros_at));
    for (int64_t item = begin; item < end; item++) {
        int64_t n0, n1, m = amg_gemm_item(item, p->outputs, j->slice, &n0, &n1) * j->block;
        int64_t last = AMG_MIN(m + j->block, pixels), first = m, count = 0, line = m / p->y.w;
        conv_place at = {(ptrdiff_t)(line / p->y.h), (ptrdiff_t)(line % p->y.h), (ptrdiff_t)(m % p->y.w)};
        for (; m < last; m += tile[count++].rows) {
            int32_t height = amg_gemm_height(gemm, p->outputs, last - m);
            float *out = j->out + m * p->y.pitch;
            tile[count] = (amg_gemm_tile){NULL, NULL, 0, 0, height, (int32_t)AMG_MIN(height, last - m), out, p->y.pitch,
                                          j->add ? j->add + m * j->add_pitch : NULL, j->add_pitch};
            conv_point(j, zeros, pads + count * p->patch, &at, tile + count,
                       rows + count * AMG_GEMM_MAX_ROWS * p->taps);
        }
        for (int64_t g = 0; g < p->win.group; g++) {
            int64_t channel = g * p->outputs;
            const float *w = j->w + g * amg_round_up(p->outputs, AMG_LANES) * p->k;
            amg_product product = {w, j->bias ? j->bias + channel : NULL, p->outputs, p->k, g * p->inputs, j->lo, j->hi,
                                   j->distant};
            gemm->tiles(&product, tile, count, n0, n1);
            conv_activate(j, j->out + first * p->y.pitch + channel + n0, last - first, n1 - n0);
            for (int64_t i = 0; i < count; i++) {
                tile[i].out += p->outputs;
                tile[i].add = tile[i].add ? tile[i].add + p->outputs : NULL;
            }
        }
    }
}

/* Blocks of a 1x1 convolution. The last takes a row that would be left alone, and would be summed in another order. */
static int64_t conv_plain_blocks(const conv_work *j, int64_t pixels)
{
    return pixels < 2 ? 1 : (pixels - 2) / j->block + 1;
}

/* A 1x1 convolution: items as above. */
static void conv_plain_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const conv_work *j = (const conv_work *)arg;
    const conv_plan *p = &j->p;
    amg_product product = {j->w, j->bias, p->outputs, p->k, 0, j->lo, j->hi, j->distant};
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        int64_t n0, n1, m = amg_gemm_item(item, p->outputs, j->slice, &n0, &n1) * j->block;
        int64_t left = p->y.n * p->y.h * p->y.w - m;
        int64_t count = left <= j->block + 1 ? left : j->block;
        amg_gemm_matrix a = {j->x + m * p->x.pitch, j->add ? j->add + m * j->add_pitch : NULL, j->out + m * p->y.pitch,
                             count, p->x.pitch, j->add_pitch, p->y.pitch};
        amg_gemm[j->t->isa]->matrix(&product, &a, n0, n1);
        conv_activate(j, a.out + n0, count, n1 - n0);
    }
}

/* Items are pixels. */
static void conv_activate_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const conv_work *j = (const conv_work *)arg;
    (void)thread;
    conv_activate(j, j->out + begin * j->p.y.pitch, end - begin, j->p.win.group * j->p.outputs);
}

/* Packs weights that are not constant into the scratch of the first thread, where all read them. */
static const float *conv_pack(const amg_step *s, const amg_context *t, const conv_plan *p)
{
    const amg_value *v = s->in[1];
    const amg_window *w = &p->win;
    const float *from = (const float *)v->data;
    float *packed = (float *)(void *)((char *)amg_scratch_of(t, 0) + p->packed_at);
    for (int64_t g = 0; g < w->group; g++) {
        int64_t plane = w->kernel[0] * v->pitch, step = p->inputs * plane;
        amg_matrix_view view = {from + g * p->outputs * step, p->outputs, w->kernel[0], w->kernel[1], p->inputs,
                                step, v->pitch, 1, plane};
        amg_pack_panels(&view, packed + g * amg_round_up(p->outputs, AMG_LANES) * p->k);
    }
    return packed;
}

static void conv_run(const amg_step *s, const amg_context *t)
{
    conv_work j;
    int64_t out[2];
    (void)conv_read(s, &j.p, out);
    (void)amg_nhwc_of(s->out[0], &j.p.y);
    const amg_gemm_kernels *gemm = amg_gemm[t->isa];
    int64_t pixels = j.p.y.n * j.p.y.h * j.p.y.w;
    j.t = t;
    j.x = amg_in_f32(s, 0);
    j.w = j.p.win.dynamic ? conv_pack(s, t, &j.p) : amg_in_f32(s, 1);
    j.bias = amg_in_f32(s, 2);
    j.add = amg_in_f32(s, 3);
    j.add_pitch = j.add ? s->in[3]->pitch : 0;
    j.out = amg_out_f32(s, 0);
    j.distant = pixels * j.p.y.pitch > CONV_FAR;
    amg_activation_clamp(&j.p.win.act, &j.lo, &j.hi);
    if (CONV_WINOGRAD && j.p.winograd) {
        const conv_plan *p = &j.p;
        const amg_winograd_layer layer = {j.x, j.w, j.bias, j.add, j.out, p->x.n, p->x.h, p->x.w, p->inputs, p->x.pitch,
                                          p->y.h, p->y.w, p->outputs, p->y.pitch, j.add_pitch,
                                          p->win.before[0], p->win.before[1], j.lo, j.hi};
        amg_winograd_run(t, &layer, &p->cut, p->win.group);
        if (j.p.win.act.kind != AMG_ACT_NONE && j.p.win.act.kind != AMG_ACT_CLIP) {
            amg_parallel(t, pixels, 64, conv_activate_job, &j);
        }
        return;
    }
    int32_t height = amg_gemm_height(gemm, j.p.outputs, pixels);
    j.block = height * amg_gemm_block(t, j.p.outputs, pixels, height, j.p.tiles);
    int64_t blocks = j.p.plain ? conv_plain_blocks(&j, pixels) : (pixels + j.block - 1) / j.block;
    j.slice = j.p.win.group == 1 ? amg_gemm_slice(t, j.p.outputs, blocks) : j.p.outputs;
    amg_parallel(t, blocks * amg_gemm_slices(j.p.outputs, j.slice), 1, j.p.plain ? conv_plain_job : conv_job, &j);
}

AMG_INTERNAL const amg_op amg_op_conv = {"conv", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, conv_check, conv_run};
