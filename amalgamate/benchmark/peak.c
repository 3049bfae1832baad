/* peak.c - prints what one core can do at most with each instruction set that runs, as "avx2 131.2 40.1": GFLOP/s of
 * multiply-adds, and GB/s of reading memory. */
#define _POSIX_C_SOURCE 200809L
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PEAK_FLOATS (64 * 1024 * 1024)

static volatile float peak_kept;

static double peak_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#if AMG_HAVE_SSE2
#include "simd/f32_sse2.h"
#elif AMG_HAVE_NEON
#include "simd/f32_neon.h"
#else
#include "simd/f32_scalar.h"
#endif
#include "peak.inc"
#include "simd/end.inc"
#if AMG_HAVE_X86
#include "simd/f32_avx2.h"
#include "peak.inc"
#include "simd/end.inc"
#include "simd/f32_avx512.h"
#include "peak.inc"
#include "simd/end.inc"
#endif

static void peak_print(const char *isa, double (*run)(int64_t), double (*read)(const float *, int64_t), const float *data)
{
    double flops = 0.0, bytes = 0.0;
    for (int i = 0; i < 20; i++) {
        flops = AMG_MAX(flops, run(200000));
        bytes = AMG_MAX(bytes, i < 8 ? read(data, PEAK_FLOATS) : 0.0);
    }
    printf("%s %.1f %.1f\n", isa, flops, bytes);
}

int main(void)
{
    float *data = (float *)malloc(sizeof *data * PEAK_FLOATS);
    if (!data) {
        return 1;
    }
    for (int64_t i = 0; i < PEAK_FLOATS; i++) {
        data[i] = (float)(i & 7); /* pages of zeros would be one page */
    }
#if AMG_HAVE_SSE2
    peak_print("sse2", peak__sse2, peak_read__sse2, data);
#elif AMG_HAVE_NEON
    peak_print("neon", peak__neon, peak_read__neon, data);
#else
    peak_print("scalar", peak__scalar, peak_read__scalar, data);
#endif
#if AMG_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        peak_print("avx2", peak__avx2, peak_read__avx2, data);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
        peak_print("avx512", peak__avx512, peak_read__avx512, data);
    }
#endif
    free(data);
    return 0;
}
