/* op.c - what op.h offers to operators: reading attributes, saying what is wrong, and the checks that many share. */
#include "op.h"
#include "text.h"

AMG_INTERNAL amg_attrs amg_attrs_of(const amg_step *s)
{
    amg_attrs a = {s->attr, s->attr + s->attr_count, 0};
    return a;
}

AMG_INTERNAL int32_t amg_attr_int(amg_attrs *a)
{
    if (a->word == a->end) {
        a->bad = 1;
        return 0;
    }
    return *a->word++;
}

AMG_INTERNAL float amg_attr_float(amg_attrs *a)
{
    return amg_float_of_bits(amg_attr_int(a));
}

AMG_INTERNAL int32_t amg_attr_list(amg_attrs *a, int32_t max, int64_t *out)
{
    const int32_t count = amg_attr_int(a);
    if (count < 0 || count > max || count > a->end - a->word) {
        a->bad = 1;
        a->word = a->end;
        return 0;
    }
    for (int32_t i = 0; i < count; i++) {
        out[i] = *a->word++;
    }
    return count;
}

AMG_INTERNAL int32_t amg_attrs_done(const amg_attrs *a)
{
    return !a->bad && a->word == a->end;
}

AMG_INTERNAL void amg_fail_text(amg_check *c, const char *what)
{
    amg_text t = amg_text_in(c->message, c->message_size);
    amg_text_add(&t, "layer '");
    amg_text_add(&t, c->step->name);
    amg_text_add(&t, "' (");
    amg_text_add(&t, c->step->op->name);
    amg_text_add(&t, "): ");
    amg_text_add(&t, what);
}

AMG_INTERNAL int32_t amg_check_arity(amg_check *c, const amg_step *s, int32_t min_in, int32_t max_in, int32_t n_out)
{
    if (s->n_in < min_in || s->n_in > max_in) {
        return amg_fail(c, AMG_E_FORMAT, "wrong number of inputs");
    }
    if (s->n_out != n_out) {
        return amg_fail(c, AMG_E_FORMAT, "wrong number of outputs");
    }
    for (int32_t i = 0; i < min_in; i++) {
        if (!s->in[i]) {
            return amg_fail(c, AMG_E_FORMAT, "a required input is absent");
        }
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_check_float(amg_check *c, const amg_step *s)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        if (s->in[i] && s->in[i]->dtype != AMG_F32) {
            return amg_fail(c, AMG_E_UNSUPPORTED, "an input is not float32");
        }
        if (s->in[i] && s->in[i]->packing != AMG_PLAIN) {
            return amg_fail(c, AMG_E_FORMAT, "an input is packed that should be plain");
        }
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_shape_fits(int32_t dtype, int32_t ndim, const int64_t *dim, int64_t *count)
{
    const int64_t most = (int64_t)(SIZE_MAX / 4 < INT64_MAX / 16 ? SIZE_MAX / 4 : INT64_MAX / 16);
    const int64_t element = dtype == AMG_I64 ? 8 : 4;
    int64_t bytes = element;
    if (ndim < 0 || ndim > AMG_MAX_NDIM) {
        return 0;
    }
    for (int32_t i = 0; i < ndim; i++) {
        if (dim[i] < 1 || dim[i] > INT32_MAX || !amg_mul(bytes, dim[i], &bytes) || bytes > most) {
            return 0;
        }
    }
    *count = bytes / element;
    return 1;
}

AMG_INTERNAL int32_t amg_set_out(amg_check *c, amg_value *out, int32_t dtype, int32_t ndim, const int64_t *dim)
{
    if (!amg_shape_fits(dtype, ndim, dim, &out->count)) {
        return amg_fail(c, AMG_E_SHAPE, "the output is empty, or too large for this machine");
    }
    for (int32_t i = 0; i < ndim; i++) {
        out->dim[i] = dim[i];
    }
    out->dtype = dtype;
    out->ndim = ndim;
    out->pitch = ndim ? dim[ndim - 1] : 1;
    out->packing = AMG_PLAIN;
    out->constant = 0;
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_same_shape(amg_check *c, amg_step *s)
{
    return amg_set_out(c, s->out[0], s->in[0]->dtype, s->in[0]->ndim, s->in[0]->dim);
}

AMG_INTERNAL int32_t amg_nhwc_of(const amg_value *v, amg_nhwc *out)
{
    memset(out, 0, sizeof *out); /* so that a caller that knows the answer need not look at it */
    if (v->ndim != 3 && v->ndim != 4) {
        return 0;
    }
    out->n = v->dim[0];
    out->h = v->ndim == 4 ? v->dim[1] : 1;
    out->w = v->dim[v->ndim - 2];
    out->c = v->dim[v->ndim - 1];
    out->pitch = v->pitch;
    return 1;
}
