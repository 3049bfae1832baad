"""Times engines beside each other, so that a drifting machine hurts them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def median(run: Callable[[], object], seconds: float) -> float:
    """The median time of a run in milliseconds, over `seconds` and at least five runs."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def interleaved(engines: Mapping[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, float]:
    """The best median of each engine over `rounds`, in each of which all of them take turns."""
    for run in engines.values():
        run()
    found = [{name: median(run, seconds) for name, run in engines.items()} for _ in range(rounds)]
    return {name: min(times[name] for times in found) for name in engines}
