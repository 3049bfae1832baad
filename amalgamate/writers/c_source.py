"""The C pair: NAME.c and NAME.h, a model with the runtime that it needs, or amg.c and amg.h, the runtime alone.

The runtime is the same code in both; a model pair has a shorter operator table, and the bytes of the .amg file as a
constant (`weights="embed"`, or "integers" for compilers that take no long literals) or beside it (`weights="file"`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from amalgamate.amalgamator import amalgamate, digest, rename
from amalgamate.errors import AmalgamateError
from amalgamate.graph import Graph, Node, Tensor
from amalgamate.ops import Op
from amalgamate.ops._winograd import winograd_cut
from amalgamate.ops.conv import Conv
from amalgamate.resources import runtime_files, version
from amalgamate.templates import render
from amalgamate.writers.embed import integers, strings
from amalgamate.writers.names import comment, identifier
from amalgamate.writers.tables import Parts, all_ops, core_files, generated

if TYPE_CHECKING:
    from amalgamate.plan import Plan

WEIGHTS = ("embed", "integers", "file")
_ROWS = "@rows of the model@"  # stands for the embedded bytes while the text around them is made


@dataclass(frozen=True)
class Options:
    """How a pair is written: the prefix of its identifiers, where the weights go, and whether to add #line."""

    prefix: str = "amg"
    weights: str = "embed"
    lines: bool = False

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise AmalgamateError(
                "E107", f"weights '{self.weights}'", "--weights", f"Choose one of {', '.join(WEIGHTS)}"
            )

    def __str__(self) -> str:
        return f"--prefix {self.prefix} --weights {self.weights}" + (" --line" if self.lines else "")


@dataclass(frozen=True)
class Model:
    """What a pair needs to know of a model. Shapes are those of the source, in its axis order."""

    name: str
    data: bytes  # the .amg file
    ops: Sequence[str]
    parts: Parts
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    labels: int = 0
    arena: int = 0  # amg_arena_size() at these shapes
    small: int = 0  # and in a small build
    image: bool = False  # the first input takes pictures
    widened: int = 0  # bytes of all weights as float32, where the file holds some in half precision


def describe(plan: Plan, data: bytes) -> Model:
    """What a pair needs to know of a plan and the .amg bytes that were written from it."""
    graph = plan.graph
    return Model(
        name=graph.name,
        data=data,
        ops=sorted({node.op.name for node in graph.nodes}),
        parts=_parts(plan),
        inputs=[graph.tensors[name] for name in graph.inputs],
        outputs=[graph.tensors[name] for name in graph.outputs],
        labels=len(graph.labels),
        arena=plan.arena_bytes,
        small=plan.small_bytes,
        image=graph.image is not None and graph.image.input == graph.inputs[0],
        widened=plan.widened_bytes,
    )


def _parts(plan: Plan) -> Parts:
    """What the layers of a plan use, at its shapes."""
    graph = plan.graph
    return Parts(
        activations=tuple(sorted({kind for node in graph.nodes for kind in _fused(node.op)})),
        winograd=any(_winograd(graph, node) for node in graph.nodes),
        halves=plan.widened_bytes > 0,
        by_rows=bool(plan.rows),
        apart=bool(plan.apart),
    )


def _winograd(graph: Graph, node: Node) -> bool:
    """Whether a node is a convolution that goes Winograd's way. At larger shapes it might where it does not at these."""
    shapes = (graph.tensors[name].shape for name in (*node.inputs[:2], node.outputs[0]))
    return isinstance(node.op, Conv) and node.op.name == "conv" and winograd_cut(node.op, *shapes) is not None


def _fused(op: Op) -> list[int]:
    """The kinds of the activations among an operator's fields."""
    values = (getattr(op, f.name) for f in fields(op))
    found = (value.as_activation() for value in values if isinstance(value, Op))
    return [activation[0] for activation in found if activation]


def runtime_pair(options: Options | None = None) -> dict[str, bytes]:
    """amg.c and amg.h: every operator, for any .amg file. Raises E132 where a file of the runtime is used by nothing."""
    options = options or Options()
    files = runtime_files() | generated(all_ops())
    made_of = digest(files, [options.prefix, str(options.lines)])
    what = "the amalgamate runtime: opens any .amg model"
    shown = f"--prefix {options.prefix}" + (" --line" if options.lines else "")
    source = _source(files, all_ops(), list(files), "amg", options)
    head = {name: _banner(name, what, shown, made_of) for name in ("amg.c", "amg.h")}
    return {
        "amg.c": (head["amg.c"] + source).encode(),
        "amg.h": (head["amg.h"] + rename(_api(), options.prefix)).encode(),
    }


