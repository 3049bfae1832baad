/* heap.c - malloc and free of a WebAssembly module: the first block that fits, of blocks that lie one after another from the
 * end of its data on. A model needs few, some as large as its weights, for which C libraries take up to twice the memory. They
 * begin on cache lines, so that vectors of weights do not lie across two. Only one thread of a model calls these. */
#include <stdint.h>
#include <stdlib.h>

#define HEAP_LINE 64 /* bytes */
#define HEAP_PAGE 65536
#define HEAP_MOST 0x7fffffff /* bytes of a block: more than a memory of 32 bits holds beside a stack */

typedef struct {
    size_t size; /* bytes, with this head, which fills a line */
    size_t used; /* 0: free */
} heap_block;

extern char __heap_base; /* the linker's: it lies where the data of the module end */
static heap_block *heap_first, *heap_end;

static heap_block *heap_after(const void *at, size_t bytes)
{
    return (heap_block *)((uintptr_t)at + bytes);
}

/* What lies behind `last`, the last block, as one that is free and has `size` bytes, itself part of it if it is free; NULL
 * where the memory may not grow. */
static heap_block *heap_grow(heap_block *last, size_t size)
{
    heap_block *b = last->used ? heap_end : last;
    const size_t here = (size_t)((uintptr_t)heap_end - (uintptr_t)b);
    const size_t pages = (size - here + HEAP_PAGE - 1) / HEAP_PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) {
        return NULL;
    }
    heap_end = heap_after(heap_end, pages * HEAP_PAGE);
    *b = (heap_block){here + pages * HEAP_PAGE, 0};
    return b;
}

void *malloc(size_t size)
{
    if (size > HEAP_MOST) {
        return NULL;
    }
    if (!heap_first) {
        heap_end = heap_after(NULL, __builtin_wasm_memory_size(0) * HEAP_PAGE);
        heap_first = heap_after(NULL, ((uintptr_t)&__heap_base + HEAP_LINE - 1) / HEAP_LINE * HEAP_LINE);
        *heap_first = (heap_block){(size_t)((uintptr_t)heap_end - (uintptr_t)heap_first), 0};
    }
    heap_block *b = heap_first, *next;
    size = (size + 2 * HEAP_LINE - 1) / HEAP_LINE * HEAP_LINE;
    while (b->used || b->size < size) {
        next = heap_after(b, b->size);
        if (next == heap_end) {
            b = heap_grow(b, size);
            if (!b) {
                return NULL;
            }
        } else if (b->used || next->used) {
            b = next;
        } else {
            b->size += next->size;
        }
    }
    if (b->size > size) {
        *heap_after(b, size) = (heap_block){b->size - size, 0};
    }
    *b = (heap_block){size, 1};
    return heap_after(b, HEAP_LINE);
}

void free(void *memory)
{
    if (memory) {
        ((heap_block *)((uintptr_t)memory - HEAP_LINE))->used = 0;
    }
}
