/* weights.c - where the weights of a model lie: in its file; or in memory of their own, to which they are copied where that
 * is asked for, and where the file holds some in half precision, which become float32. */
#include "generated.h"
#include "reader.h"

/* The bits of a float32 of the value of an IEEE 754 binary16. Signs are as good as random: no branch asks for them. */
static uint32_t weights_widen(uint32_t half)
{
    const uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ff;
    uint32_t bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
    if (!exponent) {
        const float subnormal = (float)fraction * 0x1p-24f;
        memcpy(&bits, &subnormal, sizeof bits);
    }
    return bits | (half & 0x8000) << 16;
}

/* Copies elements of `size` bytes, whose bytes lie little-endian; `to` may be up to `from`. */
static void weights_move(char *to, const uint8_t *from, size_t bytes, size_t size)
{
    if (!AMG_BIG_ENDIAN) {
        memmove(to, from, bytes);
        return;
    }
    for (size_t k = 0; k < bytes; k += size) {
        char element[8];
        memcpy(element, from + k, size);
        for (size_t i = 0; i < size; i++) {
            to[k + i] = element[size - 1 - i];
        }
    }
}

/* Copies every constant to memory of the caller or of the model, each element behind those before it: where that memory
 * ends where the file does, nothing is overwritten that is still to be read. */
static int32_t weights_copy(amg_reader *r, const amg_options *opt)
{
    amg_model *m = r->m;
    const uint64_t bytes = r->weights_bytes + (amg_halves ? r->widened : 0);
    char *to = amg_halves ? (char *)opt->weights : NULL;
    if (to && ((uintptr_t)to % AMG_ALIGN || bytes > opt->weights_size)) {
        return amg_bad(r, AMG_E_MEMORY, "the memory for weights is too small, or not aligned to 64 bytes");
    }
    if (!to) {
        if (!amg_halves || bytes < SIZE_MAX - AMG_ALIGN) {
            to = (char *)amg_memory_get(&m->memory, (size_t)bytes + AMG_ALIGN);
        }
        if (!to) {
            return amg_bad(r, AMG_E_MEMORY, "no memory for a copy of the weights");
        }
        m->copy = to;
        to += (AMG_ALIGN - (uintptr_t)to % AMG_ALIGN) % AMG_ALIGN;
    }
    for (amg_slot *t = m->slots; t < m->slots + m->tensor_count; t++) {
        const uint8_t *from = (const uint8_t *)t->value.data;
        if (!t->bytes) {
            continue;
        }
        t->value.data = to;
        if (amg_halves && t->half) {
            for (size_t k = 0; k < t->bytes / 2; k++) {
                const uint32_t bits = weights_widen(amg_u16(from + 2 * k));
                memcpy(to + 4 * k, &bits, sizeof bits);
            }
            to += t->bytes;
        } else {
            weights_move(to, from, t->bytes, t->value.dtype == AMG_I64 ? 8 : 4);
        }
        to += t->bytes;
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_load_weights(amg_reader *r, const amg_options *opt)
{
    const uint8_t *weights = r->data + r->weights_at;
    r->m->copied = (opt->flags & AMG_OPEN_COPY) || (amg_halves && r->widened);
    if ((opt->flags & AMG_OPEN_VERIFY) && amg_sum(weights, (size_t)r->weights_bytes) != r->weights_sum) {
        return amg_bad(r, AMG_E_CHECKSUM, "checksum of the weights is wrong");
    }
    if (r->m->copied && r->weights_bytes) {
        return weights_copy(r, opt);
    }
    if (!r->m->copied && (uintptr_t)weights % 8) {
        return amg_bad(r, AMG_E_ARGUMENT, "data is not aligned to 8 bytes; align it or set AMG_OPEN_COPY");
    }
    return AMG_OK;
}
