"""What was measured, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path

from amalgamate.benchmark import engines, machine
from amalgamate.benchmark.engines import OURS
from amalgamate.benchmark.layers import Rated
from amalgamate.benchmark.peak import Peak
from amalgamate.benchmark.rounds import Measured, Settings

Table = Mapping[str, Mapping[str, Measured]]  # network -> engine -> what was measured
AGREE = 1e-3  # relative to the largest value of the reference: more is said to differ


def ratio(row: Mapping[str, Measured]) -> float | None:
    """The best peer's time over ours; None without both."""
    peers = [m.ms for name, m in row.items() if name != OURS and m.known]
    return min(peers) / row[OURS].ms if peers and OURS in row and row[OURS].known else None


def geomean(table: Table, threads: int) -> str:
    """The line that sums it all up."""
    ratios = {name: r for name, row in table.items() if (r := ratio(row))}
    if not ratios:
        return "geomean: nothing to compare with"
    mean = exp(sum(map(log, ratios.values())) / len(ratios))
    lowest = min(ratios, key=lambda name: ratios[name])
    count = f"{threads} thread{'s' * (threads > 1)}, {len(ratios)} network{'s' * (len(ratios) > 1)}"
    return f"geomean: {mean:.2f} (best peer / ours, {count}); lowest: {lowest} {ratios[lowest]:.2f}"


def columns(table: Table) -> list[str]:
    """The engines that a table is about, in order."""
    return [e for e in (OURS, *engines.PEERS) if any(e in row for row in table.values())]


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are text and the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def latency(table: Table) -> str:
    """Milliseconds of one prediction, the fastest in bold, and the ratio of the best peer's to ours."""
    shown = columns(table)
    rows = []
    for name, row in table.items():
        best = min((m.ms for m in row.values()), default=0.0)
        cells = [_cell(row.get(engine), best) for engine in shown]
        r = ratio(row)
        rows.append([name, *cells, f"{r:.2f}" if r else "-"])
    return grid(["network", *(f"{engines.engine(e).TITLE}, ms" for e in shown), "best peer / ours"], rows)


def _cell(measured: Measured | None, best: float) -> str:
    if measured is None or not measured.known:
        return "-" if measured is None else "failed"
    digits = f"{measured.ms:.4g}" if measured.ms < 1000 else f"{measured.ms:.0f}"
    return f"**{digits}**" if measured.ms == best else digits


def footprint(table: Table) -> str:
    """Time until the first result, and peak of memory."""
    shown = columns(table)
    rows = [
        [name, *(f"{m.load_ms:,.1f}, {m.mib:,.0f}" if (m := row.get(e)) and m.known else "-" for e in shown)]
        for name, row in table.items()
    ]
    return grid(["network", *(f"{engines.engine(e).TITLE}, ms, MiB" for e in shown)], rows)


def remarks(table: Table) -> list[str]:
    """What went wrong: failures, and results that differ."""
    found = []
    for name, row in table.items():
        for engine, m in row.items():
            title = engines.engine(engine).TITLE
            if m.error:
                found.append(f"{name}: {title} failed: {m.error}")
            if m.difference is not None and not m.difference <= AGREE:
                found.append(f"{name}: the result of {title} differs by {m.difference:.1e} of the largest value")
    return found


def agreement(table: Table) -> str:
    """The largest difference of our results from the reference's."""
    ours = [m.difference for row in table.values() if (m := row.get(OURS)) and m.difference is not None]
    return f"Our results differ from the reference's by at most {max(ours):.0e} of its largest value." if ours else ""


def conditions(settings: Settings, peers: Sequence[str]) -> str:
    """What was measured on and with: the machine, threads, and the versions of all engines, missing ones named."""
    there = [e for e in peers if not engines.missing(e)]
    versions = ", ".join(f"{engines.engine(e).TITLE} {engines.version(e)}" for e in (OURS, *there))
    absent = [f"{engines.engine(e).TITLE} ({', '.join(engines.missing(e))})" for e in peers if engines.missing(e)]
    threads = f"{settings.threads} thread{'s' * (settings.threads > 1)}"
    held = [
        e for e in there if engines.engine(e).environment(settings.isa, 0) != engines.engine(e).environment("auto", 0)
    ]
    titles = " and ".join(engines.engine(e).TITLE for e in (OURS, *held))
    free = ", the others as they are" if len(held) < len(there) else ""
    isa = "" if settings.isa == "auto" else f", {titles} held to {settings.isa}{free}"
    text = f"{machine.name()}; {threads}{isa}, float32, batch 1; {versions}"
    return text + (f"; not installed: {', '.join(absent)}" if absent else "")


def document(table: Table, settings: Settings, peers: Sequence[str], pictures: Sequence[str] = ()) -> str:
    """All of it as one page."""
    parts = [f"{conditions(settings, peers)}:", latency(table), geomean(table, settings.threads)]
    parts += [f"![{name}]({name})" for name in pictures]
    parts += [
        "Milliseconds from opening the model to the first result, and MiB of memory at the peak:",
        footprint(table),
    ]
    parts += [agreement(table)] if agreement(table) else []
    parts += ["\n".join(f"- {line}" for line in remarks(table))] if remarks(table) else []
    return "\n\n".join(parts) + "\n"


def layers(rated: Sequence[Rated], peak: Peak | None, threads: int = 1) -> str:
    """A row per layer, and their sum."""
    total = sum(layer.ms for layer in rated) or 1.0
    rows = []
    for n in rated:
        multiplies = [f"{n.gflops:.1f}", share(n, peak, threads)] if n.macs else ["", ""]
        rows.append([n.name, n.op, n.way, n.output, f"{n.ms:.3f}", f"{n.ms / total:.1%}", f"{n.macs:,}", *multiplies,
                     f"{n.bytes:,}", f"{n.gbytes:.1f}"])  # fmt: skip
    return grid(LAYER_COLUMNS, rows, left=4)


LAYER_COLUMNS = (
    "layer", "operator", "algorithm", "output", "ms", "share", "MACs", "GFLOP/s", "of peak", "bytes", "GB/s",
)  # fmt: skip


def share(layer: Rated, peak: Peak | None, threads: int) -> str:
    return f"{layer.gflops / (peak.gflops * threads):.1%}" if peak else ""


def of_peak(rated: Sequence[Rated], peak: Peak, threads: int, directly: bool = False) -> float:
    """The share of the peak, weighted by time, of all layers that multiply, or of those that save no multiplications."""
    counted = [n for n in rated if n.macs and not (directly and n.way.startswith("Winograd"))]
    ms = sum(n.ms for n in counted)
    return 2e-6 * sum(n.macs for n in counted) / ms / (peak.gflops * threads) if ms else 0.0


def put(path: Path, mark: str, text: str) -> bool:
    """Replaces what stands between <!-- mark --> and <!-- end --> in a file; says whether the mark is there."""
    old = path.read_text()
    marks = rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- end -->)"
    new, count = re.subn(marks, lambda m: m[1] + text.strip() + "\n" + m[2], old, flags=re.S)
    if new != old:
        path.write_text(new)
    return bool(count)
