"""Pictures as SVG: bars of engines per network, layers under their roofs, and curves over threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

from amalgamate.benchmark import engines
from amalgamate.benchmark.engines import OURS
from amalgamate.benchmark.layers import Rated
from amalgamate.benchmark.peak import Peak
from amalgamate.benchmark.report import Table, columns, ratio

COLOURS = {OURS: "#c2410c", "onnxruntime": "#2563eb", "openvino": "#7c3aed", "mnn": "#059669", "ncnn": "#64748b"}
_OPS = ("#c2410c", "#2563eb", "#059669", "#7c3aed", "#b45309", "#64748b", "#be185d", "#0f766e")


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, more: str = 'stroke="#ccc"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {more}/>'


def page(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([f'{head} height="{height:.0f}" {style}>', ground, *parts, "</svg>\n"])


def legend(names: Mapping[str, str], x: float, y: float) -> list[str]:
    """Coloured squares with their meaning, side by side. `names`: what is written -> colour."""
    parts = []
    for name, colour in names.items():
        parts += [f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="11" height="11" fill="{colour}"/>', text(x + 15, y, name)]
        x += 30 + 7.2 * len(name)
    return parts


def bars(table: Table, title: str) -> str:
    """Speed of each engine relative to the best peer's, longer is faster; beside ours stands the ratio."""
    shown = columns(table)
    speeds = {
        name: {
            e: min(p.ms for q, p in row.items() if q != OURS) / row[e].ms for e in shown if e in row and row[e].known
        }
        for name, row in table.items()
        if ratio(row)
    }
    most = max((s for row in speeds.values() for s in row.values()), default=1.0)
    left, top, width, bar = 110.0, 64.0, 560.0, 9.0
    scale, group = width / most, bar * len(shown) + 10
    bottom = top + group * len(speeds)
    parts = [text(16, 24, title, more='font-size="15"')]
    parts += legend({engines.engine(e).TITLE: COLOURS[e] for e in shown}, 16, 46)
    parts += [line(left + scale * t, top - 4, left + scale * t, bottom) for t in (0.5, 1.5, 2, 2.5, 3, 4) if t < most]
    for i, (name, row) in enumerate(speeds.items()):
        y = top + group * i
        parts.append(text(left - 8, y + group / 2, name, "end"))
        for j, (e, speed) in enumerate((e, row[e]) for e in shown if e in row):
            box = f'x="{left}" y="{y + j * bar:.1f}" width="{speed * scale:.1f}" height="{bar - 1}"'
            parts.append(f'<rect {box} fill="{COLOURS[e]}"/>')
            if e == OURS:
                parts.append(text(left + speed * scale + 4, y + 8, f"{speed:.2f}", more='font-weight="bold"'))
    parts.append(line(left + scale, top - 4, left + scale, bottom, 'stroke="#222" stroke-dasharray="4 3"'))
    parts.append(text(left + scale, bottom + 16, "best peer = 1", "middle"))
    return page(left + width + 60, bottom + 28, parts)


def roofline(rated: Sequence[Rated], peak: Peak, threads: int, title: str) -> str:
    """Each layer that multiplies: operations per byte to the right, GFLOP/s upwards, both logarithmic; areas are times."""
    flops, bandwidth = peak.gflops * threads, peak.gbytes
    points = [n for n in rated if n.macs and n.ms]
    left, top, width, height = 60.0, 64.0, 620.0, 380.0
    x0, x1 = -1, max(3, ceil(log10(max((n.intensity for n in points), default=1.0))))
    y0 = floor(log10(min([1.0, *(n.gflops for n in points)])))
    y1 = ceil(log10(max([2 * flops, *(n.gflops for n in points)])))

    def at(intensity: float, gflops: float) -> tuple[float, float]:
        x, y = log10(max(intensity, 10**x0)), log10(max(gflops, 10**y0))
        return left + width * (x - x0) / (x1 - x0), top + height * (y1 - y) / (y1 - y0)

    parts = [text(16, 24, title, more='font-size="15"')]
    for e in range(x0, x1 + 1):
        x, _ = at(10.0**e, 1)
        parts += [line(x, top, x, top + height), text(x, top + height + 16, f"{10.0**e:g}", "middle")]
    for e in range(y0, y1 + 1):
        _, y = at(1, 10.0**e)
        parts += [line(left, y, left + width, y), text(left - 6, y + 4, f"{10.0**e:g}", "end")]
    ridge = flops / bandwidth
    roof = 'stroke="#222" stroke-width="2"'
    low = max(10.0**x0, 10.0**y0 / bandwidth)
    parts += [
        line(*at(low, low * bandwidth), *at(ridge, flops), roof),
        line(*at(ridge, flops), *at(10.0**x1, flops), roof),
    ]
    parts.append(text(left + width, at(1, flops)[1] - 6, f"{flops:.0f} GFLOP/s", "end"))
    parts.append(text(at(low, 1)[0] + 40, at(1, low * bandwidth)[1] - 4, f"{bandwidth:.0f} GB/s from memory"))
    ways = list(dict.fromkeys(n.way or n.op for n in points))
    colours = {name: _OPS[i % len(_OPS)] for i, name in enumerate(ways)}
    longest = max((n.ms for n in points), default=1.0)
    for n in points:
        x, y = at(n.intensity, n.gflops)
        told = f"{n.name}: {n.ms:.3f} ms, {n.gflops:.0f} GFLOP/s, {n.intensity:.1f} operations per byte"
        circle = f'cx="{x:.1f}" cy="{y:.1f}" r="{2 + 12 * (n.ms / longest) ** 0.5:.1f}" fill="{colours[n.way or n.op]}"'
        parts.append(f'<circle {circle} fill-opacity="0.55"><title>{escape(told)}</title></circle>')
    parts += legend(colours, 16, 46)
    parts.append(text(left + width / 2, top + height + 34, "operations per byte", "middle"))
    return page(left + width + 30, top + height + 46, parts)


def curves(series: Mapping[str, Mapping[int, float]], title: str) -> str:
    """Predictions per second of each engine over the number of threads. `series`: engine -> threads -> per second."""
    threads = sorted({n for points in series.values() for n in points})
    most = max((v for points in series.values() for v in points.values()), default=1.0)
    left, top, width, height = 70.0, 64.0, 560.0, 320.0
    last = max(threads, default=1)

    def at(n: int, value: float) -> tuple[float, float]:
        return left + width * n / last, top + height * (1 - value / most)

    parts = [text(16, 24, title, more='font-size="15"')]
    parts += legend({engines.engine(e).TITLE: COLOURS[e] for e in series}, 16, 46)
    for i in range(5):
        value = most * i / 4
        parts += [line(left, at(0, value)[1], left + width, at(0, value)[1])]
        parts += [text(left - 6, at(0, value)[1] + 4, f"{value:.3g}", "end")]
    parts += [text(at(n, 0)[0], top + height + 16, str(n), "middle") for n in threads]
    for e, points in series.items():
        places = [at(n, v) for n, v in sorted(points.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[e]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[e]}"/>' for x, y in places]
    parts.append(text(left + width / 2, top + height + 34, "threads; predictions per second upwards", "middle"))
    return page(left + width + 30, top + height + 46, parts)
