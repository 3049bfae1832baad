/* load.c - from .amg bytes to amg_model. Each byte is fetched once into private memory and judged there, so that a file
 * that changes under its mapping can do no harm; only weights stay where they lie, and any bytes are good weights. */
#include "plan.h"
#include "reader.h"

AMG_INTERNAL uint64_t amg_sum(const uint8_t *p, size_t n)
{
    uint64_t a = 0, b = 0;
    for (size_t i = 0; i + 4 <= n; i += 4) {
        a += amg_u32(p + i);
        b += a;
    }
    return a + b * AMG_FORMAT_SUM_FACTOR;
}

AMG_INTERNAL void amg_bad_text(const amg_reader *r, const char *kind, int64_t index, const char *what)
{
    amg_text t = amg_text_in(r->message, r->message_size);
    amg_text_add(&t, kind);
    amg_text_add(&t, " ");
    amg_text_int(&t, index);
    amg_text_add(&t, ": ");
    amg_text_add(&t, what);
}

/* ---- the header ------------------------------------------------------------------------------------------------ */

static int32_t load_preamble(amg_reader *r)
{
    const uint8_t *h = r->data;
    const uint32_t one = 1;
    if (r->size < AMG_H_SIZE) {
        return amg_bad(r, AMG_E_FORMAT, "file shorter than its header");
    }
    if (memcmp(h + AMG_H_MAGIC, AMG_FORMAT_MAGIC, 8) != 0) {
        return amg_bad(r, AMG_E_FORMAT, "magic is not that of a .amg file");
    }
    if (amg_u32(h + AMG_H_ENDIAN) != AMG_FORMAT_ENDIAN) {
        return amg_bad(r, AMG_E_FORMAT, "endian mark is wrong");
    }
    if (*(const uint8_t *)&one == AMG_BIG_ENDIAN) {
        return amg_bad(r, AMG_E_UNSUPPORTED, "this machine is big-endian, which its compiler did not say");
    }
    if (amg_u16(h + AMG_H_MAJOR) > AMG_FORMAT_MAJOR
        || (amg_u16(h + AMG_H_MAJOR) == AMG_FORMAT_MAJOR && amg_u16(h + AMG_H_MINOR) > AMG_FORMAT_MINOR)) {
        return amg_bad(r, AMG_E_VERSION, "format version is newer than this runtime");
    }
    if (amg_u16(h + AMG_H_MAJOR) != AMG_FORMAT_MAJOR) {
        return amg_bad(r, AMG_E_FORMAT, "format version 0 does not exist");
    }
    return AMG_OK;
}

/* Reads a count; sets where its section begins and moves *end behind it. */
static uint32_t load_section(const amg_reader *r, size_t field, uint64_t record, uint64_t *end, size_t *begin)
{
    const uint32_t count = amg_u32(r->data + field);
    *begin = *end <= r->size ? (size_t)*end : r->size;
    *end += count * record;
    return count;
}

static int32_t load_header(amg_reader *r, amg_model *m)
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
    r->total = amg_u64(h + AMG_H_TOTAL);
    r->weights_bytes = amg_u64(h + AMG_H_WEIGHTS);
    r->weights_sum = amg_u64(h + AMG_H_WEIGHTS_SUM);
    r->weights_at = (end + AMG_ALIGN - 1) / AMG_ALIGN * AMG_ALIGN;
    if (r->total != r->size) {
        return amg_bad(r, AMG_E_FORMAT, r->total > r->size ? "file is shorter than its total size"
                                                            : "file is longer than its total size");
    }
    if (end - AMG_H_SIZE > AMG_MAX_CONTROL || r->weights_at > r->total) {
        return amg_bad(r, AMG_E_FORMAT, "header: its counts do not fit into the file");
    }
    if (r->weights_bytes != r->total - r->weights_at) {
        return amg_bad(r, AMG_E_FORMAT, "header: size of the weights is not what the file has left");
    }
    if (amg_u64(h + AMG_H_CHECKSUM) != amg_sum(h + AMG_H_SUMMED, (size_t)r->weights_at - AMG_H_SUMMED)) {
        return amg_bad(r, AMG_E_CHECKSUM, "checksum of the control region is wrong");
    }
    if (!amg_all_zero(h + AMG_H_RESERVED, AMG_H_SIZE - AMG_H_RESERVED)) {
        return amg_bad(r, AMG_E_FORMAT, "header: a reserved byte is not zero");
    }
    if (!amg_all_zero(h + end, (size_t)(r->weights_at - end))) {
        return amg_bad(r, AMG_E_FORMAT, "a byte between strings and weights is not zero");
    }
    if (tensors > AMG_MAX_TENSORS || steps > AMG_MAX_STEPS || inputs > AMG_MAX_IO || outputs > AMG_MAX_IO || outputs < 1
        || images > inputs || strings < 1) {
        return amg_bad(r, AMG_E_FORMAT, "header: a count is out of range");
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

/* ---- memory ---------------------------------------------------------------------------------------------------- */

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

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int32_t load_sections(amg_reader *r)
{
    int32_t status = amg_load_strings(r);
    status = status == AMG_OK ? amg_load_tensors(r) : status;
    status = status == AMG_OK ? amg_load_io(r) : status;
    status = status == AMG_OK ? amg_load_steps(r) : status;
    return status == AMG_OK ? amg_load_extras(r) : status;
}

AMG_INTERNAL int32_t amg_load(const amg_options *opt, amg_model **out)
{
    amg_reader r;
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
        return amg_bad(&r, AMG_E_MEMORY, "no memory for the model");
    }
    *r.m = counts;
    load_lay_out(r.m, (char *)r.m);
    status = load_sections(&r);
    status = status == AMG_OK ? amg_load_weights(&r, opt) : status;
    status = status == AMG_OK ? amg_plan_model(r.m, r.message, r.message_size) : status;
    if (status != AMG_OK) {
        amg_memory_put(&r.m->memory, r.m->copy);
        amg_memory_put(&r.m->memory, r.m);
        return status;
    }
    *out = r.m;
    return AMG_OK;
}
