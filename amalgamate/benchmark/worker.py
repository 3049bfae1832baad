"""The process in which one engine runs: reads a request on stdin, prints an answer as the last line of stdout.

    python -m amalgamate.benchmark.worker < request.json

The request is the JSON of `rounds.Request`. The answer holds `ms` (the median), `runs`, `load_ms` (until the first result)
and `mib`: the peak of resident memory beyond what the process held before it imported anything of the engine. The
results go to a file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from amalgamate import timing
from amalgamate.benchmark.engines import Run, Task, engine


def peak_mib() -> float:
    """The most memory that this process has held. Where Linux tells it, without what its parent held when it forked."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return int(found[1]) / 1024
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def answer(request: dict[str, Any]) -> tuple[dict[str, float], Run]:
    """Times what is asked for; returns the answer, and what was timed. Raises what the engine raises."""
    if request["cpus"]:
        os.sched_setaffinity(0, request["cpus"])
    with np.load(request["inputs"]) as stored:
        inputs = {name: np.ascontiguousarray(stored[f"arr_{i}"]) for i, name in enumerate(request["names"])}
    task = Task(request["files"], inputs, request["outputs"], request["threads"], request["isa"])
    chosen = engine(request["engine"])
    before = peak_mib()
    library = chosen.start(task.files)
    start = time.perf_counter()
    run = chosen.load(library, task)
    results = run()  # some engines do with the first run what others do when they load
    load_ms = (time.perf_counter() - start) * 1e3
    np.savez(request["results"], *[np.array(result) for result in results])
    for _ in range(2):
        run()
    times = timing.samples(run, request["seconds"])
    figures = {"ms": float(np.median(times)), "runs": len(times), "load_ms": load_ms, "mib": peak_mib() - before}
    return figures, run


if __name__ == "__main__":
    found, alive = answer(json.load(sys.stdin))
    sys.stdout.flush()
    print(json.dumps(found), flush=True)
    os._exit(0)  # while the engine is alive: some crash when they are taken apart
