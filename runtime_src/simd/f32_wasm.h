/* f32_wasm.h - the vector vocabulary in WebAssembly SIMD128, four lanes. Opens the wasm instantiation. */
#include "simd/vocabulary.h"

#include <wasm_simd128.h>

#define AMG_ISA(name) name##__wasm
#define AMG_SIMD_REGION 0
#define VF_LANES 4
#define AMG_TILE_ROWS 2 /* gemm: rows and output lanes of a register tile: 8 accumulators, for hosts of 16 registers */
#define AMG_TILE_SMALL 1 /* rows of the second tile height, for what is left */
#define AMG_TILE_LANES 16
#define AMG_TILE_STEPS 8 /* gemm: steps of k written out: engines count an index for each pointer */
#define AMG_VECTOR_PANELS 1 /* that a product of one row reads at a time: V8 loads all of a turn first, in 15 registers */
#define AMG_DEPTHWISE_LINES 1 /* output rows of a tile of 3x3 taps: the same */
#define AMG_DEPTHWISE_SLIDES 0

typedef v128_t vf;
typedef v128_t vi;
typedef v128_t vm;

/* Fewer than four lanes, apart from the loops that they end. */
static AMG_MAYBE_UNUSED AMG_NO_INLINE vf AMG_ISA(amg_load_some)(const float *p, int64_t n)
{
    return wasm_f32x4_make(n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f);
}

static AMG_MAYBE_UNUSED AMG_NO_INLINE void AMG_ISA(amg_store_some)(float *p, vf x, int64_t n)
{
    if (n > 0) {
        p[0] = wasm_f32x4_extract_lane(x, 0);
    }
    if (n > 1) {
        p[1] = wasm_f32x4_extract_lane(x, 1);
    }
    if (n > 2) {
        p[2] = wasm_f32x4_extract_lane(x, 2);
    }
}

AMG_SIMD_FN vf vf_load(const float *p) { return wasm_v128_load(p); }
AMG_SIMD_FN void vf_store(float *p, vf x) { wasm_v128_store(p, x); }

AMG_SIMD_FN vf vf_loadn(const float *p, int64_t n)
{
    return n < 4 ? AMG_ISA(amg_load_some)(p, n) : wasm_v128_load(p);
}

AMG_SIMD_FN void vf_storen(float *p, vf x, int64_t n)
{
    if (n < 4) {
        AMG_ISA(amg_store_some)(p, x, n);
    } else {
        wasm_v128_store(p, x);
    }
}

AMG_SIMD_FN vf vf_set1(float x) { return wasm_f32x4_splat(x); }
AMG_SIMD_FN vf vf_zero(void) { return wasm_f32x4_splat(0.0f); }
AMG_SIMD_FN vf vf_add(vf a, vf b) { return wasm_f32x4_add(a, b); }
AMG_SIMD_FN vf vf_sub(vf a, vf b) { return wasm_f32x4_sub(a, b); }
AMG_SIMD_FN vf vf_mul(vf a, vf b) { return wasm_f32x4_mul(a, b); }
AMG_SIMD_FN vf vf_div(vf a, vf b) { return wasm_f32x4_div(a, b); }
#ifdef __wasm_relaxed_simd__ /* one rounding or two, as the host multiplies and adds: the same for all of a program */
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return wasm_f32x4_relaxed_madd(a, b, c); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return wasm_f32x4_relaxed_nmadd(a, b, c); }
#else
AMG_SIMD_FN vf vf_fma(vf a, vf b, vf c) { return wasm_f32x4_add(wasm_f32x4_mul(a, b), c); }
AMG_SIMD_FN vf vf_fnma(vf a, vf b, vf c) { return wasm_f32x4_sub(c, wasm_f32x4_mul(a, b)); }
#endif
AMG_SIMD_FN vf vf_min(vf a, vf b) { return wasm_f32x4_pmin(a, b); } /* b < a ? b : a, one instruction on x86 hosts */
AMG_SIMD_FN vf vf_max(vf a, vf b) { return wasm_f32x4_pmax(a, b); }
AMG_SIMD_FN vf vf_neg(vf x) { return wasm_f32x4_neg(x); }
AMG_SIMD_FN vf vf_abs(vf x) { return wasm_f32x4_abs(x); }
AMG_SIMD_FN vf vf_sqrt(vf x) { return wasm_f32x4_sqrt(x); }
AMG_SIMD_FN vf vf_round(vf x) { return wasm_f32x4_nearest(x); }
AMG_SIMD_FN vf vf_floor(vf x) { return wasm_f32x4_floor(x); }

AMG_SIMD_FN vm vf_lt(vf a, vf b) { return wasm_f32x4_lt(a, b); }
AMG_SIMD_FN vm vf_le(vf a, vf b) { return wasm_f32x4_le(a, b); }
AMG_SIMD_FN vm vf_eq(vf a, vf b) { return wasm_f32x4_eq(a, b); }
AMG_SIMD_FN vm vm_and(vm a, vm b) { return wasm_v128_and(a, b); }
AMG_SIMD_FN vm vm_or(vm a, vm b) { return wasm_v128_or(a, b); }
AMG_SIMD_FN vf vf_select(vm m, vf a, vf b) { return wasm_v128_bitselect(a, b, m); }

AMG_SIMD_FN float vf_sum(vf x)
{
    vf h = wasm_f32x4_add(x, wasm_i32x4_shuffle(x, x, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(h, 0) + wasm_f32x4_extract_lane(h, 1);
}

AMG_SIMD_FN float vf_hmax(vf x)
{
    vf h = wasm_f32x4_pmax(x, wasm_i32x4_shuffle(x, x, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(h, wasm_i32x4_shuffle(h, h, 1, 1, 1, 1)), 0);
}

AMG_SIMD_FN float vf_hmin(vf x)
{
    vf h = wasm_f32x4_pmin(x, wasm_i32x4_shuffle(x, x, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmin(h, wasm_i32x4_shuffle(h, h, 1, 1, 1, 1)), 0);
}

AMG_SIMD_FN vi vi_set1(int32_t x) { return wasm_i32x4_splat(x); }
AMG_SIMD_FN vi vi_add(vi a, vi b) { return wasm_i32x4_add(a, b); }
AMG_SIMD_FN vi vi_sub(vi a, vi b) { return wasm_i32x4_sub(a, b); }
AMG_SIMD_FN vi vi_and(vi a, vi b) { return wasm_v128_and(a, b); }
AMG_SIMD_FN vi vi_or(vi a, vi b) { return wasm_v128_or(a, b); }
AMG_SIMD_FN vi vi_shl(vi x, int n) { return wasm_i32x4_shl(x, (uint32_t)n); }
AMG_SIMD_FN vi vi_shr(vi x, int n) { return wasm_i32x4_shr(x, (uint32_t)n); }
AMG_SIMD_FN vi vi_from_vf(vf x) { return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(x)); }
AMG_SIMD_FN vf vf_from_vi(vi x) { return wasm_f32x4_convert_i32x4(x); }
AMG_SIMD_FN vi vf_bits(vf x) { return x; }
AMG_SIMD_FN vf vf_of_bits(vi x) { return x; }
AMG_SIMD_FN vf vf_exp2i(vi n) { return wasm_i32x4_shl(wasm_i32x4_add(n, wasm_i32x4_splat(127)), 23); }
