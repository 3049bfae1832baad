/* glue.c - what a WebAssembly module exports: numbers and pointers alone, so that JavaScript and Go know no struct.
 * Compiled together with a pair; PAIR_HEADER names its header. Pointers to text are to NUL-terminated UTF-8. */
#include PAIR_HEADER

#include <stdlib.h>

#define EXPORT(name) __attribute__((export_name(#name)))

static char glue_message[512];
static int32_t glue_failure; /* what glue_open or glue_session returned last, AMG_OK or a negative status */
static amg_tensor glue_tensor; /* what glue_info or glue_describe found last */
static amg_layer_stat glue_stat; /* what glue_layer found last */

/* Memory as malloc of heap.c gives it; NULL if there is none. */
EXPORT(alloc) void *glue_alloc(size_t size)
{
    return malloc(size);
}

EXPORT(release) void glue_release(void *memory)
{
    free(memory);
}

/* Opens the model that options name; NULL on failure, with `message` saying why. */
static amg_model *glue_opened(amg_options options)
{
    amg_model *model = NULL;
    options.struct_size = sizeof options;
    options.errbuf = glue_message;
    options.errbuf_size = sizeof glue_message;
    glue_message[0] = 0;
    glue_failure = amg_open(&options, &model);
    return model;
}

/* Opens the model at data, whose weights it checks, or the embedded one when data is NULL. */
EXPORT(open) amg_model *glue_open(const void *data, size_t size)
{
    amg_options options = {0};
    options.flags = data ? AMG_OPEN_VERIFY : 0;
    options.data = data;
    options.size = size;
    return glue_opened(options);
}

/* Opens the model in the second half of 2 * size bytes, over which its weights expand that are in half precision. */
EXPORT(open_within) amg_model *glue_open_within(char *room, size_t size)
{
    amg_options options = {0};
    options.flags = AMG_OPEN_VERIFY;
    options.data = room + size;
    options.size = size;
    options.weights = room;
    options.weights_size = 2 * size;
    return glue_opened(options);
}

EXPORT(message) const char *glue_open_message(void)
{
    return glue_message;
}

EXPORT(failure) int32_t glue_last_failure(void)
{
    return glue_failure;
}

EXPORT(close) void glue_close(amg_model *model)
{
    amg_close(model);
}

EXPORT(count) int32_t glue_count(const amg_model *model, int32_t kind)
{
    return amg_tensor_count(model, kind);
}

EXPORT(label) const char *glue_label(const amg_model *model, int32_t i)
{
    return amg_label(model, i);
}

EXPORT(meta) const char *glue_meta(const amg_model *model, const char *key)
{
    return amg_meta(model, key);
}

/* Where a number lies that has runs stop before their next layer if it is not 0; whoever sets it to 1 sets it to 0 again. */
EXPORT(stop) volatile int32_t *glue_stop(void)
{
    static volatile int32_t stop;
    return &stop;
}

static int32_t glue_progress(void *user, int32_t layer, int32_t layers)
{
    (void)user, (void)layer, (void)layers;
    return *glue_stop();
}

/* A session; NULL on failure. */
EXPORT(session) amg_session *glue_session(const amg_model *model, int32_t threads, int32_t isa)
{
    amg_session_options options = {0};
    amg_session *session = NULL;
    options.struct_size = sizeof options;
    options.threads = threads;
    options.isa = isa;
    options.progress = glue_progress;
    glue_failure = amg_session_new(model, &options, &session);
    return session;
}

EXPORT(session_free) void glue_session_free(amg_session *session)
{
    amg_session_free(session);
}

/* Looks at a tensor at the shapes that the model was built with, for the four functions below; a status. */
EXPORT(info) int32_t glue_info(const amg_model *model, int32_t kind, int32_t i)
{
    return amg_tensor_info(model, kind, i, &glue_tensor);
}

