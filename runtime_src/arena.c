/* arena.c - gives every block of a plan its offset: largest first, each at the lowest that is free while it lives. */
#include "plan.h"

/* Whether block a is placed before block b: larger ones first, then earlier ones. */
static int32_t arena_before(const amg_plan *p, int32_t a, int32_t b)
{
    const amg_block *x = p->blocks + a, *y = p->blocks + b;
    if (x->bytes != y->bytes) {
        return x->bytes > y->bytes;
    }
    return x->birth != y->birth ? x->birth < y->birth : a < b;
}

static void arena_sift(const amg_plan *p, int32_t *heap, int32_t at, int32_t count)
{
    for (;;) {
        int32_t child = 2 * at + 1, moved = heap[at];
        if (child >= count) {
            return;
        }
        if (child + 1 < count && arena_before(p, heap[child], heap[child + 1])) {
            child++;
        }
        if (!arena_before(p, moved, heap[child])) {
            return;
        }
        heap[at] = heap[child];
        heap[child] = moved;
        at = child;
    }
}

/* Heap sort by arena_before. */
static void arena_sort(const amg_plan *p, int32_t *list, int32_t count)
{
    for (int32_t i = count / 2 - 1; i >= 0; i--) {
        arena_sift(p, list, i, count);
    }
    for (int32_t i = count - 1; i > 0; i--) {
        const int32_t last = list[0];
        list[0] = list[i];
        list[i] = last;
        arena_sift(p, list, 0, i);
    }
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

AMG_INTERNAL int32_t amg_plan_arena(amg_plan *p, const amg_plan_options *o)
{
    const amg_model *m = p->model;
    const int64_t most = (int64_t)(SIZE_MAX / 2 < INT64_MAX / 2 ? SIZE_MAX / 2 : INT64_MAX / 2) - AMG_ALIGN;
    int32_t *placed = p->order + m->tensor_count + m->layer_count, count = 0;
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
            p->order[count++] = i;
        }
    }
    arena_sort(p, p->order, count);
    for (int32_t i = 0; i < count; i++) {
        amg_block *b = p->blocks + p->order[i];
        int32_t at = i;
        b->offset = arena_fit(p, b, placed, i);
        if (b->offset > most - b->bytes) {
            return amg_say(o->message, o->message_size, AMG_E_SHAPE, "arena too large for this machine", NULL);
        }
        p->arena_bytes = AMG_MAX(p->arena_bytes, b->offset + b->bytes);
        for (; at > 0 && p->blocks[placed[at - 1]].offset > b->offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = p->order[i];
    }
    return AMG_OK;
}
