"""ONNX's schemas of operators: whether a node has the operands, attributes and types that its schema demands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from amalgamate.importers import onnx_proto
from amalgamate.ops import Unsupported

if TYPE_CHECKING:
    import onnx

_AUTO_PADS = (b"NOTSET", b"SAME_UPPER", b"SAME_LOWER", b"VALID")


def find(op_type: str, version: int) -> onnx.defs.OpSchema:
    """The schema of an operator at operator set `version`."""
    defs = onnx_proto.library().defs
    try:
        schema: onnx.defs.OpSchema = defs.get_schema(op_type, version)
    except defs.SchemaError as error:
        raise Unsupported(f"ONNX operator set {version} has no such operator") from error
    return schema


def contradiction(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> str:
    """How `node` contradicts its schema in number of operands or in attributes; empty if it does not."""
    if schema.deprecated:
        return "is deprecated in the model's operator set"
    if not schema.min_input <= len(node.input) <= schema.max_input:
        return f"has {len(node.input)} inputs, ONNX allows {schema.min_input} to {schema.max_input}"
    if not schema.min_output <= len(node.output) <= schema.max_output:
        return f"has {len(node.output)} outputs, ONNX allows {schema.min_output} to {schema.max_output}"
    single = onnx_proto.library().defs.OpSchema.FormalParameterOption.Single
    for i, formal in enumerate(schema.inputs[: len(node.input)]):
        if formal.option == single and not node.input[i]:
            return f"lacks its input '{formal.name}'"
    given = {a.name: a for a in node.attribute}
    if len(given) != len(node.attribute):
        return "has an attribute twice"
    for key, attribute in given.items():
        if key not in schema.attributes:
            return f"has an attribute '{key}', which ONNX does not know"
        expected: Any = schema.attributes[key].type
        if int(expected) != attribute.type:
            return f"has an attribute '{key}' of the wrong type"
    if "auto_pad" in given and given["auto_pad"].s not in _AUTO_PADS:
        return f"has an auto_pad of {given['auto_pad'].s!r}"
    missing = [key for key, a in schema.attributes.items() if a.required and key not in given]
    return f"lacks its attribute '{missing[0]}'" if missing else ""


def mistyped(node: onnx.NodeProto, schema: onnx.defs.OpSchema, dtypes: Mapping[str, str]) -> str:
    """How the element types of the inputs, real or whole numbers, contradict the schema; empty if they do not."""
    kinds: dict[str, str] = {}
    for i, name in enumerate(node.input):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        if not name or not formal.is_homogeneous:
            continue
        kind = "real" if dtypes[name] == "float32" else "whole"
        if kind not in {_kind(text) for text in formal.types}:
            return f"does not take {kind} numbers as its input '{formal.name}'"
        if kinds.setdefault(formal.type_str, kind) != kind:
            return f"mixes real and whole numbers in its input '{formal.name}'"
    return ""


def _kind(type_text: str) -> str:
    """`real` for tensor(float16), `whole` for tensor(int8) and tensor(bool), else empty."""
    inner = type_text.removeprefix("tensor(")
    return "real" if inner.startswith(("float", "double", "bfloat")) else "whole" if inner[0] in "uib" else ""


def optional_outputs(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> list[bool]:
    """Which outputs of `node` may be left out."""
    optional = onnx_proto.library().defs.OpSchema.FormalParameterOption.Optional
    formals = schema.outputs
    return [i < len(formals) and formals[i].option == optional for i in range(len(node.output))]
