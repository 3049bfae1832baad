/* top_k.c - the k largest or smallest elements along an axis, best first; of equal ones the first; a NaN is the largest.
 * x: any shape, float32; outputs: values, and their places (int64). A heap of k places, the worst on top: n log k. */
#include "kernels/along.h"

typedef struct top_k_job {
    const amg_step *step;
    const amg_context *context;
    amg_along along;
} top_k_job;

/* One row of x: element i is x[i * stride]. */
typedef struct top_k_row {
    const float *x;
    int64_t stride;
    int smallest;
} top_k_row;

static AMG_COLD int32_t top_k_check(amg_check *c, amg_step *s)
{
    amg_along along;
    int32_t status = amg_check_arity(c, s, 1, 1, 2);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    if (status != AMG_OK) {
        return status;
    }
    if (s->attr_count != 3 || !amg_along_of(s->in[0], s->attr[0], &along) || s->attr[1] < 1 || s->attr[1] > along.n) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not an axis of the input, a k that fits it, and a choice");
    }
    int64_t dim[AMG_MAX_NDIM];
    memcpy(dim, s->in[0]->dim, sizeof dim);
    dim[s->attr[0]] = s->attr[1];
    s->scratch = (size_t)s->attr[1] * sizeof(int64_t);
    status = amg_set_out(c, s->out[0], AMG_F32, s->in[0]->ndim, dim);
    return status == AMG_OK ? amg_set_out(c, s->out[1], AMG_I64, s->in[0]->ndim, dim) : status;
}

/* Whether element a comes before element b in the result. */
static int top_k_before(const top_k_row *r, int64_t a, int64_t b)
{
    const float va = r->x[a * r->stride], vb = r->x[b * r->stride];
    if (va != va || vb != vb) {
        const int order = (va != va) - (vb != vb); /* 1: only a is NaN */
        return order ? (r->smallest ? order < 0 : order > 0) : a < b;
    }
    if (va == vb) {
        return a < b;
    }
    return r->smallest ? va < vb : va > vb;
}

/* Lets place `value` sink from the top of a heap of n places, whose parents come after their children in the result. */
static void top_k_sink(const top_k_row *r, int64_t *heap, int64_t n, int64_t at, int64_t value)
{
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && top_k_before(r, heap[child], heap[child + 1])) {
            child++;
        }
        if (!top_k_before(r, value, heap[child])) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void top_k_piece(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const top_k_job *j = (const top_k_job *)arg;
    const int64_t inner = j->along.inner_rows * j->along.inner, k = j->step->attr[1];
    int64_t *heap = (int64_t *)amg_scratch_of(j->context, thread);
    for (int64_t i = begin; i < end; i++) {
        const top_k_row r = {amg_in_f32(j->step, 0) + i / inner * inner * j->along.n + i % inner, inner, j->step->attr[2] != 0};
        const int64_t to = i / inner * inner * k + i % inner;
        for (int64_t n = 0; n < k; n++) {
            heap[n] = n;
        }
        for (int64_t n = k / 2 - 1; n >= 0; n--) {
            top_k_sink(&r, heap, k, n, heap[n]);
        }
        for (int64_t n = k; n < j->along.n; n++) {
            if (top_k_before(&r, n, heap[0])) {
                top_k_sink(&r, heap, k, 0, n);
            }
        }
        for (int64_t n = k - 1; n >= 0; n--) { /* the worst of those that are left goes last */
            const int64_t worst = heap[0];
            top_k_sink(&r, heap, n, 0, heap[n]);
            amg_out_f32(j->step, 0)[to + n * inner] = r.x[worst * inner];
            ((int64_t *)j->step->out[1]->data)[to + n * inner] = worst;
        }
    }
}

static void top_k_run(const amg_step *s, const amg_context *t)
{
    top_k_job j = {s, t, {1, 1, 1, 1}};
    (void)amg_along_of(s->in[0], s->attr[0], &j.along);
    amg_parallel(t, s->in[0]->count / j.along.n, AMG_MAX(1, 4096 / j.along.n), top_k_piece, &j);
}

AMG_INTERNAL const amg_op amg_op_top_k = {"top_k", 0, top_k_check, top_k_run};
