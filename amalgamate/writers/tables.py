"""The C files that are generated for each build: the table of its operators, and its kernels per instruction set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from amalgamate.errors import AmalgamateError
from amalgamate.resources import runtime_files
from amalgamate.templates import render

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)


@dataclass(frozen=True)
class Isa:
    """An instruction set: the suffix of its kernels, when a translation unit holds it, its slot in a kernel table."""

    name: str
    condition: str
    index: str

    @property
    def header(self) -> str:
        return f"simd/f32_{self.name}.h"


# Of each group a translation unit holds one, or none: the kernels' bodies stand once for all of the group.
GROUPS = (
    (
        Isa("scalar", "AMG_HAVE_SCALAR", "AMG_ISA_SCALAR"),
        Isa("sse2", "AMG_HAVE_SSE2", "AMG_ISA_SSE2"),
        Isa("neon", "AMG_HAVE_NEON", "AMG_ISA_NEON"),
        Isa("wasm", "AMG_HAVE_WASM", "AMG_ISA_WASM"),
    ),
    (Isa("avx2", "AMG_HAVE_X86", "AMG_ISA_AVX2"),),
    (Isa("avx512", "AMG_HAVE_X86", "AMG_ISA_AVX512"),),
)


@dataclass(frozen=True)
class Parts:
    """What a build holds of the code beside its operators; by default all, for any model."""

    activations: tuple[int, ...] | None = None  # kinds that layers may apply to their results (kernels/activate.h)
    winograd: bool = True  # Winograd's way of convolutions
    halves: bool = True  # reading weights in half precision
    by_rows: bool = True  # making tensors a few rows at a time
    apart: bool = True  # rows off powers of two


def all_ops() -> list[str]:
    """Every operator that the runtime has, sorted."""
    return sorted(name[4:-2] for name in runtime_files() if re.fullmatch(r"ops/\w+\.c", name))


def core_files() -> list[str]:
    """The C files that every build holds, sorted: all but the operators."""
    return [name for name in runtime_files() if name.endswith(".c") and "/" not in name]


def generated(ops: Iterable[str], parts: Parts = Parts()) -> dict[str, str]:
    """The text of the files generated for a build with these operators and no embedded model, by name.

    Together with `core_files()` and the files of the operators they are a whole runtime; any order of `ops` gives the same.
    """
    ops = sorted(set(ops))
    files = runtime_files()
    if missing := [op for op in ops if f"ops/{op}.c" not in files]:
        raise AmalgamateError("E104", f"the runtime has no operator {', '.join(missing)}", "", "See amalgamate ops")
    kernels = needed_kernels(files, [*core_files(), *(f"ops/{op}.c" for op in ops)])
    bodies = [(isas, _bodies(files, kernels, isas)) for isas in GROUPS]
    tables = [k for k in kernels if f"AMG_KERNELS({k})" in files[f"kernels/{k}.h"]]
    activations = _activations(files, [f"ops/{op}.c" for op in ops], parts.activations)
    joins = int(any("AMG_OP_JOINS" in files[f"ops/{op}.c"] for op in ops))
    headers = [h for h in ("simd/vocabulary.h",) if h in files] + [f"kernels/{k}.h" for k in kernels]
    return {
        "generated/kernels.c": render(
            "kernels.c.j2",
            headers=headers,
            bodies=[(isas, body) for isas, body in bodies if body],
            tables=tables,
            isas=sum(GROUPS, start=()),
            activations=activations,
            winograd=parts.winograd,
        ),
        "generated/model.c": render("model.c.j2", size=0, halves=parts.halves),
        "generated/ops.c": render("ops.c.j2", ops=ops, joins=joins, by_rows=int(parts.by_rows), apart=int(parts.apart)),
    }


def _bodies(files: Mapping[str, str], kernels: Iterable[str], isas: Iterable[Isa]) -> list[str]:
    """What the kernels of a group of instruction sets consist of: K.inc, and K_slide.inc or K_tile.inc where K has them, as
    the registers of the group decide."""
    slides = any("#define AMG_DEPTHWISE_SLIDES 1" in files.get(isa.header, "") for isa in isas)
    names = [f"kernels/{k}{part}.inc" for k in kernels for part in ("", "_slide" if slides else "_tile")]
    return [name for name in names if name in files]


def _activations(files: Mapping[str, str], ops: Iterable[str], fused: Iterable[int] | None) -> int:
    """The kinds of activations of a build, a bit each: those fused, and those that its operators name."""
    kinds = dict(re.findall(r"#define (AMG_ACT_(?!COUNT)\w+) (\d+)", files.get("kernels/activate.h", "")))
    named = {int(kinds[name]) for op in ops for name in re.findall(r"\bAMG_ACT_\w+", files[op]) if name in kinds}
    chosen = {int(kind) for kind in kinds.values()} if fused is None else {0, *fused, *named}
    return sum(1 << kind for kind in chosen)


def needed_kernels(files: Mapping[str, str], roots: Iterable[str]) -> list[str]:
    """The kernels whose headers `roots` include, directly or through other headers; needed ones before their users."""
    seen: set[str] = set()
    order: list[str] = []

    def visit(name: str) -> None:
        if name in seen or name not in files:
            return
        seen.add(name)
        for include in _INCLUDE.findall(files[name]):
            visit(include)
        if match := re.fullmatch(r"kernels/(\w+)\.h", name):
            order.append(match[1])

    for root in roots:
        visit(root)
    return order
