"""Microseconds that a call of the digit network takes from each language, and what that adds to the same call from C.
The call from Go is measured with cgo, and without it, where wazero runs the network as WebAssembly.

Every language runs in turn, several rounds of it; a figure is the best batch of 1,000 calls that it had. --network takes one
of networks.py instead, in batches of 5: its runs take milliseconds.

With THREADS each program runs again, at once, with that many threads on one model. Printed are medians over the rounds: how
many times the calls per second of one thread, how many times those of C with as many threads in the same round, and how many
times the processor time of one thread's call. The first is at most the number of cores, and tells on a machine that nobody
else uses; the last tells on any of locks and caches that threads fight for, though not of what they wait for asleep.

overhead.py [--network NAME] [--seconds S] [--rounds N] [--threads THREADS]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np

import amalgamate as am
from amalgamate import packages
from amalgamate.toolchains import java, native

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "amalgamate" / "data" / "digits.onnx"
LIMITS = {"Java": 2.0, "Go": 2.0, "Rust": 2.0, "cffi": 5.0, "ctypes": 10.0}  # microseconds more than C


def run(*words: str | Path, cwd: Path | None = None, **env: str) -> str:
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{words} failed\n{done.stdout}{done.stderr}")
    return done.stdout


def prepare(onnx: Path, folder: Path) -> dict[str, list[str]]:
    """The command that measures each language."""
    built = am.build(onnx, name="model")
    library = built.compile(out=folder)
    program = native.executable(
        [HERE / "overhead" / "call.c", folder / "model.c"], folder / "call", ["-D_GNU_SOURCE", "-pthread"]
    )
    packages.write(built, "go", folder / "go" / "model")
    (folder / "go" / "main.go").write_text((HERE / "overhead" / "main.go").read_text())
    (folder / "go" / "go.mod").write_text(
        "module overhead\n\ngo 1.18\n\nrequire model v0.0.0\n\nreplace model => ./model\n"
    )
    run("go", "mod", "tidy", cwd=folder / "go")
    for name, cgo in (("Go", "1"), ("wazero", "0")):
        run("go", "build", "-o", folder / "bin" / name, ".", cwd=folder / "go", CGO_ENABLED=cgo)
    packages.write(built, "rust", folder / "rust")
    (folder / "rust" / "examples" / "call.rs").write_text((HERE / "overhead" / "main.rs").read_text())
    run("cargo", "build", "--release", "--example", "call", "--target-dir", folder / "target", cwd=folder / "rust")
    packages.write(built, "jar", folder / "jar")
    jar = folder / "jar" / "model-0.1.0.jar"
    run(java.home() / "bin" / "javac", "-cp", jar, "-d", folder / "classes", HERE / "overhead" / "Call.java")
    path = os.pathsep.join([str(jar), str(folder / "classes")])
    itself = [sys.executable, str(Path(__file__).resolve()), "--measure"]
    return {
        "C": [str(program)],
        "ctypes": [*itself, "ctypes", "--library", str(library)],
        "cffi": [*itself, "cffi", "--library", str(library)],
        "Go": [str(folder / "bin" / "Go")],
        "wazero": [str(folder / "bin" / "wazero")],
        "Rust": [str(folder / "target" / "release" / "examples" / "call")],
        "Java": [str(java.home() / "bin" / "java"), "-cp", path, "Call"],
    }


def measure(name: str, library: str, seconds: float, threads: int, batch: int) -> None:
    """The same as the other languages' programs, for Python: prints name, nanoseconds of a call, calls per second, nanoseconds
    of processor time of a call."""
    sys.path.insert(0, str(HERE.parent / "bindings" / "python"))
    import amalgamated

    model: Any = am.load(library) if name == "cffi" else amalgamated.Model(library)
    best, rates, done = [float("inf")] * threads, [0.0] * threads, [0] * threads

    def calls(at: int) -> None:
        feeds = {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in model.inputs}
        call: Callable[..., Any] = model.run
        start = end = time.perf_counter()
        count = 0
        while end - start < seconds:
            before = end
            for _ in range(batch):
                call(None, feeds)
            end = time.perf_counter()
            best[at] = min(best[at], end - before)
            count += batch
        rates[at], done[at] = count / (end - start), count

    workers = [threading.Thread(target=calls, args=(at,)) for at in range(threads)]
    cpu = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cpu = time.process_time() - cpu
    print(f"{name} {best[0] * 1e9 / batch:.1f} {sum(rates):.2f} {cpu * 1e9 / sum(done):.1f}")


# Microseconds of a call, calls per second, and nanoseconds of processor time of a call, by the number of threads.
Turn = dict[int, tuple[float, float, float]]


def turn(command: list[str], seconds: float, threads: list[int], batch: int) -> dict[str, Turn]:
    """What a program measures, by the names that it prints: with one number of threads right after the other."""
    found: dict[str, Turn] = {}
    for count in threads:
        for line in run(*command, str(seconds), str(count), str(batch)).splitlines():
            name, ns, rate, cpu = line.split()
            found.setdefault(name, {})[count] = float(ns) / 1e3, float(rate), float(cpu)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--network", choices=list(networks.NETWORKS))
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        seconds, threads, batch = given.rest
        return measure(given.measure, given.library, float(seconds), int(threads), int(batch))
    numbers = [1, given.threads] if given.threads > 1 else [1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = prepare(networks.write(folder, given.network) if given.network else DATA, folder)
        rounds: list[dict[str, Turn]] = []
        batch = 5 if given.network else 1000
        for _ in range(given.rounds):
            turns = (turn(command, given.seconds, numbers, batch) for command in commands.values())
            rounds.append({name: measured for program in turns for name, measured in program.items()})
    show(rounds, given.threads)


def show(rounds: list[dict[str, Turn]], threads: int) -> None:
    """Prints the table."""
    best = {name: min(found[name][1][0] for found in rounds) for name in rounds[0]}
    print(f"{'call from':18}{'us':>10}{'more than C':>13}{'limit':>7}", end="")
    print(f"{threads:>5} threads{'of C':>7}{'CPU':>6}" if threads > 1 else "")
    for name, us in best.items():
        limit = LIMITS.get(name.partition("-")[0], "")
        print(f"{name:18}{us:10.2f}{us - best['C']:13.2f}{limit:>7}", end="")
        if threads > 1:
            more = statistics.median(found[name][threads][1] / found[name][1][1] for found in rounds)
            of_c = statistics.median(found[name][threads][1] / found["C"][threads][1] for found in rounds)
            cpu = statistics.median(found[name][threads][2] / found[name][1][2] for found in rounds)
            print(f"{more:12.2f}x{of_c:7.2f}{cpu:6.2f}", end="")
        print()


if __name__ == "__main__":
    main()
