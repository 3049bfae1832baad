/* op.h - all that an operator file may see: values, steps, attributes, scratch memory, and how to say what is wrong.
 *
 * An operator is a check and a run. check validates inputs and attributes, infers the output shapes and states the
 * scratch it needs; it is called at open and after amg_set_shape, for any bytes a file may hold. run cannot fail. */
#ifndef AMG_OP_H
#define AMG_OP_H

#include "base.h"

#define AMG_MAX_IN 64 /* inputs of a step (a concat has the most) */
#define AMG_MAX_OUT 16

/* How the elements of a constant lie (amg_value.packing); activations are always AMG_PLAIN. */
#define AMG_PLAIN 0     /* C-contiguous */
#define AMG_PANELS 1    /* matrix [n, k] as ceil(n / 16) panels of [k][16], zero padded; dim = {groups, n per group, k} */
#define AMG_LANE_ROWS 2 /* matrix [k, n] with rows padded with zeros to a multiple of 16; dim = {k, n} */

/* A tensor as an operator sees it. Element (i0, ..., iL) of an activation lies at
 * (row-major index of (i0, ..., i{L-1})) * pitch + iL, so pitch > dim[L] where it is a slice of a concatenated buffer. */
typedef struct amg_value {
    void *data;       /* NULL during check, except for constants */
    int32_t dtype;    /* AMG_F32, AMG_I64 */
    int32_t ndim;     /* 0: a scalar */
    int64_t dim[AMG_MAX_NDIM];
    int64_t count;    /* product of dim; fits size_t in bytes */
    int64_t pitch;    /* elements from one row of the last axis to the next; dim[ndim - 1] unless the step allows more */
    int32_t packing;  /* AMG_PLAIN, AMG_PANELS, AMG_LANE_ROWS */
    int32_t constant; /* 1: part of the model */
} amg_value;

typedef struct amg_op amg_op;

/* One operator of the network with its operands, at the shapes of one session. */
typedef struct amg_step {
    const amg_op *op;
    const char *name;
    const int32_t *attr; /* words as amalgamate/ops/NAME.py lists its fields: int, float bits, or a count and its ints */
    int32_t attr_count;
    int32_t n_in, n_out;
    const amg_value *const *in; /* [n_in]; an absent optional input is NULL */
    amg_value *const *out;      /* [n_out] */
    size_t scratch;             /* set by check: bytes of scratch that run needs, per thread */
    uint64_t macs;              /* set by check: multiply-accumulates; 0 where counting them says nothing */
    int32_t by_rows;            /* set by check: 1 if rows of a map [N, H, W, C] may be made apart, with the same results: the
                                   attributes begin with kernel, strides, pads and dilations */
} amg_step;

/* What check writes its complaint into. */
typedef struct amg_check {
    int32_t status;
    const amg_step *step;
    char *message; /* may be NULL */
    size_t message_size;
    int32_t isa;
} amg_check;

/* What run works with. */
typedef struct amg_context {
    int32_t isa;   /* index of every kernel table */
    int32_t threads;
    void *scratch; /* threads areas of scratch_size bytes, 64-byte aligned */
    size_t scratch_size;
    void *pool;
} amg_context;

#define AMG_OP_IN_PLACE 1u    /* out[0] may be the memory of in[0] */
#define AMG_OP_PITCHED_IN 2u  /* inputs may have pitch > last dim */
#define AMG_OP_PITCHED_OUT 4u /* outputs may have pitch > last dim */
#define AMG_OP_JOINS 8u       /* out[0] is the inputs side by side; run must skip an input whose data is its place there already */

struct amg_op {
    const char *name;
    uint32_t flags;
    int32_t (*check)(amg_check *c, amg_step *s);
    void (*run)(const amg_step *s, const amg_context *t);
};

/* Reads a step's attribute words in order; reading past the end, or a list longer than max, sets bad. */
typedef struct amg_attrs {
    const int32_t *word, *end;
    int32_t bad;
} amg_attrs;

