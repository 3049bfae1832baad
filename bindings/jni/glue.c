/* glue.c - what the Java classes call. Nothing here throws or keeps state: statuses and bytes go to Java, which judges them.
 * Compile it with the pair, with NATIVE_CLASS the path of the class that declares these functions. */
#include "amg.h"

#include <jni.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE(type, value) ((type *)(intptr_t)(value))
#define SAID 512 /* bytes of a message of amg_open */

static jbyteArray glue_bytes(JNIEnv *env, const char *text)
{
    jsize size = text ? (jsize)strlen(text) : 0;
    jbyteArray out = text ? (*env)->NewByteArray(env, size) : NULL;
    if (out) {
        (*env)->SetByteArrayRegion(env, out, 0, size, (const jbyte *)text);
    }
    return out;
}

/* Opens the file at `path` (UTF-8, ends in 0), the bytes in `data`, which the caller keeps, or the embedded model. */
static jint glue_open(JNIEnv *env, jclass type, jbyteArray path, jobject data, jlongArray model, jbyteArray said)
{
    amg_options options = {0};
    amg_model *made = NULL;
    char message[SAID] = {0};
    jlong handle;
    jint status;
    (void)type;
    options.struct_size = sizeof options;
    options.errbuf = message;
    options.errbuf_size = sizeof message;
    if (path) {
        jbyte *name = (*env)->GetByteArrayElements(env, path, NULL);
        if (!name) {
            return AMG_E_MEMORY;
        }
        options.flags = AMG_OPEN_VERIFY;
        status = amg_open_file((const char *)name, &options, &made);
        (*env)->ReleaseByteArrayElements(env, path, name, JNI_ABORT);
    } else {
        if (data) {
            options.data = (*env)->GetDirectBufferAddress(env, data);
            options.size = (size_t)(*env)->GetDirectBufferCapacity(env, data);
            options.flags = AMG_OPEN_VERIFY | ((uintptr_t)options.data % 64 ? AMG_OPEN_COPY : 0);
        }
        status = amg_open(&options, &made);
    }
    handle = (jlong)(intptr_t)made;
    (*env)->SetLongArrayRegion(env, model, 0, 1, &handle);
    (*env)->SetByteArrayRegion(env, said, 0, SAID, (const jbyte *)message);
    return status;
}

/* Memory for weights, aligned so that they are used where they lie. It is never freed, lies outside Java's heap, and does not
 * count as one of its direct buffers, of which there may be little. */
static jobject glue_memory(JNIEnv *env, jclass type, jint bytes)
{
    char *memory = (char *)malloc((size_t)bytes + 64);
    jobject buffer = NULL;
    (void)type;
    if (memory) {
        buffer = (*env)->NewDirectByteBuffer(env, memory + (64 - (uintptr_t)memory % 64) % 64, bytes);
    }
    if (!buffer) {
        free(memory);
    }
    return buffer;
}

static void glue_close(JNIEnv *env, jclass type, jlong model)
{
    (void)env, (void)type;
    amg_close(HANDLE(amg_model, model));
}

static jbyteArray glue_strerror(JNIEnv *env, jclass type, jint status)
{
    (void)type;
    return glue_bytes(env, amg_strerror(status));
}

static jint glue_count(JNIEnv *env, jclass type, jlong model, jint kind)
{
    (void)env, (void)type;
    return amg_tensor_count(HANDLE(amg_model, model), kind);
}

static jbyteArray glue_name(JNIEnv *env, jclass type, jlong model, jint kind, jint i)
{
    amg_tensor t;
    (void)type;
    return amg_tensor_info(HANDLE(amg_model, model), kind, i, &t) ? NULL : glue_bytes(env, t.name);
}

static jlongArray glue_dims(JNIEnv *env, const amg_tensor *t)
{
    jlong out[AMG_MAX_NDIM + 1];
    jlongArray made = (*env)->NewLongArray(env, t->ndim + 1);
    out[0] = t->dtype;
    for (int32_t axis = 0; axis < t->ndim; axis++) {
        out[axis + 1] = t->dims[axis];
    }
    if (made) {
        (*env)->SetLongArrayRegion(env, made, 0, t->ndim + 1, out);
    }
    return made;
}

/* The type of a tensor, then its axes. */
static jlongArray glue_shape(JNIEnv *env, jclass type, jlong model, jint kind, jint i)
{
    amg_tensor t;
    (void)type;
    return amg_tensor_info(HANDLE(amg_model, model), kind, i, &t) ? NULL : glue_dims(env, &t);
}

