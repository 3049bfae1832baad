/* load.c - from .amg bytes to amg_model. Each byte is fetched once into private memory and judged there, so that a file
 * that changes under its mapping can do no harm; only weights stay where they lie, and any bytes are good weights. */
#include "load.h"
#include "format.h"
#include "generated.h"
#include "plan.h"

/* The bytes being read, where each section begins, and how many records it has. */
typedef struct load_reader {
    const uint8_t *data;
    size_t size;
    uint64_t total, weights_at, weights_bytes, weights_sum;
    size_t tensors, steps, words, inputs, outputs, symbols, metas, labels, images, strings, strings_end;
    uint32_t symbol_count;
    char *message;
    size_t message_size;
    amg_model *m;
} load_reader;

static uint32_t load_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t load_u32(const uint8_t *p)
{
    return load_u16(p) | load_u16(p + 2) << 16;
}

static uint64_t load_u64(const uint8_t *p)
{
    return load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

static int32_t load_all_zero(const uint8_t *p, size_t n)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= p[i];
    }
    return any == 0;
}

/* The checksum of n bytes, a multiple of 4: with w the 32-bit words, sum over i of w[i] (1 + K (count - i)), K odd * 2. */
static uint64_t load_sum(const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0;
    for (size_t i = 0; i + 4 <= n; i += 4) {
        a += load_u32(p + i);
        b += a;
    }
    return a + b * AMG_FORMAT_SUM_FACTOR;
}

static int32_t load_bad(const load_reader *r, int32_t status, const char *what)
{
    return amg_say(r->message, r->message_size, status, what, NULL);
}

/* "tensor 7: what" */
static int32_t load_bad_record(const load_reader *r, int32_t status, const char *kind, int64_t index, const char *what)
{
    amg_text t = amg_text_in(r->message, r->message_size);
    amg_text_add(&t, kind);
    amg_text_add(&t, " ");
    amg_text_int(&t, index);
    amg_text_add(&t, ": ");
    amg_text_add(&t, what);
    return status;
}

/* ---- the header ---------------------------------------------------------------------------------------------------- */

static int32_t load_preamble(load_reader *r)
{
    const uint8_t *h = r->data;
    const uint32_t endian = 1;
    if (r->size < AMG_H_SIZE) {
        return load_bad(r, AMG_E_FORMAT, "file shorter than its header");
    }
    if (memcmp(h + AMG_H_MAGIC, AMG_FORMAT_MAGIC, 8) != 0) {
        return load_bad(r, AMG_E_FORMAT, "magic is not that of a .amg file");
    }
    if (load_u32(h + AMG_H_ENDIAN) != AMG_FORMAT_ENDIAN) {
        return load_bad(r, AMG_E_FORMAT, "endian mark is wrong");
    }
    if (*(const uint8_t *)&endian != 1) {
        return load_bad(r, AMG_E_UNSUPPORTED, "this machine is big-endian; weights are little-endian");
    }
    if (load_u16(h + AMG_H_MAJOR) > AMG_FORMAT_MAJOR
        || (load_u16(h + AMG_H_MAJOR) == AMG_FORMAT_MAJOR && load_u16(h + AMG_H_MINOR) > AMG_FORMAT_MINOR)) {
        return load_bad(r, AMG_E_VERSION, "format version is newer than this runtime");
    }
    if (load_u16(h + AMG_H_MAJOR) != AMG_FORMAT_MAJOR) {
        return load_bad(r, AMG_E_FORMAT, "format version 0 does not exist");
    }
    return AMG_OK;
}

/* Reads a count; sets where its section begins and moves *end behind it. */
static uint32_t load_section(const load_reader *r, size_t field, uint64_t record, uint64_t *end, size_t *begin)
{
    const uint32_t count = load_u32(r->data + field);
    *begin = *end <= r->size ? (size_t)*end : r->size;
    *end += count * record;
    return count;
}

