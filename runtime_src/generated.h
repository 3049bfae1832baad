/* generated.h - what amalgamate/writers/c_source.py generates for each build: the operators it holds and its model. */
#ifndef AMG_GENERATED_H
#define AMG_GENERATED_H

#include "op.h"

AMG_INTERNAL_DATA const amg_op *const *const amg_ops; /* [amg_op_count], sorted by name (strcmp) */
AMG_INTERNAL_DATA const int32_t amg_op_count;
AMG_INTERNAL_DATA const int32_t amg_op_joins; /* 1: one of them has AMG_OP_JOINS */

AMG_INTERNAL_DATA const int32_t amg_halves; /* 1: files may hold weights in half precision */
AMG_INTERNAL_DATA const int32_t amg_by_rows; /* 1: files may wish for tensors to be made a few rows at a time */
AMG_INTERNAL_DATA const int32_t amg_apart; /* 1: files may wish for tensors to have their rows off powers of two */
AMG_INTERNAL_DATA const void *const amg_embedded; /* the .amg bytes, AMG_ALIGN-aligned; NULL where there are none */
AMG_INTERNAL_DATA const size_t amg_embedded_size;

#endif
