"""Times the npm packages of networks beside onnxruntime-web: one thread with SIMD, both in one Node process, taking turns.

    python benchmarks/web.py [NAME ...] [--rounds 3] [--seconds 1] [--layers]

Shown are the fastest runs, which other work on the machine disturbs least, the time from create to the first result, and
sizes. The last line is the geometric mean of the ratios of the times.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import networks

import amalgamate
from amalgamate import packages, toolchains
from amalgamate.writers import c_source

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "build" / "models"
DEFAULT = ("lenet", "squeezenet11", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50")


def install() -> None:
    """The peer, once."""
    if not (HERE / "node_modules" / "onnxruntime-web").is_dir():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run(command, cwd=HERE, check=True)


def measure(name: str, rounds: int, seconds: float) -> dict[str, Any]:
    """What web.mjs prints of network `name`, and the bytes that a page loads for it."""
    path = networks.write(MODELS, name)
    built = packages.placed(amalgamate.build(path))
    with tempfile.TemporaryDirectory() as folder:
        packages.write(built, "npm", folder)
        module = Path(folder) / f"{built.name}.mjs"
        words = ["node", HERE / "web.mjs", module, path, rounds, seconds]
        done = subprocess.run(list(map(str, words)), cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
        size = sum(len(file.read_bytes()) for file in (module, module.with_suffix(".wasm")))
    result: dict[str, Any] = json.loads(done.stdout)
    return {**result, "size": size, "needs": len(built.data) + built.plan.arena_bytes, "name": name}


def runtime() -> tuple[int, int]:
    """Bytes of the module with every operator, and gzipped."""
    with tempfile.TemporaryDirectory() as folder:
        source = c_source.write(c_source.runtime_pair(), folder)[0]
        data = toolchains.build(source, "wasm").read_bytes()
    return len(data), len(gzip.compress(data, 9))


def row(r: dict[str, Any]) -> str:
    over = (r["memory"] - r["needs"]) / 2**20
    return (
        f"{r['name']:14} {r['ours']:9.2f} {r['theirs']:9.2f} {r['theirs'] / r['ours']:6.2f}   {r['error']:7.0e}"
        f" {r['first_ours']:9.0f} {r['first_theirs']:9.0f} {r['first_theirs'] / r['first_ours']:6.1f} {over:9.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT, metavar="NAME", help=", ".join(networks.NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and round")
    parser.add_argument("--layers", action="store_true", help="list the slowest layers of each network")
    args = parser.parse_args()
    install()
    print(
        f"{'milliseconds':14} {'ours':>9} {'theirs':>9} {'ratio':>6}   {'differ':>7} {'1st ours':>9} {'1st their':>9}"
        f" {'ratio':>6} {'MiB over':>9}"
    )
    results = []
    for name in args.names:
        results.append(measure(name, args.rounds, args.seconds))
        print(row(results[-1]), flush=True)
        for layer in results[-1]["layers"] if args.layers else []:
            rate = layer["macs"] * 2 / max(layer["ms"], 1e-6) / 1e6
            print(f"    {layer['ms']:8.3f} ms {rate:6.1f} GFLOP/s  {layer['op']} {layer['name']}")
    print("MiB over: memory of the module beyond weights and arena; 1st: from create to the first result")
    size, zipped = runtime()
    print(f"runtime with every operator: {size / 1024:.0f} KB, gzip {zipped / 1024:.0f} KB")
    ratio = math.exp(sum(math.log(r["theirs"] / r["ours"]) for r in results) / len(results))
    print(f"web geomean: {ratio:.2f} (onnxruntime-web / ours, 1 thread)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
