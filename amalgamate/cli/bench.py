"""bench: how long a model takes, layer by layer, and beside other engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import note, printing, show, table
from amalgamate.errors import AmalgamateError

if TYPE_CHECKING:
    from amalgamate import Built
    from amalgamate.benchmark.layers import Rated
    from amalgamate.benchmark.peak import Peak
    from amalgamate.benchmark.rounds import Measured, Settings


@click.command("bench")
@model_options
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="For every engine.")
@click.option("--isa", default="auto", show_default=True, help="The instruction set: sse2, avx2, avx512, neon, scalar.")
@click.option("--per-layer", is_flag=True, help="Where the time goes, beside what the machine can do.")
@click.option("--peers", is_flag=True, help="Time ONNX Runtime, OpenVINO, MNN and ncnn beside it, those installed.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of which the best counts.")
@click.option("--seconds", type=float, default=0.5, show_default=True, help="Of each engine in each round.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write bench.md and pictures into this folder.")
@printing
def bench_command(
    options: ModelOptions,
    threads: int,
    isa: str,
    per_layer: bool,
    peers: bool,
    rounds: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time one prediction of MODEL: the best median over some rounds, each in a process of its own."""
    from amalgamate.benchmark.engines import PEERS
    from amalgamate.benchmark.peak import peaks
    from amalgamate.benchmark.rounds import Settings
    from amalgamate.predictor import ISAS

    if isa not in ISAS:
        raise AmalgamateError("E107", f"isa '{isa}'", "--isa", f"Choose one of {', '.join(ISAS)}")
    if peers:
        _openable(options)
    options.labels = None
    built = options.build()
    settings = Settings(threads, isa, rounds, seconds)
    measured = _measure(options, built, settings, PEERS if peers else ())
    rated: list[Rated] = []
    peak: Peak | None = None
    if per_layer:
        found = peaks()
        peak = found.get(isa, list(found.values())[-1])
        rated = _layers(built, options, settings)
    if out:
        _write(out, options.model.stem, measured, settings, PEERS if peers else (), rated, peak)
    _print(measured, built.plan.graph.macs(), settings, PEERS if peers else (), rated, peak)


def _openable(options: ModelOptions) -> None:
    """Raises E107 where peers cannot be given the same model."""
    from amalgamate import importers

    if importers.recognise(options.model) != "onnx":
        raise AmalgamateError("E107", "--peers needs an ONNX model", str(options.model), "Leave --peers out")
    if options.bind or options.outputs:
        raise AmalgamateError("E107", "--peers with --bind or --output", fix="Leave one of them out")


def _feed(options: ModelOptions) -> tuple[dict[str, Any], list[str]]:
    from amalgamate import verify

    graph = options.read()
    (feed,) = verify.random_feeds(graph, 1)
    return feed, graph.outputs


def _measure(options: ModelOptions, built: Built, settings: Settings, peers: Sequence[str]) -> dict[str, Measured]:
    import tempfile

    from amalgamate.benchmark.jobs import prepare
    from amalgamate.benchmark.rounds import Rounds

    feed, outputs = _feed(options)
    name = options.model.stem
    with tempfile.TemporaryDirectory() as scratch:
        job = prepare(name, options.model, built.data, feed, outputs, peers, Path(scratch) / "files", note)
        return Rounds(settings, Path(scratch)).run(job, note)


def _layers(built: Built, options: ModelOptions, settings: Settings) -> list[Rated]:
    import amalgamate
    from amalgamate.benchmark import layers

    feed, _ = _feed(options)
    with amalgamate.load(built.compile(), isa=settings.isa, threads=settings.threads) as model:
        return layers.rate(model, feed, built.plan)


def _write(
    out: Path, name: str, measured: dict[str, Measured], settings: Settings, peers: Sequence[str], rated: list[Rated],
    peak: Peak | None,
) -> None:  # fmt: skip
    from amalgamate.benchmark import picture, report

    pages = {}
    if peers:
        pages["bench.svg"] = picture.bars({name: measured}, f"{name}: speed beside the best peer")
    if rated and peak:
        pages["roofline.svg"] = picture.roofline(rated, peak, settings.threads, f"{name}: its layers under the roof")
    text = report.document({name: measured}, settings, peers, list(pages))
    if rated:
        text += f"\n{report.layers(rated, peak, settings.threads)}\n"
    pages["bench.md"] = text
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, content in pages.items():
            (out / file).write_text(content)
    except OSError as error:
        raise AmalgamateError("E100", f"cannot write: {error.strerror}", str(out), "Choose another -o") from error


def _print(
    measured: dict[str, Measured], macs: int, settings: Settings, peers: Sequence[str], rated: list[Rated],
    peak: Peak | None,
) -> None:  # fmt: skip
    from amalgamate.benchmark import engines, report

    ratio = report.ratio(measured)
    absent = {engine: engines.missing(engine) for engine in peers if engines.missing(engine)}
    told: dict[str, Any] = {
        "threads": settings.threads, "isa": settings.isa, "macs": macs,
        "milliseconds": {engine: m.ms for engine, m in measured.items() if m.known},
        "engines": {engine: vars(m) if m.known else {"error": m.error} for engine, m in measured.items()},
        "missing": absent, "ratio": ratio,
    }  # fmt: skip
    if rated and peak:
        told |= {
            "peak": peak._asdict(),
            "of_peak": report.of_peak(rated, peak, settings.threads),
            "of_peak_directly": report.of_peak(rated, peak, settings.threads, directly=True),
        }
        told["layers"] = [
            {**vars(n), "gflops": n.gflops, "of_peak": n.gflops / (peak.gflops * settings.threads)} for n in rated
        ]

    def text() -> None:
        if rated and peak:
            rows = [line.strip("|").split("|") for line in report.layers(rated, peak, settings.threads).splitlines()]
            cells = [[cell.strip() for cell in row] for row in rows]
            table(cells[0], cells[2:], right=report.LAYER_COLUMNS[4:])
            click.echo(
                f"layers that multiply: {told['of_peak']:.1%} of the peak of {peak.gflops:.0f} GFLOP/s of a core, weighted by "
                f"time; without Winograd's: {told['of_peak_directly']:.1%}"
            )
        for engine, m in measured.items():
            if m.known:
                rates = f"{macs / m.ms / 1e6:8.1f} GMAC/s  opened in {m.load_ms:8.1f} ms  {m.mib:7.1f} MiB"
                click.echo(f"{engines.engine(engine).TITLE:12} {m.ms:10.3f} ms  {rates}")
        for engine, modules in absent.items():
            click.echo(f"{engines.engine(engine).TITLE:12} is not installed: pip install {' '.join(modules)}")
        for remark in report.remarks({"this model": measured}):
            click.echo(remark)
        if ratio:
            click.echo(f"best peer / amalgamate {ratio:.2f}")

    show(told, text)