def model_pair(model: Model, options: Options | None = None) -> dict[str, bytes]:
    """NAME.c and NAME.h, and NAME.amg with `weights="file"`; NAME is the model's name as an identifier."""
    options = options or Options()
    name = identifier(model.name)
    embedded = options.weights != "file"
    files, rows = runtime_files() | generated(model.ops, model.parts), ""
    if embedded:
        declaration, rows = (integers if options.weights == "integers" else strings)(model.data)
        files["generated/model.c"] = render(
            "model.c.j2",
            size=len(model.data),
            declaration=declaration,
            rows=_ROWS,
            halves=model.parts.halves,
        )
    made_of = digest(files | {"model.amg": model.data}, [name, str(options)])
    what = f"{comment(model.name)}, a network with the code that runs it"
    source = _source(files, sorted(model.ops), [], name, options).replace(_ROWS, rows)
    pair = {
        f"{name}.c": _banner(f"{name}.c", what, str(options), made_of) + source,
        f"{name}.h": _banner(f"{name}.h", what, str(options), made_of) + _header(model, name, options),
    }
    texts = {file: text.encode() for file, text in pair.items()}
    return texts if embedded else texts | {f"{name}.amg": model.data}


def write(files: dict[str, bytes], out: Path | str) -> list[Path]:
    """Writes a pair into folder `out`, which is made if need be; returns the paths. Raises E100."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise AmalgamateError(
            "E100", f"cannot write: {error.strerror}", str(error.filename), "Choose another -o"
        ) from error
    return [folder / name for name in files]


def _source(files: dict[str, str], ops: Sequence[str], manifest: Sequence[str], name: str, options: Options) -> str:
    """The C file but for its banner. Of `manifest`, headers and .inc files must be used; others may be left out."""
    units = [*core_files(), *(f"ops/{op}.c" for op in ops), *sorted(f for f in files if f.startswith("generated/"))]
    # The kernels come last: they define the short names of the vector vocabulary.
    units.sort(key=lambda unit: unit == "generated/kernels.c")
    others = [f for f in manifest if not f.endswith(".c")]
    body = amalgamate(files, [*units, *others], external={"amg.h": f"{name}.h"}, lines=options.lines)
    return rename(render("source.c.j2", body=body), options.prefix)


def _banner(file: str, what: str, options: str, made_of: str) -> str:
    return render("banner.j2", file=file, what=what, version=version(), options=options, digest=made_of)


def _api() -> str:
    return runtime_files()["amg.h"]


def _header(model: Model, name: str, options: Options) -> str:
    """The header but for its banner: what the model is, an example, its macros, and the API."""
    macro, p = name.upper(), options.prefix
    api = rename(_api(), p)
    return render(
        "model.h.j2",
        name=name,
        macro=macro,
        p=p,
        guard=f"{macro}_MODEL_H",
        title=comment(model.name),
        lines=_tensor_lines(model),
        example=_example(model, name, options).splitlines(),
        arena=model.arena,
        small=model.small,
        weights=model.widened,
        labels=model.labels,
        inputs=len(model.inputs),
        outputs=len(model.outputs),
        api=api,
    )


def _tensor_lines(model: Model) -> list[str]:
    kinds = [("input ", model.inputs), ("output", model.outputs)]
    return [f"{kind} {i}: {_shown(t)}" for kind, tensors in kinds for i, t in enumerate(tensors)]


def _shown(tensor: Tensor) -> str:
    return f"{comment(tensor.name)}, {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _example(model: Model, name: str, options: Options) -> str:
    """A whole program that runs the model once."""

    def facts(tensor: Tensor) -> dict[str, object]:
        kind = "float" if tensor.dtype == "float32" else "int64_t"
        return {"type": kind, "text": f"[{', '.join(map(str, tensor.shape))}]", "count": math.prod(tensor.shape)}

    first = model.outputs[0]
    classes = min(5, math.prod(first.shape)) if first.dtype == "float32" and _is_classes(first.shape) else 0
    return render(
        "example.c.j2",
        name=name,
        p=options.prefix,
        P=options.prefix.upper(),
        embedded=options.weights != "file",
        image=model.image,
        inputs=list(enumerate(facts(t) for t in model.inputs)),
        output=facts(first),
        classes=classes,
    )


def _is_classes(shape: tuple[int, ...]) -> bool:
    """Whether a tensor looks like one score per class: [1, N], [N, 1, 1], ..."""
    return sum(d > 1 for d in shape) == 1


def example_of(header: str) -> str:
    """The example program in the comment of a model's header."""
    match = re.search(r"How to use it:\n \*\n(.*?)\n \*\n \* Compile with", header, re.S)
    assert match
    return "".join(f"{line[5:]}\n" for line in match[1].splitlines())
