/* vocabulary.h - the words that kernels/X.inc files are written in; each f32_ISA.h defines all of them for one ISA.
 *
 * vf holds VF_LANES floats, vi as many int32_t, vm as many truth values. Kernels use the generic names below;
 * AMG_ISA(name), which every f32_ISA.h defines, makes them the functions of the instruction set that is open. */
#ifndef AMG_SIMD_VOCABULARY_H
#define AMG_SIMD_VOCABULARY_H

#include "base.h"

#define AMG_SIMD_FN static inline AMG_MAYBE_UNUSED

/* Asks for the cache line `floats` after p, which may lie beyond the array. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__wasm__)
#define AMG_PREFETCH(p, floats) __builtin_prefetch((const void *)((uintptr_t)(p) + 4 * (uintptr_t)(floats)))
#else
#define AMG_PREFETCH(p, floats) ((void)0)
#endif

#define vf AMG_ISA(amg_vf)
#define vi AMG_ISA(amg_vi)
#define vm AMG_ISA(amg_vm)

#define vf_load AMG_ISA(amg_vf_load)     /* vf (const float *p): VF_LANES floats, any alignment */
#define vf_store AMG_ISA(amg_vf_store)   /* void (float *p, vf x) */
#define vf_loadn AMG_ISA(amg_vf_loadn)   /* vf (const float *p, int64_t n): 0 <= n <= VF_LANES lanes, the others 0; */
#define vf_storen AMG_ISA(amg_vf_storen) /* void (float *p, vf x, int64_t n): neither touches memory past p[n - 1] */
#define vf_set1 AMG_ISA(amg_vf_set1)     /* vf (float x) */
#define vf_zero AMG_ISA(amg_vf_zero)     /* vf (void) */

#define vf_add AMG_ISA(amg_vf_add)
#define vf_sub AMG_ISA(amg_vf_sub)
#define vf_mul AMG_ISA(amg_vf_mul)
#define vf_div AMG_ISA(amg_vf_div)
#define vf_fma AMG_ISA(amg_vf_fma)     /* (a, b, c): a b + c, rounded once where the ISA can */
#define vf_fnma AMG_ISA(amg_vf_fnma)   /* (a, b, c): c - a b */
#define vf_min AMG_ISA(amg_vf_min)     /* NaN rule of min and max: a NaN FIRST operand is the result, so */
#define vf_max AMG_ISA(amg_vf_max)     /* min(max(x, lo), hi) keeps a NaN x; a NaN second gives the first (NEON: NaN) */
#define vf_neg AMG_ISA(amg_vf_neg)
#define vf_abs AMG_ISA(amg_vf_abs)
#define vf_sqrt AMG_ISA(amg_vf_sqrt)
#define vf_round AMG_ISA(amg_vf_round) /* to the nearest integer, ties to even */
#define vf_floor AMG_ISA(amg_vf_floor)

#define vf_lt AMG_ISA(amg_vf_lt) /* comparisons: vm (a, b), false where either is NaN */
#define vf_le AMG_ISA(amg_vf_le)
#define vf_eq AMG_ISA(amg_vf_eq)
#define vm_and AMG_ISA(amg_vm_and)
#define vm_or AMG_ISA(amg_vm_or)
#define vf_select AMG_ISA(amg_vf_select) /* (m, a, b): a where m, else b */

#define vf_sum AMG_ISA(amg_vf_sum) /* float (vf): over all lanes, in no stated order */
#define vf_hmax AMG_ISA(amg_vf_hmax)
#define vf_hmin AMG_ISA(amg_vf_hmin)

#define vi_set1 AMG_ISA(amg_vi_set1)
#define vi_add AMG_ISA(amg_vi_add) /* wraps */
#define vi_sub AMG_ISA(amg_vi_sub)
#define vi_and AMG_ISA(amg_vi_and)
#define vi_or AMG_ISA(amg_vi_or)
#define vi_shl AMG_ISA(amg_vi_shl) /* (x, n): 0 <= n < 32 */
#define vi_shr AMG_ISA(amg_vi_shr) /* keeps the sign */
#define vi_from_vf AMG_ISA(amg_vi_from_vf) /* to nearest, ties to even; unspecified outside int32_t and for NaN */
#define vf_from_vi AMG_ISA(amg_vf_from_vi)
#define vf_bits AMG_ISA(amg_vf_bits)       /* vi (vf): the bits of each float */
#define vf_of_bits AMG_ISA(amg_vf_of_bits) /* vf (vi): the floats of these bits */
#define vf_exp2i AMG_ISA(amg_vf_exp2i)     /* vf (vi n): 2^n for -126 <= n <= 127 */

#endif
