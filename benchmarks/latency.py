"""Times amalgamate beside ONNX Runtime, one thread each, in one run: the table of the README.

    python benchmarks/latency.py [NAME ...] [--rounds 5] [--seconds 1] [--readme]

The engines take turns within each round, so that a drifting machine hurts them alike; shown is the best of the rounds' medians.
Nothing else should run beside it. --readme writes the table into README.md, with the machine that it was measured on.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np
import onnxruntime as ort

import amalgamate
from amalgamate import timing

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "build" / "models"
DEFAULT = (
    "squeezenet11",
    "squeezenet10",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet18",
    "resnet50",
    "inception_bn",
    "alexnet",
)
Run = Callable[[], np.ndarray]


@dataclass
class Row:
    """One network: milliseconds of one prediction, and the largest relative difference of the two results."""

    name: str
    ours: float
    theirs: float
    error: float

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def onnxruntime(path: Path) -> tuple[Run, np.ndarray]:
    """ONNX Runtime on one thread, and the input that both engines get."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (data,) = session.get_inputs()
    x = np.random.default_rng(0).standard_normal(data.shape).astype(np.float32)
    return lambda: session.run(None, {data.name: x})[0], x


def measure(name: str, rounds: int, seconds: float) -> Row:
    path = networks.write(MODELS, name)
    theirs, x = onnxruntime(path)
    with amalgamate.load(amalgamate.build(path).compile()) as model:

        def ours() -> np.ndarray:
            return model.run(None, {model.inputs[0].name: x})[0]

        a, b = ours(), theirs()
        error = float(np.abs(a - b).max() / np.abs(b).max())
        times = timing.interleaved({"ours": ours, "theirs": theirs}, rounds, seconds)
    return Row(name, times["ours"], times["theirs"], error)


def table(rows: list[Row]) -> str:
    lines = ["| network | amalgamate, ms | ONNX Runtime, ms | ratio | difference |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {r.name} | {r.ours:.2f} | {r.theirs:.2f} | {r.ratio:.2f} | {r.error:.0e} |" for r in rows]
    return "\n".join(lines)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return f"{found[1] if found else platform.processor()}, ONNX Runtime {ort.__version__}, one thread each, float32"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=DEFAULT, metavar="NAME", help=", ".join(networks.NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and round")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    args = parser.parse_args()
    rows = []
    for name in args.names:
        rows.append(measure(name, args.rounds, args.seconds))
        print(table(rows).splitlines()[-1], file=sys.stderr, flush=True)
    text = f"{machine()}:\n\n{table(rows)}"
    print(text)
    if args.readme:
        readme = ROOT / "README.md"
        marks = r"(<!-- latency -->\n).*?(\n<!-- end -->)"
        readme.write_text(re.sub(marks, lambda m: m[1] + text + m[2], readme.read_text(), flags=re.S))
    return 0


if __name__ == "__main__":
    sys.exit(main())