static int32_t load_header(load_reader *r, amg_model *m)
{
    const uint8_t *h = r->data;
    uint64_t end = AMG_H_SIZE;
    const uint32_t tensors = load_section(r, AMG_H_TENSORS, AMG_T_SIZE, &end, &r->tensors);
    const uint32_t steps = load_section(r, AMG_H_STEPS, AMG_S_SIZE, &end, &r->steps);
    const uint32_t words = load_section(r, AMG_H_WORDS, 4, &end, &r->words);
    const uint32_t inputs = load_section(r, AMG_H_INPUTS, 4, &end, &r->inputs);
    const uint32_t outputs = load_section(r, AMG_H_OUTPUTS, 4, &end, &r->outputs);
    const uint32_t symbols = load_section(r, AMG_H_SYMBOLS, AMG_SYMBOL_SIZE, &end, &r->symbols);
    const uint32_t metas = load_section(r, AMG_H_METAS, AMG_META_SIZE, &end, &r->metas);
    const uint32_t labels = load_section(r, AMG_H_LABELS, 4, &end, &r->labels);
    const uint32_t images = load_section(r, AMG_H_IMAGES, AMG_I_SIZE, &end, &r->images);
    const uint32_t strings = load_section(r, AMG_H_STRINGS, 1, &end, &r->strings);
    r->total = load_u64(h + AMG_H_TOTAL);
    r->weights_bytes = load_u64(h + AMG_H_WEIGHTS);
    r->weights_sum = load_u64(h + AMG_H_WEIGHTS_SUM);
    r->weights_at = (end + AMG_ALIGN - 1) / AMG_ALIGN * AMG_ALIGN;
    if (r->total != r->size) {
        return load_bad(r, AMG_E_FORMAT, r->total > r->size ? "file is shorter than its total size"
                                                            : "file is longer than its total size");
    }
    if (end - AMG_H_SIZE > AMG_MAX_CONTROL || r->weights_at > r->total) {
        return load_bad(r, AMG_E_FORMAT, "header: its counts do not fit into the file");
    }
    if (r->weights_bytes != r->total - r->weights_at) {
        return load_bad(r, AMG_E_FORMAT, "header: size of the weights is not what the file has left");
    }
    if (load_u64(h + AMG_H_CHECKSUM) != load_sum(h + AMG_H_SUMMED, (size_t)r->weights_at - AMG_H_SUMMED)) {
        return load_bad(r, AMG_E_CHECKSUM, "checksum of the control region is wrong");
    }
    if (!load_all_zero(h + AMG_H_RESERVED, AMG_H_SIZE - AMG_H_RESERVED)) {
        return load_bad(r, AMG_E_FORMAT, "header: a reserved byte is not zero");
    }
    if (!load_all_zero(h + end, (size_t)(r->weights_at - end))) {
        return load_bad(r, AMG_E_FORMAT, "a byte between strings and weights is not zero");
    }
    if (tensors > AMG_MAX_TENSORS || steps > AMG_MAX_STEPS || inputs > AMG_MAX_IO || outputs > AMG_MAX_IO || outputs < 1
        || images > inputs || strings < 1) {
        return load_bad(r, AMG_E_FORMAT, "header: a count is out of range");
    }
    r->strings_end = (size_t)end;
    r->symbol_count = symbols;
    m->tensor_count = (int32_t)tensors;
    m->layer_count = (int32_t)steps;
    m->word_count = (int32_t)words;
    m->input_count = (int32_t)inputs;
    m->output_count = (int32_t)outputs;
    m->meta_count = (int32_t)metas;
    m->label_count = (int32_t)labels;
    m->picture_count = (int32_t)images;
    m->string_bytes = strings;
    return AMG_OK;
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void *load_take(char *base, size_t *used, size_t count, size_t size)
{
    void *at = base ? base + *used : NULL;
    *used += (count * size + 15) / 16 * 16;
    return at;
}

/* Lays a model with the counts of m out at base, or nowhere; returns the bytes that takes. */
static size_t load_lay_out(amg_model *m, char *base)
{
    size_t used = (sizeof *m + 15) / 16 * 16;
    m->slots = (amg_slot *)load_take(base, &used, (size_t)m->tensor_count, sizeof *m->slots);
    m->layers = (amg_layer *)load_take(base, &used, (size_t)m->layer_count, sizeof *m->layers);
    m->words = (int32_t *)load_take(base, &used, (size_t)m->word_count, sizeof *m->words);
    m->inputs = (int32_t *)load_take(base, &used, (size_t)m->input_count, sizeof *m->inputs);
    m->outputs = (int32_t *)load_take(base, &used, (size_t)m->output_count, sizeof *m->outputs);
    m->metas = (const char **)load_take(base, &used, (size_t)m->meta_count * 2, sizeof *m->metas);
    m->labels = (const char **)load_take(base, &used, (size_t)m->label_count, sizeof *m->labels);
    m->pictures = (amg_picture *)load_take(base, &used, (size_t)m->picture_count, sizeof *m->pictures);
    m->strings = (char *)load_take(base, &used, m->string_bytes, 1);
    return used;
}

/* ---- strings ------------------------------------------------------------------------------------------------------- */

/* The length of the UTF-8 sequence at p, which is followed by a NUL somewhere; 0 where it is malformed. */
static size_t load_utf8(const uint8_t *p)
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

static int32_t load_strings(load_reader *r)
{
    amg_model *m = r->m;
    memcpy(m->strings, r->data + r->strings, m->string_bytes);
    if (m->strings[0] || m->strings[m->string_bytes - 1]) {
        return load_bad(r, AMG_E_FORMAT, "strings: the first or the last byte is not NUL");
    }
    for (size_t i = 0; i < m->string_bytes;) {
        const size_t n = load_utf8((const uint8_t *)m->strings + i);
        if (!n) {
            return load_bad_record(r, AMG_E_FORMAT, "strings: byte", (int64_t)i, "not UTF-8");
        }
        i += n;
    }
    return AMG_OK;
}

/* The string at an offset, or NULL where none begins there. */
static const char *load_string(const load_reader *r, uint32_t at)
{
    const amg_model *m = r->m;
    return at < m->string_bytes && (at == 0 || !m->strings[at - 1]) ? m->strings + at : NULL;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

/* The bytes of constant v as it is packed, or -1 where its dims do not fit its packing or the product overflows. */
static int64_t load_constant_bytes(const amg_value *v)
{
    int64_t bytes = v->dtype == AMG_I64 ? 8 : 4;
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

static int32_t load_dims(load_reader *r, const uint8_t *p, int32_t index, amg_value *v)
{
    v->count = 1;
    for (int32_t i = 0; i < AMG_MAX_NDIM; i++) {
        const uint32_t d = load_u32(p + AMG_T_DIM + 4 * i);
        if (i < v->ndim ? d < 1 || d > INT32_MAX : d != 0) {
            return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "a dimension is 0 or out of range");
        }
        v->dim[i] = d;
        if (i < v->ndim && !amg_mul(v->count, d, &v->count)) {
            return load_bad_record(r, AMG_E_SHAPE, "tensor", index, "the product of its dimensions overflows");
        }
    }
    v->pitch = v->ndim ? v->dim[v->ndim - 1] : 1;
    return AMG_OK;
}

static int32_t load_tensor(load_reader *r, int32_t index, uint64_t *weights)
{
    amg_slot *t = r->m->slots + index;
    uint8_t p[AMG_T_SIZE];
    uint64_t offset, bytes;
    uint32_t home;
    int32_t status;
    memcpy(p, r->data + r->tensors + (size_t)index * AMG_T_SIZE, sizeof p);
    memset(t, 0, sizeof *t);
    t->name = load_string(r, load_u32(p + AMG_T_NAME));
    t->value.dtype = p[AMG_T_DTYPE];
    t->value.ndim = p[AMG_T_NDIM];
    t->value.constant = p[AMG_T_CONSTANT];
    t->value.packing = p[AMG_T_PACKING];
    t->producer = t->last_use = -1;
    home = load_u32(p + AMG_T_HOME);
    offset = load_u64(p + AMG_T_OFFSET);
    bytes = load_u64(p + AMG_T_BYTES);
    if (!t->name) {
        return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "its name is not a string");
    }
    if (t->value.dtype != AMG_F32 && t->value.dtype != AMG_I64) {
        return load_bad_record(r, AMG_E_UNSUPPORTED, "tensor", index, "unknown element type");
    }
    if (p[AMG_T_ENCODING] != 0 || t->value.packing > AMG_LANE_ROWS) {
        return load_bad_record(r, AMG_E_UNSUPPORTED, "tensor", index, "unknown encoding or packing");
    }
    if (t->value.ndim > AMG_MAX_NDIM || t->value.constant > 1 || !load_all_zero(p + AMG_T_RESERVED, 3)) {
        return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "too many axes, or a flag or reserved byte out of range");
    }
    if (home != AMG_NONE && (home >= (uint32_t)r->m->tensor_count || t->value.constant)) {
        return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "its home is out of range");
    }
    t->home = home == AMG_NONE ? -1 : (int32_t)home;
    if ((status = load_dims(r, p, index, &t->value)) != AMG_OK) {
        return status;
    }
    if (!t->value.constant) {
        return offset || bytes || t->value.packing
                   ? load_bad_record(r, AMG_E_FORMAT, "tensor", index, "an activation has weights or a packing")
                   : AMG_OK;
    }
    if (load_constant_bytes(&t->value) < 0 || bytes != (uint64_t)load_constant_bytes(&t->value)) {
        return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "the bytes of its weights are not what its shape needs");
    }
    if (offset != *weights || bytes > r->weights_bytes - offset) {
        return load_bad_record(r, AMG_E_FORMAT, "tensor", index, "the offset of its weights is not where those before end");
    }
    t->value.data = (void *)(uintptr_t)(r->data + r->weights_at + offset); /* never written to: no step has it as output */
    *weights = (offset + bytes + AMG_ALIGN - 1) / AMG_ALIGN * AMG_ALIGN;
    return *weights > r->weights_bytes
               ? load_bad_record(r, AMG_E_FORMAT, "tensor", index, "its weights are not padded to 64 bytes")
               : AMG_OK;
}

