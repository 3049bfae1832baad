"""Times the benchmark networks beside ONNX Runtime, OpenVINO, MNN and ncnn: what `make bench` runs.

    python benchmarks/peers.py [NAME ...] [--threads 1] [--isa avx2] [--rounds 3] [--seconds 1] [--engines ...] [--resume]

Every engine runs in a process of its own, in turn; shown is the best of the rounds' medians. docs/benchmarks.md has the
method. Nothing else should run beside it. What was measured so far lies in build/bench.json, which --resume continues.
Tables and pictures go to -o, by default build/bench. Measured over all networks, and no shorter than by default, the table also
goes to where the README or docs/benchmarks.md has the mark of its threads and instruction set, <!-- bench: 1 thread, auto -->.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import networks

import amalgamate
from amalgamate import importers, verify
from amalgamate.benchmark import engines, jobs, machine, picture, report
from amalgamate.benchmark.engines import OURS, PEERS
from amalgamate.benchmark.rounds import Job, Rounds, Settings
from amalgamate.predictor import ISAS
from amalgamate.resources import runtime_files

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def job_of(path: Path, peers: Sequence[str]) -> Job:
    """What has to be done to time an ONNX file beside peers."""
    graph = importers.read(path, None, {}, [], {})
    (feed,) = verify.random_feeds(graph, 1)
    outputs = list(graph.outputs)
    del graph
    return jobs.prepare(path.stem, path, amalgamate.build(path).data, feed, outputs, peers, BUILD / "bench", say)


def conditions(peers: Sequence[str]) -> dict[str, object]:
    """What must not have changed when an interrupted run is resumed."""
    code = hashlib.sha256(repr(runtime_files()).encode()).hexdigest()
    return {"machine": machine.name(), "runtime": code, "engines": {e: engines.version(e) for e in peers}}


def measure(names: list[str], rounds: Rounds, peers: list[str]) -> report.Table:
    """All networks, one after another. A network that we cannot build is told and left out."""
    table: dict[str, dict[str, report.Measured]] = {}
    for name in names:
        if not rounds.complete(name, [OURS, *(e for e in peers if not engines.missing(e))]):
            rounds.run(job_of(networks.write(BUILD / "models", name), peers), lambda text: say(f"  {text}"))
        table[name] = rounds.measured(name)
        say(f"{report.latency({name: table[name]}).splitlines()[-1]}  {time.strftime('%H:%M:%S')}")
    return table


def write(table: report.Table, settings: Settings, peers: list[str], out: Path) -> None:
    """The page with its picture, and the table of the README or the manual when it is about every network."""
    out.mkdir(parents=True, exist_ok=True)
    mark = f"{settings.threads} thread{'s' * (settings.threads > 1)}, {settings.isa}"
    stem = mark.replace(", ", "-").replace(" ", "-")
    (out / f"{stem}.svg").write_text(picture.bars(table, f"Speed beside the best peer, {mark}"))
    (out / f"{stem}.md").write_text(report.document(table, settings, peers, [f"{stem}.svg"]))
    say(f"wrote {out / stem}.md and {stem}.svg")
    usual = Settings()
    long_enough = settings.rounds >= usual.rounds and settings.seconds >= usual.seconds
    if long_enough and set(table) == set(networks.NETWORKS) and all(row[OURS].known for row in table.values()):
        summary = report.geomean(table, settings.threads)
        text = f"{report.conditions(settings, peers)}:\n\n{report.latency(table)}\n\n{summary}"
        for path in PAGES:
            if path.exists() and report.put(path, f"bench: {mark}", text):
                say(f"wrote the table of {path.relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(networks.NETWORKS))
    parser.add_argument("--threads", type=int, default=1, help="for every engine")
    parser.add_argument(
        "--isa", default="auto", choices=list(ISAS), help="for ours, and for peers that can be held to it"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--seconds", type=float, default=1.0, help="per engine and round")
    parser.add_argument("--engines", default=",".join(PEERS), help="the peers, with commas between")
    parser.add_argument("--resume", action="store_true", help="continue a run that was interrupted")
    parser.add_argument("-o", "--out", type=Path, default=BUILD / "bench", help="where tables and pictures go")
    args = parser.parse_args()
    names = args.names or list(networks.NETWORKS)
    peers = [e for e in args.engines.split(",") if e]
    unknown = [n for n in names if n not in networks.NETWORKS] + [e for e in peers if e not in PEERS]
    if unknown or args.threads < 1 or args.rounds < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "--threads and --rounds begin at 1")
    for e in peers:
        if engines.missing(e):
            say(f"{engines.engine(e).TITLE} is not installed: pip install {' '.join(engines.missing(e))}")
    settings = Settings(args.threads, args.isa, args.rounds, args.seconds)
    rounds = Rounds(settings, BUILD / "bench" / "runs", BUILD / "bench.json", conditions(peers))
    if args.resume and not rounds.resume():
        say("nothing to resume that was measured in this way: beginning anew")
    table = measure(names, rounds, peers)
    write(table, settings, peers, args.out)
    print(f"{report.conditions(settings, peers)}:\n\n{report.latency(table)}\n")
    for remark in report.remarks(table):
        print(remark)
    print(report.geomean(table, settings.threads))
    return int(not all(row[OURS].known for row in table.values()))


if __name__ == "__main__":
    sys.exit(main())