/* The same at the session's shapes. */
EXPORT(describe) int32_t glue_describe(const amg_session *session, int32_t kind, int32_t i)
{
    return amg_session_tensor(session, kind, i, &glue_tensor);
}

EXPORT(tensor_name) const char *glue_tensor_name(void)
{
    return glue_tensor.name;
}

EXPORT(tensor_dtype) int32_t glue_tensor_dtype(void)
{
    return glue_tensor.dtype;
}

EXPORT(tensor_ndim) int32_t glue_tensor_ndim(void)
{
    return glue_tensor.ndim;
}

EXPORT(tensor_dim) double glue_tensor_dim(int32_t axis)
{
    return axis >= 0 && axis < glue_tensor.ndim ? (double)glue_tensor.dims[axis] : 0.0;
}

/* dims: ndim doubles, since JavaScript has no 64-bit integers that are numbers. */
EXPORT(set_shape) int32_t glue_set_shape(amg_session *session, int32_t input, const double *dims, int32_t ndim)
{
    int64_t shape[AMG_MAX_NDIM];
    if (ndim < 0 || ndim > AMG_MAX_NDIM) {
        return AMG_E_ARGUMENT;
    }
    for (int32_t i = 0; i < ndim; i++) {
        if (!(dims[i] >= 0.0 && dims[i] <= 2147483647.0)) {
            return AMG_E_SHAPE;
        }
        shape[i] = (int64_t)dims[i];
    }
    return amg_set_shape(session, input, shape, ndim);
}

EXPORT(data) void *glue_data(amg_session *session, int32_t kind, int32_t i)
{
    return amg_data(session, kind, i, NULL);
}

EXPORT(set_image) int32_t glue_set_image(amg_session *session, int32_t i, const void *pixels, int32_t width, int32_t height,
                                         int32_t stride, int32_t format)
{
    return amg_set_image(session, i, pixels, width, height, stride, format);
}

/* Whether one of n floats is not a number. */
EXPORT(has_nan) int32_t glue_has_nan(const float *x, size_t n)
{
    int32_t found = 0;
#pragma clang loop vectorize(enable)
    for (size_t i = 0; i < n; i++) {
        found |= x[i] != x[i];
    }
    return found;
}

EXPORT(run) int32_t glue_run(amg_session *session)
{
    return amg_run(session);
}

EXPORT(topk) int32_t glue_topk(amg_session *session, int32_t i, int32_t k, int32_t *classes, float *scores)
{
    return amg_topk(session, i, k, classes, scores);
}

EXPORT(errmsg) const char *glue_errmsg(const amg_session *session)
{
    return amg_errmsg(session);
}

EXPORT(layer_count) int32_t glue_layer_count(const amg_model *model)
{
    return amg_layer_count(model);
}

/* Looks at a layer and what it cost in the last run, for the five functions below; a negative status on failure. */
EXPORT(layer) int32_t glue_layer(const amg_session *session, int32_t i)
{
    return amg_profile(session, i, &glue_stat);
}

EXPORT(layer_name) const char *glue_layer_name(void)
{
    return glue_stat.name;
}

EXPORT(layer_op) const char *glue_layer_op(void)
{
    return glue_stat.op;
}

EXPORT(layer_ns) double glue_layer_ns(void)
{
    return (double)glue_stat.ns;
}

EXPORT(layer_macs) double glue_layer_macs(void)
{
    return (double)glue_stat.macs;
}

EXPORT(layer_bytes) double glue_layer_bytes(void)
{
    return (double)glue_stat.bytes_live;
}

#ifdef AMG_WEB_THREADS
/* Sets where the stack of this instance begins, from which it grows down: of those on one memory each has its own. */
EXPORT(stack) void glue_stack(void *top)
{
    __asm__ volatile(".globaltype __stack_pointer, i32\n\tlocal.get %0\n\tglobal.set __stack_pointer" : : "r"(top));
}
#endif
