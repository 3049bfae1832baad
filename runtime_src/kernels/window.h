/* window.h - a kernel of one or two axes that moves over a map: the attributes of conv and conv_transpose.
 *
 * They are kernel, strides, pads (beginnings, then ends), dilations, group, dynamic, activation. One axis is seen as
 * two, of which the first has one element. */
#ifndef AMG_KERNELS_WINDOW_H
#define AMG_KERNELS_WINDOW_H

#include "kernels/activate.h"
#include "op.h"

typedef struct amg_window {
    int64_t rank, kernel[2], stride[2], before[2], after[2], dilation[2];
    int64_t group;
    int32_t dynamic; /* the weights are not constant, and plain */
    amg_activation act;
} amg_window;

static inline int amg_window_list(amg_attrs *attrs, int64_t rank, int64_t least, int64_t *list)
{
    int64_t words[2];
    if (amg_attr_list(attrs, 2, words) != rank) {
        return 0;
    }
    list[0] = rank == 2 ? words[0] : least;
    list[1] = words[rank - 1];
    return list[0] >= least && list[1] >= least;
}

/* Reads the attributes up to the activation; NULL, or what is wrong with them. */
static inline const char *amg_attr_window(amg_attrs *attrs, amg_window *w)
{
    int64_t kernel[2], pads[4];
    w->rank = amg_attr_list(attrs, 2, kernel);
    if (w->rank < 1 || w->rank > 2) {
        return "the kernel has neither one nor two axes";
    }
    w->kernel[0] = w->rank == 2 ? kernel[0] : 1;
    w->kernel[1] = kernel[w->rank - 1];
    if (!amg_window_list(attrs, w->rank, 1, w->stride)) {
        return "strides are not one positive number per axis";
    }
    if (amg_attr_list(attrs, 4, pads) != 2 * w->rank) {
        return "pads are not two numbers per axis";
    }
    w->before[0] = w->rank == 2 ? pads[0] : 0;
    w->before[1] = pads[w->rank - 1];
    w->after[0] = w->rank == 2 ? pads[2] : 0;
    w->after[1] = pads[2 * w->rank - 1];
    if (!amg_window_list(attrs, w->rank, 1, w->dilation)) {
        return "dilations are not one positive number per axis";
    }
    w->group = amg_attr_int(attrs);
    w->dynamic = amg_attr_int(attrs);
    w->act = amg_attr_activation(attrs);
    if (AMG_MIN(w->kernel[0], w->kernel[1]) < 1 || w->group < 1 || (w->dynamic != 0 && w->dynamic != 1) ||
        AMG_MIN(AMG_MIN(w->before[0], w->before[1]), AMG_MIN(w->after[0], w->after[1])) < 0) {
        return "kernel, group, dynamic or pads are out of range";
    }
    return NULL;
}

/* How many places a kernel of a convolution has on x, along both axes; NULL, or what is wrong. */
static inline const char *amg_window_over(const amg_window *w, const amg_nhwc *x, int64_t out[2])
{
    int64_t in[2] = {x->h, x->w};
    for (int i = 0; i < 2; i++) {
        int64_t padded = in[i] + w->before[i] + w->after[i], room = padded - ((w->kernel[i] - 1) * w->dilation[i] + 1);
        if (room < 0 || padded > INT32_MAX) { /* so that a place of the kernel is an index on every machine */
            return "the kernel is larger than the padded input, or that is too large";
        }
        out[i] = room / w->stride[i] + 1;
    }
    return NULL;
}

/* The first part of a convolution's check: two to four inputs, the first of plain floats, and an output. */
static inline int32_t amg_window_inputs(amg_check *c, amg_step *s)
{
    int32_t status = amg_check_arity(c, s, 2, 4, 1);
    if (status == AMG_OK && (s->in[0]->dtype != AMG_F32 || s->in[0]->packing != AMG_PLAIN)) {
        return amg_fail(c, AMG_E_SHAPE, "the input is not float32");
    }
    return status;
}

/* Its last part: the bias of n floats and the tensor to add, inputs 2 and 3; the output, of `terms` products for each
 * element; and bytes of scratch. */
static inline int32_t amg_window_results(amg_check *c, amg_step *s, const amg_window *w, int64_t images,
                                         const int64_t out[2], int64_t n, int64_t terms, int64_t scratch)
{
    const amg_value *bias = s->n_in > 2 ? s->in[2] : NULL, *add = s->n_in > 3 ? s->in[3] : NULL;
    int64_t dim[4];
    int32_t status;
    if (bias && (bias->dtype != AMG_F32 || bias->packing != AMG_PLAIN || bias->ndim != 1 || bias->dim[0] != n)) {
        return amg_fail(c, AMG_E_SHAPE, "the bias is not one float per output channel");
    }
    dim[0] = images;
    dim[1] = out[0];
    dim[w->rank] = out[1];
    dim[w->rank + 1] = n;
    if ((status = amg_set_out(c, s->out[0], AMG_F32, (int32_t)w->rank + 2, dim))) {
        return status;
    }
    if (add && (add->dtype != AMG_F32 || add->packing != AMG_PLAIN || add->ndim != w->rank + 2 ||
                memcmp(add->dim, dim, (size_t)(w->rank + 2) * sizeof *dim) != 0)) {
        return amg_fail(c, AMG_E_SHAPE, "the tensor to add has another shape than the output");
    }
    if ((uint64_t)scratch > SIZE_MAX / 2) {
        return amg_fail(c, AMG_E_SHAPE, "the scratch is too large for this machine");
    }
    s->scratch = (size_t)scratch;
    s->macs = (uint64_t)s->out[0]->count * (uint64_t)terms;
    return AMG_OK;
}

#endif
