"""Microseconds that a call of the digit network takes from each language, and what that adds to the same call from C.
The call from Go is measured with cgo, and without it, where wazero runs the network as WebAssembly.

Every language runs in turn, several rounds of it, each right after C; a figure is the best batch of 1,000 calls that it had.
--network takes one of networks.py instead, each call by itself: its runs take milliseconds.

With THREADS each program runs again, at once, with that many threads on one model. Printed are medians over the rounds: calls
per second with one thread and with all, how many times as many that is, and the same of the C before it. Calls per second
are those of all threads over the time of the slowest, so the gain is at most the number of cores; what C misses of that
is the machine's. The last column is how many times the processor time of one thread's call: it tells, on a machine in use
too, of locks and caches that threads fight for, though not of what they wait for asleep.

overhead.py [--network NAME] [--seconds S] [--rounds N] [--threads THREADS] [--only LANGUAGE ...]
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
    best, took, done = [float("inf")] * threads, [0.0] * threads, [0] * threads

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
        took[at], done[at] = end - start, count

    workers = [threading.Thread(target=calls, args=(at,)) for at in range(threads)]
    cpu = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cpu = time.process_time() - cpu
    print(f"{name} {best[0] * 1e9 / batch:.1f} {sum(done) / max(took):.2f} {cpu * 1e9 / sum(done):.1f}")


# Microseconds of a call, calls per second, and nanoseconds of processor time of a call, by the number of threads.
Turn = dict[int, tuple[float, float, float]]
Beside = tuple[Turn, Turn]  # of a language, and of C right before it


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
    parser.add_argument("--only", nargs="+", default=[], metavar="LANGUAGE")
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
        rounds: list[dict[str, Beside]] = []
        batch = 1 if given.network else 1000
        for _ in range(given.rounds):
            rounds.append({})
            for program in given.only or [name for name in commands if name != "C"]:
                c = turn(commands["C"], given.seconds, numbers, batch)["C"]
                found = turn(commands[program], given.seconds, numbers, batch)
                rounds[-1] |= {name: (measured, c) for name, measured in found.items()}
    show(rounds, given.threads)


def show(rounds: list[dict[str, Beside]], threads: int) -> None:
    """Prints the table."""
    c = min(turn[1][0] for found in rounds for _, turn in found.values())
    print(f"{'call from':18}{'us':>10}{'more than C':>13}{'limit':>7}", end="")
    print(f"{'1 thread/s':>12}{f'{threads} threads/s':>13}{'gain':>7}{'C gains':>9}{'CPU':>6}" if threads > 1 else "")
    print(f"{'C':18}{c:10.2f}")
    for name in rounds[0]:
        us = min(found[name][0][1][0] for found in rounds)
        limit = LIMITS.get(name.partition("-")[0], "")
        print(f"{name:18}{us:10.2f}{us - c:13.2f}{limit:>7}", end="")
        if threads > 1:
            turns = [found[name] for found in rounds]
            one, all = (statistics.median(own[count][1] for own, _ in turns) for count in (1, threads))
            gain, of_c = (statistics.median(turn[at][threads][1] / turn[at][1][1] for turn in turns) for at in (0, 1))
            cpu = statistics.median(own[threads][2] / own[1][2] for own, _ in turns)
            print(f"{one:12.1f}{all:13.1f}{gain:6.2f}x{of_c:8.2f}x{cpu:6.2f}", end="")
        print()


if __name__ == "__main__":
    main()
