/* format.h - the bytes of a .amg file, as docs/format.md specifies them: offsets, sizes and limits. */
#ifndef AMG_FORMAT_H
#define AMG_FORMAT_H

#include "base.h"

#define AMG_FORMAT_MAGIC "\x89" "AMG\r\n\x1a\n"
#define AMG_FORMAT_MAJOR 1
#define AMG_FORMAT_MINOR 2
#define AMG_FORMAT_ENDIAN 0x01020304u
#define AMG_FORMAT_SUM_FACTOR 0x3c6ef372fe94f82au /* 2 * odd */

/* The header. Everything from AMG_H_SUMMED to the end of the control region is under the control checksum. */
#define AMG_H_MAGIC 0
#define AMG_H_CHECKSUM 8 /* u64 */
#define AMG_H_ENDIAN 16
#define AMG_H_SUMMED AMG_H_ENDIAN
#define AMG_H_MAJOR 20       /* u16 */
#define AMG_H_MINOR 22       /* u16 */
#define AMG_H_TOTAL 24       /* u64: bytes of the file */
#define AMG_H_WEIGHTS_SUM 32 /* u64 */
#define AMG_H_WEIGHTS 40     /* u64: bytes of the weights region */
#define AMG_H_TENSORS 48     /* u32 each: how many records follow, in this order */
#define AMG_H_STEPS 52
#define AMG_H_WORDS 56
#define AMG_H_INPUTS 60
#define AMG_H_OUTPUTS 64
#define AMG_H_SYMBOLS 68
#define AMG_H_METAS 72
#define AMG_H_LABELS 76
#define AMG_H_IMAGES 80
#define AMG_H_STRINGS 84  /* bytes */
#define AMG_H_RESERVED 88 /* zero, to the end */
#define AMG_H_SIZE 128

/* A tensor. */
#define AMG_T_NAME 0
#define AMG_T_DTYPE 4    /* u8 each */
#define AMG_T_NDIM 5
#define AMG_T_CONSTANT 6
#define AMG_T_ENCODING 7 /* 1: a constant in half precision */
#define AMG_T_PACKING 8
#define AMG_T_BY_ROWS 9 /* of an activation: 1, to be made a few rows at a time; 2, as few as can be */
#define AMG_T_APART 10 /* of an activation: 1, its rows want to lie apart, off powers of two */
#define AMG_T_RESERVED 11
#define AMG_T_HOME 12
#define AMG_T_OFFSET 16 /* u64 each */
#define AMG_T_BYTES 24
#define AMG_T_DIM 32 /* 8 u32 */
#define AMG_T_SIZE 64

/* A step. Its words follow those of the step before it: inputs, outputs, attributes. */
#define AMG_S_NAME 0
#define AMG_S_OP 4
#define AMG_S_INPUTS 8   /* u16 */
#define AMG_S_OUTPUTS 10 /* u16 */
#define AMG_S_ATTRS 12
#define AMG_S_SIZE 16

#define AMG_SYMBOL_SIZE 12 /* input, axis, name */
#define AMG_META_SIZE 8    /* key, value */

/* How a picture becomes an input. */
#define AMG_I_INPUT 0
#define AMG_I_ORDER 4 /* u8 each */
#define AMG_I_CHANNELS_LAST 5
#define AMG_I_RESIZE 6
#define AMG_I_RESERVED 7
#define AMG_I_RESIZE_H 8 /* u32 each */
#define AMG_I_RESIZE_W 12
#define AMG_I_CROP_H 16
#define AMG_I_CROP_W 20
#define AMG_I_MEAN 24 /* 3 f32 each */
#define AMG_I_STD 36
#define AMG_I_SIZE 48

#define AMG_NONE 0xffffffffu /* no tensor: an absent input, a tensor with memory of its own */

/* Limits. Planning takes time quadratic in the number of tensors, so that is bounded; everything else is linear. */
#define AMG_MAX_TENSORS 16384
#define AMG_MAX_STEPS 16384
#define AMG_MAX_CONTROL (64u << 20) /* bytes from the header's end to the weights */
#define AMG_MAX_IO 256              /* inputs, and outputs, of a model */
#define AMG_MAX_SIDE 32768          /* pixels of a side to resize to */

#endif
