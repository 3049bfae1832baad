"""predict: from a model and pictures to labels, on one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from amalgamate.cli.build import say_softmax
from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import printing, progress, show
from amalgamate.errors import AmalgamateError

LIBRARIES = {".so", ".dylib", ".dll", ".amg"}


@click.command("predict")
@model_options
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-k", "--top-k", type=click.IntRange(1), default=5, show_default=True, help="How many classes to show.")
@printing
def predict_command(options: ModelOptions, images: tuple[Path, ...], top_k: int) -> None:
    """Say what IMAGES show: builds and compiles MODEL, or takes what `compile` made, or a .amg file."""
    import amalgamate

    library = options.model if options.model.suffix in LIBRARIES else _compiled(options)
    results: list[dict[str, Any]] = []
    with amalgamate.load(library) as model:
        for image in images:
            best = model.classify(image, top_k=top_k)
            results.append(
                {"image": str(image), "predictions": [{"label": p.label, "score": float(p.score)} for p in best]}
            )

    def text() -> None:
        for result in results:
            if len(results) > 1:
                click.echo(f"{result['image']}:")
            for p in result["predictions"]:
                click.echo(f"{'  ' if len(results) > 1 else ''}{p['label']} {p['score']:.2f}")

    show(results, text)


def _compiled(options: ModelOptions) -> Path:
    """The model as a library in the cache, compiled unless it lies there already."""
    from amalgamate.importers import recognise

    recognise(options.model)  # before asking how its pictures are read
    if options.image is None:
        fix = "Say how a picture becomes the input: --image rgb, bgr or gray, with --mean, --std, --resize, --crop"
        raise AmalgamateError("E107", "predict needs to know how pictures are read", str(options.model), fix)
    with progress("building"):
        built = options.build()
    say_softmax(built)
    with progress("compiling"):
        library: Path = built.compile()
    return library
