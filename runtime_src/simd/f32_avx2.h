/* f32_avx2.h - the vector vocabulary in AVX2 and FMA, eight lanes. Opens the avx2 instantiation and its region. */
#include "simd/vocabulary.h"

#include <immintrin.h>

#define AMG_ISA(name) name##__avx2
#define VF_LANES 8
#define AMG_TILE_ROWS 6 /* gemm: rows and output lanes of a register tile: 12 accumulators of 16 registers */
#define AMG_TILE_SMALL 4 /* rows of the second tile height, for what is left */
#define AMG_TILE_LANES 16
#define AMG_TILE_STEPS 1
#define AMG_VECTOR_PANELS 4 /* that a product of one row reads at a time */
#define AMG_DEPTHWISE_LINES 2  /* output rows of 3x3 taps in one go */
#define AMG_DEPTHWISE_SLIDES 0 /* 1: along rows, for which 16 registers are too few; 0: by tiles */

#if defined(__AVX2__) && defined(__FMA__)
#define AMG_SIMD_REGION 0
#elif defined(__clang__)
#define AMG_SIMD_REGION 1
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#elif defined(__GNUC__)
#define AMG_SIMD_REGION 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#else
#define AMG_SIMD_REGION 0
#endif

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

AMG_SIMD_FN vi AMG_ISA(amg_first_lanes)(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

AMG_SIMD_FN vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
AMG_SIMD_FN void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n) { return _mm256_maskload_ps(p, AMG_ISA(amg_first_lanes)(n)); }
AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n) { _mm256_maskstore_ps(p, AMG_ISA(amg_first_lanes)(n), x); }
AMG_SIMD_FN vf vf_set1(float x) { return _mm256_set1_ps(x); }
AMG_SIMD_FN vf vf_zero(void) { return _mm256_setzero_ps(); }

AMG_SIMD_FN vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
AMG_SIMD_FN vf vf_min(vf a, vf b) { return _mm256_min_ps(b, a); } /* minps gives its second operand for NaN */
AMG_SIMD_FN vf vf_max(vf a, vf b) { return _mm256_max_ps(b, a); }
AMG_SIMD_FN vf vf_neg(vf x) { return _mm256_xor_ps(x, _mm256_set1_ps(-0.0f)); }
AMG_SIMD_FN vf vf_abs(vf x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return _mm256_sqrt_ps(x); }
AMG_SIMD_FN vf vf_round(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
AMG_SIMD_FN vf vf_floor(vf x) { return _mm256_floor_ps(x); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return _mm256_and_ps(a, b); }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return _mm256_or_ps(a, b); }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }

AMG_SIMD_FN float vf_sum(vf x)
{
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}

AMG_SIMD_FN float vf_hmax(vf x)
{
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

AMG_SIMD_FN float vf_hmin(vf x)
{
    __m128 h = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    h = _mm_min_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_min_ss(h, _mm_movehdup_ps(h)));
}

AMG_SIMD_FN vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return _mm256_sll_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return _mm256_sra_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_from_vf(vf x) { return _mm256_cvtps_epi32(x); }
AMG_SIMD_FN vf vf_from_vi(vi x) { return _mm256_cvtepi32_ps(x); }
AMG_SIMD_FN vi vf_bits(vf x) { return _mm256_castps_si256(x); }
AMG_SIMD_FN vf vf_of_bits(vi x) { return _mm256_castsi256_ps(x); }

AMG_SIMD_FN vf vf_exp2i(vi n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
