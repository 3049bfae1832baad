"""demo: the digit network that amalgamate carries, from its ONNX file to predictions in the terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amalgamate.cli.build import out_option
from amalgamate.cli.options import EMBEDDED, ModelOptions, embedded
from amalgamate.cli.output import common, draw, note

if TYPE_CHECKING:
    from amalgamate.predictor import Model

WIDTH = 16  # columns of a drawn digit
SHOWN = 10  # pictures drawn, of all the samples


@click.command("demo")
@out_option
@common
def demo_command(out: Path) -> int:
    """Build the digit network into OUT, compile it, predict on pictures it was not trained on, and draw them."""
    import numpy as np

    import amalgamate

    options = embedded(ModelOptions(Path(EMBEDDED), None, {}, None, None, [], {}))
    samples = json.loads((options.model.parent / "digits_samples.json").read_text())
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
