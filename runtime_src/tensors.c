/* tensors.c - reads strings, tensors, inputs and outputs. */
#include "generated.h"
#include "reader.h"

static int32_t tensors_bad(const amg_reader *r, int32_t status, int32_t index, const char *what)
{
    return amg_bad_record(r, status, "tensor", index, what);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* The length of the UTF-8 sequence at p, which is followed by a NUL somewhere; 0 where it is malformed. */
static size_t tensors_utf8(const uint8_t *p)
{
    const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90)
        || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0; /* longer than needed, a surrogate, or beyond U+10FFFF */
    }
    return n;
}

AMG_INTERNAL int32_t amg_load_strings(amg_reader *r)
{
    amg_model *m = r->m;
    memcpy(m->strings, r->data + r->strings, m->string_bytes);
    if (m->strings[0] || m->strings[m->string_bytes - 1]) {
        return amg_bad(r, AMG_E_FORMAT, "strings: the first or the last byte is not NUL");
    }
    for (size_t i = 0; i < m->string_bytes;) {
        const size_t n = tensors_utf8((const uint8_t *)m->strings + i);
        if (!n) {
            return amg_bad_record(r, AMG_E_FORMAT, "strings: byte", (int64_t)i, "not UTF-8");
        }
        if (i && !m->strings[i] && !m->strings[i - 1]) {
            return amg_bad_record(r, AMG_E_FORMAT, "strings: byte", (int64_t)i, "an empty string again");
        }
        i += n;
    }
    return AMG_OK;
}

/* ---- tensors --------------------------------------------------------------------------------------------------- */

/* The bytes of constant v as it is packed, or -1 where its dims do not fit its packing or the product overflows. */
static int64_t tensors_constant_bytes(const amg_value *v, int32_t half)
{
    int64_t bytes = v->dtype == AMG_I64 ? 8 : half ? 2 : 4;
    for (int32_t i = 0; i < v->ndim; i++) {
        const int32_t lanes = (v->packing == AMG_PANELS && i == 1) || (v->packing == AMG_LANE_ROWS && i == 1);
        if (!amg_mul(bytes, lanes ? amg_round_up(v->dim[i], AMG_LANES) : v->dim[i], &bytes)) {
            return -1;
        }
    }
    if (v->packing != AMG_PLAIN && (v->dtype != AMG_F32 || v->ndim != (v->packing == AMG_PANELS ? 3 : 2))) {
        return -1;
    }
    return bytes;
}

static int32_t tensors_dims(amg_reader *r, const uint8_t *p, int32_t index, amg_value *v)
{
    v->count = 1;
    for (int32_t i = 0; i < AMG_MAX_NDIM; i++) {
        const uint32_t d = amg_u32(p + AMG_T_DIM + 4 * i);
        if (i < v->ndim ? d < 1 || d > INT32_MAX : d != 0) {
            return tensors_bad(r, AMG_E_FORMAT, index, "a dimension is 0 or out of range");
        }
        v->dim[i] = d;
        if (i < v->ndim && !amg_mul(v->count, d, &v->count)) {
            return tensors_bad(r, AMG_E_SHAPE, index, "the product of its dimensions overflows");
        }
    }
    v->pitch = v->ndim ? v->dim[v->ndim - 1] : 1;
    return AMG_OK;
}

static int32_t tensors_tensor(amg_reader *r, int32_t index, uint64_t *weights)
{
    amg_slot *t = r->m->slots + index;
    uint8_t p[AMG_T_SIZE];
    uint64_t offset, bytes;
    uint32_t home;
    int32_t status, half;
    memcpy(p, r->data + r->tensors + (size_t)index * AMG_T_SIZE, sizeof p);
    half = amg_halves && p[AMG_T_ENCODING];
    memset(t, 0, sizeof *t);
    t->name = amg_string_at(r, amg_u32(p + AMG_T_NAME));
    t->value.dtype = p[AMG_T_DTYPE];
    t->value.ndim = p[AMG_T_NDIM];
    t->value.constant = p[AMG_T_CONSTANT];
    t->value.packing = p[AMG_T_PACKING];
    t->half = half;
    t->by_rows = p[AMG_T_BY_ROWS];
    t->apart = p[AMG_T_APART];
    t->producer = t->last_use = -1;
    home = amg_u32(p + AMG_T_HOME);
    offset = amg_u64(p + AMG_T_OFFSET);
    bytes = amg_u64(p + AMG_T_BYTES);
    if (!t->name) {
        return tensors_bad(r, AMG_E_FORMAT, index, "its name is not a string");
    }
    if (t->value.dtype != AMG_F32 && t->value.dtype != AMG_I64) {
        return tensors_bad(r, AMG_E_UNSUPPORTED, index, "unknown element type");
    }
    if (p[AMG_T_ENCODING] > amg_halves || t->value.packing > AMG_LANE_ROWS) {
        return tensors_bad(r, AMG_E_UNSUPPORTED, index, "unknown encoding or packing");
    }
    if (half && (t->value.dtype != AMG_F32 || !t->value.constant)) {
        return tensors_bad(r, AMG_E_FORMAT, index, "half precision is for constants of float32");
    }
    if (t->value.ndim > AMG_MAX_NDIM || t->value.constant > 1 ||
        t->by_rows > (amg_by_rows && !t->value.constant ? 2 : 0) || t->apart > (amg_apart && !t->value.constant) ||
        p[AMG_T_RESERVED]) {
        return tensors_bad(r, AMG_E_FORMAT, index, "too many axes, or a flag or reserved byte out of range");
    }
    if (home != AMG_NONE && (home >= (uint32_t)r->m->tensor_count || t->value.constant)) {
        return tensors_bad(r, AMG_E_FORMAT, index, "its home is out of range");
    }
    t->home = home == AMG_NONE ? -1 : (int32_t)home;
    if ((status = tensors_dims(r, p, index, &t->value)) != AMG_OK) {
        return status;
    }
    if (!t->value.constant) {
        return offset || bytes || t->value.packing
                   ? tensors_bad(r, AMG_E_FORMAT, index, "an activation has weights or a packing")
                   : AMG_OK;
    }
    if (tensors_constant_bytes(&t->value, half) < 0 || bytes != (uint64_t)tensors_constant_bytes(&t->value, half)) {
        return tensors_bad(r, AMG_E_FORMAT, index, "the bytes of its weights are not what its shape needs");
    }
    if (offset != *weights || bytes > r->weights_bytes - offset) {
        return tensors_bad(r, AMG_E_FORMAT, index, "the offset of its weights is not where those before end");
    }
    t->value.data = (void *)(uintptr_t)(r->data + r->weights_at + offset); /* no step writes to it */
    *weights = (offset + bytes + AMG_ALIGN - 1) / AMG_ALIGN * AMG_ALIGN;
    t->bytes = (size_t)(*weights - offset);
    r->widened += half ? t->bytes : 0;
    return *weights > r->weights_bytes
               ? tensors_bad(r, AMG_E_FORMAT, index, "its weights are not padded to 64 bytes")
               : AMG_OK;
}

