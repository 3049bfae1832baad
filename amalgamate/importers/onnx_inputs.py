"""The inputs of an ONNX model: their types, their shapes with symbolic dimensions, and those bound to constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph, Shape, Tensor
from amalgamate.importers.onnx_proto import canonical, type_name

if TYPE_CHECKING:
    import onnx

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_MOST = 2**31 - 1

Dims = list[int | str]  # a number, or the name of a symbol


def add(
    graph: Graph,
    values: Sequence[onnx.ValueInfoProto],
    shapes: Mapping[str, Shape],
    bind: Mapping[str, Array],
    known: set[str],
) -> list[tuple[str, str, str]]:
    """Adds `values` as inputs, those in `bind` as constants, and returns those that are unsupported: what, which, why.

    A symbol stands at 1 where it is the first axis of an input, elsewhere at what `shapes` says: E105 where that is missing.
    """
    for name in (*shapes, *bind):
        if name not in known:
            fix = f"The inputs are: {', '.join(sorted(known))}"
            raise AmalgamateError("E107", f"there is no input '{name}' to give a shape or value", graph.name, fix)
    faults: list[tuple[str, str, str]] = []
    dims: dict[str, Dims] = {}
    for value in values:
        fault = _fault(value, value.name in bind)
        if fault:
            faults.append((f"unsupported input '{value.name}'", "", f"it is {fault}"))
        elif value.name in bind:
            data = _bound(value, bind[value.name])
            graph.tensors[value.name] = Tensor(value.name, data.shape, str(data.dtype), data)
        else:
            dims[value.name] = _dims(value, shapes.get(value.name))
    symbols = {name: {axis: d for axis, d in enumerate(stated) if isinstance(d, str)} for name, stated in dims.items()}
    graph.symbols |= {name: axes for name, axes in symbols.items() if axes}
    types = {v.name: "float32" if v.type.tensor_type.elem_type == _FLOAT else "int64" for v in values}
    for name, shape in _settled(dims, shapes).items():
        graph.tensors[name] = Tensor(name, shape, types[name])
        graph.inputs.append(name)
    return faults


def _fault(value: onnx.ValueInfoProto, bound: bool) -> str:
    """Why an input cannot be one; empty if it can."""
    if not value.name:
        raise AmalgamateError("E103", "an input has no name")
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return f"a {(kind or 'value of no type').removesuffix('_type')}. Supported: tensors"
    elem = value.type.tensor_type.elem_type
    if not bound and elem not in (_FLOAT, _INT64):
        return f"of type {type_name(elem)}. Supported: float, int64, or any type with --bind {value.name}=VALUE"
    return ""


def _dims(value: onnx.ValueInfoProto, given: Shape | None) -> Dims:
    """The dimensions as the model states them: numbers and symbols, or those given where it states none."""
    if not value.type.tensor_type.HasField("shape"):
        if given is None:
            raise _unknown({value.name: ["all axes"]})
        return list(given)
    stated: Dims = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            stated.append(dim.dim_value)
        else:
            stated.append(dim.dim_param or f"{value.name}.{axis}")
    if given is not None and len(given) != len(stated):
        fault = f"the shape {list(given)} given for '{value.name}' has {len(given)} axes, the model's has {len(stated)}"
        raise AmalgamateError("E107", fault, value.name, f"The model states {stated}")
    return stated


def _settled(dims: Mapping[str, Dims], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of every input, numbers in the place of symbols."""
    sizes = _sizes(dims, shapes)
    missing: dict[str, list[str]] = {}
    for name, stated in dims.items():
        for axis, d in enumerate(stated):
            if isinstance(d, str) and d not in sizes:
                missing.setdefault(name, []).append(str(axis) if d == f"{name}.{axis}" else f"{axis} ({d})")
    if missing:
        raise _unknown(missing)
    settled = {n: tuple(sizes[d] if isinstance(d, str) else d for d in stated) for n, stated in dims.items()}
    settled |= {name: tuple(shapes[name]) for name in dims if name in shapes}
    for name, shape in settled.items():
        if any(not 0 < d <= _MOST for d in shape):
            raise AmalgamateError(
                "E103", f"the shape {list(shape)} has an axis of no or too great size", f"input {name}"
            )
    return settled


def _sizes(dims: Mapping[str, Dims], shapes: Mapping[str, Shape]) -> dict[str, int]:
    """What each symbol stands at: what a given shape says, else 1 where it is somewhere the first axis."""
    sizes: dict[str, int] = {}
    for name, stated in dims.items():
        for symbol, size in zip(stated, shapes.get(name, ()), strict=False):
            if isinstance(symbol, str) and sizes.setdefault(symbol, size) != size:
                raise AmalgamateError("E107", f"dimension '{symbol}' is given as {sizes[symbol]} and as {size}", name)
    for stated in dims.values():
        if stated and isinstance(stated[0], str):
            sizes.setdefault(stated[0], 1)
    return sizes


def _unknown(missing: Mapping[str, list[str]]) -> AmalgamateError:
    listed = "; ".join(f"'{name}' on axis {', '.join(axes)}" for name, axes in missing.items())
    fix = "Give " + " ".join(f"--input-shape {name}=1,..." for name in missing)
    return AmalgamateError("E105", f"the shape of an input is unknown: {listed}", fix=fix)


def _bound(value: onnx.ValueInfoProto, data: Array) -> Array:
    """`data` for an input that becomes a constant; it must fit the shape that the model states."""
    stated = [d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim]
    fits = len(stated) == data.ndim and all(s in (-1, n) for s, n in zip(stated, data.shape, strict=True))
    if value.type.tensor_type.HasField("shape") and not fits:
        fault = f"the value bound to '{value.name}' has shape {list(data.shape)}, the model states {stated}"
        raise AmalgamateError("E107", fault, value.name, "Bind a value of that shape")
    return canonical(data)
