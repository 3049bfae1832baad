/* bands.c - cuts a run of steps into bands of rows. A piece of a step is the same operator on fewer rows, with the padding
 * that is left at its edges; rows that the next band needs again are kept, so nothing is computed twice.
 *
 * A model wishes which tensors are made in this way; amalgamate/bands.py chooses them, and computes the same heights. */
#include "bands.h"

#define BANDS_BYTES (1024 * 1024) /* of the tensors between the steps, for each thread: about a second-level cache */
#define BANDS_WORDS 32           /* most attribute words of a step */
#define BANDS_INPUTS 4           /* most inputs: map, weights, bias, a map to add */
#define BANDS_PADS 7             /* the word of the padding above, behind two kernel and two stride words and three counts; that
                                    below is two words on */

/* How the windows of a step move down its map of `size` rows. */
typedef struct bands_axis {
    int64_t extent, stride, before, size;
} bands_axis;

/* 1 if step s can be done by rows. */
static int32_t bands_axis_of(const amg_step *s, bands_axis *a)
{
    amg_attrs attrs = amg_attrs_of(s);
    int64_t kernel[2], stride[2], pads[4], dilation[2];
    if (!s->by_rows || s->n_in > BANDS_INPUTS || s->in[0]->ndim != 4 || s->attr_count > BANDS_WORDS || amg_attr_list(&attrs, 2, kernel) != 2 ||
        amg_attr_list(&attrs, 2, stride) != 2 || amg_attr_list(&attrs, 4, pads) != 4 ||
        amg_attr_list(&attrs, 2, dilation) != 2) {
        return 0;
    }
    a->extent = (kernel[0] - 1) * dilation[0] + 1;
    a->stride = stride[0];
    a->before = pads[0];
    a->size = s->in[0]->dim[1];
    return 1;
}

/* Rows. */
typedef struct bands_rows {
    int64_t from, to;
} bands_rows;

/* The input rows that output rows r need, without padding. */
static bands_rows bands_read(const bands_axis *a, bands_rows r)
{
    const int64_t from = r.from * a->stride - a->before, to = (r.to - 1) * a->stride - a->before + a->extent;
    return (bands_rows){AMG_MAX(from, 0), AMG_MIN(to, a->size)};
}

/* Whether the output of step k passes to step k + 1 only, and may do so by rows. */
static int32_t bands_pass(const amg_plan *p, int32_t k)
{
    const amg_model *m = p->model;
    const amg_layer *next = m->layers + k + 1;
    const int32_t t = m->layers[k].out[0];
    const amg_slot *slot = m->slots + t;
    bands_axis a;
    for (int32_t i = 1; i < next->n_in; i++) {
        if (next->in[i] == t) {
            return 0;
        }
    }
    return slot->by_rows && !slot->output && slot->home < 0 && slot->last_use == k + 1 && next->in[0] == t &&
           bands_axis_of(p->steps + k, &a) && bands_axis_of(p->steps + k + 1, &a);
}

/* Sets how many rows are kept of what each step of a band makes, where the last makes `height` at a time. Returns the bytes
 * of the tensors between the steps. */
static int64_t bands_keep(amg_plan *p, int32_t first, int32_t last, int64_t height)
{
    int64_t bytes = 0;
    for (int32_t k = last; k >= first; k--) {
        bands_axis a;
        (void)bands_axis_of(p->steps + k, &a);
        p->bands[k] = (amg_band){first, last, height};
        height = AMG_MIN((height - 1) * a.stride + a.extent, a.size);
        if (k > first) {
            const amg_value *x = p->steps[k].in[0];
            bytes += height * x->dim[2] * x->dim[3] * 4;
        }
    }
    return bytes;
}

typedef struct bands_judge {
    const amg_plan *plan;
    int32_t isa;
} bands_judge;

/* Whether a piece of a step is what the step is: the same way, no more scratch, the rows that it should make. */
static int32_t bands_judge_piece(void *arg, int32_t layer, amg_step *piece)
{
    const bands_judge *j = (const bands_judge *)arg;
    const amg_value wanted = *piece->out[0];
    amg_check c = {AMG_OK, piece, NULL, 0, j->isa};
    piece->by_rows = 0;
    return piece->op->check(&c, piece) == AMG_OK && piece->by_rows && piece->scratch <= j->plan->steps[layer].scratch &&
           memcmp(piece->out[0]->dim, wanted.dim, 4 * sizeof *wanted.dim) == 0;
}

AMG_INTERNAL void amg_bands_find(amg_plan *p, int32_t isa, int32_t threads)
{
    const int32_t layers = p->model->layer_count;
    bands_judge judge = {p, isa};
    for (int32_t i = 0; i < layers; i++) {
        p->bands[i] = (amg_band){i, i, 0};
    }
    for (int32_t first = 0, last; first < layers; first = last + 1) {
        for (last = first; last + 1 < layers && last + 1 < first + AMG_BAND_STEPS && bands_pass(p, last);) {
            last++;
        }
        if (last > first) {
            const int64_t rows = p->steps[last].out[0]->dim[1];
            const int64_t room = p->model->slots[p->model->layers[first].out[0]].by_rows > 1 ? 0 : (int64_t)BANDS_BYTES * threads;
            int64_t height = rows, count;
            while (height > 1 && bands_keep(p, first, last, height) > room) {
                height--;
            }
            count = (rows + height - 1) / height;
            (void)bands_keep(p, first, last, (rows + count - 1) / count);
            if (count < 2 || !amg_bands_walk(p, first, bands_judge_piece, &judge)) {
                for (int32_t i = first; i <= last; i++) {
                    p->bands[i] = (amg_band){i, i, 0};
                }
            }
        }
    }
}