static jlongArray glue_session_shape(JNIEnv *env, jclass type, jlong session, jint kind, jint i)
{
    amg_tensor t;
    (void)type;
    return amg_session_tensor(HANDLE(amg_session, session), kind, i, &t) ? NULL : glue_dims(env, &t);
}

static jbyteArray glue_label(JNIEnv *env, jclass type, jlong model, jint index)
{
    (void)type;
    return glue_bytes(env, amg_label(HANDLE(amg_model, model), index));
}

static jbyteArray glue_meta(JNIEnv *env, jclass type, jlong model, jbyteArray key)
{
    jbyte *text = (*env)->GetByteArrayElements(env, key, NULL);
    const char *found = text ? amg_meta(HANDLE(amg_model, model), (const char *)text) : NULL;
    (void)type;
    if (text) {
        (*env)->ReleaseByteArrayElements(env, key, text, JNI_ABORT);
    }
    return glue_bytes(env, found);
}

static int32_t glue_progress(void *stop, int32_t layer, int32_t layers)
{
    (void)layer, (void)layers;
    return *(volatile int32_t *)stop;
}

/* While a run is under way, a number that is not 0 in the direct buffer `stop` has it end before its next layer. */
static jint glue_session_new(JNIEnv *env, jclass type, jlong model, jint threads, jint isa, jobject stop, jlongArray session)
{
    amg_session_options options = {0};
    amg_session *made = NULL;
    jlong handle;
    jint status;
    (void)type;
    options.struct_size = sizeof options;
    options.threads = threads;
    options.isa = isa;
    options.user = (*env)->GetDirectBufferAddress(env, stop);
    options.progress = options.user ? glue_progress : NULL;
    status = amg_session_new(HANDLE(amg_model, model), &options, &made);
    handle = (jlong)(intptr_t)made;
    (*env)->SetLongArrayRegion(env, session, 0, 1, &handle);
    return status;
}

static void glue_session_free(JNIEnv *env, jclass type, jlong session)
{
    (void)env, (void)type;
    amg_session_free(HANDLE(amg_session, session));
}

static jbyteArray glue_message(JNIEnv *env, jclass type, jlong session)
{
    (void)type;
    return glue_bytes(env, amg_errmsg(HANDLE(amg_session, session)));
}

static jint glue_set_shape(JNIEnv *env, jclass type, jlong session, jint i, jlongArray dims)
{
    int64_t shape[AMG_MAX_NDIM] = {0};
    jlong given[AMG_MAX_NDIM] = {0};
    jsize ndim = (*env)->GetArrayLength(env, dims);
    (void)type;
    if (ndim > AMG_MAX_NDIM) {
        return AMG_E_SHAPE;
    }
    (*env)->GetLongArrayRegion(env, dims, 0, ndim, given);
    for (jsize axis = 0; axis < ndim; axis++) {
        shape[axis] = given[axis];
    }
    return amg_set_shape(HANDLE(amg_session, session), i, shape, ndim);
}

/* Copies between a tensor and a float[], a long[] (their length must be the tensor's) or a direct buffer from byte `at` on. */
static jint glue_floats(JNIEnv *env, jclass type, jlong session, jint kind, jint i, jfloatArray array)
{
    size_t bytes = 0;
    float *data = (float *)amg_data(HANDLE(amg_session, session), kind, i, &bytes);
    jsize count = (*env)->GetArrayLength(env, array);
    (void)type;
    if (!data || (size_t)count * sizeof *data != bytes) {
        return AMG_E_SHAPE;
    }
    if (kind == AMG_INPUT) {
        (*env)->GetFloatArrayRegion(env, array, 0, count, data);
    } else {
        (*env)->SetFloatArrayRegion(env, array, 0, count, data);
    }
    return AMG_OK;
}

static jint glue_longs(JNIEnv *env, jclass type, jlong session, jint kind, jint i, jlongArray array)
{
    size_t bytes = 0;
    jlong *data = (jlong *)amg_data(HANDLE(amg_session, session), kind, i, &bytes);
    jsize count = (*env)->GetArrayLength(env, array);
    (void)type;
    if (!data || (size_t)count * sizeof *data != bytes) {
        return AMG_E_SHAPE;
    }
    if (kind == AMG_INPUT) {
        (*env)->GetLongArrayRegion(env, array, 0, count, data);
    } else {
        (*env)->SetLongArrayRegion(env, array, 0, count, data);
    }
    return AMG_OK;
}

