/* f32_scalar.h - the vector vocabulary with one lane: plain C, on any machine. Opens the scalar instantiation. */
#include "simd/vocabulary.h"

#include <math.h>

#define AMG_ISA(name) name##__scalar
#define AMG_SIMD_REGION 0
#define VF_LANES 1
#if AMG_SMALL
#define AMG_TILE_ROWS 2 /* one height is enough */
#else
#define AMG_TILE_ROWS 4 /* gemm: rows and output lanes of a register tile */
#endif
#define AMG_TILE_SMALL 2 /* rows of the second tile height, for what is left */
#define AMG_TILE_LANES 4
#define AMG_TILE_STEPS 1
#define AMG_VECTOR_PANELS 1
#define AMG_DEPTHWISE_LINES 2
#define AMG_DEPTHWISE_SLIDES 0

typedef float vf;
typedef int32_t vi;
typedef int32_t vm;

AMG_SIMD_FN vf vf_load(const float *p)
{
    return *p;
}

AMG_SIMD_FN void vf_store(float *p, vf x)
{
    *p = x;
}

AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n)
{
    return n > 0 ? *p : 0.0f;
}

AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n)
{
    if (n > 0) {
        *p = x;
    }
}

AMG_SIMD_FN vf vf_set1(float x) { return x; }
AMG_SIMD_FN vf vf_zero(void) { return 0.0f; }
AMG_SIMD_FN vf vf_add(vf a, vf b) { return a + b; }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return a - b; }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return a * b; }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return a / b; }
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return c - a * b; }
AMG_SIMD_FN vf vf_min(vf a, vf b) { return b < a ? b : a; }
AMG_SIMD_FN vf vf_max(vf a, vf b) { return b > a ? b : a; }
AMG_SIMD_FN vf vf_neg(vf x) { return -x; }
AMG_SIMD_FN vf vf_abs(vf x) { return fabsf(x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return sqrtf(x); }
AMG_SIMD_FN vf vf_round(vf x) { return rintf(x); }
AMG_SIMD_FN vf vf_floor(vf x) { return floorf(x); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return a < b; }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return a <= b; }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return a == b; }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return a & b; }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return a | b; }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return m ? a : b; }

AMG_SIMD_FN float vf_sum(vf x) { return x; }
AMG_SIMD_FN float vf_hmax(vf x) { return x; }
AMG_SIMD_FN float vf_hmin(vf x) { return x; }

AMG_SIMD_FN vi vi_set1(int32_t x) { return x; }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return (vi)((uint32_t)a + (uint32_t)b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return (vi)((uint32_t)a - (uint32_t)b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return a & b; }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return a | b; }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return (vi)((uint32_t)x << n); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return x >> n; }
AMG_SIMD_FN vi vi_from_vf(vf x) { return x >= -2147483648.0f && x < 2147483648.0f ? (vi)rintf(x) : INT32_MIN; }
AMG_SIMD_FN vf vf_from_vi(vi x) { return (float)x; }

AMG_SIMD_FN vi vf_bits(vf x)
{
    vi bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

AMG_SIMD_FN vf vf_of_bits(vi bits) { return amg_float_of_bits(bits); }
AMG_SIMD_FN vf vf_exp2i(vi n) { return amg_float_of_bits(vi_shl(vi_add(n, 127), 23)); }
