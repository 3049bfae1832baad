/* reduce.c - y = mean, sum, max, min or product of x over some axes, which keep size 1. x, y: any shape, float32. */
#include "kernels/reduce.h"

#define REDUCE_CHUNK 256 /* columns of one piece of work */

/* Axes that x walks as one; y_stride is 0 for those that are reduced. */
typedef struct reduce_axis {
    int64_t dim, x_stride, y_stride;
} reduce_axis;

typedef struct reduce_job {
    const amg_step *step;
    const amg_reduce_kernels *kernels;
    int32_t kind, kept_count, gone_count;
    reduce_axis kept[AMG_MAX_NDIM + 1], gone[AMG_MAX_NDIM + 1]; /* innermost first */
    int64_t across;                                             /* elements of one result */
} reduce_job;

/* Reads the attributes into the kind and a bit per axis; 0 if they are not valid. */
static int reduce_read(const amg_step *s, int32_t *kind, uint32_t *axes)
{
    int64_t list[AMG_MAX_NDIM];
    amg_attrs attrs = amg_attrs_of(s);
    *kind = amg_attr_int(&attrs);
    const int32_t count = amg_attr_list(&attrs, AMG_MAX_NDIM, list);
    if (!amg_attrs_done(&attrs) || *kind < 0 || *kind >= AMG_REDUCE_COUNT) {
        return 0;
    }
    *axes = 0;
    for (int32_t i = 0; i < count; i++) {
        if (list[i] < 0 || list[i] >= s->in[0]->ndim) {
            return 0;
        }
        *axes |= 1u << list[i];
    }
    return 1;
}

static AMG_COLD int32_t reduce_check(amg_check *c, amg_step *s)
{
    int32_t kind, status = amg_check_arity(c, s, 1, 1, 1);
    uint32_t axes;
    int64_t dim[AMG_MAX_NDIM];
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status != AMG_OK) {
        return status;
    }
    if (!reduce_read(s, &kind, &axes)) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not a kind of reduction and axes of the input");
    }
    for (int32_t i = 0; i < s->in[0]->ndim; i++) {
        dim[i] = axes >> i & 1 ? 1 : s->in[0]->dim[i];
    }
    return amg_set_out(c, s->out[0], AMG_F32, s->in[0]->ndim, dim);
}

/* Appends an axis to a list, as part of its last one where both are walked in one stride. */
static void reduce_push(reduce_axis *list, int32_t *count, reduce_axis next)
{
    reduce_axis *last = *count ? &list[*count - 1] : NULL;
    if (last && next.x_stride == last->x_stride * last->dim && next.y_stride == last->y_stride * last->dim) {
        last->dim *= next.dim;
    } else {
        list[(*count)++] = next;
    }
}

/* Sorts the axes of x into those kept and those reduced. */
static void reduce_sort(reduce_job *j, uint32_t axes)
{
    const amg_value *x = j->step->in[0], *y = j->step->out[0];
    int64_t x_stride = 1, y_stride = 1;
    for (int32_t i = x->ndim - 1; i >= 0; i--) {
        const reduce_axis next = {x->dim[i], x_stride, axes >> i & 1 ? 0 : y_stride};
        if (x->dim[i] > 1 && axes >> i & 1) {
            reduce_push(j->gone, &j->gone_count, next);
            j->across *= x->dim[i];
        } else if (x->dim[i] > 1) {
            reduce_push(j->kept, &j->kept_count, next);
        }
        x_stride = i == x->ndim - 1 ? x->pitch : x_stride * x->dim[i];
        y_stride = i == x->ndim - 1 ? y->pitch : y_stride * y->dim[i];
    }
}

/* The offset in x of element `index` of all axes from `first` on; *y_offset that in y. */
static int64_t reduce_offset(const reduce_axis *axis, int32_t first, int32_t count, int64_t index, int64_t *y_offset)
{
    int64_t offset = 0;
    *y_offset = 0;
    for (int32_t i = first; i < count; i++) {
        offset += index % axis[i].dim * axis[i].x_stride;
        *y_offset += index % axis[i].dim * axis[i].y_stride;
        index /= axis[i].dim;
    }
    return offset;
}

/* Results begin..end where x is contiguous along a reduced axis, or along none: each is combined from rows. */
static void reduce_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const reduce_job *j = (const reduce_job *)arg;
    const int whole = j->gone_count && j->gone[0].x_stride == 1;
    const int64_t width = whole ? j->gone[0].dim : 1;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        int64_t to, none;
        const float *x = amg_in_f32(j->step, 0) + reduce_offset(j->kept, 0, j->kept_count, i, &to);
        double sum = 0.0;
        float y = amg_reduce_first(j->kind);
        for (int64_t k = 0; k < j->across / width; k++) {
            const float part = j->kernels->row(j->kind, x + reduce_offset(j->gone, whole, j->gone_count, k, &none), width);
            y = amg_reduce_pair(j->kind, y, part);
            sum += (double)part;
        }
        if (j->kind == AMG_REDUCE_SUM || j->kind == AMG_REDUCE_MEAN) {
            y = (float)(j->kind == AMG_REDUCE_MEAN ? sum / (double)j->across : sum);
        }
        amg_out_f32(j->step, 0)[to] = y;
    }
}

/* Chunks begin..end of rows of results, where x and y are contiguous along a kept axis: all columns of a chunk at a time. */
static void reduce_columns(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const reduce_job *j = (const reduce_job *)arg;
    const int64_t chunks = (j->kept[0].dim - 1) / REDUCE_CHUNK + 1, rows = j->gone_count ? j->gone[0].dim : 1;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % chunks * REDUCE_CHUNK, width = AMG_MIN(REDUCE_CHUNK, j->kept[0].dim - first);
        int64_t to, none;
        const float *x = amg_in_f32(j->step, 0) + first + reduce_offset(j->kept, 1, j->kept_count, i / chunks, &to);
        float *y = amg_out_f32(j->step, 0) + first + to;
        for (int64_t k = 0; k < width; k++) {
            y[k] = amg_reduce_first(j->kind);
        }
        for (int64_t k = 0; k < j->across / rows; k++) {
            const int64_t from = reduce_offset(j->gone, 1, j->gone_count, k, &none);
            j->kernels->columns(j->kind, x + from, j->gone_count ? j->gone[0].x_stride : 0, rows, y, width);
        }
        for (int64_t k = 0; j->kind == AMG_REDUCE_MEAN && k < width; k++) {
            y[k] /= (float)j->across;
        }
    }
}

static void reduce_run(const amg_step *s, const amg_context *t)
{
    reduce_job j;
    uint32_t axes;
    memset(&j, 0, sizeof j);
    j.step = s;
    j.kernels = amg_reduce[t->isa];
    j.across = 1;
    (void)reduce_read(s, &j.kind, &axes);
    reduce_sort(&j, axes);
    if (j.kept_count && j.kept[0].x_stride == 1 && j.kept[0].y_stride == 1) {
        const int64_t chunks = (j.kept[0].dim - 1) / REDUCE_CHUNK + 1;
        amg_parallel(t, s->out[0]->count / j.kept[0].dim * chunks, 1, reduce_columns, &j);
    } else {
        amg_parallel(t, s->out[0]->count, AMG_MAX(1, 4096 / j.across), reduce_rows, &j);
    }
}

AMG_INTERNAL const amg_op amg_op_reduce = {"reduce", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, reduce_check, reduce_run};
