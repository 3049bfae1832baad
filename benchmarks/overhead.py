"""Microseconds that a call of the digit network takes from each language, and what that adds to the same call from C.
The call from Go is measured with cgo, and without it, where wazero runs the network as WebAssembly.

Every language runs in turn, several rounds of it; a figure is the best batch of 1,000 calls that it had. With THREADS the
calls per second of that many threads are printed too, beside those of one.

overhead.py [--seconds S] [--rounds N] [--threads THREADS]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import amalgamate as am
from amalgamate import packages
from amalgamate.toolchains import java, native

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "amalgamate" / "data" / "digits.onnx"
BATCH = 1000
LIMITS = {"Java": 2.0, "Go": 2.0, "Rust": 2.0, "cffi": 5.0, "ctypes": 10.0}  # microseconds more than C


def run(*words: str | Path, cwd: Path | None = None, **env: str) -> str:
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{words} failed\n{done.stdout}{done.stderr}")
    return done.stdout


def prepare(folder: Path) -> dict[str, list[str]]:
    """The command that measures each language."""
    built = am.build(DATA, name="digits", image=am.Image("gray", std=255.0, resize=(8, 8)))
    library = built.compile(out=folder)
    program = native.executable(
        [HERE / "overhead" / "call.c", folder / "digits.c"], folder / "call", ["-D_GNU_SOURCE", "-pthread"]
    )
    packages.write(built, "go", folder / "go" / "digits")
    (folder / "go" / "main.go").write_text((HERE / "overhead" / "main.go").read_text())
    (folder / "go" / "go.mod").write_text(
        "module overhead\n\ngo 1.18\n\nrequire digits v0.0.0\n\nreplace digits => ./digits\n"
    )
    run("go", "mod", "tidy", cwd=folder / "go")
    for name, cgo in (("Go", "1"), ("wazero", "0")):
        run("go", "build", "-o", folder / "bin" / name, ".", cwd=folder / "go", CGO_ENABLED=cgo)
    packages.write(built, "rust", folder / "rust")
    (folder / "rust" / "examples" / "call.rs").write_text((HERE / "overhead" / "main.rs").read_text())
    run("cargo", "build", "--release", "--example", "call", "--target-dir", folder / "target", cwd=folder / "rust")
    packages.write(built, "jar", folder / "jar")
    jar = folder / "jar" / "digits-0.1.0.jar"
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


def measure(name: str, library: str, seconds: float, threads: int) -> None:
    """The same as the other languages' programs, for Python: prints name, nanoseconds of a call, calls per second."""
    sys.path.insert(0, str(HERE.parent / "bindings" / "python"))
    import amalgamated

    model: Any = am.load(library) if name == "cffi" else amalgamated.Model(library)
    best, rates = [float("inf")] * threads, [0.0] * threads

    def calls(at: int) -> None:
        feeds = {"image": np.zeros((1, 1, 8, 8), np.float32)}
        call: Callable[..., Any] = model.run
        start = end = time.perf_counter()
        count = 0
        while end - start < seconds:
            before = end
            for _ in range(BATCH):
                call(None, feeds)
            end = time.perf_counter()
            best[at] = min(best[at], end - before)
            count += BATCH
        rates[at] = count / (end - start)

    workers = [threading.Thread(target=calls, args=(at,)) for at in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"{name} {best[0] * 1e9 / BATCH:.1f} {sum(rates):.0f}")


def rounds(commands: dict[str, list[str]], count: int, seconds: float, threads: int) -> dict[str, tuple[float, float]]:
    """Best microseconds and most calls per second by name."""
    found: dict[str, tuple[float, float]] = {}
    for _ in range(count):
        for command in commands.values():
            for line in run(*command, str(seconds), str(threads)).splitlines():
                name, ns, rate = line.split()
                before = found.get(name, (float("inf"), 0.0))
                found[name] = min(before[0], float(ns) / 1e3), max(before[1], float(rate))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--library", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return measure(given.measure, given.library, float(given.rest[0]), int(given.rest[1]))
    with tempfile.TemporaryDirectory() as folder:
        commands = prepare(Path(folder))
        alone = rounds(commands, given.rounds, given.seconds, 1)
        together = rounds(commands, given.rounds, given.seconds, given.threads) if given.threads else {}
    base = alone["C"][0]
    print(
        f"{'call from':16}{'us':>8}{'more than C':>13}{'limit':>7}"
        + ("" if not together else f"{given.threads:>5} threads")
    )
    for name, (us, rate) in alone.items():
        limit = LIMITS.get(name.partition("-")[0])
        row = f"{name:16}{us:8.2f}{us - base:13.2f}{limit or '':>7}"
        print(row + (f"{together[name][1] / rate:11.2f}x" if together else ""))


if __name__ == "__main__":
    main()
