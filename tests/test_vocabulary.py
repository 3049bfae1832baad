"""Every word of the vector vocabulary on every instruction set, emulated ones among them: against NumPy, bit by bit."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import harness
import machines
from amalgamate.graph import Array
from amalgamate.resources import folder
from amalgamate.toolchains.wasm import RELAXED
from test_elsewhere import native, webassembly
from tools import tool

LANES = {"scalar": 1, "sse2": 4, "avx2": 8, "avx512": 16, "neon": 4, "wasm": 4}
ELSEWHERE = {
    "neon": (["aarch64-linux-gnu-gcc", "-static"], native),
    "wasm": (["emcc", "-msimd128", "-sSTANDALONE_WASM"], webassembly),
}
EDGE = 64  # floats before a page that cannot be touched

# From stdin: how many floats, and a, b, c, d. To stdout: what each expression makes of them, then parts of vectors.
PROGRAM = """
#define _DEFAULT_SOURCE
#include "simd/f32_{isa}.h"

#include <stdio.h>
#include <stdlib.h>
#ifndef __wasm__
#include <sys/mman.h>
#endif

#define WORD(expression)                                                                              \\
    for (int32_t i = 0; i < n; i += VF_LANES) {{                                                       \\
        const vf a = vf_load(x[0] + i), b = vf_load(x[1] + i), c = vf_load(x[2] + i), d = vf_load(x[3] + i); \\
        (void)a, (void)b, (void)c, (void)d;                                                           \\
        vf_store(y + i, expression);                                                                  \\
    }}                                                                                                 \\
    fwrite(y, 4, (size_t)n, stdout)

static void words(const float *const *x, float *y, int32_t n)
{{
    {words};
}}

static void parts(float *end)
{{
    for (int n = 0; n <= VF_LANES; n++) {{
        float loaded[VF_LANES];
        for (int i = 1; i <= {edge}; i++) {{
            end[-i] = (float)i;
        }}
        vf_store(loaded, vf_loadn(end - n, n));
        fwrite(loaded, sizeof loaded, 1, stdout);
        vf_storen(end - n, vf_set1(-1.0f), n);
        fwrite(end - {edge}, 4, {edge}, stdout);
    }}
}}

#include "simd/end.inc"

