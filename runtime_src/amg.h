/* amg.h - run a trained network inside your program.
 *
 *   amg_model *m;  amg_session *s;
 *   amg_open(NULL, &m);  amg_session_new(m, NULL, &s);
 *   memcpy(amg_data(s, AMG_INPUT, 0, &bytes), pixels, bytes);  amg_run(s);
 *   const float *scores = amg_data(s, AMG_OUTPUT, 0, &bytes);
 *
 * Every function that can fail returns AMG_OK (0) or a negative status. A model is immutable and may be shared
 * between threads; a session belongs to one thread at a time. No globals, no stdio, no thread-local state.
 * Compile-time switches: AMG_API, AMG_NO_THREADS, AMG_NO_FILE, AMG_NO_IMAGE, AMG_NO_PROFILE, AMG_SCALAR_ONLY.
 */
#ifndef AMG_H
#define AMG_H

#include <stddef.h>
#include <stdint.h>

#ifndef AMG_API
#define AMG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define AMG_VERSION 100 /* major * 10000 + minor * 100 + patch */

/* Status codes. */
#define AMG_OK 0
#define AMG_E_ARGUMENT (-1)    /* a null or out-of-range argument, or a call out of order */
#define AMG_E_MEMORY (-2)      /* the allocator returned NULL, the system made no thread, or the caller's arena is too small */
#define AMG_E_FORMAT (-3)      /* the bytes are not a valid .amg model */
#define AMG_E_VERSION (-4)     /* a .amg of a newer format version */
#define AMG_E_CHECKSUM (-5)    /* the bytes were damaged */
#define AMG_E_UNSUPPORTED (-6) /* an operator, type or instruction set that this build does not hold */
#define AMG_E_SHAPE (-7)       /* shapes that do not fit each other, or too large for this machine */
#define AMG_E_FILE (-8)        /* the file could not be opened or read */
#define AMG_E_CANCELLED (-9)   /* the run was cancelled */

/* Kinds of tensor, for amg_tensor_count, amg_tensor_info and amg_data. */
#define AMG_INPUT 0
#define AMG_OUTPUT 1

/* Element types. */
#define AMG_F32 1
#define AMG_I64 2

/* Instruction sets, for amg_session_options.isa. */
#define AMG_ISA_AUTO 0
#define AMG_ISA_SCALAR 1 /* plain C: where there are no vectors, or with AMG_SCALAR_ONLY */
#define AMG_ISA_SSE2 2   /* what every x86-64 runs; 32-bit x86 compiled for it */
#define AMG_ISA_AVX2 3   /* with FMA */
#define AMG_ISA_AVX512 4
#define AMG_ISA_NEON 5
#define AMG_ISA_WASM 6

/* Pixel formats, for amg_set_image: 8 bits per channel, interleaved. */
#define AMG_GRAY8 1
#define AMG_RGB8 2
#define AMG_BGR8 3
#define AMG_RGBA8 4
#define AMG_BGRA8 5

#define AMG_MAX_NDIM 8

/* Flags of amg_options. */
#define AMG_OPEN_COPY 1   /* copy the weights too: the caller's bytes may go away or change afterwards; always on big-endian */
#define AMG_OPEN_VERIFY 2 /* check the checksum of the weights as well (reads all of them) */

/* Flags of amg_session_options. */
#define AMG_KEEP_INPUTS 1 /* inputs keep their values over amg_run; without it their memory may be reused by the run */

typedef struct amg_model amg_model;
typedef struct amg_session amg_session;

/* How to open a model. Zero-initialise, set struct_size, fill in what you need. */
typedef struct amg_options {
    size_t struct_size; /* sizeof(amg_options) */
    const void *data;   /* the .amg bytes, which must outlive the model unless AMG_OPEN_COPY; NULL: the embedded model */
    size_t size;        /* bytes at data */
    void *(*alloc)(void *user, size_t size); /* NULL: malloc; must return memory aligned as malloc does */
    void (*release)(void *user, void *memory); /* NULL: free */
    void *user;         /* passed to alloc and release */
    char *errbuf;       /* receives a message when opening fails; may be NULL */
    size_t errbuf_size; /* bytes at errbuf */
    uint32_t flags;     /* AMG_OPEN_* */
    /* Memory for weights that the file holds in half precision, and the others with them, as float32: as many bytes as the
     * macro NAME_WEIGHTS_BYTES says, 64-byte aligned, which must outlive the model. It may end where `data` does, which is
     * then overwritten. NULL: allocated, where it is needed. */
    void *weights;
    size_t weights_size; /* bytes at weights */
} amg_options;

/* How to make a session. Zero-initialise, set struct_size, fill in what you need. */
typedef struct amg_session_options {
    size_t struct_size; /* sizeof(amg_session_options) */
    int32_t threads;    /* that a run uses: 0 or 1 for the calling thread alone; always 1 with AMG_NO_THREADS */
    int32_t isa;        /* AMG_ISA_*; AMG_ISA_AUTO: the best that this machine has */
    void *arena;        /* memory for activations, 64-byte aligned; NULL: allocated */
    size_t arena_size;  /* bytes at arena, at least amg_arena_size() */
    int32_t (*progress)(void *user, int32_t layer, int32_t layers); /* before each layer; non-zero cancels; may be NULL */
    void *user;         /* passed to progress */
    uint32_t flags;     /* AMG_KEEP_INPUTS */
    /* Runs work on your threads: calls piece(arg, i) for every i from 0 to pieces - 1, each once, in any order, at the same
     * time or not, and returns when all are done. pieces is at most `threads`. NULL: the session makes threads - 1 threads,
     * which sleep between runs and end with it. Results are the same bits in every way, with any number of threads. */
    void (*parallel)(void *pool_user, int32_t pieces, void (*piece)(void *arg, int32_t index), void *arg);
    void *pool_user;    /* passed to parallel */
} amg_session_options;