static jint glue_buffer(JNIEnv *env, jclass type, jlong session, jint kind, jint i, jobject buffer, jint at, jint size)
{
    size_t bytes = 0;
    void *data = amg_data(HANDLE(amg_session, session), kind, i, &bytes);
    char *memory = (char *)(*env)->GetDirectBufferAddress(env, buffer);
    (void)type;
    if (!data || !memory || (size_t)size != bytes) {
        return AMG_E_SHAPE;
    }
    memcpy(kind == AMG_INPUT ? data : memory + at, kind == AMG_INPUT ? memory + at : data, bytes);
    return AMG_OK;
}

/* Pixels lie in `array`, or in the direct buffer from byte `at` on; Java has checked that they are all there. */
static jint glue_set_image(JNIEnv *env, jclass type, jlong session, jint i, jbyteArray array, jobject buffer, jint at,
                           jint w, jint h, jint stride, jint format)
{
    amg_session *s = HANDLE(amg_session, session);
    char *pixels;
    jint status;
    (void)type;
    if (!array) {
        pixels = (char *)(*env)->GetDirectBufferAddress(env, buffer);
        return amg_set_image(s, i, pixels ? pixels + at : NULL, w, h, stride, format);
    }
    pixels = (char *)(*env)->GetPrimitiveArrayCritical(env, array, NULL);
    if (!pixels) {
        return AMG_E_MEMORY;
    }
    status = amg_set_image(s, i, pixels + at, w, h, stride, format);
    (*env)->ReleasePrimitiveArrayCritical(env, array, pixels, JNI_ABORT);
    return status;
}

static jint glue_run(JNIEnv *env, jclass type, jlong session)
{
    (void)env, (void)type;
    return amg_run(HANDLE(amg_session, session));
}

/* As many as fit into both arrays. */
static jint glue_topk(JNIEnv *env, jclass type, jlong session, jint i, jintArray classes, jfloatArray scores)
{
    jsize k = (*env)->GetArrayLength(env, classes);
    jint *best = (*env)->GetIntArrayElements(env, classes, NULL);
    jfloat *score = best ? (*env)->GetFloatArrayElements(env, scores, NULL) : NULL;
    jint found = score ? amg_topk(HANDLE(amg_session, session), i, k, best, score) : AMG_E_MEMORY;
    (void)type;
    if (score) {
        (*env)->ReleaseFloatArrayElements(env, scores, score, 0);
    }
    if (best) {
        (*env)->ReleaseIntArrayElements(env, classes, best, 0);
    }
    return found;
}

#define BUFFER "Ljava/nio/ByteBuffer;"
static const struct {
    const char *name, *signature;
    void *function;
} glue_table[] = {
    {"open", "([B" BUFFER "[J[B)I", (void *)glue_open},
    {"memory", "(I)" BUFFER, (void *)glue_memory},
    {"close", "(J)V", (void *)glue_close},
    {"strerror", "(I)[B", (void *)glue_strerror},
    {"count", "(JI)I", (void *)glue_count},
    {"name", "(JII)[B", (void *)glue_name},
    {"shape", "(JII)[J", (void *)glue_shape},
    {"sessionShape", "(JII)[J", (void *)glue_session_shape},
    {"label", "(JI)[B", (void *)glue_label},
    {"meta", "(J[B)[B", (void *)glue_meta},
    {"sessionNew", "(JII" BUFFER "[J)I", (void *)glue_session_new},
    {"sessionFree", "(J)V", (void *)glue_session_free},
    {"message", "(J)[B", (void *)glue_message},
    {"setShape", "(JI[J)I", (void *)glue_set_shape},
    {"floats", "(JII[F)I", (void *)glue_floats},
    {"longs", "(JII[J)I", (void *)glue_longs},
    {"buffer", "(JII" BUFFER "II)I", (void *)glue_buffer},
    {"setImage", "(JI[B" BUFFER "IIIII)I", (void *)glue_set_image},
    {"run", "(J)I", (void *)glue_run},
    {"topk", "(JI[I[F)I", (void *)glue_topk},
};

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved)
{
    JNINativeMethod methods[sizeof glue_table / sizeof *glue_table];
    JNIEnv *env = NULL;
    jclass type;
    (void)reserved;
    if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_6) != JNI_OK) {
        return JNI_ERR;
    }
    type = (*env)->FindClass(env, NATIVE_CLASS);
    if (!type) {
        return JNI_ERR;
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        methods[i].name = (char *)glue_table[i].name;
        methods[i].signature = (char *)glue_table[i].signature;
        methods[i].fnPtr = glue_table[i].function;
    }
    if ((*env)->RegisterNatives(env, type, methods, (jint)(sizeof methods / sizeof *methods)) != JNI_OK) {
        return JNI_ERR;
    }
    return JNI_VERSION_1_6;
}
