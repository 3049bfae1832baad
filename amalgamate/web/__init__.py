"""A page where people see a model work: static files for any host, and a server on loopback to look at them.

The page classifies pictures: digits that are drawn, where the model takes small grey pictures of ten classes, else
pictures from a file, the clipboard or the webcam.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from amalgamate import packages
from amalgamate.errors import AmalgamateError
from amalgamate.resources import version
from amalgamate.writers import c_source

if TYPE_CHECKING:
    from amalgamate import Built

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'"
)


def write(built: Built, out: Path | str, samples: list[list[int]] | None = None) -> list[Path]:
    """The page of a model into folder `out`, with everything that it loads; returns the files.

    `samples` are pictures of 8 x 8 grey pixels of the digit model. Raises E107 where the model takes no pictures, and
    what `packages.write` raises.
    """
    if built.plan.graph.image is None:
        raise AmalgamateError(
            "E107", "the page needs a model that takes pictures", built.name, "Say how they go in with --image rgb"
        )
    with tempfile.TemporaryDirectory(prefix="amalgamate-") as scratch:
        written = packages.write(packages.placed(built), "npm", scratch)
        code = {path.name: path.read_bytes() for path in written if path.suffix in (".mjs", ".wasm", ".amg")}
    variants = {".scalar", ".threads", ".relaxed"}
    download = sum(len(data) for name, data in code.items() if not variants & set(Path(name).suffixes))
    kind = "digits" if samples else "pictures"
    files = {path.name: path.read_text("utf-8") for path in PAGE.iterdir() if path.suffix != ".j2"}
    files.pop("look.mjs" if samples else "draw.mjs")
    if samples:
        files["samples.mjs"] = f"export const samples = {json.dumps(samples, separators=(',', ':'))};\n"
    values = {
        "policy": POLICY,
        "title": built.plan.graph.name,
        "name": built.name,
        "kind": kind,
        "facts": _facts(built, download),
        "version": version(),
    }
    files["index.html"] = _render("index.html.j2", **values)
    digest = hashlib.sha256("".join(files[name] for name in sorted(files)).encode() + built.data).hexdigest()[:16]
    kept = ["./", *sorted(files), *(f"model/{name}" for name in code if ".scalar." not in name)]
    files["offline.js"] = _render(
        "offline.js.j2", cache=f"amalgamate {built.name} {digest}", files=json.dumps(kept, indent=2)
    )
    page = c_source.write({name: text.encode() for name, text in files.items()}, out)
    return page + c_source.write(code, Path(out) / "model")


def _facts(built: Built, download: int) -> list[tuple[str, str]]:
    """The lines of the model card."""
    graph = built.plan.graph
    shape = " x ".join(map(str, graph.tensors[graph.inputs[0]].shape))
    facts = [("Input", f"{graph.inputs[0]}, {shape}"), ("Operations", f"{graph.macs() / 1e6:,.2f} M multiply-adds")]
    facts += [("Layers", str(len(graph.nodes)))] + ([("Classes", str(len(graph.labels)))] if graph.labels else [])
    weights = sum(constant.bytes for constant in built.plan.constants.values())
    sizes = {"Weights": weights, "Arena": built.plan.arena_bytes, "Download": download}
    facts += [(what, _shown(size)) for what, size in sizes.items()]
    return facts + [(key.capitalize(), graph.meta[key]) for key in ("format", "producer") if graph.meta.get(key)]


def _shown(size: int) -> str:
    return f"{size / 2**20:.2f} MiB" if size >= 2**20 else f"{size / 1024:.1f} KiB"


def _render(template: str, **values: Any) -> str:
    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )  # what comes from a model is escaped where it stands
    return environment.get_template(template).render(**values)
