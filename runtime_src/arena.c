/* arena.c - gives every block of a plan its offset: largest first, each at the lowest that is free while it lives; then tries
 * whether the arena shrinks when the block that ends highest comes first. amalgamate/plan.py does the same. */
#include "plan.h"

#define ARENA_TRIED 1024 /* blocks, above which it is not tried: placing takes time quadratic in their number */

/* Whether block a is placed before block b, which has a lower index: larger ones first, then earlier ones. */
static int32_t arena_before(const amg_block *a, const amg_block *b)
{
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->birth < b->birth;
}

/* The lowest offset at which block b meets none of the `count` placed blocks that live when it does. */
static int64_t arena_fit(const amg_plan *p, const amg_block *b, const int32_t *placed, int32_t count)
{
    int64_t at = 0;
    for (int32_t i = 0; i < count; i++) {
        const amg_block *other = p->blocks + placed[i];
        if (other->birth <= b->death && b->birth <= other->death) {
            if (other->offset - at >= b->bytes) {
                break;
            }
            at = AMG_MAX(at, other->offset + other->bytes);
        }
    }
    return at;
}

/* Places the `count` blocks of p->order one after another; returns the bytes of the arena, or -1 beyond `most`. */
static int64_t arena_place(amg_plan *p, int32_t count, int64_t most)
{
    int32_t *placed = p->order + count;
    int64_t bytes = 0;
    for (int32_t i = 0; i < count; i++) {
        amg_block *b = p->blocks + p->order[i];
        int32_t at = i;
        b->offset = arena_fit(p, b, placed, i);
        if (b->offset > most - b->bytes) {
            return -1;
        }
        bytes = AMG_MAX(bytes, b->offset + b->bytes);
        for (; at > 0 && p->blocks[placed[at - 1]].offset > b->offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = p->order[i];
    }
    return bytes;
}

/* The place in p->order of a block that ends where the arena does. */
static int32_t arena_top(const amg_plan *p)
{
    int32_t i = 0;
    while (p->blocks[p->order[i]].offset + p->blocks[p->order[i]].bytes < p->arena_bytes) {
        i++;
    }
    return i;
}

/* Moves entry `from` of a list to `to`, those between by one. */
static void arena_move(int32_t *list, int32_t from, int32_t to)
{
    const int32_t moved = list[from], step = from < to ? 1 : -1;
    for (; from != to; from += step) {
        list[from] = list[from + step];
    }
    list[to] = moved;
}

AMG_INTERNAL int32_t amg_plan_arena(amg_plan *p, const amg_plan_options *o)
{
    const amg_model *m = p->model;
    const int64_t most = (int64_t)(SIZE_MAX / 2 < INT64_MAX / 2 ? SIZE_MAX / 2 : INT64_MAX / 2) - AMG_ALIGN;
    int32_t count = 0;
    for (int32_t i = 0; i < m->layer_count; i++) {
        amg_block *b = p->blocks + m->tensor_count + i;
        b->birth = amg_band_of(p, i).first;
        b->death = amg_band_of(p, i).last;
        if (p->steps[i].scratch > (size_t)most / 256 / (size_t)o->threads) {
            return amg_say(o->message, o->message_size, AMG_E_SHAPE, "scratch too large for this machine",
                           m->layers[i].name);
        }
        b->bytes = amg_round_up((int64_t)p->steps[i].scratch, AMG_ALIGN) * o->threads;
    }
    for (int32_t i = 0; i < m->tensor_count + m->layer_count; i++) {
        if (p->blocks[i].bytes) {
            int32_t at = count;
            for (; at > 0 && arena_before(p->blocks + i, p->blocks + p->order[at - 1]); at--) {
                p->order[at] = p->order[at - 1];
            }
            p->order[at] = i;
            count++;
        }
    }
    p->arena_bytes = arena_place(p, count, most);
    for (int32_t shrinks = count <= ARENA_TRIED; shrinks && p->arena_bytes > 0;) {
        const int32_t top = arena_top(p);
        int64_t bytes;
        arena_move(p->order, top, 0);
        bytes = arena_place(p, count, most);
        shrinks = bytes >= 0 && bytes < p->arena_bytes;
        if (!shrinks) {
            arena_move(p->order, 0, top);
            bytes = arena_place(p, count, most);
        }
        p->arena_bytes = bytes;
    }
    return p->arena_bytes >= 0
               ? AMG_OK
               : amg_say(o->message, o->message_size, AMG_E_SHAPE, "arena too large for this machine", NULL);
}
