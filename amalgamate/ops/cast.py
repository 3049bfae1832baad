"""Cast: another element type (ONNX Cast, CastLike). A step casts between float32 and int64, rounding towards zero and
saturating, NaN to 0; other types exist only while constants are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, choice

ONNX_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip


@dataclass(frozen=True)
class Cast(Op):
    to: str = choice("float32", "float32", "int64")

    sources = {"onnx": ("Cast", "CastLike")}

    def shape(self, x: Shape) -> Shape:
        return x

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return (self.to,)

    def reference(self, x: Array) -> Array:
        if x.dtype.kind == "f" and self.to == "int64":
            finite = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0)
            whole = finite.clip(-(2.0**63), 2.0**63 - 1024).astype(np.int64)
            return np.where(finite >= 2.0**63, np.iinfo(np.int64).max, whole)
        return x.astype(self.to)

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        values = np.array([[0.0, -0.5, 1.75, -2.5, 3e9], [1e30, -1e30, np.inf, -np.inf, np.nan]], np.float32)
        yield Case(Cast("int64"), [values], name="to int64")
        yield Case(Cast("float32"), [np.array([-3, 0, 2**40 + 1, 2**62], np.int64)], name="to float32")
        yield Case(Cast("float32"), [values], name="float32 as it is")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """int32 becomes int64 where it is not folded: the values are the same."""
        to = (
            src.graph.tensors[src.inputs[1]].dtype
            if src.type == "CastLike"
            else ONNX_TYPES.get(int(src.attr("to", 0)), "")
        )
        if not to:
            src.refuse(f"to = {src.attr('to')} of ONNX's element types")
        if src.const(0) is None:
            to = "int64" if to == "int32" else to
            if to not in ("float32", "int64"):
                src.refuse(f"a cast to {to} of values not known at build time; float32 and int64 are supported")
        src.emit(cls(to), src.inputs[:1], src.outputs)
