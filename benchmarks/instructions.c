/* instructions.c - the kernels that multiply, for one instruction set: to be disassembled, and to be timed beside what its
 * core can do at most. Prints GFLOP/s of multiply-adds on registers alone, and of a product of 784 x 1152 x 128. */
#define _POSIX_C_SOURCE 200809L
#include "kernels/depthwise.h"
#include "kernels/winograd.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile float peak_kept;

static double peak_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#include AMG_SIMD_HEADER
#include "kernels/gemm.inc"
#include "kernels/winograd.inc"
#include "kernels/depthwise.inc"
#if AMG_DEPTHWISE_SLIDES
#include "kernels/depthwise_slide.inc"
#else
#include "kernels/depthwise_tile.inc"
#endif
#include "peak.inc"

static double product(const float *x, const float *w, float *y)
{
    const amg_product g = {w, NULL, 128, 1152, 0, -INFINITY, INFINITY, 0};
    const amg_gemm_matrix a = {x, NULL, y, 784, 1152, 0, 128};
    const double from = peak_seconds();
    AMG_ISA(gemm_matrix)(&g, &a, 0, 128);
    return 2e-9 * 784 * 1152 * 128 / (peak_seconds() - from);
}

static const void *const volatile kept[] = {&AMG_ISA(amg_winograd), &AMG_ISA(amg_depthwise)};

int main(void)
{
    static float x[784 * 1152], w[1152 * 128], y[784 * 128];
    double peak = 0.0, best = 0.0;
    for (int i = 0; i < 784 * 1152; i++) {
        x[i] = (float)(i % 13) - 6.0f;
    }
    for (int i = 0; i < 1152 * 128; i++) {
        w[i] = (float)(i % 11) - 5.0f;
    }
    for (int i = 0; i < 60; i++) {
        peak = AMG_MAX(peak, AMG_ISA(peak)(100000));
        best = AMG_MAX(best, product(x, w, y));
    }
    printf("%.1f %.1f\n", peak, best);
    return !kept[0] || !kept[1];
}
