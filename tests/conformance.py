"""Runs ONNX's own node tests through importer, passes, plan and C, and writes docs/conformance.md.

A test counts as passed where its results agree at its own tolerances while at least one float32 input is given at run time.
Integer and boolean inputs are bound to constants where the operator needs to know them at build time, and so are float32
parameters of at most one axis behind the first input. What is not supported is listed with the importer's words.

Usage: python tests/conformance.py [--numpy] [NAME...]      --numpy runs the NumPy reference in place of C
"""

from __future__ import annotations

import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.backend.test.runner import Runner

from amalgamate import importers, reference
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Array, Graph

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

Engine = Callable[[Graph, dict[str, Array]], Sequence[Array]]


@dataclass
class Result:
    """What became of one test: `status` is passed, refused (the importer said why) or failed; `bound` what was bound."""

    name: str
    operator: str
    status: str
    why: str = ""
    bound: str = ""


def in_numpy(graph: Graph, inputs: dict[str, Array]) -> list[Array]:
    results = reference.run(graph, inputs)
    return [results[name] for name in graph.outputs]


def in_c(graph: Graph, inputs: dict[str, Array]) -> Sequence[Array]:
    import harness

    return harness.run_c(graph, inputs)


@cache
def node_tests() -> list[Any]:
    """The node tests of the installed onnx package, in their order."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(load_model_tests(kind="node"), key=lambda t: t.name)


def run(tests: Sequence[Any], engine: Engine) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [run_test(test, engine, Path(folder) / "model.onnx") for test in tests]


def run_test(test: Any, engine: Engine, path: Path) -> Result:
    """One test; every data set of it must agree."""
    model = test.model
    operator = _operators()[test.name]
    strange = _strange(model)
    if strange:
        return Result(test.name, operator, "refused", strange)
    path.write_bytes(model.SerializeToString())
    try:
        for inputs, expected in test.data_sets:
            values = dict(zip((i.name for i in model.graph.input), map(_array, inputs), strict=False))
            graph, bound = _read(path, values, model)
            given = {name: values[name] for name in graph.inputs}
            if not any(v.dtype == np.float32 for v in given.values()):
                return Result(test.name, operator, "refused", "all float inputs must be known at build time")
            outputs = engine(graph, given)
            Runner.assert_similar_outputs([_array(e) for e in expected], list(outputs), test.rtol, test.atol)
    except AmalgamateError as error:
        refused = error.code in ("E104", "E105") or _empty(test)
        return Result(test.name, operator, "refused" if refused else "failed", _reason(error))
    except Exception as error:  # whatever else a test ends in is its failure
        return Result(test.name, operator, "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Result(test.name, operator, "passed", bound=bound)


@cache
def _operators() -> dict[str, str]:
    """The operator that each test is about; a test of a function spelled out is about the operator that it spells."""
    direct = {t.name: str(t.model.graph.node[0].op_type) for t in node_tests()}
    return {name: direct.get(re.sub(r"_expanded.*", "", name), op) for name, op in direct.items()}


def _array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _strange(model: onnx.ModelProto) -> str:
    """The types of a model's outputs that the runtime does not have; empty where it has all."""
    for value in model.graph.output:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            return f"its output is a {kind.removesuffix('_type')}"
        if value.type.tensor_type.elem_type not in (FLOAT, INT64):
            return f"its output is {onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()}"
    if not any(i.type.tensor_type.elem_type == FLOAT for i in model.graph.input):
        return "it has no float32 input"
    return ""


def _empty(test: Any) -> bool:
    """Whether a tensor of the test has no elements: the runtime has none of these."""
    return any(np.size(_array(v)) == 0 for inputs, outputs in test.data_sets for v in (*inputs, *outputs))


def _bindings(model: onnx.ModelProto, values: dict[str, Array]) -> Iterator[tuple[str, list[str]]]:
    """Which inputs to bind, from least to most."""
    types = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    small = [name for name in list(values)[1:] if types[name] == FLOAT and np.ndim(values[name]) <= 1]
    others = [
        name for name in values if types[name] not in (FLOAT, INT64) and np.asarray(values[name]).dtype.kind in "iub"
    ]
    integers = [name for name in values if np.asarray(values[name]).dtype.kind in "iub"]
    yield "integers" if others else "", others
    yield "integers", integers
    yield "parameters", [*integers, *small]


def _read(path: Path, values: dict[str, Array], model: onnx.ModelProto) -> tuple[Graph, str]:
    """The graph with as few inputs bound as will do, and what was bound."""
    for label, names in _bindings(model, values):
        try:
            shapes = {n: v.shape for n, v in values.items() if n not in names and isinstance(v, np.ndarray)}
            return importers.read(path, input_shapes=shapes, bind={n: values[n] for n in names}), label
        except AmalgamateError as error:
            if error.code != "E104":
                raise
            last = error
    raise last


def _reason(error: AmalgamateError) -> str:
    """The importer's words without the names of nodes."""
    return re.sub(r" \(.*?\):", ":", error.what.splitlines()[1 if "\n" in error.what else 0].strip())


def page(results: Sequence[Result]) -> str:
    """docs/conformance.md: per operator how many pass, then why the others do not."""
    total, passed = Counter(r.operator for r in results), Counter(r.operator for r in results if r.status == "passed")
    count = Counter(r.status for r in results)
    bound = Counter(r.bound for r in results if r.status == "passed")
    lines = [
        "# Conformance to ONNX",
        "",
        f"Written by `make conformance`: the node tests of onnx {onnx.__version__}, run through the importer and the compiled C",
        f"at the tests' own tolerances. **{count['passed']} of {len(results)} pass**, {count['failed']} fail, and "
        f"{count['refused']} are refused by the importer with a reason.",
        "",
        f"Of those that pass, {bound['integers']} have integer or boolean inputs bound to constants, and "
        f"{bound['parameters']} also float32 parameters of at most",
        "one axis behind the first input (the scales of Resize, the value of Pad). All other inputs are given at run time.",
        "",
        "## By operator",
        "",
        "| operator | passed | of |",
        "|---|---:|---:|",
        *(f"| {op} | {passed[op]} | {total[op]} |" for op in sorted(total) if passed[op]),
        "",
        "## Not supported",
        "",
        "| why | tests |",
        "|---|---|",
    ]
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.status != "passed":
            reasons.setdefault(f"{result.status}: {result.why}", []).append(result.name.removeprefix("test_"))
    for why, names in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = ", ".join(f"`{n}`" for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"| {why.replace('|', '/')} | {shown} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    numpy = "--numpy" in argv
    wanted = [a for a in argv if not a.startswith("--")]
    tests = [t for t in node_tests() if not wanted or any(w in t.name for w in wanted)]
    results = run(tests, in_numpy if numpy else in_c)
    failed = [r for r in results if r.status == "failed"]
    for result in failed if not wanted else results:
        print(f"{result.status} {result.name}: {result.why}")
    if not wanted and not numpy:
        PAGE.write_text(page(results))
    print(f"conformance: {sum(r.status == 'passed' for r in results)} of {len(results)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
