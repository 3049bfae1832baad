/* model.c - the public functions about models: opening bytes, closing, and saying what a model is. */
#include "generated.h"
#include "load.h"

#include <stdlib.h>

static void *model_malloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void model_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

AMG_INTERNAL void *amg_memory_get(const amg_memory *m, size_t size)
{
    return m->alloc(m->user, size);
}

AMG_INTERNAL void amg_memory_put(const amg_memory *m, void *memory)
{
    if (memory) {
        m->release(m->user, memory);
    }
}

AMG_INTERNAL void amg_say_text(char *message, size_t size, const char *what, const char *where)
{
    amg_text t = amg_text_in(message, size);
    amg_text_add(&t, what);
    if (where) {
        amg_text_add(&t, ": ");
        amg_text_add(&t, where);
    }
}

AMG_INTERNAL int32_t amg_options_of(const amg_options *opt, amg_options *out)
{
    memset(out, 0, sizeof *out);
    if (opt) {
        if (opt->struct_size < sizeof opt->struct_size) {
            return AMG_E_ARGUMENT;
        }
        memcpy(out, opt, AMG_MIN(opt->struct_size, sizeof *out));
    }
    out->flags |= AMG_BIG_ENDIAN ? AMG_OPEN_COPY : 0;
    (void)amg_text_in(out->errbuf, out->errbuf_size);
    if (!out->alloc != !out->release) {
        return amg_say(out->errbuf, out->errbuf_size, AMG_E_ARGUMENT, "alloc and release must be given together", NULL);
    }
    if (!out->alloc) {
        out->alloc = model_malloc;
        out->release = model_free;
    }
    return AMG_OK;
}

AMG_API uint32_t amg_version(void)
{
    return AMG_VERSION;
}

AMG_API const char *amg_strerror(int32_t status)
{
    static const char *const text[] = {
        "success",
        "an argument is null or out of range, or the call is out of order",
        "out of memory, or the arena is too small",
        "the bytes are not a valid .amg model",
        "the model is of a newer format version",
        "the model is damaged",
        "an operator, type or instruction set is not in this build",
        "shapes do not fit each other, or are too large",
        "the file cannot be opened or read",
        "cancelled",
    };
    const int32_t count = (int32_t)(sizeof text / sizeof *text);
    return status <= 0 && status > -count ? text[-status] : "unknown status";
}

AMG_API AMG_COLD int32_t amg_open(const amg_options *opt, amg_model **out)
{
    amg_options o;
    int32_t status;
    if (!out) {
        return AMG_E_ARGUMENT;
    }
    *out = NULL;
    status = amg_options_of(opt, &o);
    if (status != AMG_OK) {
        return status;
    }
    if (!o.data) {
        o.data = amg_embedded;
        o.size = amg_embedded_size;
    }
    if (!o.data) {
        return amg_say(o.errbuf, o.errbuf_size, AMG_E_ARGUMENT, "data is NULL and this build embeds no model", NULL);
    }
    return amg_load(&o, out);
}

AMG_API AMG_COLD void amg_close(amg_model *m)
{
    if (m) {
        const amg_memory memory = m->memory;
#ifndef AMG_NO_FILE
        if (m->map) {
            amg_file_unmap(m->map, m->map_bytes);
        }
#endif
        amg_memory_put(&memory, m->copy);
        amg_memory_put(&memory, m);
    }
}

AMG_API int32_t amg_tensor_count(const amg_model *m, int32_t kind)
{
    return !m ? 0 : kind == AMG_INPUT ? m->input_count : kind == AMG_OUTPUT ? m->output_count : 0;
}

AMG_INTERNAL int32_t amg_tensor_at(const amg_model *m, int32_t kind, int32_t i)
{
    if (i < 0 || i >= amg_tensor_count(m, kind)) {
        return -1;
    }
    return kind == AMG_INPUT ? m->inputs[i] : m->outputs[i];
}

AMG_INTERNAL void amg_tensor_of(const char *name, const amg_value *v, amg_tensor *out)
{
    memset(out, 0, sizeof *out);
    out->name = name;
    out->dtype = v->dtype;
    out->ndim = v->ndim;
    for (int32_t i = 0; i < v->ndim; i++) {
        out->dims[i] = v->dim[i];
    }
}

AMG_API int32_t amg_tensor_info(const amg_model *m, int32_t kind, int32_t i, amg_tensor *out)
{
    const int32_t tensor = amg_tensor_at(m, kind, i);
    if (tensor < 0 || !out) {
        return AMG_E_ARGUMENT;
    }
    amg_tensor_of(m->slots[tensor].name, &m->slots[tensor].value, out);
    return AMG_OK;
}

AMG_API const char *amg_meta(const amg_model *m, const char *key)
{
    for (int32_t i = 0; m && key && i < m->meta_count; i++) {
        if (strcmp(m->metas[2 * i], key) == 0) {
            return m->metas[2 * i + 1];
        }
    }
    return NULL;
}

AMG_API const char *amg_label(const amg_model *m, int32_t class_index)
{
    return m && class_index >= 0 && class_index < m->label_count ? m->labels[class_index] : NULL;
}

AMG_API int32_t amg_layer_count(const amg_model *m)
{
    return m ? m->layer_count : 0;
}
