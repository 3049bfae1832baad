/* session.c - makes sessions, changes their shapes, and gives access to their inputs and outputs. */
#include "session.h"
#include "cpu.h"

#define SESSION_MAX_THREADS 256

static int32_t session_fail(amg_session *s, int32_t status, const char *what)
{
    return amg_say(s->message, sizeof s->message, status, what, NULL);
}

/* The caller's options, whatever their version, with choices made. */
static int32_t session_options(const amg_session_options *opt, amg_session_options *out)
{
    memset(out, 0, sizeof *out);
    if (opt) {
        if (opt->struct_size < sizeof opt->struct_size) {
            return AMG_E_ARGUMENT;
        }
        memcpy(out, opt, AMG_MIN(opt->struct_size, sizeof *out));
    }
    if (out->threads < 0 || out->threads > SESSION_MAX_THREADS) {
        return AMG_E_ARGUMENT;
    }
#ifdef AMG_NO_THREADS
    out->threads = 1;
#else
    out->threads = AMG_MAX(out->threads, 1);
#endif
    if (out->isa == AMG_ISA_AUTO) {
        out->isa = amg_isa_best();
    }
    return amg_isa_runs(out->isa) ? AMG_OK : AMG_E_UNSUPPORTED;
}

static int32_t session_solve(amg_plan *p, const amg_session_options *o, char *message, size_t size)
{
    const amg_plan_options options = {o->isa, o->threads, (o->flags & AMG_KEEP_INPUTS) != 0, message, size};
    return amg_plan_solve(p, &options);
}

AMG_API AMG_COLD size_t amg_arena_size(const amg_model *m, const amg_session_options *opt)
{
    amg_session_options o;
    amg_plan *p;
    size_t bytes = 0;
    if (!m || session_options(opt, &o) != AMG_OK) {
        return 0;
    }
    p = amg_plan_new(m);
    if (p && session_solve(p, &o, NULL, 0) == AMG_OK) {
        bytes = (size_t)p->arena_bytes;
    }
    amg_plan_free(p);
    return bytes;
}

/* Gives the solved plan p memory and makes it the session's; on failure nothing has changed. */
static int32_t session_adopt(amg_session *s, amg_plan *p)
{
    void *arena = s->options.arena, *owned = NULL;
    if (arena) {
        if ((uintptr_t)arena % AMG_ALIGN) {
            return session_fail(s, AMG_E_ARGUMENT, "the arena is not aligned to 64 bytes");
        }
        if ((uint64_t)p->arena_bytes > s->options.arena_size) {
            return session_fail(s, AMG_E_MEMORY, "the arena is smaller than amg_arena_size");
        }
    } else {
        owned = amg_memory_get(&s->model->memory, (size_t)p->arena_bytes + AMG_ALIGN);
        if (!owned) {
            return session_fail(s, AMG_E_MEMORY, "no memory for the arena");
        }
        arena = (char *)owned + (AMG_ALIGN - (uintptr_t)owned % AMG_ALIGN) % AMG_ALIGN;
    }
    amg_memory_put(&s->model->memory, s->owned);
    amg_plan_free(s->plan);
    s->plan = p;
    s->owned = owned;
    s->arena = arena;
    amg_plan_bind(p, arena);
    for (int32_t i = 0; i < s->model->input_count; i++) {
        const amg_value *v = p->values + s->model->inputs[i];
        memset(v->data, 0, (size_t)v->count * (v->dtype == AMG_I64 ? 8 : 4));
    }
    return AMG_OK;
}

AMG_API AMG_COLD int32_t amg_session_new(const amg_model *m, const amg_session_options *opt, amg_session **out)
{
    amg_session_options o;
    amg_session *s;
    amg_plan *p;
    int32_t status;
    if (!m || !out) {
        return AMG_E_ARGUMENT;
    }
    *out = NULL;
    status = session_options(opt, &o);
    if (status != AMG_OK) {
        return status;
    }
    s = (amg_session *)amg_memory_get(&m->memory, sizeof *s);
    p = s ? amg_plan_new(m) : NULL;
    if (!p) {
        amg_memory_put(&m->memory, s);
        return AMG_E_MEMORY;
    }
    memset(s, 0, sizeof *s);
    s->model = m;
    s->options = o;
    status = session_solve(p, &o, s->message, sizeof s->message);
    status = status == AMG_OK ? session_adopt(s, p) : status;
    if (status != AMG_OK) {
        amg_plan_free(p);
        amg_memory_put(&m->memory, s);
        return status;
    }
#ifndef AMG_NO_THREADS
    status = o.threads > 1 ? amg_pool_new(&m->memory, &o, &s->pool) : AMG_OK;
    if (status != AMG_OK) {
        amg_session_free(s);
        return status;
    }
#endif
    *out = s;
    return AMG_OK;
}

