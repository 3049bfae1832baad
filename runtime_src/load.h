/* load.h - an opened model: what the .amg bytes say, copied to private memory and validated. */
#ifndef AMG_LOAD_H
#define AMG_LOAD_H

#include "op.h"
#include "text.h"

typedef struct amg_memory { /* the caller's allocator */
    void *(*alloc)(void *user, size_t size);
    void (*release)(void *user, void *memory);
    void *user;
} amg_memory;

typedef struct amg_slot { /* a tensor of the model, at its default shape where that is known */
    amg_value value;
    const char *name;
    int32_t home;     /* the output of an in-place reader or a concat, in whose memory it wants to lie; or -1 */
    int32_t producer; /* step; -1 for inputs and constants */
    int32_t last_use; /* step; -1 when nothing reads it, step_count for outputs */
    int32_t input;    /* 1: an input of the model */
    int32_t output;    /* 1: an output of the model */
    int32_t by_rows;   /* 1: wants to be made a few rows at a time; 2: as few as can be */
    int32_t apart;     /* 1: its rows want to lie apart, off powers of two */
    int32_t pitchable; /* 1: its maker and all its readers allow pitch > last dim */
    int32_t half;      /* 1: a constant that the file holds in half precision */
    size_t bytes;      /* of a constant, with its padding, in the file */
} amg_slot;

typedef struct amg_layer { /* a step of the model */
    const amg_op *op;
    const char *name;
    const int32_t *in;   /* [n_in] tensors, -1 for an absent one */
    const int32_t *out;  /* [n_out] */
    const int32_t *attr; /* [attr_count] */
    int32_t n_in, n_out, attr_count;
} amg_layer;

typedef struct amg_picture { /* how a picture becomes an input */
    int32_t input, channels_last;
    int32_t order;                              /* 0 rgb, 1 bgr, 2 gray */
    int32_t resize;                             /* 0 none, 1 the short side to resize_h, 2 both sides */
    int32_t resize_h, resize_w, crop_h, crop_w; /* 0: none */
    float mean[3], std[3];
} amg_picture;

struct amg_model {
    amg_memory memory;
    int32_t tensor_count, layer_count, word_count, input_count, output_count, meta_count, label_count, picture_count;
    size_t string_bytes;
    amg_slot *slots;
    amg_layer *layers;
    int32_t *words;
    int32_t *inputs, *outputs; /* tensors */
    const char **metas;        /* key, value, key, value, ... */
    const char **labels;
    amg_picture *pictures;
    char *strings;
    int32_t copied;   /* 1: the weights do not lie in the file */
    void *copy;       /* the weights, where they were copied, or the file, where it was read */
    void *map;        /* the file, where it was mapped */
    size_t map_bytes;
};

AMG_INTERNAL void *amg_memory_get(const amg_memory *m, size_t size); /* NULL when there is none */
AMG_INTERNAL void amg_memory_put(const amg_memory *m, void *memory);

/* Records a failure in a message buffer and returns status: "what: where", where may be NULL. */
AMG_INTERNAL void amg_say_text(char *message, size_t size, const char *what, const char *where);
static inline int32_t amg_say(char *message, size_t size, int32_t status, const char *what, const char *where)
{
    if (!AMG_SMALL) {
        amg_say_text(message, size, what, where);
    }
    return status;
}

/* The caller's options, whatever their version, completed with defaults. */
AMG_INTERNAL int32_t amg_options_of(const amg_options *opt, amg_options *out);

/* The tensor of input or output i; -1 if there is none. */
AMG_INTERNAL int32_t amg_tensor_at(const amg_model *m, int32_t kind, int32_t i);
AMG_INTERNAL void amg_tensor_of(const char *name, const amg_value *v, amg_tensor *out);

/* Opens the bytes of complete options; load.c. */
AMG_INTERNAL int32_t amg_load(const amg_options *opt, amg_model **out);

/* Gives the mapping of a file back; file.c. Absent with AMG_NO_FILE. */
AMG_INTERNAL void amg_file_unmap(void *map, size_t bytes);

#endif
