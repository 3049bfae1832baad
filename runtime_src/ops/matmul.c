/* matmul.c - y = act(a b) over the last two axes, batches broadcast as NumPy's matmul does. Not in place.
 *
 * a [..., M, K], b [..., K, N]; with trans_a [..., K, M], with trans_b [..., N, K]; one axis is a row on the left, a
 * column on the right. Slices of b are packed into panels in the scratch, then it is the product of dense.c. */
#include "kernels/activate.h"
#include "kernels/fused.h"
#include "kernels/gemm.h"
#include "kernels/panels.h"
#include "op.h"

#define MATMUL_SLICE 64 /* columns of b that are packed at a time */

/* An operand: a matrix of rows x columns as seen by the product, and how far its batches lie apart. */
typedef struct matmul_side {
    int64_t rows, columns, row_step, column_step;
    int64_t batch_step[AMG_MAX_NDIM]; /* floats, per batch axis of the output; 0 where broadcast */
} matmul_side;

typedef struct matmul_plan {
    int32_t trans_a, trans_b;
    amg_activation act;
    matmul_side a, b;
    int32_t batch_ndim;
    int64_t batch_dim[AMG_MAX_NDIM], batches, slice;
    int64_t packed; /* floats of a packed slice; a transposed follows it */
    int64_t scratch;
} matmul_plan;

/* Fills a side but for its batches; returns how many axes before the last two. */
static int32_t matmul_view(const amg_value *v, int32_t trans, int right, matmul_side *side)
{
    int64_t last = v->dim[v->ndim - 1];
    if (v->ndim == 1) {
        *side = (matmul_side){right ? last : 1, right ? 1 : last, right ? 1 : last, right ? last : 1, {0}};
        return 0;
    }
    *side = (matmul_side){v->dim[v->ndim - 2], last, v->pitch, 1, {0}};
    if (trans) {
        *side = (matmul_side){last, v->dim[v->ndim - 2], 1, v->pitch, {0}};
    }
    return v->ndim - 2;
}

/* The batch axes of both operands, right-aligned; 0 where they do not broadcast. */
static int matmul_batches(const amg_value *const *in, int32_t n_a, int32_t n_b, matmul_plan *p)
{
    int32_t count[2] = {n_a, n_b};
    p->batch_ndim = AMG_MAX(n_a, n_b);
    p->batches = 1;
    for (int32_t i = 0; i < p->batch_ndim; i++) {
        p->batch_dim[i] = 1;
    }
    for (int side = 0; side < 2; side++) {
        const amg_value *v = in[side];
        int64_t step = v->ndim > 1 ? v->dim[v->ndim - 2] * v->pitch : 0;
        for (int32_t i = count[side] - 1; i >= 0; i--) {
            int32_t at = i + p->batch_ndim - count[side];
            if (v->dim[i] != 1 && p->batch_dim[at] != 1 && v->dim[i] != p->batch_dim[at]) {
                return 0;
            }
            p->batch_dim[at] = AMG_MAX(p->batch_dim[at], v->dim[i]);
            (side ? &p->b : &p->a)->batch_step[at] = v->dim[i] == 1 ? 0 : step;
            step *= v->dim[i];
        }
    }
    for (int32_t i = 0; i < p->batch_ndim; i++) {
        if (!amg_mul(p->batches, p->batch_dim[i], &p->batches)) {
            return 0;
        }
    }
    return 1;
}

static const char *matmul_read(const amg_step *s, matmul_plan *p)
{
    amg_attrs attrs = amg_attrs_of(s);
    int64_t transposed = 0;
    p->trans_a = amg_attr_int(&attrs);
    p->trans_b = amg_attr_int(&attrs);
    p->act = amg_attr_activation(&attrs);
    if (!amg_attrs_done(&attrs) || (p->trans_a | p->trans_b) & ~1) {
        return "the attributes are not trans_a, trans_b and a known activation";
    }
    if (s->in[0]->ndim < 1 + p->trans_a || s->in[1]->ndim < 1 + p->trans_b) {
        return "an operand has too few axes";
    }
    int32_t n_a = matmul_view(s->in[0], p->trans_a, 0, &p->a), n_b = matmul_view(s->in[1], p->trans_b, 1, &p->b);
    if (p->a.columns != p->b.rows || !matmul_batches(s->in, n_a, n_b, p)) {
        return "the operands do not fit each other";
    }
    p->slice = AMG_MIN(MATMUL_SLICE, amg_round_up(AMG_MIN(p->b.columns, MATMUL_SLICE), AMG_LANES));
    if (!amg_mul(p->b.rows, p->slice, &p->packed) || (p->trans_a && !amg_mul(p->a.rows, p->a.columns, &transposed)) ||
        p->packed > INT64_MAX / 16 || transposed > INT64_MAX / 16) {
        return "the operands are too large to be packed";
    }
    p->scratch = (p->packed + transposed) * 4;
    return NULL;
}

