"""Functions in ONNX models: those of the model itself, and operators that we lack and ONNX defines by simpler ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.errors import AmalgamateError
from amalgamate.importers import onnx_proto
from amalgamate.ops import by_source

if TYPE_CHECKING:
    import onnx

DOMAINS = ("", "ai.onnx")  # the names of ONNX's own operators


def expanded(path: Path, model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """The model with calls of functions replaced by their bodies. Raises E103 where its own functions are inconsistent."""
    onnx = onnx_proto.library()
    faults = (ValueError, RuntimeError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model, True)
        except faults as error:
            fault = f"a function in '{path.name}' cannot be expanded: {str(error).splitlines()[0]}"
            raise AmalgamateError("E103", fault, str(path)) from error
    done: set[str] = set()
    while wanted := {n.op_type for n in model.graph.node if _lacking(n, version)} - done:
        try:
            if done:  # what the last round brought has no types yet
                model = onnx.shape_inference.infer_shapes(model)
            for node in model.graph.node:
                if node.op_type in wanted:
                    _state_defaults(node, onnx.defs.get_schema(node.op_type, version))
            ids = [("", op_type) for op_type in sorted(wanted)]
            model = onnx.inliner.inline_selected_functions(model, ids, inline_schema_functions=True)
        except faults:
            return model  # the operators that stay are listed as unsupported
        done |= wanted
    return model


def _state_defaults(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> None:
    """Writes the attributes that `node` leaves at their defaults: the inliner does not know these."""
    given = {a.name for a in node.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.name:
            node.attribute.append(attribute.default_value)


def _lacking(node: onnx.NodeProto, version: int) -> bool:
    """Whether `node` is of an operator that has no file here and is a function in ONNX."""
    defs = onnx_proto.library().defs
    if node.domain not in DOMAINS or node.op_type in by_source("onnx") or not defs.has(node.op_type):
        return False
    try:
        schema = defs.get_schema(node.op_type, version)
    except defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)
