"""Times calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def samples(run: Callable[[], object], seconds: float) -> list[float]:
    """The times of runs in milliseconds, over `seconds` and at least five of them."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def median(run: Callable[[], object], seconds: float) -> float:
    """The median time of a run in milliseconds, over `seconds` and at least five runs."""
    return statistics.median(samples(run, seconds))
