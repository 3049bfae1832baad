"""package: a model as a package of an ecosystem: npm, ..."""

from __future__ import annotations

from pathlib import Path

import click

from amalgamate.cli.build import out_option, report, say_softmax
from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import note, printing, progress


@click.command("package")
@model_options
@click.option("--as", "kinds", required=True, metavar="KINDS", help="Which packages, with commas between: npm, ...")
@out_option
@click.option("--name", help="Of the package and its files, instead of the model's own.")
@click.option("--prefix", help="What every C identifier begins with, instead of the package's name.")
@click.option("--package-version", "version", default="0.1.0", show_default=True, help="Of the package.")
@click.option(
    "--weights",
    type=click.Choice(["auto", "embed", "file"]),
    default="auto",
    show_default=True,
    help="In the compiled code, or a file beside it; by default in it where they are small.",
)
@click.option(
    "--fallback/--no-fallback", default=True, help="Whether a Go package holds WebAssembly to run without cgo."
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    help="What the libraries of c, jar and wheel packages are for: linux-aarch64,windows-x86_64,... or all; with zig.",
)
@printing
def package_command(
    options: ModelOptions,
    kinds: str,
    out: Path,
    name: str | None,
    prefix: str | None,
    version: str,
    weights: str,
    fallback: bool,
    targets: tuple[str, ...],
) -> None:
    """Write MODEL as a package into OUT; with several KINDS, each into a folder of its own there."""
    from amalgamate import packages
    from amalgamate.toolchains.targets import named
    from amalgamate.writers.names import identifier

    wanted = list(dict.fromkeys(kind.strip() for kind in kinds.split(",") if kind.strip()))
    unknown = [kind for kind in wanted if kind not in packages.ecosystems()]
    if unknown or not wanted:
        known = ", ".join(packages.ecosystems())
        raise click.BadParameter(f"'{', '.join(unknown)}': choose from {known}", param_hint="--as")
    with progress("building"):
        prefix = prefix or identifier(name or options.model.stem)
        built = options.build(name=name, prefix=prefix, weights_as="embed" if weights == "auto" else weights)
    if weights == "auto":
        built = packages.placed(built)
    about = packages.About(name or built.name, version, fallback, tuple(named(targets)))
    files: list[Path] = []
    for kind in wanted:
        note(f"packing {built.name} as {kind}")
        with progress(f"packing as {kind}"):
            files += packages.write(built, kind, out / kind if len(wanted) > 1 else out, about)
    if "go" in wanted and fallback and not any(path.name == "wasm.go" for path in files):
        note("without emscripten the Go package needs cgo: apt install emscripten, or --no-fallback if that is meant")
    if "aar" in wanted and not any(path.parent.parent.name == "jniLibs" for path in files):
        note("without an NDK the AAR holds no native library: set ANDROID_NDK_HOME, or let Gradle build the module")
    say_softmax(built)
    report(files)
