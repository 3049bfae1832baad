"""The bytes of an ONNX model: the protobuf decoded, tensors and attributes as Python values, external data confined.

Tensors come out as float32 (every floating type) or int64 (every integer type and bool), which is all that a Graph knows.
Source: onnx.proto, and ExternalData.md of the ONNX specification.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Shape
from amalgamate.ops import Unsupported

if TYPE_CHECKING:
    import onnx

LIMIT = 2**31 - 1  # bytes: the most that a protobuf message, and so a tensor within one, can hold


def library() -> Any:
    """The onnx package, or E161."""
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:
        raise AmalgamateError("E161", "reading ONNX needs the package onnx", fix="Try: pip install onnx") from error
    return onnx


def damaged(path: Path, why: str) -> AmalgamateError:
    return AmalgamateError(
        "E102", f"'{path.name}' does not decode as ONNX: {why}", str(path), "Download or export it again"
    )


def load(path: Path) -> onnx.ModelProto:
    """The model in file `path`, its tensors still encoded. Raises E100 or E102."""
    model: onnx.ModelProto = library().ModelProto()
    from google.protobuf.message import DecodeError

    try:
        if path.stat().st_size > LIMIT:
            raise damaged(path, "it is larger than 2 GB, which protobuf cannot hold")
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise AmalgamateError("E100", f"'{path}' cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise damaged(path, "the protobuf is cut short or garbled") from error
    if not model.HasField("graph"):
        raise damaged(path, "it holds no graph")
    if not model.opset_import:
        raise damaged(path, "it states no operator set")
    _check_text(model, path)
    return model


def _check_text(message: Any, path: Path) -> None:
    """Raises E102 where a string anywhere in `message` is not UTF-8: protobuf then hands out bytes."""
    for field, value in message.ListFields():
        many = (value,) if isinstance(value, str | bytes) or hasattr(value, "ListFields") else value
        if field.type == field.TYPE_STRING and any(isinstance(text, bytes) for text in many):
            raise damaged(path, f"a {field.name} in it is not UTF-8")
        if field.type == field.TYPE_MESSAGE:
            for inner in many:
                _check_text(inner, path)


# -- tensors ----------------------------------------------------------------------------------------------------------


def dtype(elem_type: int) -> np.dtype[Any] | None:
    """The NumPy type that a TensorProto.DataType is stored as, or None for what has no number in it (strings, complex)."""
    onnx = library()
    try:
        found = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
    except (KeyError, ValueError, TypeError):
        return None
    return None if found.kind in "OSUc" else found


def type_name(elem_type: int) -> str:
    """DOUBLE for 11, and so on; the number where there is no such type."""
    names = library().TensorProto.DataType
    return str(names.Name(elem_type)).lower() if elem_type in names.values() else f"type {elem_type}"


def canonical(data: Array) -> Array:
    """`data` as float32 or int64; a shape of () stays one."""
    real = data.dtype.kind not in "iub" and not data.dtype.name.startswith(("int", "uint"))
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite
        return np.asarray(data, np.float32 if real else np.int64, order="C")


def array(tensor: onnx.TensorProto, folder: Path) -> Array:
    """The value of `tensor`. Raises E103 where its parts contradict each other, Unsupported for strings and complex numbers."""
    stored = dtype(tensor.data_type)
    if stored is None:
        raise Unsupported(
            f"tensor '{tensor.name}' is of {type_name(tensor.data_type)}. Supported: floats, integers, booleans"
        )
    shape = _shape(tensor)
    if tensor.data_location == tensor.EXTERNAL:
        raw: bytes | None = _external(tensor, folder)
    else:
        raw = tensor.raw_data if tensor.HasField("raw_data") else None
    if raw is None or _packed(tensor.data_type):
        return canonical(_decoded(tensor, raw))
    need = math.prod(shape) * stored.itemsize
    if len(raw) != need:
        raise misfit(tensor, f"it has {len(raw)} bytes, its shape {list(shape)} needs {need}")
    return canonical(np.frombuffer(raw, stored.newbyteorder("<") if stored.kind in "fiu" else stored).reshape(shape))


def misfit(tensor: onnx.TensorProto, why: str) -> AmalgamateError:
    return AmalgamateError("E103", f"the constant '{tensor.name}' is inconsistent: {why}", f"tensor {tensor.name}")


def _shape(tensor: onnx.TensorProto) -> Shape:
    shape = tuple(tensor.dims)
    if any(d < 0 for d in shape) or len(shape) > 32:
        raise misfit(tensor, f"its shape is {list(shape[:33])}")
    return shape


def _packed(data_type: int) -> bool:
    """Whether several elements share a byte."""
    return any(type_name(data_type).endswith(bits) for bits in ("int4", "int2", "float4e2m1"))


def _decoded(tensor: onnx.TensorProto, raw: bytes | None) -> Array:
    """Typed fields and packed elements, which the onnx package knows to take apart."""
    onnx = library()
    if raw is not None:
        tensor = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type, raw_data=raw)
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise misfit(tensor, f"its data does not fill its shape {list(tensor.dims)}") from error


def _external(tensor: onnx.TensorProto, folder: Path) -> bytes:
    """The bytes of a tensor stored beside the model: only in a plain file within `folder`, links followed."""
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    parts = Path(location.replace("\\", "/"))
    if not location or "\0" in location or parts.is_absolute() or ".." in parts.parts or ":" in location:
        raise misfit(tensor, f"its external data lies at '{location}', which is not within the model's folder")
    target = (folder / parts).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise misfit(tensor, f"its external data at '{location}' is a link that leaves the model's folder")
    if not target.is_file():
        fix = "Put the file beside the model"
        raise AmalgamateError(
            "E100", f"the external data '{location}' of '{tensor.name}' was not found", str(folder), fix
        )
    size = target.stat().st_size
    offset = _number(tensor, entries, "offset", 0)
    length = _number(tensor, entries, "length", size - offset)
    if offset > size or length > size - offset:
        raise misfit(
            tensor, f"its external data is bytes {offset} to {offset + length} of '{location}', which has {size}"
        )
    with target.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _number(tensor: onnx.TensorProto, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(max(default, 0)))
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise misfit(tensor, f"the {key} of its external data is '{text[:40]}'")
    return int(text)


def dense(sparse: onnx.SparseTensorProto, folder: Path) -> Array:
    """A sparse tensor filled in with zeros; indices are [nnz], into the flattened tensor, or [nnz, rank]."""
    values: Any = array(sparse.values, folder)
    indices: Any = array(sparse.indices, folder)
    shape = tuple(sparse.dims)
    if any(d < 1 for d in shape) or math.prod(shape) * 8 > LIMIT:
        raise misfit(sparse.values, f"its dense shape is {list(shape)[:33]}")
    if indices.ndim == 2 and indices.shape[1] == len(shape):
        inside = bool(((indices >= 0) & (indices < np.array(shape))).all())
        indices = np.ravel_multi_index(tuple(indices.T), shape) if inside else np.array([-1])
    out = np.zeros(math.prod(shape), values.dtype)
    fits = values.ndim == 1 and indices.shape == values.shape
    if not fits or indices.min(initial=0) < 0 or indices.max(initial=0) >= out.size:
        raise misfit(sparse.values, "its indices do not fit its values and its shape")
    out[indices] = values
    return out.reshape(shape)


# -- attributes -------------------------------------------------------------------------------------------------------


def attributes(node: onnx.NodeProto, folder: Path) -> dict[str, Any]:
    """The attributes of `node`: ints, floats, strings, lists of these, and tensors as arrays."""
    return {a.name: _attribute(a, folder) for a in node.attribute}


def _attribute(a: onnx.AttributeProto, folder: Path) -> Any:
    kinds = type(a)
    plain = {kinds.FLOAT: "f", kinds.INT: "i", kinds.FLOATS: "floats", kinds.INTS: "ints"}
    if a.type in plain:
        value = getattr(a, plain[a.type])
        return value if isinstance(value, int | float) else list(value)
    if a.type == kinds.STRING:
        return a.s.decode(errors="replace")
    if a.type == kinds.STRINGS:
        return [s.decode(errors="replace") for s in a.strings]
    if a.type == kinds.TENSOR:
        return array(a.t, folder)
    if a.type == kinds.SPARSE_TENSOR:
        return dense(a.sparse_tensor, folder)
    raise Unsupported(f"attribute {a.name} is a {kinds.AttributeType.Name(a.type).lower().replace('_', ' ')}")
