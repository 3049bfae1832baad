/* activate.h - elementwise functions of one argument, by kind; also what a convolution or dense layer fuses. */
#ifndef AMG_KERNELS_ACTIVATE_H
#define AMG_KERNELS_ACTIVATE_H

#include "kernels/math.h"
#include "op.h"

/* Written into model files: never renumber. amalgamate/ops/X.py names its kind in as_activation(). */
#define AMG_ACT_NONE 0
#define AMG_ACT_CLIP 1         /* min(max(x, a), b); relu is a = 0, b = inf */
#define AMG_ACT_LEAKY_RELU 2   /* x < 0 ? a x : x */
#define AMG_ACT_ELU 3          /* x < 0 ? a (e^x - 1) : b x; selu is a = alpha gamma, b = gamma */
#define AMG_ACT_SIGMOID 4      /* 1 / (1 + e^-x) */
#define AMG_ACT_TANH 5
#define AMG_ACT_HARD_SIGMOID 6 /* min(max(a x + b, 0), 1) */
#define AMG_ACT_HARD_SWISH 7   /* x min(max(x / 6 + 1/2, 0), 1) */
#define AMG_ACT_GELU 8         /* x (1 + erf(x / sqrt 2)) / 2 */
#define AMG_ACT_GELU_TANH 9    /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
#define AMG_ACT_SOFTPLUS 10    /* log(1 + e^x) */
#define AMG_ACT_SWISH 11       /* x / (1 + e^-ax) */
#define AMG_ACT_EXP 12
#define AMG_ACT_LOG 13
#define AMG_ACT_SQRT 14
#define AMG_ACT_ABS 15
#define AMG_ACT_AFFINE 16      /* a x + b; negation is a = -1, b = 0 */
#define AMG_ACT_ERF 17
#define AMG_ACT_COUNT 18

typedef struct amg_activate_kernels {
    void (*run)(int32_t kind, float a, float b, const float *x, float *y, int64_t n); /* y may be x */
} amg_activate_kernels;
AMG_KERNELS(activate);

/* Generated: bit k is set where this build has kind k, fused or as an operator. */
AMG_INTERNAL_DATA const uint32_t amg_activations;

/* What a layer does to its result before it stores it; attributes hold it as three words. */
typedef struct amg_activation {
    int32_t kind;
    float a, b;
} amg_activation;

/* Reads an activation; a kind that is unknown, or not in this build, sets bad. */
static inline amg_activation amg_attr_activation(amg_attrs *attrs)
{
    amg_activation act;
    act.kind = amg_attr_int(attrs);
    act.a = amg_attr_float(attrs);
    act.b = amg_attr_float(attrs);
    attrs->bad |= act.kind < 0 || act.kind >= AMG_ACT_COUNT || !(amg_activations >> act.kind & 1u);
    return act;
}

#endif
