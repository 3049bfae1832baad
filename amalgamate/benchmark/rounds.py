"""Starts the engines in turn, round after round, each time in a new process, and keeps what was measured in a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from amalgamate.benchmark import engines, machine
from amalgamate.benchmark.engines import OURS
from amalgamate.graph import Array

PATIENCE = 120.0  # seconds for which a process may say nothing, beyond those that it measures for
WORKER = (sys.executable, "-m", "amalgamate.benchmark.worker")


@dataclass(frozen=True)
class Settings:
    """What is the same for all engines."""

    threads: int = 1
    isa: str = "auto"
    rounds: int = 3
    seconds: float = 1.0


@dataclass(frozen=True)
class Job:
    """One network: its inputs, what it gives, and the files that each engine loads; an engine without files cannot run it."""

    name: str
    inputs: Mapping[str, Array]
    outputs: Sequence[str]
    files: Mapping[str, Sequence[Path]]
    failed: Mapping[str, str] = field(default_factory=dict)  # engine -> why it cannot


@dataclass(frozen=True)
class Request:
    """What a worker is asked: see `worker`."""

    engine: str
    files: Sequence[str]
    inputs: str  # an .npz file
    names: Sequence[str]  # of the inputs, in the order of the model
    outputs: Sequence[str]
    results: str  # an .npz file to write
    threads: int
    isa: str
    seconds: float
    cpus: Sequence[int]
    turn: int = 0  # the round


@dataclass
class Measured:
    """One engine on one network: the best of the medians, and the least of the other figures."""

    ms: float = float("inf")
    load_ms: float = float("inf")
    mib: float = float("inf")
    difference: float | None = None  # from the reference's result, relative to its largest value; None: not compared
    error: str = ""

    @property
    def known(self) -> bool:
        return self.ms < float("inf")


def ask(request: Request, command: Sequence[str] = WORKER, patience: float = PATIENCE) -> dict[str, Any]:
    """The answer of a process, or {"error": why there is none}."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OMP_NUM_THREADS": str(request.threads),
    }
    env |= engines.engine(request.engine).environment(request.isa, request.turn)
    try:
        done = subprocess.run(
            list(command), input=json.dumps(asdict(request)), capture_output=True, text=True, errors="replace", env=env,
            timeout=patience + request.seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {patience + request.seconds:.0f} s"}
    except OSError as error:
        return {"error": f"cannot start: {error.strerror}"}
    if done.returncode < 0:
        return {"error": f"crashed: {signal.Signals(-done.returncode).name}"}
    said = done.stdout.strip().splitlines()
    try:
        found = json.loads(said[-1]) if done.returncode == 0 else None
    except (IndexError, ValueError):
        found = None
    if isinstance(found, dict) and found.get("ms", 0) > 0:
        return found
    return {"error": " ".join((done.stderr.strip().splitlines() or ["no answer"])[-1].split())[:200]}


class Rounds:
    """The measurements so far. `store` is a file that they are kept in, `scratch` a folder for inputs and results."""

    def __init__(self, settings: Settings, scratch: Path, store: Path | None = None, about: Any = None) -> None:
        self.settings, self.scratch, self.store = settings, scratch, store
        self.about = {"settings": asdict(settings), "about": about}
        self.runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
        scratch.mkdir(parents=True, exist_ok=True)

    def resume(self) -> bool:
        """Takes up what the file holds, if it was measured in the same way; says whether it was."""
        try:
            kept = json.loads(self.store.read_text()) if self.store else {}
        except (OSError, ValueError):
            return False
        if {key: kept.get(key) for key in self.about} != json.loads(json.dumps(self.about)):
            return False
        self.runs = kept["runs"]
        return True

    def _keep(self) -> None:
        if self.store:
            self.store.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.store.with_suffix(".new")
            fresh.write_text(json.dumps({**self.about, "runs": self.runs}, indent=1))
            os.replace(fresh, self.store)

    def complete(self, name: str, names: Sequence[str]) -> bool:
        """Whether nothing is left to measure of network `name` with these engines."""
        runs = self.runs.get(name, {})
        return all(len(r := runs.get(e, [])) >= self.settings.rounds or any("error" in x for x in r) for e in names)

    def run(self, job: Job, progress: Callable[[str], None] = lambda _: None, asking: Any = ask) -> dict[str, Measured]:
        """Measures what is left to measure of a job: in each round every engine once. One that failed is left alone."""
        inputs = self.scratch / f"{job.name}.npz"
        np.savez(inputs, *job.inputs.values())
        runs = self.runs.setdefault(job.name, {})
        for name, why in job.failed.items():
            runs[name] = [{"error": why}]
        for turn, name in self._turns(job, runs):
            progress(f"{job.name}  round {turn + 1} of {self.settings.rounds}  {engines.engine(name).TITLE}")
            request = Request(
                name, [str(path) for path in job.files[name]], str(inputs), list(job.inputs), list(job.outputs),
                str(self._results(job.name, name)), self.settings.threads, self.settings.isa, self.settings.seconds,
                machine.chosen(self.settings.threads), turn,
            )  # fmt: skip
            runs[name].append(asking(request))
            self._keep()
        return self.measured(job.name)

    def _turns(self, job: Job, runs: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[int, str]]:
        for turn in range(self.settings.rounds):
            for name in job.files:
                found = runs.setdefault(name, [])
                if len(found) <= turn and not any("error" in run for run in found):
                    yield turn, name

    def _results(self, name: str, engine: str) -> Path:
        return self.scratch / f"{name}.{engine}.npz"

    def measured(self, name: str) -> dict[str, Measured]:
        """What is known of network `name`, by engine."""
        found = {}
        for engine, runs in self.runs.get(name, {}).items():
            good = [run for run in runs if "error" not in run]
            measured = Measured(error=next((run["error"] for run in runs if "error" in run), ""))
            if good:
                measured.ms, measured.load_ms, measured.mib = (
                    min(float(run[k]) for run in good) for k in ("ms", "load_ms", "mib")
                )
            found[engine] = measured
        reference = next((e for e in engines.PEERS if e in found and found[e].known), None)
        if reference:
            for engine, measured in found.items():
                if engine != reference and measured.known:
                    measured.difference = difference(self._results(name, engine), self._results(name, reference))
        return {engine: found[engine] for engine in (OURS, *engines.PEERS) if engine in found}


def difference(ours: Path, theirs: Path) -> float | None:
    """The largest difference of two files of results over the largest value of the second; None where a file is gone."""
    if not (ours.exists() and theirs.exists()):
        return None
    worst = 0.0
    with np.load(ours) as a, np.load(theirs) as b:
        for name in b.files:
            x, y = a[name].astype(np.float64).ravel(), b[name].astype(np.float64).ravel()
            if x.shape != y.shape or not np.isfinite(x).all():
                return float("inf")
            worst = max(worst, float(np.abs(x - y).max(initial=0.0)) / (float(np.abs(y).max(initial=0.0)) or 1.0))
    return worst