AMG_INTERNAL amg_attrs amg_attrs_of(const amg_step *s);
AMG_INTERNAL int32_t amg_attr_int(amg_attrs *a);
AMG_INTERNAL float amg_attr_float(amg_attrs *a);
AMG_INTERNAL int32_t amg_attr_list(amg_attrs *a, int32_t max, int64_t *out); /* returns the count */
AMG_INTERNAL int32_t amg_attrs_done(const amg_attrs *a);                      /* 1: all words read, none missing */

/* Records a failure of the step being checked and returns its status: `what` is a full clause, e.g. "stride is 0". */
AMG_INTERNAL void amg_fail_text(amg_check *c, const char *what);
static inline int32_t amg_fail(amg_check *c, int32_t status, const char *what)
{
    if (!AMG_SMALL) {
        amg_fail_text(c, what);
    }
    c->status = status;
    return status;
}

/* Common checks; each returns AMG_OK or fails with its own message. */
AMG_INTERNAL int32_t amg_check_arity(amg_check *c, const amg_step *s, int32_t min_in, int32_t max_in, int32_t n_out);
AMG_INTERNAL int32_t amg_check_float(amg_check *c, const amg_step *s); /* every present input is float32 and PLAIN */
AMG_INTERNAL int32_t amg_shape_fits(int32_t dtype, int32_t ndim, const int64_t *dim, int64_t *count); /* 1: count is set */
AMG_INTERNAL int32_t amg_set_out(amg_check *c, amg_value *out, int32_t dtype, int32_t ndim, const int64_t *dim);
AMG_INTERNAL int32_t amg_same_shape(amg_check *c, amg_step *s); /* out[0] = dtype and shape of in[0] */

static inline const float *amg_in_f32(const amg_step *s, int32_t i)
{
    return i < s->n_in && s->in[i] ? (const float *)s->in[i]->data : NULL;
}

static inline float *amg_out_f32(const amg_step *s, int32_t i)
{
    return (float *)s->out[i]->data;
}

/* An activation's axes as batch, height, width, channels: [N, H, W, C], or [N, W, C] with H = 1. */
typedef struct amg_nhwc {
    int64_t n, h, w, c, pitch;
} amg_nhwc;

AMG_INTERNAL int32_t amg_nhwc_of(const amg_value *v, amg_nhwc *out); /* 0 when v has neither 3 nor 4 axes */

/* v seen as rows of its last axis: *rows = count / *width; a scalar is one row of one. */
static inline void amg_rows_of(const amg_value *v, int64_t *rows, int64_t *width)
{
    *width = v->ndim ? v->dim[v->ndim - 1] : 1;
    *rows = *width ? v->count / *width : 0;
}

/* Calls job(arg, begin, end, thread) over pieces of 0..count, each a multiple of `grain` but for the last. */
typedef void (*amg_job)(void *arg, int64_t begin, int64_t end, int32_t thread);
AMG_INTERNAL void amg_parallel(const amg_context *t, int64_t count, int64_t grain, amg_job job, void *arg);

/* The scratch of one thread, as long as the step's check asked for. */
static inline void *amg_scratch_of(const amg_context *t, int32_t thread)
{
    return (char *)t->scratch + (size_t)thread * t->scratch_size;
}

/* Declares a kernel table: kernels/NAME.h holds `typedef struct {...} amg_NAME_kernels; AMG_KERNELS(NAME);` and
 * kernels/NAME.inc ends with `static const amg_NAME_kernels AMG_ISA(amg_NAME) = {...};`. amg_NAME[t->isa] is the one to call.
 * The generated kernels.c instantiates kernels/X.inc for every kernels/X.h that an operator includes, directly or through
 * another kernel's header, needed ones first: where NAME.inc calls helpers of math.inc, NAME.h includes "kernels/math.h"
 * (which may hold nothing but this). An .inc names no other .inc, so each instruction set has each body once. */
#define AMG_KERNELS(name) AMG_INTERNAL_DATA const amg_##name##_kernels *const amg_##name[AMG_ISA_COUNT]

#endif
