"""Starts a new operator: writes runtime_src/ops/NAME.c and amalgamate/ops/NAME.py, which work as they are, as y = x.

    make op NAME=gelu

Nothing needs to be registered: both halves are found by their file names, and the tests run over what is found.
docs/adding-an-operator.md says what to change in them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

C = """\
/* @name@.c - y = x, elementwise. x, y: any shape, float32; may run in place. */
#include "op.h"

static AMG_COLD int32_t @name@_check(amg_check *c, amg_step *s)
{
    amg_attrs a = amg_attrs_of(s); /* read each field of amalgamate/ops/@name@.py here, in order, and check its range */
    if (!amg_attrs_done(&a)) {
        return amg_fail(c, AMG_E_FORMAT, "it has no attributes");
    }
    int32_t status = amg_check_arity(c, s, 1, 1, 1);
    if (status == AMG_OK) {
        status = amg_check_float(c, s);
    }
    return status == AMG_OK ? amg_same_shape(c, s) : status;
}

static void @name@_run(const amg_step *s, const amg_context *t)
{
    (void)t;
    int64_t rows, width;
    amg_rows_of(s->in[0], &rows, &width);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = amg_in_f32(s, 0) + r * s->in[0]->pitch;
        float *y = amg_out_f32(s, 0) + r * s->out[0]->pitch;
        for (int64_t i = 0; i < width; i++) {
            y[i] = x[i];
        }
    }
}

AMG_INTERNAL const amg_op amg_op_@name@ = {
    "@name@", AMG_OP_IN_PLACE | AMG_OP_PITCHED_IN | AMG_OP_PITCHED_OUT, @name@_check, @name@_run,
};
"""

PYTHON = '''\
"""@camel@: y = x, elementwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op


@dataclass(frozen=True)
class @camel@(Op):
    sources: ClassVar = {}  # what source formats call it, such as {"onnx": "@camel@"}
    in_place = pitched_in = pitched_out = True  # as the flags in runtime_src/ops/@name@.c

    def shape(self, x: Shape) -> Shape:  # type: ignore[override]
        return x

    def reference(self, x: Array) -> Array:  # type: ignore[override]
        return x

    def permuted(self, perm: tuple[int, ...]) -> Op:
        return self  # elementwise: any order of the axes will do

    def cases(self) -> Iterator[Case]:
        rng = np.random.default_rng(0)
        for shape in ((1, 3, 5, 7), (2, 17), (1,)):
            yield Case(@camel@(), [rng.standard_normal(shape).astype(np.float32)], name=str(shape))
'''


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", arguments[0]):
        print("usage: new_operator.py NAME, such as gelu or hard_swish", file=sys.stderr)
        return 2
    name = arguments[0]
    camel = "".join(part.capitalize() for part in name.split("_"))
    halves = {
        ROOT / "runtime_src" / "ops" / f"{name}.c": C,
        ROOT / "amalgamate" / "ops" / f"{name}.py": PYTHON,
    }
    taken = [path for path in halves if path.exists()]
    if taken:
        print(f"{taken[0].relative_to(ROOT)} exists", file=sys.stderr)
        return 1
    for path, text in halves.items():
        path.write_text(text.replace("@name@", name).replace("@camel@", camel))
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