static int32_t load_tensors(load_reader *r)
{
    uint64_t weights = 0;
    for (int32_t i = 0; i < r->m->tensor_count; i++) {
        const int32_t status = load_tensor(r, i, &weights);
        if (status != AMG_OK) {
            return status;
        }
    }
    return weights == r->weights_bytes ? AMG_OK : load_bad(r, AMG_E_FORMAT, "bytes after the last weights belong to no tensor");
}

/* ---- inputs and outputs -------------------------------------------------------------------------------------------- */

/* Reads a list of tensor indices with distinct, non-empty names. */
static int32_t load_list(load_reader *r, size_t at, int32_t count, int32_t *list, const char *kind)
{
    for (int32_t i = 0; i < count; i++) {
        const uint32_t t = load_u32(r->data + at + 4 * (size_t)i);
        if (t >= (uint32_t)r->m->tensor_count || r->m->slots[t].value.constant) {
            return load_bad_record(r, AMG_E_FORMAT, kind, i, "its tensor is out of range or a constant");
        }
        list[i] = (int32_t)t;
        if (!r->m->slots[t].name[0]) {
            return load_bad_record(r, AMG_E_FORMAT, kind, i, "has no name");
        }
        for (int32_t j = 0; j < i; j++) {
            if (list[j] == list[i] || strcmp(r->m->slots[list[j]].name, r->m->slots[t].name) == 0) {
                return load_bad_record(r, AMG_E_FORMAT, kind, i, "is there twice, or its name is");
            }
        }
    }
    return AMG_OK;
}