/* What a tensor is. */
typedef struct amg_tensor {
    const char *name; /* owned by the model */
    int32_t dtype;    /* AMG_F32, AMG_I64 */
    int32_t ndim;
    int64_t dims[AMG_MAX_NDIM];
} amg_tensor;

/* What a layer is, and what it cost in the last run. */
typedef struct amg_layer_stat {
    const char *name; /* owned by the model */
    const char *op;
    uint64_t ns;         /* 0 before the first run and with AMG_NO_PROFILE */
    uint64_t macs;       /* multiply-accumulates at the session's shapes */
    uint64_t bytes_live; /* activation bytes live while it runs */
} amg_layer_stat;

/* The version of this code: AMG_VERSION. */
AMG_API uint32_t amg_version(void);

/* A static English sentence for a status. Never NULL. */
AMG_API const char *amg_strerror(int32_t status);

/* Opens the model at opt->data, or the embedded one when opt or opt->data is NULL. *out is NULL on failure. */
AMG_API int32_t amg_open(const amg_options *opt, amg_model **out);

/* Opens a .amg file: mapped where the system can, otherwise read. A path is UTF-8 on Windows. opt->data is ignored. Absent
 * with AMG_NO_FILE. */
AMG_API int32_t amg_open_file(const char *path, const amg_options *opt, amg_model **out);

/* Frees the model. Its sessions must be freed before. NULL is fine. */
AMG_API void amg_close(amg_model *m);

/* The number of inputs (AMG_INPUT) or outputs (AMG_OUTPUT); 0 for another kind. */
AMG_API int32_t amg_tensor_count(const amg_model *m, int32_t kind);

/* Describes input or output i at the model's default shapes. */
AMG_API int32_t amg_tensor_info(const amg_model *m, int32_t kind, int32_t i, amg_tensor *out);

/* A text that the model carries ("name", "producer", ...), or NULL. */
AMG_API const char *amg_meta(const amg_model *m, const char *key);

/* The label of a class, or NULL when the model has none for it. */
AMG_API const char *amg_label(const amg_model *m, int32_t class_index);

/* Bytes of arena that a session with these options needs at the model's default shapes; 0 if the options are invalid. */
AMG_API size_t amg_arena_size(const amg_model *m, const amg_session_options *opt);

/* Makes a session; opt may be NULL. *out is NULL on failure. With a C library that keeps threads in a library of its own
 * (glibc before 2.34), more than one thread is AMG_E_UNSUPPORTED unless the program is linked with -pthread. A process that
 * forks while no session runs may run its sessions in the child too, on one thread. */
AMG_API int32_t amg_session_new(const amg_model *m, const amg_session_options *opt, amg_session **out);

/* Frees a session. NULL is fine. */
AMG_API void amg_session_free(amg_session *s);

/* Changes the shape of input i, infers every other shape and plans the arena again; contents are lost. With a caller's
 * arena that is too small, or shapes that do not fit, it fails and the session keeps its former shapes. */
AMG_API int32_t amg_set_shape(amg_session *s, int32_t input, const int64_t *dims, int32_t ndim);

/* Describes input or output i at the session's shapes. */
AMG_API int32_t amg_session_tensor(const amg_session *s, int32_t kind, int32_t i, amg_tensor *out);

/* The memory of input or output i, in the model's own axis order, C-contiguous; NULL if there is none. *bytes may be NULL. */
AMG_API void *amg_data(amg_session *s, int32_t kind, int32_t i, size_t *bytes);

/* Fills image input i (1 x C x H x W or 1 x H x W x C) from w x h pixels, rows `stride` bytes apart: resizes (bilinear,
 * antialiased), crops, orders channels and normalises as the model was built to. Absent with AMG_NO_IMAGE. */
AMG_API int32_t amg_set_image(amg_session *s, int32_t i, const void *pixels, int32_t w, int32_t h, int32_t stride,
                              int32_t format);

/* Runs the network. Allocates nothing. */
AMG_API int32_t amg_run(amg_session *s);

/* The k largest values of float output i (of its first batch item), best first. Returns how many were written, or a status. */
AMG_API int32_t amg_topk(amg_session *s, int32_t i, int32_t k, int32_t *cls, float *score);

/* What went wrong in the last failing call on this session. Never NULL. */
AMG_API const char *amg_errmsg(const amg_session *s);

/* The number of layers, in the order in which they run. */
AMG_API int32_t amg_layer_count(const amg_model *m);

/* Describes one layer and what it cost. Absent with AMG_NO_PROFILE. */
AMG_API int32_t amg_profile(const amg_session *s, int32_t layer, amg_layer_stat *out);

#ifdef __cplusplus
}
#endif
#endif
