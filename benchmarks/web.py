"""Times the npm packages of networks beside onnxruntime-web, with SIMD on one thread and on two, taking turns in one process.

    python benchmarks/web.py [NAME ...] [--rounds 3] [--seconds 1] [--browser] [--layers]

In Node, or with --browser in a page of Chromium. Shown are the fastest runs, which other work on the machine disturbs
least, the time from create to the first result, and sizes. The last line is the geometric mean of the ratios of the times.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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
    """The peer and what drives the browser, once."""
    needed = json.loads((HERE / "package.json").read_text())["dependencies"]
    if not all((HERE / "node_modules" / name).is_dir() for name in needed):
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
        subprocess.run(command, cwd=HERE, check=True)


def browser() -> str:
    """The path of Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    sys.exit("there is no Chromium here: apt install chromium")


def measure(name: str, where: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """What web.mjs prints of network `name` on one thread, `ours_2` and `theirs_2` of two, and the bytes that a page loads."""
    path = networks.write(MODELS, name)
    built = packages.placed(amalgamate.build(path))
    with tempfile.TemporaryDirectory() as folder:
        packages.write(built, "npm", folder)
        module = Path(folder) / f"{built.name}.mjs"
        results = []
        for threads in (1, 2):
            words = ["node", HERE / "web.mjs", module, path, rounds, seconds, threads, *where]
            done = subprocess.run(list(map(str, words)), cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
            results.append(json.loads(done.stdout))
        size = sum(len(file.read_bytes()) for file in (module, module.with_suffix(".wasm")))
    one, two = results
    more = {"ours_2": two["ours"], "theirs_2": two["theirs"], "error": max(one["error"], two["error"])}
    return {**one, **more, "size": size, "needs": len(built.data) + built.plan.arena_bytes, "name": name}


def runtime() -> tuple[int, int]:
    """Bytes of the module with every operator, and gzipped."""
    with tempfile.TemporaryDirectory() as folder:
        source = c_source.write(c_source.runtime_pair(), folder)[0]
        data = toolchains.build(source, "wasm").read_bytes()
    return len(data), len(gzip.compress(data, 9))


HEAD = (
    f"{'milliseconds':14} {'ours':>9} {'theirs':>9} {'ratio':>6} {'differ':>8} {'1st ours':>9} {'1st their':>9} {'ratio':>6}"
    f" {'MiB over':>9} {'ours, 2':>9} {'theirs, 2':>9} {'ratio':>6}"
)


def row(r: dict[str, Any]) -> str:
    over = (r["memory"] - r["needs"]) / 2**20
    return (
        f"{r['name']:14} {r['ours']:9.2f} {r['theirs']:9.2f} {r['theirs'] / r['ours']:6.2f} {r['error']:8.0e}"
        f" {r['first_ours']:9.0f} {r['first_theirs']:9.0f} {r['first_theirs'] / r['first_ours']:6.1f} {over:9.2f}"
        f" {r['ours_2']:9.2f} {r['theirs_2']:9.2f} {r['theirs_2'] / r['ours_2']:6.2f}"
    )


def geomean(results: Sequence[dict[str, Any]], suffix: str = "") -> float:
    """The geometric mean of how many times as long theirs takes."""
    logs = [math.log(r[f"theirs{suffix}"] / r[f"ours{suffix}"]) for r in results]
    return math.exp(sum(logs) / len(logs))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT, metavar="NAME", help=", ".join(networks.NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and round")
    parser.add_argument("--layers", action="store_true", help="list the slowest layers of each network")
    parser.add_argument("--browser", action="store_true", help="in a page of Chromium, not in Node")
    args = parser.parse_args()
    install()
    where = [browser()] if args.browser else []
    print(f"in {'Chromium' if where else 'Node'}, on one thread and on two")
    print(HEAD)
    results = []
    for name in args.names:
        results.append(measure(name, where, args.rounds, args.seconds))
        print(row(results[-1]), flush=True)
        for layer in results[-1]["layers"] if args.layers else []:
            rate = layer["macs"] * 2 / max(layer["ms"], 1e-6) / 1e6
            print(f"    {layer['ms']:8.3f} ms {rate:6.1f} GFLOP/s  {layer['op']} {layer['name']}")
    print("MiB over: memory of the module beyond weights and arena; 1st: from create to the first result")
    size, zipped = runtime()
    print(f"runtime with every operator: {size / 1024:.0f} KB, gzip {zipped / 1024:.0f} KB")
    print(f"web geomean: {geomean(results, '_2'):.2f} (onnxruntime-web / ours, 2 threads)")
    print(f"web geomean: {geomean(results):.2f} (onnxruntime-web / ours, 1 thread)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
