"""demo: the digit network that amalgamate carries, from its ONNX file to predictions in the terminal."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amalgamate.cli.build import out_option
from amalgamate.cli.options import DIGITS, EMBEDDED, ModelOptions, model_options
from amalgamate.cli.output import common, draw, note

if TYPE_CHECKING:
    from amalgamate.predictor import Model

SAMPLES = DIGITS.with_name("digits_samples.json")  # pictures that it was not trained on
WIDTH = 16  # columns of a drawn digit
SHOWN = 10  # pictures drawn, of all the samples


@click.command("demo")
@partial(model_options, default=EMBEDDED)
@click.option("--web", is_flag=True, help="Show it in a browser instead: a page at an address of this machine alone.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of the page; 0: a free one."
)
@click.option("--no-serve", is_flag=True, help="Only write the page, for any host of static files.")
@out_option
@common
def demo_command(options: ModelOptions, web: bool, port: int, no_serve: bool, out: Path) -> int:
    """See it work: build the digit network into OUT, compile it, predict on pictures it was not trained on, draw them.

    With --web a page in OUT/NAME_web, where digits are drawn, or pictures shown to MODEL.
    """
    if web:
        return _page(options, out, port, no_serve)
    if options.model != DIGITS:
        raise click.UsageError("MODEL goes with --web; without it the demo is of the digit network")
    return _terminal(options, out)


def _page(options: ModelOptions, out: Path, port: int, no_serve: bool) -> int:
    """Writes the page and serves it until interrupted."""
    from amalgamate import web
    from amalgamate.web.server import LOOPBACK, server

    samples = json.loads(SAMPLES.read_text())["images"] if options.model == DIGITS else None
    note("building and compiling for WebAssembly")
    built = options.build()
    folder = out / f"{built.name}_web"
    web.write(built, folder, samples)
    if no_serve:
        click.echo(folder)
        return 0
    with server(folder, port) as host:
        click.echo(f"http://{LOOPBACK}:{host.server_address[1]}/  (Ctrl-C ends)")
        host.serve_forever()
    return 0


def _terminal(options: ModelOptions, out: Path) -> int:
    import numpy as np

    import amalgamate

    samples = json.loads(SAMPLES.read_text())
    note(
        f"reading    {options.model.name}, a network for handwritten digits, {options.model.stat().st_size / 1024:.0f} KiB"
    )
    built = options.build(name=EMBEDDED)
    for path in built.write(out):
        note(f"writing    {path}, {path.stat().st_size / 1024:.0f} KiB")
    start = time.perf_counter()
    library = built.compile()
    note(f"compiling  {library.name}, {time.perf_counter() - start:.1f} s")
    pictures = np.array(samples["images"], np.uint8).reshape(-1, 8, 8)
    with amalgamate.load(library) as model:
        results, microseconds = _predict(model, pictures)
    right = [best[0][0] == str(label) for best, label in zip(results, samples["labels"], strict=True)]
    note(f"predicting {len(right)} pictures, {microseconds:.0f} microseconds each\n")
    _draw(pictures, results, samples["labels"])
    click.echo(f'{sum(right)} of {len(right)} right. Use it in a C program: #include "digits.h", and compile with')
    click.echo(f"  cc -O2 -I{out} main.c {out}/digits.c -lm")
    return 0 if sum(right) >= len(right) - 1 else 1


def _predict(model: Model, pictures: Any) -> tuple[list[list[tuple[str, float]]], float]:
    """The two best classes of each picture with their scores, and the median time of one run in microseconds."""
    from amalgamate import timing

    results = [[(p.label, float(p.score)) for p in model.classify(picture, top_k=2)] for picture in pictures]
    x = (pictures[:1, None] / 255).astype("float32")
    return results, timing.median(lambda: model.run(None, {"image": x}), 0.05) * 1e3


def _draw(pictures: Any, results: list[list[tuple[str, float]]], labels: list[int]) -> None:
    """Draws every other picture, one of each digit, in rows as wide as the terminal, with what was seen under it."""
    import shutil

    chosen = list(range(0, len(labels), max(1, len(labels) // SHOWN)))[:SHOWN]
    columns = max(1, min(5, shutil.get_terminal_size((80, 24)).columns // WIDTH))
    for start in range(0, len(chosen), columns):
        row = chosen[start : start + columns]
        for lines in zip(*(draw(pictures[i]) for i in row), strict=True):
            click.echo("".join(lines), color=True)
        click.echo("".join(_caption(results[i], labels[i]).center(WIDTH) for i in row).rstrip())
        click.echo("".join(_doubt(results[i]).center(WIDTH) for i in row).rstrip() + "\n")


def _caption(best: list[tuple[str, float]], label: int) -> str:
    text = f"{best[0][0]}  {best[0][1]:.1%}"
    return text if best[0][0] == str(label) else f"{text}, is {label}"


def _doubt(best: list[tuple[str, float]]) -> str:
    """The second guess, where there is one worth a word."""
    return f"or {best[1][0]}  {best[1][1]:.1%}" if best[1][1] >= 0.001 else ""
