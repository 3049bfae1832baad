/* plan.h - the shapes of one session, where each tensor lies in the arena, and how large that must be. */
#ifndef AMG_PLAN_H
#define AMG_PLAN_H

#include "generated.h"
#include "load.h"

typedef struct amg_place { /* where a tensor lies */
    int32_t root;   /* the tensor whose block it is in */
    int32_t first;  /* while verifying, of a root: a live tensor of its block, or -1 */
    int32_t next;   /* while verifying: the next live tensor of that block, or -1 */
    int64_t offset; /* elements from the block's start */
} amg_place;

/* A piece of the arena: what a root tensor and all that lie in it need, or a step's scratch. */
typedef struct amg_block {
    int32_t birth, death; /* the steps at which it is first written and last read; -1: before the run */
    int64_t bytes;        /* 0: not in use */
    int64_t offset;
} amg_block;

#define AMG_BAND_STEPS 8 /* of one band, at most */

/* Steps first to last run a few rows at a time; one step alone, which is no band, as a whole. */
typedef struct amg_band {
    int32_t first, last;
    int64_t kept; /* rows in memory of what the step makes; of the last step: rows that are made at a time */
} amg_band;

typedef struct amg_plan {
    const amg_model *model;
    amg_value *values; /* [tensor_count] */
    amg_step *steps;   /* [layer_count] */
    const amg_value **in;
    amg_value **out;
    amg_band *bands;   /* [layer_count]: the one that each step belongs to; see amg_band_of */
    amg_place *places; /* [tensor_count] */
    amg_block *blocks; /* [tensor_count] of tensors, then [layer_count] of scratch */
    int32_t *order;    /* [2 * (tensor_count + layer_count)]: blocks by size, and those placed by offset */
    uint64_t *ns;      /* [layer_count]: what each step took in the last run */
    int64_t arena_bytes;
} amg_plan;

/* The band that a step belongs to; always the step alone where no model of this build wishes otherwise. */
static inline amg_band amg_band_of(const amg_plan *p, int32_t step)
{
    const amg_band alone = {step, step, 0};
    return amg_by_rows ? p->bands[step] : alone;
}

typedef struct amg_plan_options {
    int32_t isa, threads, keep_inputs;
    char *message;
    size_t message_size;
} amg_plan_options;

/* A plan at the model's default input shapes, to be changed in values[] and solved; NULL without memory. */
AMG_INTERNAL amg_plan *amg_plan_new(const amg_model *m);
AMG_INTERNAL void amg_plan_free(amg_plan *p);

/* Infers all shapes, places every tensor, verifies the model's wishes and lays the arena out. Once per plan. */
AMG_INTERNAL int32_t amg_plan_solve(amg_plan *p, const amg_plan_options *o);

/* The last part of that: offsets for blocks whose lives and sizes are known, and for scratch; arena.c. */
AMG_INTERNAL int32_t amg_plan_arena(amg_plan *p, const amg_plan_options *o);

/* Sets every pointer of a solved plan to an arena of arena_bytes at base. */
AMG_INTERNAL void amg_plan_bind(amg_plan *p, void *base);

/* Solves the model at its default shapes, so that whatever is wrong with it is known; notes its outputs' shapes. */
AMG_INTERNAL int32_t amg_plan_model(amg_model *m, char *message, size_t size);

#endif
