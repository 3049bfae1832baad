"""GFLOP/s of every convolution and product of a network, per instruction set, beside the multiply-add peak of one core.

    python benchmarks/kernels.py [NAME ...] [--isa avx512] [--runs 30] [--direct]

Layers of one shape stand in one row; of each layer the best run counts. A layer done by Winograd's algorithm is rated by the
multiplications of the direct one, so it may exceed the peak; so may scalar kernels, of which compilers make vectors. The last
line is the share of the peak, weighted by time. --direct compiles the runtime without Winograd's way: the share of the peak
is then that of the direct kernels, and the times of 3x3 layers beside those without it check where Winograd's way is taken.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np

import amalgamate
from amalgamate import importers, passes
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


def compiled(path: Path, direct: bool) -> Path:
    """The library of a network."""
    built = amalgamate.build(path)
    if not direct:
        return built.compile()
    folder = MODELS / "direct"
    source = next(file for file in built.write(folder) if file.suffix == ".c")
    source.write_bytes(b"#define AMG_NO_WINOGRAD\n" + source.read_bytes())
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["squeezenet11", "resnet50"], metavar="NAME")
    parser.add_argument("--isa", action="append", help="instead of every one that this machine runs")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--direct", action="store_true", help="without Winograd's way")
    args = parser.parse_args()
    peak = peaks()
    for name in args.names:
        path = networks.write(MODELS, name)
        library = compiled(path, args.direct)
        for isa in args.isa or peak:
            print(report(name, isa, peak[isa].gflops, measure(path, library, isa, args.runs)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
