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

#endif
