/* cpu.c - chooses an instruction set: CPUID on x86, with the registers that the system saves (XGETBV); what the
 * compiler targets elsewhere. */
#include "cpu.h"

/* What every machine of the target runs. */
#define CPU_LEAST (AMG_HAVE_SSE2 ? AMG_ISA_SSE2 : AMG_HAVE_NEON ? AMG_ISA_NEON : AMG_HAVE_WASM ? AMG_ISA_WASM : AMG_ISA_SCALAR)

#if AMG_HAVE_X86
#if defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

/* Fills r with eax, ebx, ecx, edx of a CPUID leaf; zeros where the processor lacks it. */
static void cpu_id(uint32_t leaf, uint32_t r[4])
{
#if defined(_MSC_VER)
    int32_t v[4];
    __cpuid(v, 0);
    r[0] = r[1] = r[2] = r[3] = 0;
    if ((uint32_t)v[0] >= leaf) {
        __cpuidex(v, (int32_t)leaf, 0);
        memcpy(r, v, sizeof v);
    }
#else
    r[0] = r[1] = r[2] = r[3] = 0;
    (void)__get_cpuid_count(leaf, 0, &r[0], &r[1], &r[2], &r[3]);
#endif
}

/* The register state that the operating system saves (XCR0). */
static uint32_t cpu_saved(void)
{
#if defined(_MSC_VER)
    return (uint32_t)_xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
#endif
}

static int32_t cpu_detect(void)
{
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, fma = 1u << 12, avx2 = 1u << 5;
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    uint32_t leaf1[4], leaf7[4], saved;
    cpu_id(1, leaf1);
    cpu_id(7, leaf7);
    if (!(leaf1[2] & osxsave) || !(leaf1[2] & avx) || !(leaf1[2] & fma) || !(leaf7[1] & avx2)) {
        return CPU_LEAST;
    }
    saved = cpu_saved();
    if ((saved & 0x06u) != 0x06u) { /* XMM, YMM */
        return CPU_LEAST;
    }
    return (leaf7[1] & avx512) == avx512 && (saved & 0xe6u) == 0xe6u ? AMG_ISA_AVX512 : AMG_ISA_AVX2; /* and ZMM */
}
#endif

AMG_INTERNAL int32_t amg_isa_best(void)
{
#if AMG_HAVE_X86
    return cpu_detect();
#else
    return CPU_LEAST;
#endif
}

AMG_INTERNAL int32_t amg_isa_runs(int32_t isa)
{
    const int32_t best = amg_isa_best();
    return isa == CPU_LEAST || isa == best || (isa == AMG_ISA_AVX2 && best == AMG_ISA_AVX512);
}
