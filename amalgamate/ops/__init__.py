"""Operators, one file each, found by file name: `ops/gelu.py` holds `class Gelu(Op)` beside `runtime_src/ops/gelu.c`.

An `Op` is a frozen dataclass: its fields, in order, are the attributes that the C half reads as words. A field with
metadata {"choices": (...)} is a string written as its index; `wire=False` keeps a field out of the file.
"""

from __future__ import annotations

import importlib
import pkgutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from math import prod
from typing import Any, ClassVar, NoReturn

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape, Tensor

FOLDED_MOST = 2**29  # elements of a constant that is computed while importing: 2 GiB of float32


class Unsupported(Exception):
    """A source node that cannot be expressed; the importer collects all of them into one E104."""


@dataclass(frozen=True)
class Packed:
    """How a constant is stored: `panels` of a matrix [groups, n, k], or `lane_rows` of a matrix [k, n]; see pack.py."""

    layout: str
    matrix: Array


@dataclass(frozen=True)
class Rows:
    """How the windows of an operator move down the rows of a map: from the first to the last row of a window, from one window to
    the next."""

    extent: int
    stride: int


@dataclass
class Case:
    """One example for tests: an operator on inputs in the source's axis order; `constants` are bound into the model."""

    op: Op
    inputs: list[Array | None]
    constants: tuple[int, ...] = ()
    name: str = ""


def choice(default: str, *choices: str) -> Any:
    """A string field that is written as its index in `choices`."""
    return field(default=default, metadata={"choices": choices})


def unwired(default: Any) -> Any:
    """A keyword-only field that is not written into the model file."""
    return field(default=default, kw_only=True, metadata={"wire": False})


