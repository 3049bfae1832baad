/* f32_avx512.h - the vector vocabulary in AVX-512 (F, BW, DQ, VL), sixteen lanes. Opens its target region. */
#include "simd/vocabulary.h"

#include <immintrin.h>

#define AMG_ISA(name) name##__avx512
#define VF_LANES 16
#define AMG_TILE_ROWS 14 /* gemm: rows and output lanes of a register tile: 28 accumulators of 32 registers */
#define AMG_TILE_SMALL 8 /* rows of the second tile height, for what is left; here also of an 8x48 tile */
#define AMG_TILE_LANES 32
#define AMG_TILE_STEPS 1
#define AMG_VECTOR_PANELS 4
#define AMG_DEPTHWISE_LINES 4
#define AMG_DEPTHWISE_SLIDES 1

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define AMG_SIMD_REGION 0
#elif defined(__clang__)
#define AMG_SIMD_REGION 1
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))),                  \
                             apply_to = function)
#elif defined(__GNUC__)
#define AMG_SIMD_REGION 1
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#else
#define AMG_SIMD_REGION 0
#endif

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

AMG_SIMD_FN vm AMG_ISA(amg_first_lanes)(int64_t n) { return (vm)((1u << (unsigned)n) - 1u); }

AMG_SIMD_FN vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
AMG_SIMD_FN void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(AMG_ISA(amg_first_lanes)(n), p); }
AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n) { _mm512_mask_storeu_ps(p, AMG_ISA(amg_first_lanes)(n), x); }
AMG_SIMD_FN vf vf_set1(float x) { return _mm512_set1_ps(x); }
AMG_SIMD_FN vf vf_zero(void) { return _mm512_setzero_ps(); }

AMG_SIMD_FN vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
AMG_SIMD_FN vf vf_min(vf a, vf b) { return _mm512_min_ps(b, a); } /* minps gives its second operand for NaN */
AMG_SIMD_FN vf vf_max(vf a, vf b) { return _mm512_max_ps(b, a); }
AMG_SIMD_FN vf vf_neg(vf x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f)); }
AMG_SIMD_FN vf vf_abs(vf x) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return _mm512_sqrt_ps(x); }
AMG_SIMD_FN vf vf_round(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
AMG_SIMD_FN vf vf_floor(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return (vm)(a & b); }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return (vm)(a | b); }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }

AMG_SIMD_FN float vf_sum(vf x) { return _mm512_reduce_add_ps(x); }
AMG_SIMD_FN float vf_hmax(vf x) { return _mm512_reduce_max_ps(x); }
AMG_SIMD_FN float vf_hmin(vf x) { return _mm512_reduce_min_ps(x); }

AMG_SIMD_FN vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return _mm512_sll_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return _mm512_sra_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_from_vf(vf x) { return _mm512_cvtps_epi32(x); }
AMG_SIMD_FN vf vf_from_vi(vi x) { return _mm512_cvtepi32_ps(x); }
AMG_SIMD_FN vi vf_bits(vf x) { return _mm512_castps_si512(x); }
AMG_SIMD_FN vf vf_of_bits(vi x) { return _mm512_castsi512_ps(x); }

AMG_SIMD_FN vf vf_exp2i(vi n)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
