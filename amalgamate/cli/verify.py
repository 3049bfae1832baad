"""verify: what a built model computes beside a reference engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import printing, progress, show, table
from amalgamate.errors import AmalgamateError


@click.command("verify")
@model_options
@click.option(
    "--images", type=click.Path(exists=True, path_type=Path), help="A folder of pictures, or one. Else random."
)
@click.option("--count", type=click.IntRange(1), default=3, show_default=True, help="How many random inputs.")
@click.option("--per-layer", is_flag=True, help="Compare every inner tensor too.")
@click.option("--against", type=click.Choice(["auto", "onnxruntime", "numpy"]), default="auto", help="The reference.")
@click.option("--tolerance", type=float, default=1e-5, show_default=True, help="Largest relative difference allowed.")
@printing
def verify_command(
    options: ModelOptions, images: Path | None, count: int, per_layer: bool, against: str, tolerance: float
) -> None:
    """Compare what MODEL computes here with ONNX Runtime, or with plain NumPy."""
    import amalgamate
    from amalgamate import verify

    graph = options.read()
    image, options.image, options.labels = options.image, None, None  # neither changes what the network computes
    options.outputs = verify.inner_names(options.model, graph) if per_layer else list(graph.outputs)
    theirs = verify.reference_engine(options.model, graph, options.outputs, options.bind, against)
    if images is None:
        feeds = verify.random_feeds(graph, count)
    elif image is None:
        raise AmalgamateError(
            "E107", "--images without --image", fix="Say how pictures are read: --image rgb, --mean ..."
        )
    else:
        feeds = verify.picture_feeds(graph, image, images)
    with progress("building and comparing"), amalgamate.load(options.build().compile()) as model:
        found = verify.compare(lambda feed: _named(model, options.outputs, feed), theirs, feeds, options.outputs)
    bad = [d.name for d in found if not d.relative <= tolerance]

    def text() -> None:
        rows = [
            [
                d.name,
                "x".join(map(str, d.shape)),
                f"{d.absolute:.2e}",
                f"{d.relative:.2e}",
                f"{d.ulp:,}",
                f"{d.top1:.0%}",
            ]
            for d in found
        ]
        table(["tensor", "shape", "abs", "rel", "ulp", "top-1"], rows, right=["abs", "rel", "ulp", "top-1"])
        if not bad:
            click.echo(f"{len(found)} tensors agree within {tolerance:g} of their largest value")

    show({"tolerance": tolerance, "agree": not bad, "tensors": [{**asdict(d), "top1": d.top1} for d in found]}, text)
    if bad:
        fix = "" if per_layer else "Find the first operator that differs with --per-layer"
        raise AmalgamateError(
            "E160", f"{len(bad)} of {len(found)} tensors differ by more than {tolerance:g}", bad[0], fix
        )


def _named(model: Any, names: list[str], feed: Any) -> dict[str, Any]:
    return dict(zip(names, model.run(names, feed), strict=True))
