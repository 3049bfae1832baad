/* base.h - linkage, instruction sets and small arithmetic that every file of the runtime uses. */
#ifndef AMG_BASE_H
#define AMG_BASE_H

#include "amg.h"

#include <string.h>

#if defined(_WIN32) && !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN /* windows.h would take names such as small and interface */
#endif

/* One translation unit (the amalgamation defines AMG_AMALGAMATION) makes everything internal static; the modular
 * build gives it hidden linkage. AMG_INTERNAL stands before definitions and function prototypes, AMG_INTERNAL_DATA
 * before declarations of data that is defined elsewhere. */
#if defined(__GNUC__) || defined(__clang__)
#define AMG_MAYBE_UNUSED __attribute__((unused))
#define AMG_RESTRICT __restrict__
#define AMG_FORCE_INLINE inline __attribute__((always_inline))
#define AMG_NO_INLINE __attribute__((noinline))
#define AMG_COLD __attribute__((cold)) /* is called when models open, not when they run: compiled for size */
#define AMG_PRAGMA(text) _Pragma(#text)
#else
#define AMG_MAYBE_UNUSED
#define AMG_RESTRICT
#define AMG_FORCE_INLINE inline
#define AMG_NO_INLINE
#define AMG_COLD
#endif
/* Before a loop: unroll it n times; or entirely, where its count is a constant of at most n. */
#if defined(__clang__)
#define AMG_UNROLL(n) AMG_PRAGMA(clang loop unroll_count(n))
#define AMG_UNROLL_FULL(n) AMG_PRAGMA(clang loop unroll(full))
#elif defined(__GNUC__)
#define AMG_UNROLL(n) AMG_PRAGMA(GCC unroll n)
#define AMG_UNROLL_FULL(n) AMG_PRAGMA(GCC unroll n)
#else
#define AMG_UNROLL(n)
#define AMG_UNROLL_FULL(n)
#endif
#if defined(AMG_AMALGAMATION)
#define AMG_INTERNAL static AMG_MAYBE_UNUSED
#define AMG_INTERNAL_DATA static AMG_MAYBE_UNUSED
#elif defined(__GNUC__) && !defined(_WIN32)
#define AMG_INTERNAL __attribute__((visibility("hidden")))
#define AMG_INTERNAL_DATA extern __attribute__((visibility("hidden")))
#else
#define AMG_INTERNAL
#define AMG_INTERNAL_DATA extern
#endif

/* The instruction sets that this translation unit can hold; which one runs is chosen by cpu.c at run time. */
#define AMG_ISA_COUNT 7 /* slots of a kernel table, indexed by AMG_ISA_* */
#if !defined(AMG_SCALAR_ONLY) && (defined(__x86_64__) || defined(_M_X64))
#define AMG_HAVE_X86 1
#else
#define AMG_HAVE_X86 0
#endif
#if !defined(AMG_SCALAR_ONLY) && (defined(__aarch64__) || defined(_M_ARM64))
#define AMG_HAVE_NEON 1
#else
#define AMG_HAVE_NEON 0
#endif
#if !defined(AMG_SCALAR_ONLY) && defined(__wasm_simd128__)
#define AMG_HAVE_WASM 1
#else
#define AMG_HAVE_WASM 0
#endif
#if !defined(AMG_SCALAR_ONLY) && !defined(__wasm__) && (defined(__SSE2__) || defined(_M_X64))
#define AMG_HAVE_SSE2 1 /* every x86-64, and 32 bits where the compiler may use it */
#else
#define AMG_HAVE_SSE2 0
#endif
/* Where every machine of the target has vectors, scalar kernels would be dead weight. */
#define AMG_HAVE_SCALAR (!AMG_HAVE_SSE2 && !AMG_HAVE_NEON && !AMG_HAVE_WASM)

/* A scalar build optimised for size, as for a microcontroller, leaves out what only explains or speeds up: statuses come
 * without messages, convolutions do without Winograd's way and with one low tile at a time (so the arena is smaller: a
 * model's header has it for either), loops without variants. Code under it must compile either way;
 * write `if (AMG_SMALL)` where that is possible. */
#if defined(AMG_SCALAR_ONLY) && defined(__OPTIMIZE_SIZE__)
#define AMG_SMALL 1
#else
#define AMG_SMALL 0
#endif

/* AMG_NO_WINOGRAD measures the direct kernels: no convolution goes Winograd's way, which needs more arena, never less. */
#if AMG_SMALL || defined(AMG_NO_WINOGRAD)
#define AMG_WINOGRAD 0
#else
#define AMG_WINOGRAD 1
#endif

/* Files are little-endian. On a machine of the other order a model has its own copy of the weights, with bytes swapped. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define AMG_BIG_ENDIAN 1
#else
#define AMG_BIG_ENDIAN 0
#endif

/* Threads are those of Windows or POSIX; on WebAssembly of emscripten, or workers that a page starts (AMG_WEB_THREADS). */
#if defined(AMG_NO_THREADS) || defined(AMG_WEB_THREADS)
#elif !defined(_WIN32) && !defined(__unix__) && !defined(__APPLE__)
#define AMG_NO_THREADS
#elif defined(__wasm__) && !defined(__EMSCRIPTEN_PTHREADS__)
#define AMG_NO_THREADS
#endif

#define AMG_LANES 16  /* outputs per weight panel, on every instruction set */
#define AMG_ALIGN 64  /* bytes: weights in the file, tensors in the arena */

#define AMG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define AMG_MAX(a, b) ((a) > (b) ? (a) : (b))

/* x, not negative, rounded up to a multiple of `to`. Callers know that it does not overflow. */
static inline int64_t amg_round_up(int64_t x, int64_t to)
{
    return (int64_t)((uint64_t)(x + to - 1) / (uint64_t)to * (uint64_t)to); /* unsigned: a mask where `to` is a power of two */
}

/* *out = a * b; 0 when the product of two non-negative numbers leaves int64_t. */
static inline int amg_mul(int64_t a, int64_t b, int64_t *out)
{
    if (a < 0 || b < 0 || (b > 0 && a > INT64_MAX / b)) {
        return 0;
    }
    *out = a * b;
    return 1;
}

static inline float amg_float_of_bits(int32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

#endif