AMG_INTERNAL int32_t amg_load_tensors(amg_reader *r)
{
    uint64_t weights = 0;
    for (int32_t i = 0; i < r->m->tensor_count; i++) {
        const int32_t status = tensors_tensor(r, i, &weights);
        if (status != AMG_OK) {
            return status;
        }
    }
    return weights == r->weights_bytes ? AMG_OK : amg_bad(r, AMG_E_FORMAT, "weights that belong to no tensor");
}

/* ---- inputs and outputs ---------------------------------------------------------------------------------------- */

/* Reads a list of tensor indices with distinct, non-empty names. */
static int32_t tensors_list(amg_reader *r, size_t at, int32_t count, int32_t *list, const char *kind)
{
    for (int32_t i = 0; i < count; i++) {
        const uint32_t t = amg_u32(r->data + at + 4 * (size_t)i);
        if (t >= (uint32_t)r->m->tensor_count || r->m->slots[t].value.constant) {
            return amg_bad_record(r, AMG_E_FORMAT, kind, i, "its tensor is out of range or a constant");
        }
        list[i] = (int32_t)t;
        if (!r->m->slots[t].name[0]) {
            return amg_bad_record(r, AMG_E_FORMAT, kind, i, "has no name");
        }
        for (int32_t j = 0; j < i; j++) {
            if (list[j] == list[i] || strcmp(r->m->slots[list[j]].name, r->m->slots[t].name) == 0) {
                return amg_bad_record(r, AMG_E_FORMAT, kind, i, "is there twice, or its name is");
            }
        }
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_load_io(amg_reader *r)
{
    amg_model *m = r->m;
    int32_t status = tensors_list(r, r->inputs, m->input_count, m->inputs, "input");
    if (status == AMG_OK) {
        status = tensors_list(r, r->outputs, m->output_count, m->outputs, "output");
    }
    if (status != AMG_OK) {
        return status;
    }
    for (int32_t i = 0; i < m->input_count; i++) {
        m->slots[m->inputs[i]].input = 1;
        if (m->slots[m->inputs[i]].home >= 0) {
            return amg_bad_record(r, AMG_E_FORMAT, "input", i, "has a home");
        }
    }
    for (int32_t i = 0; i < m->output_count; i++) {
        m->slots[m->outputs[i]].output = 1;
        m->slots[m->outputs[i]].last_use = m->layer_count;
    }
    for (int32_t i = 0; i < m->tensor_count; i++) {
        if (!m->slots[i].input && !m->slots[i].value.constant && m->slots[i].value.ndim) {
            return tensors_bad(r, AMG_E_FORMAT, i, "has dimensions, which only inputs and constants have");
        }
    }
    for (uint32_t i = 0, last = 0; i < r->symbol_count; i++) {
        const uint8_t *p = r->data + r->symbols + (size_t)i * AMG_SYMBOL_SIZE;
        const uint32_t input = amg_u32(p), axis = amg_u32(p + 4);
        if (input >= (uint32_t)m->input_count || axis >= (uint32_t)m->slots[m->inputs[input]].value.ndim
            || (i && input * AMG_MAX_NDIM + axis <= last) || !amg_string_at(r, amg_u32(p + 8))) {
            return amg_bad_record(r, AMG_E_FORMAT, "symbol", i, "its input, axis or name is out of range or order");
        }
        last = input * AMG_MAX_NDIM + axis;
    }
    return AMG_OK;
}
