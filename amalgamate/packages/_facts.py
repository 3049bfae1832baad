"""What the files of a package say of its model, and the sources of a binding in the model's own names."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from amalgamate.resources import folder
from amalgamate.writers import c_source
from amalgamate.writers.names import comment

if TYPE_CHECKING:
    from amalgamate import Built


@dataclass(frozen=True)
class Fact:
    """An input or output: its name, also in quotes as C, Go and Java read it, and its shape and size in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def quoted(self) -> str:
        return json.dumps(self.name, ensure_ascii=False).replace("\ufeff", "\\ufeff")

    @property
    def braced(self) -> str:
        """The name in quotes as Rust and Swift read it."""
        plain = (c if " " <= c <= "~" and c not in '\\"' else f"\\u{{{ord(c):x}}}" for c in self.name)
        return f'"{"".join(plain)}"'

    @property
    def text(self) -> str:
        return f"{comment(self.name)}, {self.dtype} [{', '.join(map(str, self.shape))}]"

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Facts:
    """A model as the texts of its package describe it."""

    title: str
    inputs: list[Fact]
    outputs: list[Fact]
    labels: int
    image: bool

    @property
    def xml(self) -> str:
        """The title as XML has it."""
        return escape(self.title)

    @property
    def lines(self) -> list[str]:
        """A line per input and output."""
        kinds = (("input ", self.inputs), ("output", self.outputs))
        return [f"{kind} {i}: {fact.text}" for kind, facts in kinds for i, fact in enumerate(facts)]


def facts(built: Built) -> Facts:
    """What is known of a built model."""
    model = c_source.describe(built.plan, built.data)
    inputs, outputs = (
        [Fact(t.name, str(t.dtype), tuple(t.shape)) for t in side] for side in (model.inputs, model.outputs)
    )
    return Facts(comment(model.name), inputs, outputs, model.labels, model.image)


def named(built: Built, name: str) -> Built:
    """The model under another name, which its C identifiers begin with too unless the caller chose a prefix.

    So the pairs of several packages link into one program.
    """
    prefix = name if built.options.prefix == "amg" else built.options.prefix
    return replace(built, name=name, options=replace(built.options, prefix=prefix))


def binding(path: str, built: Built) -> str:
    """The text of a file of the folder `bindings` that includes "amg.h", for the pair of `built`."""
    return renamed((folder("bindings") / path).read_text("utf-8").replace('"amg.h"', f'"{built.name}.h"'), built)


def renamed(text: str, built: Built) -> str:
    """A text with the names of amg.h as the pair of `built` has them."""
    prefix = built.options.prefix
    return re.sub(r"\bAMG_(?=\w)", f"{prefix.upper()}_", re.sub(r"\bamg_(?=\w)", f"{prefix}_", text))


def pascal(name: str) -> str:
    """A name as types have it: squeeze-net_v1 as SqueezeNetV1."""
    return re.sub(r"(?:^|[-_]+)(.?)", lambda match: match[1].upper(), name)


def put(out: Path, files: dict[str, str | bytes]) -> list[Path]:
    """Writes files, given by their paths within `out`; returns where they are. Raises E100."""
    paths: list[Path] = []
    for name, data in files.items():
        path = Path(name)
        raw = data.encode() if isinstance(data, str) else data
        c_source.write({path.name: raw}, out / path.parent)
        paths.append(out / path)
    return paths
