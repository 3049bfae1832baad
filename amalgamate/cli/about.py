"""ops, explain, doctor: what is supported, what an error means, what this machine has."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from amalgamate.cli.output import printing, show, table
from amalgamate.errors import CODES

if TYPE_CHECKING:
    from amalgamate.ops import Op

FORMATS = {"onnx": "ONNX", "caffe": "Caffe"}  # of the columns


@click.command("ops")
@printing
def ops_command() -> None:
    """List the operators and what they are called in each source format."""
    from amalgamate.ops import registry

    rows = [_operator(name, op) for name, op in sorted(registry().items())]

    def text() -> None:
        cells = [
            [row["name"], *(", ".join(row["sources"].get(f, [])) for f in FORMATS), "yes" if row["folds_away"] else ""]
            for row in rows
        ]
        table(["operator", *FORMATS.values(), "folds away"], cells)
        click.echo(f"{len(rows)} operators. 'folds away': shape arithmetic that is computed while building.")

    show(rows, text)


def _operator(name: str, op: type[Op]) -> dict[str, Any]:
    sources = {f: [names] if isinstance(names, str) else list(names) for f, names in op.sources.items()}
    about = (import_module(op.__module__).__doc__ or "").partition("\n")[0]
    return {"name": name, "sources": sources, "folds_away": op.folds_only, "about": about}


@click.command("explain")
@click.argument("code", required=False)
@printing
def explain_command(code: str | None) -> None:
    """Say what error CODE means, why it comes up, and what to do; without CODE, list all of them."""
    if code is None:
        meanings = {code: meaning._asdict() for code, meaning in CODES.items()}
        show(meanings, lambda: table(["code", "meaning"], [[code, m.what] for code, m in CODES.items()]))
        return
    key = code.upper() if code.upper().startswith("E") else f"E{code}"
    if key not in CODES:
        raise click.BadParameter(f"{code} is no error code: `amalgamate explain` lists them", param_hint="CODE")
    what, why, fix = CODES[key]
    show({"code": key, **CODES[key]._asdict()}, lambda: click.echo(f"{key}  {what}\n\nWhy: {why}\n\nWhat to do: {fix}"))


@click.command("doctor")
@printing
def doctor_command() -> int:
    """Show what this machine has: compilers, engines to compare with, instruction sets."""
    from amalgamate.doctor import examine

    findings = examine()

    def text() -> None:
        for f in findings:
            click.echo(f"{'ok' if f.found else 'no':4}{f.name:22} {f.detail if f.found else f.fix}")

    show([vars(f) for f in findings], text)
    return 0 if all(f.found or not f.required for f in findings) else 1