AMG_API AMG_COLD void amg_session_free(amg_session *s)
{
    if (s) {
        const amg_memory *memory = &s->model->memory;
#ifndef AMG_NO_THREADS
        amg_pool_free(s->pool);
#endif
        amg_memory_put(memory, s->owned);
        amg_plan_free(s->plan);
        amg_memory_put(memory, s);
    }
}

AMG_API AMG_COLD int32_t amg_set_shape(amg_session *s, int32_t input, const int64_t *dims, int32_t ndim)
{
    amg_plan *p;
    int32_t status;
    if (!s) {
        return AMG_E_ARGUMENT;
    }
    if (input < 0 || input >= s->model->input_count || !dims) {
        return session_fail(s, AMG_E_ARGUMENT, "amg_set_shape: no such input, or dims is NULL");
    }
    if (ndim != s->plan->values[s->model->inputs[input]].ndim) {
        return amg_say(s->message, sizeof s->message, AMG_E_SHAPE, "amg_set_shape: the number of axes cannot change",
                       s->model->slots[s->model->inputs[input]].name);
    }
    p = amg_plan_new(s->model);
    if (!p) {
        return session_fail(s, AMG_E_MEMORY, "no memory to plan the new shape");
    }
    for (int32_t i = 0; i < s->model->input_count; i++) {
        p->values[s->model->inputs[i]] = s->plan->values[s->model->inputs[i]];
    }
    for (int32_t i = 0; i < ndim; i++) {
        p->values[s->model->inputs[input]].dim[i] = dims[i];
    }
    status = session_solve(p, &s->options, s->message, sizeof s->message);
    status = status == AMG_OK ? session_adopt(s, p) : status;
    if (status != AMG_OK) {
        amg_plan_free(p);
    }
    return status;
}

AMG_API int32_t amg_session_tensor(const amg_session *s, int32_t kind, int32_t i, amg_tensor *out)
{
    const int32_t tensor = s ? amg_tensor_at(s->model, kind, i) : -1;
    if (tensor < 0 || !out) {
        return AMG_E_ARGUMENT;
    }
    amg_tensor_of(s->model->slots[tensor].name, s->plan->values + tensor, out);
    return AMG_OK;
}

AMG_API void *amg_data(amg_session *s, int32_t kind, int32_t i, size_t *bytes)
{
    const int32_t tensor = s ? amg_tensor_at(s->model, kind, i) : -1;
    if (tensor < 0) {
        return NULL;
    }
    if (bytes) {
        const amg_value *v = s->plan->values + tensor;
        *bytes = (size_t)v->count * (v->dtype == AMG_I64 ? 8 : 4);
    }
    return s->plan->values[tensor].data;
}

AMG_API const char *amg_errmsg(const amg_session *s)
{
    return s ? s->message : "";
}

/* Whether score a, at a lower index than b, ranks before it; NaN ranks last. */
static int32_t session_ranks(float a, float b)
{
    return a >= b || b != b;
}

AMG_API int32_t amg_topk(amg_session *s, int32_t i, int32_t k, int32_t *cls, float *score)
{
    const int32_t tensor = s ? amg_tensor_at(s->model, AMG_OUTPUT, i) : -1;
    const amg_value *v;
    const float *x;
    int64_t classes;
    int32_t found = 0;
    if (tensor < 0 || k < 0 || (k && !cls)) {
        return AMG_E_ARGUMENT;
    }
    v = s->plan->values + tensor;
    classes = v->ndim > 1 ? v->count / v->dim[0] : v->count;
    if (v->dtype != AMG_F32 || classes > INT32_MAX) {
        return session_fail(s, AMG_E_UNSUPPORTED, "amg_topk: the output is not a list of floats");
    }
    x = (const float *)v->data;
    for (int32_t c = 0; c < (int32_t)classes && k; c++) {
        int32_t at = found;
        while (at > 0 && !session_ranks(x[cls[at - 1]], x[c])) {
            at--;
        }
        if (at == k) {
            continue;
        }
        found += found < k;
        for (int32_t j = found - 1; j > at; j--) {
            cls[j] = cls[j - 1];
        }
        cls[at] = c;
    }
    for (int32_t j = 0; score && j < found; j++) {
        score[j] = x[cls[j]];
    }
    return found;
}
