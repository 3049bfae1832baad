"""make check: all that must hold before a change goes in. Prints one line per check; a failing one shows its output.

check.py            everything
check.py types c    only those
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARNINGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
COMPILERS = ("gcc", "clang")


class Failure(Exception):
    """A check does not hold; the text says why."""


def run(*command: str | Path, **env: str) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")


def python(*arguments: str | Path, **env: str) -> None:
    run(sys.executable, "-m", *arguments, **env)


def layout() -> None:
    python("ruff", "format", "--check", "--quiet", ".")


def lint() -> None:
    python("ruff", "check", "--quiet", ".")


def types() -> None:
    python("mypy")


def rooms() -> None:
    python("pytest", "-q", "tests/test_rooms.py")


def warnings() -> None:
    """Every file of the C runtime for itself, then all of it as one file, also as C++ calls it, with each compiler."""
    from amalgamate.writers import c_source, tables

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        c_source.write(c_source.runtime_pair(), out)
        for name, text in tables.generated(tables.all_ops()).items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_text(text)
        modular = [*sorted((ROOT / "runtime_src").rglob("*.c")), *sorted((out / "generated").glob("*.c"))]
        (out / "header.cc").write_text('#include "amg.h"\nint main() { return amg_version() == 0; }\n')
        for compiler in filter(shutil.which, COMPILERS):
            for source in modular:
                run(compiler, *WARNINGS, "-I", ROOT / "runtime_src", "-I", out, "-c", source, "-o", out / "one.o")
            run(compiler, *WARNINGS, "-c", out / "amg.c", "-o", out / "all.o")
            run(compiler, "-x", "c++", "-std=c++11", "-Wall", "-Werror", "-c", out / "header.cc", "-o", out / "cc.o")


def tests() -> None:
    python("pytest", "-n", os.environ.get("JOBS", "2"))


CHECKS: dict[str, Callable[[], None]] = {
    "format": layout,
    "lint": lint,
    "types": types,
    "rooms": rooms,
    "c": warnings,
    "tests": tests,
}


def main(names: list[str]) -> int:
    failed = []
    for name in names or CHECKS:
        start = time.perf_counter()
        print(f"{name:10}", end="", flush=True)
        try:
            CHECKS[name]()
            print(f"ok    {time.perf_counter() - start:6.1f} s", flush=True)
        except Failure as failure:
            print(f"FAILED\n{failure}", flush=True)
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