int main(void)
{{
    int32_t n = 0;
    static float x[4][8192], y[8192], pages[2 * 4096];
    const float *const all[4] = {{x[0], x[1], x[2], x[3]}};
    float *end = pages + 4096;
    if (fread(&n, 4, 1, stdin) != 1 || n > 8192) {{
        return 1;
    }}
    for (int i = 0; i < 4; i++) {{
        if (fread(x[i], 4, (size_t)n, stdin) != (size_t)n) {{
            return 1;
        }}
    }}
    words(all, y, n);
#ifndef __wasm__
    char *memory = mmap(NULL, 2 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + (1 << 16), 1 << 16, PROT_NONE)) {{
        return 1;
    }}
    end = (float *)(void *)(memory + (1 << 16));
#endif
    parts(end);
    return 0;
}}
"""

Rule = Callable[[Array, Array, Array, Array], Array]


def bits(x: Array) -> Array:
    return x.view(np.int32)


def chosen(where: Array) -> Array:
    return np.where(where, np.float32(1), np.float32(0))


def across(combine: np.ufunc) -> Rule:
    """What is combined over each vector, which is a row, in all of its lanes."""
    return lambda a, b, c, d: np.repeat(combine.reduce(c, axis=-1, keepdims=True), c.shape[-1], -1)


# Inputs: a and b are every pair of awkward floats, c multiples of 1/4, d whole numbers from -126 to 127.
WORDS: dict[str, Rule] = {
    "a": lambda a, b, c, d: a,
    "vf_set1(1.5f)": lambda a, b, c, d: np.full_like(a, 1.5),
    "vf_zero()": lambda a, b, c, d: np.zeros_like(a),
    "vf_add(a, b)": lambda a, b, c, d: a + b,
    "vf_sub(a, b)": lambda a, b, c, d: a - b,
    "vf_mul(a, b)": lambda a, b, c, d: a * b,
    "vf_div(a, b)": lambda a, b, c, d: a / b,
    "vf_fma(c, d, d)": lambda a, b, c, d: c * d + d,  # exact, so that fused or not is the same
    "vf_fnma(c, d, d)": lambda a, b, c, d: d - c * d,
    "vf_min(c, d)": lambda a, b, c, d: np.minimum(c, d),
    "vf_max(c, d)": lambda a, b, c, d: np.maximum(c, d),
    "vf_min(vf_set1(nan), c)": lambda a, b, c, d: np.full_like(a, np.nan),
    "vf_max(vf_set1(nan), c)": lambda a, b, c, d: np.full_like(a, np.nan),
    "vf_neg(a)": lambda a, b, c, d: -a,
    "vf_abs(a)": lambda a, b, c, d: np.abs(a),
    "vf_sqrt(a)": lambda a, b, c, d: np.sqrt(a),
    "vf_round(a)": lambda a, b, c, d: np.rint(a),
    "vf_round(c)": lambda a, b, c, d: np.rint(c),
    "vf_floor(a)": lambda a, b, c, d: np.floor(a),
    "vf_floor(c)": lambda a, b, c, d: np.floor(c),
    "vf_select(vf_lt(a, b), one, vf_zero())": lambda a, b, c, d: chosen(a < b),
    "vf_select(vf_le(a, b), one, vf_zero())": lambda a, b, c, d: chosen(a <= b),
    "vf_select(vf_eq(a, b), one, vf_zero())": lambda a, b, c, d: chosen(a == b),
    "vf_select(vf_lt(c, d), a, b)": lambda a, b, c, d: np.where(c < d, a, b),
    "vf_select(vm_and(vf_lt(a, b), vf_lt(c, d)), one, vf_zero())": lambda a, b, c, d: chosen((a < b) & (c < d)),
    "vf_select(vm_or(vf_lt(a, b), vf_lt(c, d)), one, vf_zero())": lambda a, b, c, d: chosen((a < b) | (c < d)),
    "vf_set1(vf_sum(c))": across(np.add),  # of multiples of 1/4: exact in any order
    "vf_set1(vf_hmax(c))": across(np.maximum),
    "vf_set1(vf_hmin(c))": across(np.minimum),
    "vf_of_bits(vi_set1(0x3fc00000))": lambda a, b, c, d: np.full_like(a, 1.5),
    "vf_of_bits(vi_add(vf_bits(a), vf_bits(b)))": lambda a, b, c, d: (bits(a) + bits(b)).view(np.float32),
    "vf_of_bits(vi_sub(vf_bits(a), vf_bits(b)))": lambda a, b, c, d: (bits(a) - bits(b)).view(np.float32),
    "vf_of_bits(vi_and(vf_bits(a), vf_bits(b)))": lambda a, b, c, d: (bits(a) & bits(b)).view(np.float32),
    "vf_of_bits(vi_or(vf_bits(a), vf_bits(b)))": lambda a, b, c, d: (bits(a) | bits(b)).view(np.float32),
    "vf_of_bits(vi_shl(vf_bits(a), 5))": lambda a, b, c, d: (bits(a) << 5).view(np.float32),
    "vf_of_bits(vi_shr(vf_bits(a), 5))": lambda a, b, c, d: (bits(a) >> 5).view(np.float32),
    "vf_from_vi(vi_from_vf(c))": lambda a, b, c, d: np.rint(c) + np.float32(0),  # no negative zero
    "vf_exp2i(vi_from_vf(d))": lambda a, b, c, d: np.exp2(d.astype(np.float64)),
}


def operands() -> tuple[Array, ...]:
    rng = np.random.default_rng(0)
    whole = 2.0**23
    plain = [
        0, 0.5, 1.5, 2.5, 0.49999997, 1.0000001, whole - 0.5, whole, whole + 1, 2.0**31, 1e30, 3e38, np.inf, 1e-40, 1e-38,
    ]  # fmt: skip
    awkward = np.array([*plain, *(-v for v in plain), np.nan, *rng.standard_normal(33) * 100], np.float32)
    a, b = (np.ascontiguousarray(v).reshape(-1) for v in np.meshgrid(awkward, awkward))
    c = rng.integers(-(2**18), 2**18, a.size).astype(np.float32) / 4
    return a, b, c, rng.integers(-126, 128, a.size).astype(np.float32)


def source(isa: str, place: Path) -> Path:
    named = "const vf one = vf_set1(1.0f);\n    const float nan = amg_float_of_bits(0x7fc00000);\n    "
    text = PROGRAM.format(isa=isa, edge=EDGE, words=named + ";\n    ".join(f"WORD({word})" for word in WORDS))
    path = place / "words.c"
    path.write_text(text)
    return path


def program(isa: str, place: Path) -> Callable[[bytes], bytes]:
    compiler, run = ELSEWHERE.get(isa, (["gcc"], None))
    to = place / ("words.wasm" if isa == "wasm" else "words")
    command = [tool(compiler[0]), *compiler[1:], "-std=c99", "-O2", f"-I{folder('runtime_src')}", source(isa, place)]
    done = subprocess.run([*command, "-o", to, "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return run(to) if run else lambda given: subprocess.run([to], input=given, capture_output=True, check=True).stdout


def test_no_word_is_forgotten() -> None:
    named = re.findall(
        r"^#define (v[fim]_\w+) AMG_ISA", (folder("runtime_src") / "simd" / "vocabulary.h").read_text(), re.M
    )
    assert len(named) > 35 and not [word for word in named if not re.search(rf"\b{word}\(", PROGRAM + " ".join(WORDS))]


@pytest.mark.parametrize("isa", dict.fromkeys([*harness.isas(), *ELSEWHERE]))
def test_words(isa: str, tmp_path: Path) -> None:
    check(program(isa, tmp_path), LANES[isa])


def test_words_of_relaxed_webassembly(tmp_path: Path) -> None:
    made = tmp_path / "words.wasm"
    machines.program("wasm32-wasi", [source("wasm", tmp_path)], made, *RELAXED, f"-I{folder('runtime_src')}")
    check(webassembly(made), LANES["wasm"])


def check(run: Callable[[bytes], bytes], lanes: int) -> None:
    x = operands()
    n = x[0].size // 16 * 16
    x = tuple(v[:n] for v in x)
    made = run(np.int32(n).tobytes() + b"".join(v.tobytes() for v in x))
    results = np.frombuffer(made, np.float32)
    with np.errstate(all="ignore"):
        for i, (word, rule) in enumerate(WORDS.items()):
            want = rule(*(v.reshape(-1, lanes) for v in x)).reshape(-1)
            got = results[i * n : (i + 1) * n]
            same = (bits(got) == bits(want.astype(np.float32))) | (np.isnan(got) & np.isnan(want))
            assert same.all(), f"{word} of {[v[~same][:3] for v in x]}: {got[~same][:3]}, not {want[~same][:3]}"
    parts = results[len(WORDS) * n :].reshape(lanes + 1, lanes + EDGE)
    for k, row in enumerate(parts):
        edge = np.arange(EDGE, 0, -1, dtype=np.float32)
        np.testing.assert_array_equal(row[:lanes], [*edge[EDGE - k :], *[0] * (lanes - k)])
        np.testing.assert_array_equal(row[lanes:], [*edge[: EDGE - k], *[-1] * k])
