/* reader.h - what the files that read .amg bytes share: the bytes, where each section begins, numbers, complaints. */
#ifndef AMG_READER_H
#define AMG_READER_H

#include "format.h"
#include "load.h"

/* The bytes being read, where each section begins, and how many records it has. */
typedef struct amg_reader {
    const uint8_t *data;
    size_t size;
    uint64_t total, weights_at, weights_bytes, weights_sum;
    uint64_t widened; /* bytes that weights in half precision take more as float32; 0 where there are none */
    size_t tensors, steps, words, inputs, outputs, symbols, metas, labels, images, strings, strings_end;
    uint32_t symbol_count;
    char *message;
    size_t message_size;
    amg_model *m;
} amg_reader;

static inline uint32_t amg_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t amg_u32(const uint8_t *p)
{
    return amg_u16(p) | amg_u16(p + 2) << 16;
}

static inline uint64_t amg_u64(const uint8_t *p)
{
    return amg_u32(p) | (uint64_t)amg_u32(p + 4) << 32;
}

static inline int32_t amg_all_zero(const uint8_t *p, size_t n)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any == 0;
}

static inline int32_t amg_bad(const amg_reader *r, int32_t status, const char *what)
{
    return amg_say(r->message, r->message_size, status, what, NULL);
}

/* "tensor 7: what" */
AMG_INTERNAL void amg_bad_text(const amg_reader *r, const char *kind, int64_t index, const char *what);
static inline int32_t amg_bad_record(const amg_reader *r, int32_t status, const char *kind, int64_t index,
                                     const char *what)
{
    if (!AMG_SMALL) {
        amg_bad_text(r, kind, index, what);
    }
    return status;
}

/* The checksum of n bytes, a multiple of 4: with w the 32-bit words, the sum over i of w[i] (1 + K (count - i)). */
AMG_INTERNAL uint64_t amg_sum(const uint8_t *p, size_t n);

/* The string at an offset of the string table, or NULL where none begins there. */
static inline const char *amg_string_at(const amg_reader *r, uint32_t at)
{
    const amg_model *m = r->m;
    return at < m->string_bytes && (at == 0 || !m->strings[at - 1]) ? m->strings + at : NULL;
}

/* The parts of a model, in the order in which they must be read. */
AMG_INTERNAL int32_t amg_load_strings(amg_reader *r);
AMG_INTERNAL int32_t amg_load_tensors(amg_reader *r);
AMG_INTERNAL int32_t amg_load_io(amg_reader *r);    /* inputs, outputs, symbols */
AMG_INTERNAL int32_t amg_load_steps(amg_reader *r); /* and the homes of tensors */
AMG_INTERNAL int32_t amg_load_extras(amg_reader *r); /* meta data, labels, pictures */
AMG_INTERNAL int32_t amg_load_weights(amg_reader *r, const amg_options *opt); /* weights.c */

#endif
