"""bench: how long a model takes, layer by layer, and beside ONNX Runtime."""

from __future__ import annotations

from typing import Any

import click

from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import printing, progress, show, table


@click.command("bench")
@model_options
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="For every engine.")
@click.option("--isa", default="auto", show_default=True, help="The instruction set: scalar, avx2, avx512, neon.")
@click.option("--per-layer", is_flag=True, help="Where the time goes.")
@click.option("--peers", is_flag=True, help="Time ONNX Runtime beside it, taking turns.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Of which the best counts.")
@click.option("--seconds", type=float, default=0.5, show_default=True, help="Of each engine in each round.")
@printing
def bench_command(
    options: ModelOptions, threads: int, isa: str, per_layer: bool, peers: bool, rounds: int, seconds: float
) -> None:
    """Time one prediction of MODEL: the best median over some rounds."""
    import amalgamate
    from amalgamate import timing, verify

    options.labels = None
    graph = options.read()
    (feed,) = verify.random_feeds(graph, 1)
    with progress("building"):
        library = options.build().compile()
    with amalgamate.load(library, isa=isa, threads=threads) as model:
        engines = {"amalgamate": lambda: model.run(None, feed)}
        if peers:
            peer = verify.onnxruntime_engine(options.model, graph.outputs, options.bind, threads)
            engines["onnxruntime"] = lambda: list(peer(feed).values())
        with progress("timing"):
            times = timing.interleaved(engines, rounds, seconds)
        layers = _layers(model, feed) if per_layer else []
    told: dict[str, Any] = {"milliseconds": times, "threads": threads, "macs": graph.macs()}
    if peers:
        told["ratio"] = times["amalgamate"] / times["onnxruntime"]

    def text() -> None:
        if layers:
            rows = [
                [n["name"], n["op"], f"{n['ms']:.3f}", f"{n['share']:.1%}", f"{n['macs']:,}", f"{n['gmacs']:.1f}"]
                for n in layers
            ]
            table(["layer", "operator", "ms", "share", "MACs", "GMAC/s"], rows, right=["ms", "share", "MACs", "GMAC/s"])
        for name, ms in times.items():
            click.echo(f"{name:12} {ms:10.3f} ms  {told['macs'] / ms / 1e6:8.1f} GMAC/s")
        if peers:
            click.echo(f"{'ratio':12} {told['ratio']:10.2f}")

    show({**told, "layers": layers} if per_layer else told, text)


def _layers(model: Any, feed: Any) -> list[dict[str, Any]]:
    """The median time of each layer over a few runs."""
    import statistics

    from amalgamate.predictor.profile import profile

    runs = []
    for _ in range(9):
        model.run(None, feed)
        runs.append(profile(model))
    times = [statistics.median(run[i].nanoseconds for run in runs) for i in range(len(runs[0]))]
    total = sum(times) or 1
    return [
        {"name": n.name, "op": n.op, "ms": ns / 1e6, "share": ns / total, "macs": n.macs, "gmacs": n.macs / max(ns, 1)}
        for n, ns in zip(runs[0], times, strict=True)
    ]