static int32_t load_io(load_reader *r)
{
    amg_model *m = r->m;
    int32_t status = load_list(r, r->inputs, m->input_count, m->inputs, "input");
    if (status == AMG_OK) {
        status = load_list(r, r->outputs, m->output_count, m->outputs, "output");
    }
    if (status != AMG_OK) {
        return status;
    }
    for (int32_t i = 0; i < m->input_count; i++) {
        m->slots[m->inputs[i]].input = 1;
        if (m->slots[m->inputs[i]].home >= 0) {
            return load_bad_record(r, AMG_E_FORMAT, "input", i, "has a home");
        }
    }
    for (int32_t i = 0; i < m->output_count; i++) {
        m->slots[m->outputs[i]].output = 1;
        m->slots[m->outputs[i]].last_use = m->layer_count;
    }
    for (int32_t i = 0; i < m->tensor_count; i++) {
        if (!m->slots[i].input && !m->slots[i].value.constant && m->slots[i].value.ndim) {
            return load_bad_record(r, AMG_E_FORMAT, "tensor", i, "has dimensions, which only inputs and constants have");
        }
    }
    for (uint32_t i = 0, last = 0; i < r->symbol_count; i++) {
        const uint8_t *p = r->data + r->symbols + (size_t)i * AMG_SYMBOL_SIZE;
        const uint32_t input = load_u32(p), axis = load_u32(p + 4);
        if (input >= (uint32_t)m->input_count || axis >= (uint32_t)m->slots[m->inputs[input]].value.ndim
            || (i && input * AMG_MAX_NDIM + axis <= last) || !load_string(r, load_u32(p + 8))) {
            return load_bad_record(r, AMG_E_FORMAT, "symbol", i, "its input, axis or name is out of range or order");
        }
        last = input * AMG_MAX_NDIM + axis;
    }
    return AMG_OK;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static const amg_op *load_op(const char *name)
{
    int32_t low = 0, high = amg_op_count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const int32_t order = (int32_t)strcmp(amg_ops[middle]->name, name);
        if (order == 0) {
            return amg_ops[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Judges the operands of step `index` and notes who makes and who reads what. */
static int32_t load_operands(load_reader *r, int32_t index, const amg_layer *l)
{
    amg_model *m = r->m;
    for (int32_t i = 0; i < l->n_in; i++) {
        const int32_t t = l->in[i];
        if (t == -1) {
            continue;
        }
        if (t < 0 || t >= m->tensor_count) {
            return load_bad_record(r, AMG_E_FORMAT, "step", index, "an input is out of range");
        }
        if (!m->slots[t].value.constant && !m->slots[t].input && m->slots[t].producer < 0) {
            return load_bad_record(r, AMG_E_FORMAT, "step", index, "reads a tensor before anything makes it");
        }
        m->slots[t].last_use = AMG_MAX(m->slots[t].last_use, index);
        m->slots[t].pitchable = m->slots[t].pitchable && (l->op->flags & AMG_OP_PITCHED_IN);
    }
    for (int32_t i = 0; i < l->n_out; i++) {
        const int32_t t = l->out[i];
        if (t < 0 || t >= m->tensor_count || m->slots[t].value.constant || m->slots[t].input) {
            return load_bad_record(r, AMG_E_FORMAT, "step", index, "an output is out of range, a constant or an input");
        }
        if (m->slots[t].producer >= 0) {
            return load_bad_record(r, AMG_E_FORMAT, "step", index, "makes a tensor that is made already");
        }
        m->slots[t].producer = index;
        m->slots[t].pitchable = (l->op->flags & AMG_OP_PITCHED_OUT) != 0;
    }
    return AMG_OK;
}

static int32_t load_steps(load_reader *r)
{
    amg_model *m = r->m;
    size_t used = 0;
    for (int32_t i = 0; i < m->word_count; i++) {
        m->words[i] = (int32_t)load_u32(r->data + r->words + 4 * (size_t)i);
    }
    for (int32_t i = 0; i < m->layer_count; i++) {
        const uint8_t *p = r->data + r->steps + (size_t)i * AMG_S_SIZE;
        amg_layer *l = m->layers + i;
        const char *op = load_string(r, load_u32(p + AMG_S_OP));
        const uint32_t attrs = load_u32(p + AMG_S_ATTRS);
        int32_t status;
        l->name = load_string(r, load_u32(p + AMG_S_NAME));
        l->n_in = (int32_t)load_u16(p + AMG_S_INPUTS);
        l->n_out = (int32_t)load_u16(p + AMG_S_OUTPUTS);
        if (!op || !l->name) {
            return load_bad_record(r, AMG_E_FORMAT, "step", i, "its name or operator is not a string");
        }
        l->op = load_op(op);
        if (!l->op) {
            amg_text t = amg_text_in(r->message, r->message_size);
            amg_text_add(&t, "step ");
            amg_text_int(&t, i);
            amg_text_add(&t, ": this build has no operator ");
            amg_text_add(&t, op);
            return AMG_E_UNSUPPORTED;
        }
        if (l->n_in > AMG_MAX_IN || l->n_out > AMG_MAX_OUT || l->n_out < 1) {
            return load_bad_record(r, AMG_E_FORMAT, "step", i, "too many inputs, or no or too many outputs");
        }
        if (attrs > (uint32_t)m->word_count || used + (size_t)(l->n_in + l->n_out) + attrs > (size_t)m->word_count) {
            return load_bad_record(r, AMG_E_FORMAT, "step", i, "its words reach beyond the last");
        }
        l->attr_count = (int32_t)attrs;
        l->in = m->words + used;
        l->out = l->in + l->n_in;
        l->attr = l->out + l->n_out;
        used += (size_t)(l->n_in + l->n_out) + attrs;
        if ((status = load_operands(r, i, l)) != AMG_OK) {
            return status;
        }
    }
    return used == (size_t)m->word_count ? AMG_OK : load_bad(r, AMG_E_FORMAT, "words after the last step's belong to no step");
}

/* A tensor's home must be what a step makes of it: of its first input in place, or of any input by joining. */
static int32_t load_homes(load_reader *r)
{
    const amg_model *m = r->m;
    for (int32_t i = 0; i < m->tensor_count; i++) {
        const amg_slot *t = m->slots + i;
        const amg_layer *l;
        int32_t fits = 0;
        if (!t->value.constant && !t->input && t->producer < 0) {
            return load_bad_record(r, AMG_E_FORMAT, "tensor", i, "nothing makes it");
        }
        if (t->home < 0) {
            continue;
        }
        if (m->slots[t->home].producer < 0) {
            return load_bad_record(r, AMG_E_FORMAT, "tensor", i, "no step makes its home");
        }
        l = m->layers + m->slots[t->home].producer;
        for (int32_t k = 0; k < l->n_in; k++) {
            fits |= l->in[k] == i && ((l->op->flags & AMG_OP_JOINS) || (k == 0 && (l->op->flags & AMG_OP_IN_PLACE)));
        }
        if (!fits || l->out[0] != t->home) {
            return load_bad_record(r, AMG_E_FORMAT, "tensor", i, "its home is not where a step may put it");
        }
    }
    return AMG_OK;
}

/* ---- meta data, labels, pictures ----------------------------------------------------------------------------------- */

static int32_t load_texts(load_reader *r)
{
    amg_model *m = r->m;
    for (int32_t i = 0; i < 2 * m->meta_count; i++) {
        m->metas[i] = load_string(r, load_u32(r->data + r->metas + 4 * (size_t)i));
        if (!m->metas[i] || (i % 2 == 0 && !m->metas[i][0])) {
            return load_bad_record(r, AMG_E_FORMAT, "meta", i / 2, "its key or value is not a string");
        }
    }
    for (int32_t i = 0; i < m->label_count; i++) {
        m->labels[i] = load_string(r, load_u32(r->data + r->labels + 4 * (size_t)i));
        if (!m->labels[i]) {
            return load_bad_record(r, AMG_E_FORMAT, "label", i, "is not a string");
        }
    }
    return AMG_OK;
}

static int32_t load_finite(float x)
{
    return x - x == 0.0f;
}

static int32_t load_picture(load_reader *r, int32_t index)
{
    amg_picture *c = r->m->pictures + index;
    uint8_t p[AMG_I_SIZE];
    int32_t fits;
    memcpy(p, r->data + r->images + (size_t)index * AMG_I_SIZE, sizeof p);
    c->input = (int32_t)load_u32(p + AMG_I_INPUT);
    c->order = p[AMG_I_ORDER];
    c->channels_last = p[AMG_I_CHANNELS_LAST];
    c->resize = p[AMG_I_RESIZE];
    c->resize_h = (int32_t)load_u32(p + AMG_I_RESIZE_H);
    c->resize_w = (int32_t)load_u32(p + AMG_I_RESIZE_W);
    c->crop_h = (int32_t)load_u32(p + AMG_I_CROP_H);
    c->crop_w = (int32_t)load_u32(p + AMG_I_CROP_W);
    fits = c->input >= 0 && c->input < r->m->input_count && c->order <= 2 && c->channels_last <= 1 && c->resize <= 2
           && p[AMG_I_RESERVED] == 0 && (c->resize >= 1) == (c->resize_h >= 1) && (c->resize == 2) == (c->resize_w >= 1)
           && (c->crop_h >= 1) == (c->crop_w >= 1) && c->resize_h >= 0 && c->resize_w >= 0 && c->crop_h >= 0
           && c->crop_w >= 0 && c->resize_h <= AMG_MAX_SIDE && c->resize_w <= AMG_MAX_SIDE;
    for (int32_t i = 0; i < 3; i++) {
        c->mean[i] = amg_float_of_bits((int32_t)load_u32(p + AMG_I_MEAN + 4 * i));
        c->std[i] = amg_float_of_bits((int32_t)load_u32(p + AMG_I_STD + 4 * i));
        fits = fits && load_finite(c->mean[i]) && load_finite(c->std[i]) && c->std[i] != 0.0f;
    }
    for (int32_t i = 0; i < index; i++) {
        fits = fits && r->m->pictures[i].input != c->input;
    }
    return fits ? AMG_OK : load_bad_record(r, AMG_E_FORMAT, "image", index, "a field is out of range");
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int32_t load_sections(load_reader *r)
{
    int32_t status = load_strings(r);
    status = status == AMG_OK ? load_tensors(r) : status;
    status = status == AMG_OK ? load_io(r) : status;
    status = status == AMG_OK ? load_steps(r) : status;
    status = status == AMG_OK ? load_homes(r) : status;
    status = status == AMG_OK ? load_texts(r) : status;
    for (int32_t i = 0; status == AMG_OK && i < r->m->picture_count; i++) {
        status = load_picture(r, i);
    }
    return status;
}

/* Makes the weights private where that is asked for, and checks them where that is. */
static int32_t load_weights(load_reader *r, uint32_t flags)
{
    amg_model *m = r->m;
    const uint8_t *weights = r->data + r->weights_at;
    if ((flags & AMG_OPEN_COPY) && r->weights_bytes) {
        m->copy = amg_memory_get(&m->memory, (size_t)r->weights_bytes + AMG_ALIGN);
        if (!m->copy) {
            return load_bad(r, AMG_E_MEMORY, "no memory for a copy of the weights");
        }
        weights = (const uint8_t *)m->copy + (AMG_ALIGN - (uintptr_t)m->copy % AMG_ALIGN) % AMG_ALIGN;
        memcpy((void *)(uintptr_t)weights, r->data + r->weights_at, (size_t)r->weights_bytes);
        for (int32_t i = 0; i < m->tensor_count; i++) {
            amg_value *v = &m->slots[i].value;
            if (v->constant) {
                v->data = (void *)(uintptr_t)(weights + ((const uint8_t *)v->data - (r->data + r->weights_at)));
            }
        }
    } else if ((uintptr_t)weights % 8) {
        return load_bad(r, AMG_E_ARGUMENT, "data is not aligned to 8 bytes; align it or set AMG_OPEN_COPY");
    }
    if ((flags & AMG_OPEN_VERIFY) && load_sum(weights, (size_t)r->weights_bytes) != r->weights_sum) {
        return load_bad(r, AMG_E_CHECKSUM, "checksum of the weights is wrong");
    }
    return AMG_OK;
}

AMG_INTERNAL int32_t amg_load(const amg_options *opt, amg_model **out)
{
    load_reader r;
    amg_model counts;
    size_t bytes;
    int32_t status;
    memset(&r, 0, sizeof r);
    memset(&counts, 0, sizeof counts);
    r.data = (const uint8_t *)opt->data;
    r.size = opt->size;
    r.message = opt->errbuf;
    r.message_size = opt->errbuf_size;
    counts.memory.alloc = opt->alloc;
    counts.memory.release = opt->release;
    counts.memory.user = opt->user;
    status = load_preamble(&r);
    status = status == AMG_OK ? load_header(&r, &counts) : status;
    if (status != AMG_OK) {
        return status;
    }
    bytes = load_lay_out(&counts, NULL);
    r.m = (amg_model *)amg_memory_get(&counts.memory, bytes);
    if (!r.m) {
        return load_bad(&r, AMG_E_MEMORY, "no memory for the model");
    }
    *r.m = counts;
    load_lay_out(r.m, (char *)r.m);
    status = load_sections(&r);
    status = status == AMG_OK ? load_weights(&r, opt->flags) : status;
    status = status == AMG_OK ? amg_plan_model(r.m, r.message, r.message_size) : status;
    if (status != AMG_OK) {
        amg_memory_put(&r.m->memory, r.m->copy);
        amg_memory_put(&r.m->memory, r.m);
        return status;
    }
    *out = r.m;
    return AMG_OK;
}
