/* winograd_layer.h - a whole layer by Winograd's algorithm: how threads share it, group by group. */
#ifndef AMG_KERNELS_WINOGRAD_LAYER_H
#define AMG_KERNELS_WINOGRAD_LAYER_H

#include "kernels/winograd.h"

#define AMG_WINOGRAD_PART 64 /* channels of a tile whose input a thread transforms for others */

/* How threads share a layer: by items, blocks of tiles times slices of outputs. */
typedef struct amg_winograd_share {
    int64_t block, slice;
} amg_winograd_share;

/* Cuts blocks smaller and outputs into slices so that `threads` threads end soonest by a count of instructions: each item
 * transforms its weights, and its input, which takes less than to fetch what another thread transformed. Of equal blocks
 * and slices it tries the largest of each count; none needs more scratch than before. */
static inline amg_winograd_share amg_winograd_spread(const amg_winograd_cut *cut, int64_t c, int64_t n, int64_t groups,
                                                     int64_t threads)
{
    const int64_t panels = (n + AMG_LANES - 1) / AMG_LANES;
    amg_winograd_share best = {cut->block, panels * AMG_LANES};
    double least = INFINITY;
    for (int64_t high = cut->block; threads > 1 && high > 0; high = (high - 1) / 8 * 8) {
        const int64_t blocks = (cut->tiles + high - 1) / high, tiles = (cut->tiles + blocks - 1) / blocks;
        for (int64_t width = panels; width > 0; width--) {
            const int64_t slices = (panels + width - 1) / width, items = blocks * slices * groups;
            width = (panels + slices - 1) / slices;
            const double item = amg_winograd_cost(cut, tiles, c, width * AMG_LANES);
            const double time = item * (double)((items + threads - 1) / threads);
            if (time < least) {
                least = time;
                best = (amg_winograd_share){tiles, width * AMG_LANES};
            }
        }
    }
    return best;
}

/* What the threads of one run share. */
typedef struct amg_winograd_work {
    const amg_context *t;
    const amg_winograd_layer *layer; /* of group 0 */
    const amg_winograd_cut *cut;
    int64_t groups;
    amg_winograd_share share;
    amg_winograd_tiles tiles; /* all, where they are so few that their input is transformed once for all threads; else none */
} amg_winograd_work;

/* Tiles [first, first + count) in the scratch of a thread. */
static inline amg_winograd_tiles amg_winograd_room(const amg_winograd_work *j, int64_t first, int64_t count, int32_t thread)
{
    const amg_winograd_cut *cut = j->cut;
    float *v = (float *)amg_scratch_of(j->t, thread), *zeros = v + cut->v_floats + cut->u_floats + cut->m_floats;
    memset(zeros, 0, (size_t)cut->zeros * sizeof *zeros);
    return (amg_winograd_tiles){first, count, v, amg_winograd_v_step(j->share.block, j->layer->c), zeros};
}

/* Items are parts of the channels times tiles. */
static inline void amg_winograd_input_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_winograd_work *j = (const amg_winograd_work *)arg;
    (void)thread;
    for (int64_t item = begin; item < end; item++) {
        const int64_t c = item / j->tiles.count * AMG_WINOGRAD_PART;
        amg_winograd[j->t->isa]->input(j->layer, j->cut, &j->tiles, item % j->tiles.count, c,
                                       AMG_MIN(c + AMG_WINOGRAD_PART, j->layer->c));
    }
}

/* Items are blocks of tiles, times groups, times slices of a group's outputs. */
static inline void amg_winograd_output_job(void *arg, int64_t begin, int64_t end, int32_t thread)
{
    const amg_winograd_work *j = (const amg_winograd_work *)arg;
    const amg_winograd_kernels *kernels = amg_winograd[j->t->isa];
    const int64_t taps = j->cut->taps * j->cut->taps;
    float *scratch = (float *)amg_scratch_of(j->t, thread) + j->cut->v_floats;
    for (int64_t item = begin; item < end; item++) {
        amg_winograd_layer l = *j->layer;
        int64_t n0, n1, part = amg_gemm_item(item, l.n, j->share.slice, &n0, &n1);
        int64_t first = part / j->groups * j->share.block, g = part % j->groups, at = g * l.n;
        amg_winograd_tiles tiles = j->tiles;
        l.x += g * l.c;
        l.w += g * amg_round_up(l.n, AMG_LANES) * taps * l.c;
        l.bias = l.bias ? l.bias + at : NULL;
        l.add = l.add ? l.add + at : NULL;
        l.out += at;
        if (!tiles.count) {
            tiles = amg_winograd_room(j, first, AMG_MIN(j->share.block, j->cut->tiles - first), thread);
            for (int64_t t = 0; t < tiles.count; t++) {
                kernels->input(&l, j->cut, &tiles, t, 0, l.c);
            }
        }
        kernels->output(&l, j->cut, &tiles, n0, n1, scratch);
    }
}

/* Runs a layer of `groups` groups, of which `layer` is the first. */
static inline void amg_winograd_run(const amg_context *t, const amg_winograd_layer *layer, const amg_winograd_cut *cut,
                                    int64_t groups)
{
    amg_winograd_work j = {.t = t, .layer = layer, .cut = cut, .groups = groups,
                           .share = amg_winograd_spread(cut, layer->c, layer->n, groups, t->threads)};
    if (t->threads > 1 && groups == 1 && cut->tiles <= AMG_WINOGRAD_FEW) {
        j.share.block = cut->tiles;
        j.tiles = amg_winograd_room(&j, 0, cut->tiles, 0);
        amg_parallel(t, (layer->c + AMG_WINOGRAD_PART - 1) / AMG_WINOGRAD_PART * cut->tiles, 1, amg_winograd_input_job, &j);
    }
    const int64_t blocks = (cut->tiles + j.share.block - 1) / j.share.block;
    amg_parallel(t, blocks * groups * amg_gemm_slices(layer->n, j.share.slice), 1, amg_winograd_output_job, &j);
}

#endif
