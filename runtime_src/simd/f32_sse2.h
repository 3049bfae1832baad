/* f32_sse2.h - the vector vocabulary in SSE2, four lanes: what every x86-64 machine runs. Opens the sse2 instantiation. */
#include "simd/vocabulary.h"

#include <emmintrin.h>

#define AMG_ISA(name) name##__sse2
#define AMG_SIMD_REGION 0
#define VF_LANES 4
#define AMG_TILE_ROWS 2 /* gemm: rows and output lanes of a register tile: 8 accumulators of 16 registers */
#define AMG_TILE_SMALL 1 /* rows of the second tile height, for what is left */
#define AMG_TILE_LANES 16
#define AMG_TILE_STEPS 1
#define AMG_VECTOR_PANELS 2
#define AMG_DEPTHWISE_LINES 2
#define AMG_DEPTHWISE_SLIDES 0

typedef __m128 vf;
typedef __m128i vi;
typedef __m128 vm;

/* Fewer than four lanes, apart from the loops that they end. */
static AMG_MAYBE_UNUSED AMG_NO_INLINE vf AMG_ISA(amg_load_some)(const float *p, int64_t n)
{
    const vf low = n > 1 ? _mm_castpd_ps(_mm_load_sd((const double *)(const void *)p)) : _mm_setzero_ps();
    return n > 2 ? _mm_movelh_ps(low, _mm_load_ss(p + 2)) : n == 1 ? _mm_load_ss(p) : low;
}

static AMG_MAYBE_UNUSED AMG_NO_INLINE void AMG_ISA(amg_store_some)(float *p, vf x, int64_t n)
{
    if (n > 1) {
        _mm_store_sd((double *)(void *)p, _mm_castps_pd(x));
        p += 2;
        x = _mm_movehl_ps(x, x);
    }
    if (n & 1) {
        _mm_store_ss(p, x);
    }
}

AMG_SIMD_FN vf vf_load(const float *p) { return _mm_loadu_ps(p); }
AMG_SIMD_FN void vf_store(float *p, vf x) { _mm_storeu_ps(p, x); }
AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n) { return n < 4 ? AMG_ISA(amg_load_some)(p, n) : _mm_loadu_ps(p); }

AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n)
{
    if (n < 4) {
        AMG_ISA(amg_store_some)(p, x, n);
    } else {
        _mm_storeu_ps(p, x);
    }
}

AMG_SIMD_FN vf vf_set1(float x) { return _mm_set1_ps(x); }
AMG_SIMD_FN vf vf_zero(void) { return _mm_setzero_ps(); }

AMG_SIMD_FN vf vf_add(vf a, vf b) { return _mm_add_ps(a, b); }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return _mm_sub_ps(a, b); }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return _mm_div_ps(a, b); }
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return _mm_sub_ps(c, _mm_mul_ps(a, b)); }
AMG_SIMD_FN vf vf_min(vf a, vf b) { return _mm_min_ps(b, a); } /* minps gives its second operand for NaN */
AMG_SIMD_FN vf vf_max(vf a, vf b) { return _mm_max_ps(b, a); }
AMG_SIMD_FN vf vf_neg(vf x) { return _mm_xor_ps(x, _mm_set1_ps(-0.0f)); }
AMG_SIMD_FN vf vf_abs(vf x) { return _mm_andnot_ps(_mm_set1_ps(-0.0f), x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return _mm_sqrt_ps(x); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return _mm_cmplt_ps(a, b); }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return _mm_cmple_ps(a, b); }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return _mm_cmpeq_ps(a, b); }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return _mm_and_ps(a, b); }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return _mm_or_ps(a, b); }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b)); }

/* From 2^23 on floats are whole; below, the sum with 2^23 of the same sign rounds. Zeros keep the sign of x. */
AMG_SIMD_FN vf vf_round(vf x)
{
    const vf sign = _mm_and_ps(x, _mm_set1_ps(-0.0f)), large = _mm_or_ps(sign, _mm_set1_ps(8388608.0f));
    const vf whole = _mm_or_ps(sign, _mm_sub_ps(_mm_add_ps(x, large), large));
    return vf_select(_mm_cmplt_ps(vf_abs(x), _mm_set1_ps(8388608.0f)), whole, x);
}

AMG_SIMD_FN vf vf_floor(vf x)
{
    const vf nearest = vf_round(x);
    return _mm_sub_ps(nearest, _mm_and_ps(_mm_cmplt_ps(x, nearest), _mm_set1_ps(1.0f)));
}

AMG_SIMD_FN float vf_sum(vf x)
{
    const vf h = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}

AMG_SIMD_FN float vf_hmax(vf x)
{
    const vf h = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}

AMG_SIMD_FN float vf_hmin(vf x)
{
    const vf h = _mm_min_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_min_ss(h, _mm_shuffle_ps(h, h, 1)));
}

AMG_SIMD_FN vi vi_set1(int32_t x) { return _mm_set1_epi32(x); }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return _mm_add_epi32(a, b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return _mm_sub_epi32(a, b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return _mm_and_si128(a, b); }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return _mm_or_si128(a, b); }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return _mm_sll_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return _mm_sra_epi32(x, _mm_cvtsi32_si128(n)); }
AMG_SIMD_FN vi vi_from_vf(vf x) { return _mm_cvtps_epi32(x); }
AMG_SIMD_FN vf vf_from_vi(vi x) { return _mm_cvtepi32_ps(x); }
AMG_SIMD_FN vi vf_bits(vf x) { return _mm_castps_si128(x); }
AMG_SIMD_FN vf vf_of_bits(vi x) { return _mm_castsi128_ps(x); }
AMG_SIMD_FN vf vf_exp2i(vi n) { return _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(n, _mm_set1_epi32(127)), 23)); }