/* A tensor's rows `rows` of image `image` as a tensor; `origin` is the row where its memory begins. */
static amg_value bands_view(const amg_value *whole, int64_t image, int64_t origin, bands_rows rows)
{
    amg_value v = *whole;
    const int64_t at = image * whole->dim[1] + rows.from - origin;
    v.dim[0] = 1;
    v.dim[1] = rows.to - rows.from;
    v.count = v.dim[1] * v.dim[2] * v.dim[3];
    v.data = v.data ? (float *)v.data + at * v.dim[2] * v.pitch : NULL;
    return v;
}

/* What is known of the tensors of a band while it is walked through: of the output of step first + i. */
typedef struct bands_walk {
    bands_axis axis[AMG_BAND_STEPS];
    bands_rows kept[AMG_BAND_STEPS]; /* the rows in memory */
    bands_rows make[AMG_BAND_STEPS]; /* the rows to make in this band */
} bands_walk;

/* Decides what each of count steps makes so that the last makes rows r, and keeps of the tensors between what they need. */
static void bands_next(const amg_plan *p, int32_t first, int32_t count, bands_rows r, bands_walk *w)
{
    w->make[count - 1] = r;
    for (int32_t i = count - 1; i > 0; i--) {
        const amg_value *x = p->steps[first + i].in[0];
        const int64_t row = x->dim[2] * x->pitch;
        bands_rows *kept = w->kept + i - 1, read = bands_read(w->axis + i, w->make[i]);
        float *data = (float *)x->data;
        if (w->make[i].from >= w->make[i].to) {
            read = (bands_rows){kept->to, kept->to};
        } else {
            const int64_t from = AMG_MIN(read.from, kept->to);
            if (data && from > kept->from) {
                memmove(data, data + (from - kept->from) * row, (size_t)((kept->to - from) * row) * sizeof *data);
            }
            kept->from = read.from;
            read.from = AMG_MAX(read.from, kept->to);
            kept->to = AMG_MAX(read.to, kept->to);
        }
        w->make[i - 1] = read;
    }
}

/* A step on some of its rows, with the values that it points to. */
typedef struct bands_piece {
    amg_step step;
    amg_value x, add, y;
    const amg_value *in[BANDS_INPUTS];
    amg_value *out[1];
    int32_t words[BANDS_WORDS];
} bands_piece;

static void bands_piece_of(const amg_plan *p, int32_t first, int32_t i, int64_t image, const bands_walk *w, bands_piece *b)
{
    const amg_step *whole = p->steps + first + i;
    const bands_axis *a = w->axis + i;
    const bands_rows make = w->make[i], read = bands_read(a, make);
    const int32_t ends = first + i == p->bands[first].last;
    b->step = *whole;
    b->step.in = b->in;
    b->step.out = b->out;
    b->step.attr = b->words;
    b->step.macs = whole->macs / (uint64_t)(whole->out[0]->dim[0] * whole->out[0]->dim[1]) * (uint64_t)(make.to - make.from);
    memcpy(b->in, whole->in, (size_t)whole->n_in * sizeof *b->in);
    memcpy(b->words, whole->attr, (size_t)whole->attr_count * sizeof *b->words);
    b->words[BANDS_PADS] = (int32_t)(read.from - (make.from * a->stride - a->before));
    b->words[BANDS_PADS + 2] = (int32_t)((make.to - 1) * a->stride - a->before + a->extent - read.to);
    b->x = bands_view(whole->in[0], i ? 0 : image, i ? w->kept[i - 1].from : 0, read);
    b->y = bands_view(whole->out[0], ends ? image : 0, ends ? 0 : w->kept[i].from, make);
    b->in[0] = &b->x;
    b->out[0] = &b->y;
    if (whole->n_in > 3 && whole->in[3]) {
        b->add = bands_view(whole->in[3], image, 0, make);
        b->in[3] = &b->add;
    }
}

AMG_INTERNAL int32_t amg_bands_walk(const amg_plan *p, int32_t first, amg_band_visit visit, void *arg)
{
    const int32_t last = p->bands[first].last, count = last - first + 1;
    const amg_value *y = p->steps[last].out[0];
    const int64_t height = p->bands[last].kept;
    bands_walk w;
    bands_piece piece;
    int32_t going = 1;
    for (int32_t i = 0; i < count; i++) {
        (void)bands_axis_of(p->steps + first + i, w.axis + i);
    }
    for (int64_t at = 0; at < y->dim[0] * y->dim[1] && going == 1; at += w.make[count - 1].to - w.make[count - 1].from) {
        const int64_t image = at / y->dim[1], row = at % y->dim[1];
        if (row == 0) {
            memset(w.kept, 0, sizeof w.kept);
        }
        bands_next(p, first, count, (bands_rows){row, AMG_MIN(row + height, y->dim[1])}, &w);
        for (int32_t i = 0; i < count && going == 1; i++) {
            if (w.make[i].from < w.make[i].to) {
                bands_piece_of(p, first, i, image, &w, &piece);
                going = visit(arg, first + i, &piece.step);
            }
        }
    }
    return going;
}
