/* math.h - exp, log and their kin on vectors: names like the vocabulary's, bodies in math.inc. Errors, in units of the last
 * place, over all of float32: exp and log 1, expm1 (of x <= 0), softplus 2, sigmoid, tanh and erf 3; phi 12 down to x = -5 and
 * absolute 1e-12 below. Infinities, zeros, denormals and overflow as in C's math; NaN gives NaN. */
#ifndef AMG_KERNELS_MATH_H
#define AMG_KERNELS_MATH_H

#include "simd/vocabulary.h"

#define vf_exp AMG_ISA(amg_vf_exp)
#define vf_expm1 AMG_ISA(amg_vf_expm1)       /* e^x - 1; x is clamped to [-30, 30] */
#define vf_log AMG_ISA(amg_vf_log)
#define vf_sigmoid AMG_ISA(amg_vf_sigmoid)   /* 1 / (1 + e^-x) */
#define vf_tanh AMG_ISA(amg_vf_tanh)
#define vf_softplus AMG_ISA(amg_vf_softplus) /* log(1 + e^x) */
#define vf_phi AMG_ISA(amg_vf_phi)           /* the normal distribution function, (1 + erf(x / sqrt 2)) / 2 */
#define vf_erf AMG_ISA(amg_vf_erf)

#endif
