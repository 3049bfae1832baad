/* dense.c - y = act(x W^T + bias), a fully connected layer.
 *
 * x [..., K], W as panels [1, N, K], bias [N]; y [..., N]. Not in place. Attributes: the activation. */
#include "kernels/activate.h"
#include "kernels/fused.h"
#include "kernels/gemm.h"
#include "op.h"

#define DENSE_ROWS 224 /* rows of a block: a multiple of most tile heights */

static AMG_COLD int32_t dense_check(amg_check *c, amg_step *s)
{
    int64_t dim[AMG_MAX_NDIM];
    int32_t status = amg_check_arity(c, s, 2, 3, 1);
    if (status) {
        return status;
    }
    const amg_value *x = s->in[0], *w = s->in[1], *bias = s->n_in > 2 ? s->in[2] : NULL;
    amg_attrs attrs = amg_attrs_of(s);
    (void)amg_attr_activation(&attrs);
    if (!amg_attrs_done(&attrs)) {
        return amg_fail(c, AMG_E_FORMAT, "the attributes are not one known activation");
    }
    if (!x || x->dtype != AMG_F32 || x->packing != AMG_PLAIN || x->ndim < 1) {
        return amg_fail(c, AMG_E_SHAPE, "the input is not float32 with an axis");
    }
    if (!w || w->dtype != AMG_F32 || w->packing != AMG_PANELS || w->ndim != 3 || w->dim[0] != 1 ||
        w->dim[2] != x->dim[x->ndim - 1]) {
        return amg_fail(c, AMG_E_SHAPE, "the weights are not panels of as many columns as the input has");
    }
    if (bias && (bias->dtype != AMG_F32 || bias->packing != AMG_PLAIN || bias->ndim != 1 ||
                 bias->dim[0] != w->dim[1])) {
        return amg_fail(c, AMG_E_SHAPE, "the bias is not one float per output");
    }
    memcpy(dim, x->dim, sizeof dim);
    dim[x->ndim - 1] = w->dim[1];
    if ((status = amg_set_out(c, s->out[0], AMG_F32, x->ndim, dim))) {
        return status;
    }
    s->scratch = 0;
    s->macs = (uint64_t)s->out[0]->count * (uint64_t)w->dim[2];
    return AMG_OK;
}

typedef struct dense_work {
    const amg_context *t;
    const amg_step *s;
    amg_product product;
    amg_activation act;
    int64_t rows, slice; /* outputs of a slice */
} dense_work;

/* Items are blocks of rows, times slices of the outputs. */
static void dense_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const dense_work *j = (const dense_work *)arg;
    const amg_value *x = j->s->in[0], *y = j->s->out[0];
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        int64_t n0, n1, m = amg_gemm_item(item, j->product.n, j->slice, &n0, &n1) * DENSE_ROWS;
        int64_t rows = AMG_MIN(DENSE_ROWS, j->rows - m);
        amg_gemm_matrix a = {amg_in_f32(j->s, 0) + m * x->pitch, NULL, amg_out_f32(j->s, 0) + m * y->pitch,
                             rows, x->pitch, 0, y->pitch};
        amg_gemm[j->t->isa]->matrix(&j->product, &a, n0, n1);
        amg_activate_rows(&j->act, j->t->isa, a.out + n0, rows, n1 - n0, y->pitch);
    }
}

static void dense_run(const amg_step *s, const amg_context *t)
{
    amg_attrs attrs = amg_attrs_of(s);
    dense_work j;
    j.t = t;
    j.s = s;
    j.act = amg_attr_activation(&attrs);
    j.product = (amg_product){amg_in_f32(s, 1), amg_in_f32(s, 2), s->in[1]->dim[1], s->in[1]->dim[2], 0, 0.0f, 0.0f, 0};
    amg_activation_clamp(&j.act, &j.product.lo, &j.product.hi);
    amg_rows_of(s->in[0], &j.rows, &j.slice);
    j.slice = amg_gemm_slice(t, j.product.n, (j.rows + DENSE_ROWS - 1) / DENSE_ROWS);
    amg_parallel(t, (j.rows + DENSE_ROWS - 1) / DENSE_ROWS * amg_gemm_slices(j.product.n, j.slice), 1, dense_job, &j);
}

AMG_INTERNAL const amg_op amg_op_dense = {"dense", AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, dense_check, dense_run};
