"""Times the npm packages of networks beside onnxruntime-web, with SIMD on one thread and on two, taking turns in one process.

    python benchmarks/web.py [NAME ...] [--rounds 3] [--seconds 1] [--browser] [--layers]
    python benchmarks/web.py [NAME ...] --prepare FOLDER [--node NODE]

In Node, or with --browser in a page of Chromium. With --prepare nothing is timed: the folder then holds all that a machine
without a network connection, Python and compilers needs, for `./node web.mjs .` in it. web.mjs says what is shown.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import networks
import numpy as np
import onnx
from onnx import numpy_helper

import amalgamate
from amalgamate import packages, toolchains
from amalgamate.writers import c_source

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent / "build" / "models"
DEFAULT = ("lenet", "squeezenet11", "mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50")
SCRIPTS = ("web.mjs", "web_network.mjs", "web_rounds.mjs")
# What Node loads of the peer, which as a whole is ten times as large.
PEER = (
    *(f"onnxruntime-web/{name}" for name in ("package.json", "dist/ort.node.min.mjs")),
    *(f"onnxruntime-web/dist/ort-wasm-simd-threaded.{suffix}" for suffix in ("mjs", "wasm")),
    "onnxruntime-common",
)
PERIOD = 1021  # weights after which they repeat; no number of inputs is a multiple of it


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


def prepare(folder: Path, names: Sequence[str], periodic: bool = False) -> None:
    """NAME.onnx and NAME/, its package, in `folder` for each network, and networks.json: the bytes that each needs."""
    facts = {}
    for name in names:
        path = shutil.copy(networks.write(MODELS, name), folder)
        if periodic:
            repeat(path)
        built = packages.placed(amalgamate.build(path))
        packages.write(built, "npm", folder / name)
        facts[name] = {"needs": len(built.data) + built.plan.arena_bytes}
    (folder / "networks.json").write_text(json.dumps(facts))


def repeat(path: Path) -> None:
    """Has the weights of a network repeat, which are random: so that a folder to be carried somewhere packs well."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        period = (
            1 if weights.ndim == 1 else PERIOD
        )  # what a normalisation multiplies an output by goes into its weights
        tensor.CopyFrom(numpy_helper.from_array(np.resize(weights.ravel()[:period], weights.shape), tensor.name))
    onnx.save(model, path)


def carry(folder: Path, names: Sequence[str], node: str) -> None:
    """All that timing needs, Node among it, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, names, periodic=True)
    for script in SCRIPTS:
        shutil.copy(HERE / script, folder)
    for name in PEER:
        source, place = (root / "node_modules" / name for root in (HERE, folder))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    shutil.copy(node, folder / "node")


def runtime() -> tuple[int, int]:
    """Bytes of the module with every operator, and gzipped."""
    with tempfile.TemporaryDirectory() as folder:
        source = c_source.write(c_source.runtime_pair(), folder)[0]
        data = toolchains.build(source, "wasm").read_bytes()
    return len(data), len(gzip.compress(data, 9))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT, metavar="NAME", help=", ".join(networks.NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and round")
    parser.add_argument("--layers", action="store_true", help="list the slowest layers of each network")
    parser.add_argument("--browser", action="store_true", help="in a page of Chromium, not in Node")
    parser.add_argument(
        "--prepare", type=Path, metavar="FOLDER", help="time nothing, fill a folder to be carried elsewhere"
    )
    parser.add_argument("--node", default=shutil.which("node"), help="the program that --prepare puts there")
    args = parser.parse_args()
    install()
    if args.prepare:
        carry(args.prepare, args.names, args.node)
        return 0
    size, zipped = runtime()
    print(f"runtime with every operator: {size / 1024:.0f} KB, gzip {zipped / 1024:.0f} KB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), args.names)
        words = ["node", HERE / "web.mjs", folder, "--rounds", args.rounds, "--seconds", args.seconds]
        words += ["--layers"] if args.layers else []
        words += ["--browser", browser()] if args.browser else []
        return subprocess.run([str(word) for word in words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
