/* peak.c - prints the multiply-add peak of one core in GFLOP/s for each instruction set that runs: "avx2 131.2". */
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <stdio.h>
#include <time.h>

static volatile float peak_kept;

#include "simd/f32_scalar.h"
#include "peak.inc"
#include "simd/end.inc"
#if AMG_HAVE_X86
#include "simd/f32_avx2.h"
#include "peak.inc"
#include "simd/end.inc"
#include "simd/f32_avx512.h"
#include "peak.inc"
#include "simd/end.inc"
#elif AMG_HAVE_NEON
#include "simd/f32_neon.h"
#include "peak.inc"
#include "simd/end.inc"
#endif

static void peak_print(const char *isa, double (*run)(int64_t))
{
    double best = 0.0;
    for (int i = 0; i < 20; i++) {
        best = AMG_MAX(best, run(200000));
    }
    printf("%s %.1f\n", isa, best);
}

int main(void)
{
    peak_print("scalar", peak__scalar);
#if AMG_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        peak_print("avx2", peak__avx2);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
        peak_print("avx512", peak__avx512);
    }
#elif AMG_HAVE_NEON
    peak_print("neon", peak__neon);
#endif
    return 0;
}
