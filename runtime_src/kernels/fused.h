/* fused.h - the activation that a layer applies to its sums: a clamp inside the kernel, any other one behind it. */
#ifndef AMG_KERNELS_FUSED_H
#define AMG_KERNELS_FUSED_H

#include "kernels/activate.h"
#include "op.h"

#include <math.h>

/* The clamp that the kernel itself does. */
static inline void amg_activation_clamp(const amg_activation *act, float *lo, float *hi)
{
    *lo = act->kind == AMG_ACT_CLIP ? act->a : -INFINITY;
    *hi = act->kind == AMG_ACT_CLIP ? act->b : INFINITY;
}

/* What the kernel does not do, over rows just written. */
static inline void amg_activate_rows(const amg_activation *act, int32_t isa, float *y, int64_t rows, int64_t width,
                                     int64_t pitch)
{
    if (act->kind == AMG_ACT_NONE || act->kind == AMG_ACT_CLIP) {
        return;
    }
    for (int64_t i = 0; i < rows; i++, y += pitch) {
        amg_activate[isa]->run(act->kind, act->a, act->b, y, y, width);
    }
}

#endif
