/* panels.h - packs weights that are not constants of the model, at run time, as pack.py packs those that are. */
#ifndef AMG_KERNELS_PANELS_H
#define AMG_KERNELS_PANELS_H

#include "op.h"

/* A matrix [n, k] inside another tensor, k = rows * columns * inner in this order; steps are in floats. */
typedef struct amg_matrix_view {
    const float *data;
    int64_t n, rows, columns, inner;
    int64_t n_step, row_step, column_step, inner_step;
} amg_matrix_view;

/* Floats of `groups` matrices [n, k] as panels; 0 where they do not fit. */
static inline int64_t amg_panels_floats(int64_t groups, int64_t n, int64_t k)
{
    int64_t floats = 0;
    return n <= INT64_MAX - AMG_LANES && amg_mul(groups, amg_round_up(n, AMG_LANES), &floats) &&
                   amg_mul(floats, k, &floats) && floats <= INT64_MAX / 8
               ? floats
               : 0;
}

/* Writes v as panels of [k][16], the last one padded with zeros. */
static inline void amg_pack_panels(const amg_matrix_view *v, float *panels)
{
    for (int64_t n = 0; n < v->n; n += AMG_LANES) {
        int64_t lanes = AMG_MIN(v->n - n, AMG_LANES);
        for (int64_t tap = 0; tap < v->rows * v->columns; tap++) {
            int64_t at = n * v->n_step + tap / v->columns * v->row_step + tap % v->columns * v->column_step;
            const float *from = v->data + at;
            for (int64_t i = 0; i < v->inner; i++, from += v->inner_step, panels += AMG_LANES) {
                if (lanes == AMG_LANES && v->n_step == 1) {
                    memcpy(panels, from, AMG_LANES * sizeof *panels);
                    continue;
                }
                for (int64_t lane = 0; lane < AMG_LANES; lane++) {
                    panels[lane] = lane < lanes ? from[lane * v->n_step] : 0.0f;
                }
            }
        }
    }
}

#endif