static AMG_COLD int32_t matmul_check(amg_check *c, amg_step *s)
{
    matmul_plan p;
    int64_t dim[AMG_MAX_NDIM];
    int32_t status = amg_check_arity(c, s, 2, 2, 1), ndim;
    if (status || (status = amg_check_float(c, s))) {
        return status;
    }
    if (!s->in[0] || !s->in[1]) {
        return amg_fail(c, AMG_E_FORMAT, "an operand is missing");
    }
    const char *wrong = matmul_read(s, &p);
    if (wrong) {
        return amg_fail(c, AMG_E_SHAPE, wrong);
    }
    ndim = p.batch_ndim;
    memcpy(dim, p.batch_dim, (size_t)ndim * sizeof *dim);
    if (s->in[0]->ndim > 1) {
        dim[ndim++] = p.a.rows;
    }
    if (s->in[1]->ndim > 1) {
        dim[ndim++] = p.b.columns;
    }
    if ((status = amg_set_out(c, s->out[0], AMG_F32, ndim, dim))) {
        return status;
    }
    s->scratch = (size_t)p.scratch;
    s->macs = (uint64_t)s->out[0]->count * (uint64_t)p.a.columns;
    if ((uint64_t)p.scratch > SIZE_MAX / 2) {
        return amg_fail(c, AMG_E_SHAPE, "the scratch is too large for this machine");
    }
    return AMG_OK;
}

typedef struct matmul_work {
    const amg_context *t;
    const amg_step *s;
    matmul_plan p;
    int64_t slices, out_row, out_batch; /* floats from row to row, from batch to batch of the output */
} matmul_work;

/* Where a batch of an operand begins. */
static const float *matmul_batch(const matmul_plan *p, const matmul_side *side, const float *data, int64_t batch)
{
    int64_t at = 0;
    for (int32_t i = p->batch_ndim - 1; i >= 0; i--) {
        at += batch % p->batch_dim[i] * side->batch_step[i];
        batch /= p->batch_dim[i];
    }
    return data + at;
}

/* Items are batches, times slices of the columns of b. */
static void matmul_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const matmul_work *j = (const matmul_work *)arg;
    const matmul_plan *p = &j->p;
    float *packed = (float *)amg_scratch_of(j->t, thread), *turned = packed + p->packed;
    int64_t done = -1;
    float lo, hi;
    amg_activation_clamp(&p->act, &lo, &hi);
    for (int64_t item = begin; item < end; item++) {
        int64_t batch = item / j->slices, n = item % j->slices * p->slice, width = AMG_MIN(p->slice, p->b.columns - n);
        const float *a = matmul_batch(p, &p->a, amg_in_f32(j->s, 0), batch);
        const float *b = matmul_batch(p, &p->b, amg_in_f32(j->s, 1), batch) + n * p->b.column_step;
        amg_matrix_view view = {b, width, 1, 1, p->b.rows, p->b.column_step, 0, 0, p->b.row_step};
        amg_pack_panels(&view, packed);
        for (int64_t m = 0; p->trans_a && done != batch && m < p->a.rows; m++) {
            for (int64_t k = 0; k < p->a.columns; k++) {
                turned[m * p->a.columns + k] = a[m * p->a.row_step + k * p->a.column_step];
            }
        }
        done = batch;
        float *out = amg_out_f32(j->s, 0) + batch * j->out_batch + n;
        amg_product product = {packed, NULL, width, p->a.columns, 0, lo, hi, 0};
        amg_gemm_matrix matrix = {a, NULL, out, p->a.rows, p->a.row_step, 0, j->out_row};
        if (p->trans_a) {
            matrix.x = turned;
            matrix.x_pitch = p->a.columns;
        }
        amg_gemm[j->t->isa]->matrix(&product, &matrix, 0, width);
        amg_activate_rows(&p->act, j->t->isa, out, p->a.rows, width, j->out_row);
    }
}

static void matmul_run(const amg_step *s, const amg_context *t)
{
    matmul_work j;
    j.t = t;
    j.s = s;
    (void)matmul_read(s, &j.p);
    j.slices = (j.p.b.columns + j.p.slice - 1) / j.p.slice;
    j.out_row = s->in[1]->ndim > 1 ? s->out[0]->pitch : 1;
    j.out_batch = j.p.a.rows * j.out_row;
    if (s->in[1]->ndim == 1 && s->in[0]->ndim > 2) { /* [batch..., M]: a row of the output holds a batch */
        j.out_batch = s->out[0]->pitch;
    }
    amg_parallel(t, j.p.batches * j.slices, 1, matmul_job, &j);
}

AMG_INTERNAL const amg_op amg_op_matmul = {"matmul", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, matmul_check, matmul_run};
