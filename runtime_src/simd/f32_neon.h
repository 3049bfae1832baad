/* f32_neon.h - the vector vocabulary in AArch64 NEON, four lanes. Opens the neon instantiation. */
#include "simd/vocabulary.h"

#include <arm_neon.h>

#define AMG_ISA(name) name##__neon
#define AMG_SIMD_REGION 0
#define VF_LANES 4
#define AMG_TILE_ROWS 5 /* gemm: rows and output lanes of a register tile: 20 accumulators, as gcc spills two of 24 */
#define AMG_TILE_SMALL 4 /* rows of the second tile height, for what is left */
#define AMG_TILE_LANES 16
#define AMG_TILE_STEPS 1
#define AMG_VECTOR_PANELS 2
#define AMG_DEPTHWISE_LINES 2
#define AMG_DEPTHWISE_SLIDES 0

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

/* Fewer than four lanes, apart from the loops that they end. */
static AMG_MAYBE_UNUSED AMG_NO_INLINE vf AMG_ISA(amg_load_some)(const float *p, int64_t n)
{
    vf x = vdupq_n_f32(0.0f);
    x = n > 0 ? vld1q_lane_f32(p, x, 0) : x;
    x = n > 1 ? vld1q_lane_f32(p + 1, x, 1) : x;
    return n > 2 ? vld1q_lane_f32(p + 2, x, 2) : x;
}

static AMG_MAYBE_UNUSED AMG_NO_INLINE void AMG_ISA(amg_store_some)(float *p, vf x, int64_t n)
{
    if (n > 0) {
        vst1q_lane_f32(p, x, 0);
    }
    if (n > 1) {
        vst1q_lane_f32(p + 1, x, 1);
    }
    if (n > 2) {
        vst1q_lane_f32(p + 2, x, 2);
    }
}

AMG_SIMD_FN vf vf_load(const float *p) { return vld1q_f32(p); }
AMG_SIMD_FN void vf_store(float *p, vf x) { vst1q_f32(p, x); }

AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n) { return n < 4 ? AMG_ISA(amg_load_some)(p, n) : vld1q_f32(p); }

AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n)
{
    if (n < 4) {
        AMG_ISA(amg_store_some)(p, x, n);
    } else {
        vst1q_f32(p, x);
    }
}

AMG_SIMD_FN vf vf_set1(float x) { return vdupq_n_f32(x); }
AMG_SIMD_FN vf vf_zero(void) { return vdupq_n_f32(0.0f); }
AMG_SIMD_FN vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
AMG_SIMD_FN vf vf_min(vf a, vf b) { return vminq_f32(a, b); } /* NaN where either is NaN */
AMG_SIMD_FN vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
AMG_SIMD_FN vf vf_neg(vf x) { return vnegq_f32(x); }
AMG_SIMD_FN vf vf_abs(vf x) { return vabsq_f32(x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return vsqrtq_f32(x); }
AMG_SIMD_FN vf vf_round(vf x) { return vrndnq_f32(x); }
AMG_SIMD_FN vf vf_floor(vf x) { return vrndmq_f32(x); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return vcleq_f32(a, b); }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return vceqq_f32(a, b); }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return vandq_u32(a, b); }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }

AMG_SIMD_FN float vf_sum(vf x) { return vaddvq_f32(x); }
AMG_SIMD_FN float vf_hmax(vf x) { return vmaxvq_f32(x); }
AMG_SIMD_FN float vf_hmin(vf x) { return vminvq_f32(x); }

AMG_SIMD_FN vi vi_set1(int32_t x) { return vdupq_n_s32(x); }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return vorrq_s32(a, b); }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return vshlq_s32(x, vdupq_n_s32(n)); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return vshlq_s32(x, vdupq_n_s32(-n)); }
AMG_SIMD_FN vi vi_from_vf(vf x) { return vcvtnq_s32_f32(x); }
AMG_SIMD_FN vf vf_from_vi(vi x) { return vcvtq_f32_s32(x); }
AMG_SIMD_FN vi vf_bits(vf x) { return vreinterpretq_s32_f32(x); }
AMG_SIMD_FN vf vf_of_bits(vi x) { return vreinterpretq_f32_s32(x); }
AMG_SIMD_FN vf vf_exp2i(vi n) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23)); }
