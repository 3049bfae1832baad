"""GFLOP/s of every convolution and product of a network, per instruction set, beside the multiply-add peak of one core.

    python benchmarks/kernels.py [NAME ...] [--isa avx512] [--runs 30] [--direct | --choices]

Layers of one shape stand in one row; of each layer the best run counts. A layer done by Winograd's algorithm is rated by the
multiplications of the direct one, so it may exceed the peak. The last line is the share of the peak, weighted by
time. --direct compiles the runtime without Winograd's way: the share of the peak is then that of the direct kernels. --choices
times each layer both ways, in turn, and shows where the runtime chooses the slower one, and what that costs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np

import amalgamate
from amalgamate import importers, passes
from amalgamate.benchmark.layers import way
from amalgamate.benchmark.peak import peaks
from amalgamate.predictor.profile import profile
from amalgamate.toolchains import native

MODELS = Path(__file__).resolve().parent.parent / "build" / "models"


@dataclass
class Shape:
    """All layers of one shape: how many, their best times in seconds, and their multiply-accumulates."""

    count: int = 0
    seconds: float = 0.0
    macs: int = 0

    @property
    def gflops(self) -> float:
        return 2e-9 * self.macs / self.seconds


def compiled(path: Path, define: str = "") -> Path:
    """The library of a network; with a macro of the runtime, such as AMG_NO_WINOGRAD, in a folder of its name."""
    built = amalgamate.build(path)
    if not define:
        return built.compile()
    folder = MODELS / define.split()[0].lower()
    source = next(file for file in built.write(folder) if file.suffix == ".c")
    source.write_bytes(f"#define {define}\n".encode() + source.read_bytes())
    return native.build(source, "native", folder)


def titles(path: Path) -> dict[str, str]:
    """What a layer computes, by its name: input, weights, and how the kernel moves."""
    graph = passes.run(importers.read(path))
    found = {}
    for node in graph.nodes:
        shapes = [graph.tensors[name].shape for name in (*node.inputs[:2], node.outputs[0]) if name]
        x, *_, y = ("x".join(map(str, shape)) for shape in shapes)
        kernel, strides, group = (getattr(node.op, field, "") for field in ("kernel", "strides", "group"))
        how = f" kernel {'x'.join(map(str, kernel))} stride {strides[0]} group {group}" if kernel and group else ""
        found[node.name] = f"{node.op.name} {x} to {y}{how}"
    return found


def measure(path: Path, library: Path, isa: str, runs: int) -> dict[str, Shape]:
    """The layers that multiply, by title."""
    with amalgamate.load(library, isa=isa) as model:
        x = np.random.default_rng(0).standard_normal(model.inputs[0].shape).astype(np.float32)
        best: list[float] = []
        for _ in range(runs):
            model.run(None, {model.inputs[0].name: x})
            layers = profile(model)
            best = [min(a, b.nanoseconds) for a, b in zip(best or [float("inf")] * len(layers), layers, strict=True)]
    title = titles(path)
    shapes: dict[str, Shape] = defaultdict(Shape)
    for layer, nanoseconds in zip(layers, best, strict=True):
        if layer.macs:
            shape = shapes[title.get(layer.name, layer.op)]
            shape.count += 1
            shape.macs += layer.macs
            shape.seconds += nanoseconds * 1e-9
    return dict(shapes)


def report(name: str, isa: str, peak: float, shapes: dict[str, Shape]) -> str:
    lines = [f"{name}, {isa}, peak {peak:.0f} GFLOP/s", f"{'ms':>8} {'GFLOP/s':>8} {'of peak':>8}  layers"]
    for title, shape in sorted(shapes.items(), key=lambda item: -item[1].seconds):
        share = shape.gflops / peak
        lines.append(f"{shape.seconds * 1e3:8.3f} {shape.gflops:8.1f} {share:8.1%}  {shape.count} x {title}")
    seconds, macs = sum(s.seconds for s in shapes.values()), sum(s.macs for s in shapes.values())
    gflops = 2e-9 * macs / seconds
    return "\n".join(
        [*lines, f"{seconds * 1e3:8.3f} {gflops:8.1f} {gflops / peak:8.1%}  all of them, weighted by time", ""]
    )


def choices(path: Path, isa: str, runs: int) -> str:
    """The layers that can go both ways: the time of each way, and how much longer the chosen one takes."""
    direct, winograd = compiled(path, "AMG_NO_WINOGRAD"), compiled(path, "AMG_WINOGRAD_BELOW INFINITY")
    best: dict[str, list[float]] = {}
    for _ in range(runs):
        for i, library in enumerate((direct, winograd)):
            for title, shape in measure(path, library, isa, 2).items():
                seconds = best.setdefault(title, [float("inf")] * 2)
                seconds[i] = min(seconds[i], shape.seconds)
    graph, title_of = passes.run(importers.read(path)), titles(path)
    taken = {title_of[node.name]: way(graph, node).startswith("Winograd") for node in graph.nodes}
    both = {title: best[title] for title in best if re.search(r"^conv .* kernel (3x3|5x5) stride 1 ", title)}
    lines = [f"{path.stem}, {isa}", f"{'direct':>8} {'Winograd':>8} {'loses':>8}  ms of layers; * goes Winograd's way"]
    lost = 0.0
    for title, seconds in both.items():
        loses = seconds[taken[title]] - min(seconds)
        lost += loses
        figures = " ".join(f"{value * 1e3:8.3f}" for value in (*seconds, loses))
        lines.append(f"{figures}  {'*' if taken[title] else ' '} {title}")
    return "\n".join([*lines, f"{lost * 1e3:26.3f}  in all", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["squeezenet11", "resnet50"], metavar="NAME")
    parser.add_argument("--isa", action="append", help="instead of every one that this machine runs")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--direct", action="store_true", help="without Winograd's way")
    parser.add_argument("--choices", action="store_true", help="time both ways, and show what wrong choices cost")
    args = parser.parse_args()
    peak = peaks()
    for name in args.names:
        path = networks.write(MODELS, name)
        if args.choices:
            for isa in args.isa or peak:
                print(choices(path, isa, args.runs), flush=True)
            continue
        library = compiled(path, "AMG_NO_WINOGRAD" if args.direct else "")
        for isa in args.isa or peak:
            print(report(name, isa, peak[isa].gflops, measure(path, library, isa, args.runs)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
