"""Constant: a tensor written as an attribute (ONNX Constant, value_float(s), value_int(s), value)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amalgamate.ops import Op, Source


@dataclass(frozen=True)
class Constant(Op):
    sources = {"onnx": "Constant"}
    folds_only = True

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
        value = src.attr("value", src.attr("sparse_value"))
        for key, dtype in kinds.items():
            if src.attr(key) is not None:
                value = np.asarray(src.attr(key), dtype=dtype)
        if not isinstance(value, np.ndarray):
            src.refuse(f"a constant given as {', '.join(src.attrs) or 'nothing'}; dense numbers are supported")
        src.alias(src.constant(value), src.outputs[0])
