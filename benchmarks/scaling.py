"""Times networks over 1 to all threads, batch 1 and 16, beside the other engines: a table and a picture of each.

    python benchmarks/scaling.py [NAME ...] [--threads 1,2,4,8,16] [--batch 1,16] [--rounds 2] [--seconds 0.3] [--resume]

The method is that of peers.py. What was measured so far lies in build/scaling/THREADS.json; tables and pictures go to -o,
by default build/scaling. docs/benchmarks.md says how to run it on a machine that reaches no package registry.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import networks
import peers as bench

from amalgamate.benchmark import engines, machine, picture, report
from amalgamate.benchmark.engines import OURS, PEERS
from amalgamate.benchmark.rounds import Job, Rounds, Settings

FOLDER = bench.BUILD / "scaling"
Series = dict[int, dict[str, report.Measured]]  # threads -> engine -> what was measured


def powers(most: int) -> list[int]:
    """1, 2, 4, ... and `most`."""
    return sorted({most, *(2**i for i in range(most.bit_length()) if 2**i <= most)})


def job_of(name: str, batch: int, chosen: list[str]) -> Job:
    """A network at some batch. ncnn, which knows none, gets the network of one picture."""
    models = bench.BUILD / "models"
    job = bench.job_of(networks.write(models, name, batch), [e for e in chosen if e != "ncnn" or batch == 1])
    if batch > 1 and "ncnn" in chosen:
        single = bench.job_of(networks.write(models, name), ["ncnn"])
        files = {e: single.files[e] for e in ("ncnn",) if e in single.files}
        job = replace(job, files={**job.files, **files}, failed={**job.failed, **single.failed})
    return job


def table(series: Series, batch: int) -> str:
    """Predictions per second over threads; in brackets, how many times those of one thread."""
    shown = [e for e in (OURS, *PEERS) if any(e in row for row in series.values())]
    rows = []
    for threads, row in series.items():
        cells = []
        for e in shown:
            one, m = series[min(series)].get(e), row.get(e)
            cells.append(f"{1e3 * batch / m.ms:,.1f} ({one.ms / m.ms:.2f})" if one and m and m.known else "-")
        r = report.ratio(row)
        rows.append([str(threads), *cells, f"{r:.2f}" if r else "-"])
    return report.grid(["threads", *(engines.engine(e).TITLE for e in shown), "ours / best peer"], rows)


def write(out: Path, name: str, batch: int, series: Series) -> str:
    """The table of one network, printed and kept with its picture."""
    title = f"{name}, batch {batch}: predictions per second"
    shown = {
        e: {n: 1e3 * batch / row[e].ms for n, row in series.items() if e in row and row[e].known}
        for e in (OURS, *PEERS)
    }
    stem = f"{name}-b{batch}"
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.svg").write_text(picture.curves({e: points for e, points in shown.items() if points}, title))
    text = f"## {title}\n\n{table(series, batch)}\n\n![{title}]({stem}.svg)\n"
    remarks = [r for n, row in series.items() for r in report.remarks({f"{n} threads": row})]
    return text + "".join(f"\n- {remark}" for remark in remarks)


def numbers(text: str) -> list[int]:
    found = sorted({int(word) for word in text.split(",")})
    if found[0] < 1:
        raise ValueError
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["mobilenet_v1", "resnet50"], metavar="NAME")
    parser.add_argument("--threads", type=numbers, default=powers(len(machine.allowed())))
    parser.add_argument("--batch", type=numbers, default=[1, 16])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--engines", default=",".join(PEERS), help="the peers, with commas between")
    parser.add_argument("--resume", action="store_true", help="continue a run that was interrupted")
    parser.add_argument("-o", "--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    chosen = [e for e in args.engines.split(",") if e]
    unknown = [n for n in args.names if n not in networks.NETWORKS] + [e for e in chosen if e not in PEERS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    measuring = {}
    for n in args.threads:
        settings = Settings(n, "auto", args.rounds, args.seconds)
        measuring[n] = Rounds(settings, FOLDER / f"runs-{n}", FOLDER / f"{n}.json", bench.conditions(chosen))
        if args.resume and not measuring[n].resume():
            bench.say(f"{n} threads: nothing to resume that was measured in this way")
    last = Settings(max(args.threads), "auto", args.rounds, args.seconds)
    pages = [f"# Over threads\n\n{report.conditions(last, chosen).replace(', batch 1', '')}:\n"]
    for name in args.names:
        for batch in args.batch:
            job = job_of(name, batch, chosen)
            job = replace(job, name=f"{name}-b{batch}")
            series = {}
            for n, rounds in measuring.items():
                series[n] = rounds.run(job, lambda text, n=n: bench.say(f"  {n} threads  {text}"))
            pages.append(write(args.out, name, batch, series))
            print(pages[-1], flush=True)
            (args.out / "scaling.md").write_text("\n".join(pages) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