@dataclass(frozen=True)
class Op:
    """The base of all operators. Shapes are tuples of ints, an absent optional input is None."""

    sources: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}  # {"onnx": "Relu", "caffe": ("ReLU",)}
    in_place: ClassVar[bool] = False  # the output may overwrite the first input
    pitched_in: ClassVar[bool] = False  # reads slices of a concatenated buffer
    pitched_out: ClassVar[bool] = False  # writes slices of a concatenated buffer
    joins: ClassVar[bool] = False  # the output is the inputs side by side: they may be made in its memory (Concat)
    laid_out: ClassVar[tuple[int, ...] | None] = None  # inputs that share the outputs' axis order; None: all of them
    folds_only: ClassVar[bool] = False  # has no C half: exists to be folded into constants (Shape, Range, ...)

    # -- what every operator defines ---------------------------------------------------------------------------

    def shape(self, *inputs: Shape) -> Shape | tuple[Shape, ...]:
        """The output's shape, or a tuple of them. Raises E103 where the inputs do not fit (see `misfit`)."""
        raise NotImplementedError

    def reference(self, *inputs: Array) -> Array | tuple[Array, ...]:
        """The operator in plain NumPy, as clearly as possible: the oracle of every kernel."""
        raise NotImplementedError

    # -- what most inherit ---------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The stem of the operator's two files."""
        return type(self).__module__.rpartition(".")[2]

    def dtypes(self, *inputs: str) -> tuple[str, ...]:
        """The element types of all outputs; by default that of the first input, once."""
        return (inputs[0],)

    def macs(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """Multiply-accumulates of one run; 0 where counting them says nothing."""
        return 0

    def scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """Bytes of scratch memory per thread, the same number that the C check states (channels-last shapes)."""
        return 0

    def small_scratch(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> int:
        """The same in a small build of the runtime, AMG_SMALL."""
        return self.scratch(inputs, outputs)

    def rows(self, inputs: Sequence[Shape | None], outputs: Sequence[Shape]) -> Rows | None:
        """How windows move down a map [N, H, W, C], if rows of the output may be made apart and are the same then."""
        return None

    def weights(self, index: int, data: Array) -> Packed | None:
        """How constant input `index` is to be packed; None stores it as it is."""
        return None

    def permuted(self, perm: tuple[int, ...]) -> Op | None:
        """The operator that, on inputs transposed by `perm`, gives the outputs transposed by `perm`; None if there is none."""
        return None

    def cases(self) -> Iterator[Case]:
        """Examples that the tests run on every instruction set, beside random ones."""
        return iter(())

    @classmethod
    def from_onnx(cls, src: Source) -> None:
        """Emits this operator for an ONNX node; by default attributes with the names of fields are taken over."""
        src.emit(cls(**src.matching(cls)), src.inputs, src.outputs)

    @classmethod
    def from_caffe(cls, src: Source) -> None:
        """Emits this operator for a Caffe layer."""
        src.emit(cls(), src.inputs, src.outputs)

    def as_activation(self) -> tuple[int, float, float] | None:
        """(kind, a, b) of kernels/activate.h if this operator can be fused behind another one, else None."""
        return None

    # -- what the base does --------------------------------------------------------------------------------------

    def shapes(self, *inputs: Shape | None) -> tuple[Shape, ...]:
        """`shape`, always as a tuple of shapes."""
        out = self.shape(*inputs)  # type: ignore[arg-type]
        return out if out and isinstance(out[0], tuple) else (out,)  # type: ignore[return-value]

    def run(self, *inputs: Array | None) -> tuple[Array, ...]:
        """`reference`, always as a tuple of arrays."""
        out = self.reference(*inputs)  # type: ignore[arg-type]
        return tuple(out) if isinstance(out, tuple) else (out,)

    def words(self) -> list[int]:
        """The attributes as 32-bit words, in field order: ints, float bits, lists as their count and their ints."""
        words: list[int] = []
        for f in fields(self):
            if f.metadata.get("wire", True):
                value = getattr(self, f.name)
                words += _words(f.metadata["choices"].index(value) if "choices" in f.metadata else value)
        return words

    def misfit(self, why: str) -> NoReturn:
        """Raises E103: the inputs do not fit this operator."""
        raise AmalgamateError("E103", f"{self.name}: {why}")

    def __str__(self) -> str:
        shown = [
            f"{f.name}={getattr(self, f.name)}"
            for f in fields(self)
            if f.kw_only is False and getattr(self, f.name) != f.default
        ]
        return f"{self.name}[{', '.join(shown)}]" if shown else self.name


def _words(value: Any) -> list[int]:
    if isinstance(value, Op) or value is None:  # a fused activation: kind, a, b
        kind, a, b = (value.as_activation() if value is not None else None) or (0, 0.0, 0.0)
        return [kind, *_words(float(a)), *_words(float(b))]
    if isinstance(value, bool | int | np.integer):
        return [int(value)]
    if isinstance(value, float):
        return [struct.unpack("<i", struct.pack("<f", value))[0]]
    if isinstance(value, tuple):
        return [len(value), *(int(v) for v in value)]
    raise TypeError(f"cannot write {value!r} into a model file")


@dataclass(frozen=True)
class Spatial(Op):
    """Operators on [N, C, spatial...] that the layout pass turns into [N, spatial..., C]; C knows only the latter.

    A subclass defines `shape_nchw` and `reference_nchw`; only the first input and all outputs are laid out, the
    others (weights) stay in the source's order.
    """

    laid_out: ClassVar[tuple[int, ...] | None] = (0,)
    channels_last: bool = unwired(False)

    def shape_nchw(self, *inputs: Shape) -> Shape | tuple[Shape, ...]:
        raise NotImplementedError

    def reference_nchw(self, *inputs: Array) -> Array | tuple[Array, ...]:
        raise NotImplementedError

    def shape(self, *inputs: Shape) -> Shape | tuple[Shape, ...]:
        x = inputs[0]
        if len(x) < 3:
            self.misfit(f"the input has {len(x)} axes, at least 3 are needed")
        if not self.channels_last:
            return self.shape_nchw(*inputs)
        out = self.shape_nchw((x[0], x[-1], *x[1:-1]), *inputs[1:])
        if out and isinstance(out[0], tuple):
            return tuple((s[0], *s[2:], s[1]) for s in out)
        return (out[0], *out[2:], out[1])

    def reference(self, *inputs: Array) -> Array | tuple[Array, ...]:
        if not self.channels_last:
            return self.reference_nchw(*inputs)
        out = self.reference_nchw(np.moveaxis(inputs[0], -1, 1), *inputs[1:])
        if isinstance(out, tuple):
            return tuple(np.moveaxis(y, 1, -1) for y in out)
        return np.moveaxis(out, 1, -1)


class Source:
    """One node of a source model during import: its attributes and operands, and `emit` to say it in our operators."""

    def __init__(
        self, graph: Graph, format: str, type: str, name: str, attrs: Mapping[str, Any],
        inputs: Sequence[str], outputs: Sequence[str], version: int = 0,
    ) -> None:  # fmt: skip
        self.graph, self.format, self.type, self.name = graph, format, type, name
        self.attrs, self.inputs, self.outputs = attrs, list(inputs), list(outputs)
        self.version = version  # the ONNX opset

    def attr(self, key: str, default: Any = None) -> Any:
        return self.attrs.get(key, default)

    def matching(self, op: type[Op]) -> dict[str, Any]:
        """The attributes whose names are fields of `op`, lists as tuples."""
        names = {f.name for f in fields(op)}
        return {k: tuple(v) if isinstance(v, list) else v for k, v in self.attrs.items() if k in names}

    def has(self, index: int) -> bool:
        """Whether optional input `index` is given."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def shape(self, index: int) -> Shape:
        return self.graph.tensors[self.inputs[index]].shape

    def const(self, index: int) -> Array | None:
        """The value of input `index` if it is a constant."""
        return self.graph.data(self.inputs[index]) if self.has(index) else None

    def need(self, index: int, what: str) -> Array:
        """The value of constant input `index`, or Unsupported: `what` must be known at build time."""
        value = self.const(index)
        if value is None:
            self.refuse(f"{what} is not a constant")
        return value

    def constant(self, data: Array, stem: str = "const") -> str:
        return self.graph.constant(data, f"{self.name}_{stem}")

    def refuse(self, why: str) -> NoReturn:
        """Says that this node cannot be expressed, and why, in words that follow 'unsupported operator X (node Y): '."""
        raise Unsupported(why)

    def emit(self, op: Op, inputs: Sequence[str], outputs: Sequence[str] = ()) -> list[str]:
        """Adds `op` and returns its outputs; computes it at once when every input is a constant."""
        datas = [self.graph.data(i) if i else None for i in inputs]
        if inputs and all(d is not None for i, d in zip(inputs, datas, strict=True) if i):
            self._afford(op, inputs)
            results = op.run(*datas)
            names = list(outputs) or [self.graph.fresh(f"{self.name}_{op.name}") for _ in results[:1]]
            while len(names) < len(results):
                names.append(self.graph.fresh(f"{names[0]}_{len(names)}"))
            dtypes = op.dtypes(*(self.graph.tensors[i].dtype if i else "" for i in inputs))
            for name, value, dtype in zip(names, results, dtypes, strict=True):
                data = np.asarray(value, dtype, order="C")  # ascontiguousarray would give a scalar an axis
                self.graph.tensors[name] = Tensor(name, data.shape, dtype, data)
            return names
        if op.folds_only:
            self.refuse(f"{self.type} of values that are not known at build time")
        return self.graph.add(op, inputs, outputs, self.name).outputs

    def afford(self, count: int) -> None:
        """Refuses to compute a constant of `count` elements where that is more than any real model has."""
        if count > FOLDED_MOST:
            self.refuse(f"it makes a constant of {count} elements. Supported: up to {FOLDED_MOST}")

    def _afford(self, op: Op, inputs: Sequence[str]) -> None:
        try:
            shapes = op.shapes(*(self.graph.tensors[i].shape if i else None for i in inputs))
        except AmalgamateError:
            if not op.folds_only:
                raise
            return  # the size depends on values: the operator sees to it
        self.afford(sum(prod(shape) for shape in shapes))

    def alias(self, source: str, output: str) -> None:
        """Makes `output` another name of tensor `source` (Identity, Dropout)."""
        from amalgamate.ops.identity import Identity

        self.emit(Identity(), [source], [output])


@cache
def registry() -> dict[str, type[Op]]:
    """Every operator class by its name, found by file."""
    found: dict[str, type[Op]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        camel = "".join(part.capitalize() for part in module.name.split("_"))
        found[module.name] = getattr(importlib.import_module(f"{__name__}.{module.name}"), camel)
    return found


@cache
def by_source(format: str) -> dict[str, type[Op]]:
    """The operator class of each operator type of a source format."""
    table: dict[str, type[Op]] = {}
    for op in registry().values():
        names = op.sources.get(format, ())
        for name in (names,) if isinstance(names, str) else names:
            assert name not in table, f"{format} {name} is claimed by {op.__name__} and {table[name].__name__}"
            table[name] = op
    return table
