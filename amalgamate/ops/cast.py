"""Cast: another element type (ONNX Cast, CastLike). A graph holds float32 and int64; the narrower types round, wrap or, as
truth, become 0 or 1, in one of these two. A step casts to float32, to int64 (towards zero, saturating, NaN to 0) or to truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from amalgamate.graph import Array, Shape
from amalgamate.ops import Case, Op, Source, choice

NARROW = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float16")  # only while constants are computed
ONNX_TYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float32", 12: "uint32", 13: "int64",
}  # fmt: skip


@dataclass(frozen=True)
class Cast(Op):
    to: str = choice("float32", "float32", "int64", "bool", *NARROW)

    sources = {"onnx": ("Cast", "CastLike")}

    def shape(self, x: Shape) -> Shape:
        return x

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        return ("float32" if self.to.startswith("float") else "int64",)

    def reference(self, x: Array) -> Array:
        (carrier,) = self.dtypes()
        if self.to == "bool":
            return np.asarray(x != 0, dtype=np.int64)
        if x.dtype.kind == "f" and carrier == "int64":
            finite = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0)
            whole = finite.clip(-(2.0**63), 2.0**63 - 1024).astype(np.int64)
            x = np.where(finite >= 2.0**63, np.iinfo(np.int64).max, whole)
        return np.asarray(x.astype(self.to).astype(carrier))

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        return self

    def cases(self) -> Iterator[Case]:
        values = np.array([[0.0, -0.5, 1.75, -2.5, 3e9], [1e30, -1e30, np.inf, -np.inf, np.nan]], np.float32)
        yield Case(Cast("int64"), [values], name="to int64")
        yield Case(Cast("float32"), [np.array([-3, 0, 2**40 + 1, 2**62], np.int64)], name="to float32")
        yield Case(Cast("float32"), [values], name="float32 as it is")
        yield Case(Cast("bool"), [values], name="truth of float32")
        yield Case(Cast("bool"), [np.array([-3, 0, 2**40], np.int64)], name="truth of int64")

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """int32 becomes int64 where it is not folded: the values are the same. float64 is float32 throughout."""
        like = src.type == "CastLike"
        to = src.graph.tensors[src.inputs[1]].dtype if like else ONNX_TYPES.get(int(src.attr("to", 0)), "")
        if not to:
            src.refuse(f"to = {src.attr('to')} of ONNX's element types")
        if src.const(0) is None:
            to = "int64" if to == "int32" else to
            if to in NARROW:
                src.refuse(f"a cast to {to} of values not known at build time; float32, int64 and bool are supported")
        src.emit(cls(to), src.inputs[:1], src.outputs)
