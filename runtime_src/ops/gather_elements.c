/* gather_elements.c - y[i][j] = x[indices[i][j]][j], on any axis. x: any type; indices: int64 of as many axes, none longer
 * than that of x but the gathered one; negative ones count from the end, one out of range is clamped. Attribute: axis. */
#include "kernels/strided.h"
#include "op.h"

static AMG_COLD int32_t gather_elements_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s);
    const int32_t axis = amg_attr_int(&a);
    const amg_value *x, *index;
    if (amg_check_arity(c, s, 2, 2, 1)) {
        return c->status;
    }
    x = s->in[0];
    index = s->in[1];
    if (x->packing != AMG_PLAIN || index->packing != AMG_PLAIN || index->dtype != AMG_I64) {
        return amg_fail(c, AMG_E_FORMAT, "x is packed, or indices are not plain int64");
    }
    if (!amg_attrs_done(&a) || axis < 0 || axis >= x->ndim || index->ndim != x->ndim) {
        return amg_fail(c, AMG_E_FORMAT, "axis is out of range, or indices have other axes than x");
    }
    for (int32_t i = 0; i < x->ndim; i++) {
        if (i != axis && index->dim[i] > x->dim[i]) {
            return amg_fail(c, AMG_E_SHAPE, "indices reach beyond x");
        }
    }
    return amg_set_out(c, s->out[0], x->dtype, index->ndim, index->dim);
}

/* Rows begin..end of indices and of y. */
static void gather_elements_rows(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_step *s = (const amg_step *)arg;
    const amg_value *x = s->in[0], *index = s->in[1];
    const int32_t axis = s->attr[0], last = x->ndim - 1;
    const int64_t n = x->dim[axis], width = index->dim[last];
    int64_t stride[AMG_MAX_NDIM];
    (void)thread;
    amg_strided_of(x, stride);
    for (int64_t row = begin; row < end; row++) {
        int64_t from = 0, left = row;
        for (int32_t i = last - 1; i >= 0; i--) {
            from += i == axis ? 0 : left % index->dim[i] * stride[i];
            left /= index->dim[i];
        }
        for (int64_t i = row * width; i < (row + 1) * width; i++) {
            int64_t at = ((const int64_t *)index->data)[i];
            at = at < 0 && at >= -n ? at + n : at;
            at = from + AMG_MAX(AMG_MIN(at, n - 1), 0) * stride[axis] + (axis == last ? 0 : i - row * width);
            memcpy(amg_strided_at(s->out[0], i), amg_strided_at(x, at), amg_strided_size(x->dtype));
        }
    }
}

static void gather_elements_run(const amg_step *s, const amg_context *t)
{
    amg_step step = *s;
    int64_t rows, width;
    amg_rows_of(s->out[0], &rows, &width);
    amg_parallel(t, rows, 1 + 16384 / width, gather_elements_rows, &step);
}

AMG_INTERNAL const amg_op amg_op_gather_elements = {"gather_elements", 0, gather_elements_check, gather_elements_run};
