"""runtime, build, compile: C pairs, and what compilers make of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import note, printing, progress, show
from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate import Built

out_option = click.option(
    "-o",
    "out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("dist"),
    show_default=True,
    help="Folder to write to.",
)
prefix_option = click.option("--prefix", default="amg", show_default=True, help="What every identifier begins with.")
line_option = click.option(
    "--line", "lines", is_flag=True, help="Add #line: compilers and debuggers then name the files of the runtime."
)


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.1f} KiB"


def say_softmax(built: Built) -> None:
    """Says so where the network that was built ends in a softmax that its file does not have."""
    if built.plan.graph.meta.get("softmax") == "added":
        note("the network ends in bare scores: a softmax makes them probabilities (--no-softmax leaves them)")


def report(files: list[Path]) -> None:
    """Prints the files written, with their sizes."""

    def text() -> None:
        for path in files:
            click.echo(f"{path}  {_size(path)}")

    show({"files": [{"path": str(path), "bytes": path.stat().st_size} for path in files]}, text)


@click.command("runtime")
@out_option
@prefix_option
@line_option
@printing
def runtime_command(out: Path, prefix: str, lines: bool) -> None:
    """Write amg.c and amg.h: every operator, to open any .amg model."""
    from amalgamate.writers import c_source

    report(c_source.write(c_source.runtime_pair(c_source.Options(prefix, lines=lines)), out))


@click.command("build")
@model_options
@out_option
@click.option("--name", help="Of the files, instead of that of MODEL.")
@prefix_option
@click.option(
    "--weights",
    type=click.Choice(["embed", "integers", "file"]),
    default="embed",
    show_default=True,
    help="In the C file; in it as numbers, for compilers that take no long strings; or beside it as NAME.amg.",
)
@line_option
@printing
def build_command(options: ModelOptions, out: Path, name: str | None, prefix: str, weights: str, lines: bool) -> None:
    """Write NAME.c and NAME.h: MODEL with the code that runs it."""
    with progress("building"):
        built = options.build(name=name, prefix=prefix, weights_as=weights, lines=lines)
        files = built.write(out)
    say_softmax(built)
    report(files)


@click.command("compile")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--target",
    default="native",
    show_default=True,
    help="native, wasm, a name such as linux-aarch64 or windows-x86_64, or any triple of zig's.",
)
@click.option(
    "-o",
    "out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to; beside SOURCE if not given.",
)
@printing
def compile_command(source: Path, target: str, out: Path | None) -> None:
    """Compile a pair, named by its .c file, into a library, or a WebAssembly module and its loader."""
    from amalgamate import toolchains

    if source.suffix != ".c":
        fix = f"Write its pair first: amalgamate build {source.name} -o dist, then compile the .c file"
        raise AmalgamateError("E107", f"'{source}' is not the .c file of a pair", "SOURCE", fix)
    folder = out or source.parent
    start = time.time_ns() - 10**9  # file systems round
    with progress(f"compiling for {target}"):
        made = toolchains.build(source, target, folder)
    beside = sorted(p for p in folder.glob(f"{source.stem}.*") if p.stat().st_mtime_ns >= start)
    report([made, *(p for p in beside if p not in (made, source) and p.suffix not in (".h", ".amg"))])
