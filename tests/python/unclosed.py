"""Models that nobody closes, with sessions of several threads: unclosed.py cffi|ctypes LIBRARY garbage|exit|fork."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

MODELS = 8
X = np.zeros((1, 1, 8, 8), np.float32)
ROOT = Path(__file__).resolve().parents[2]
kept: list[Any] = []


def load(kind: str, library: str, threads: int) -> Any:
    if kind == "cffi":
        import amalgamate

        return amalgamate.load(library, threads=threads)
    sys.path.insert(0, str(ROOT / "bindings" / "python"))
    import amalgamated

    return amalgamated.Model(library, threads=threads)


def run(model: Any) -> None:
    model.run(None, {"image": X})


@contextmanager
def running(models: list[Any]) -> Iterator[None]:
    """Meanwhile there are three threads more, and each has a session of each model; they hold none but by the list."""
    stop, ready = threading.Event(), threading.Barrier(4)

    def work() -> None:
        for model in models:
            run(model)
        del model
        ready.wait()
        stop.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def tied(kind: str, library: str) -> Any:
    """A model in a cycle, of which this thread has a session, whose threads are one or two."""
    model = load(kind, library, 1 + len(kept) % 2)
    model.itself = model
    run(model)
    return model


def garbage(kind: str, library: str) -> None:
    """One collection finds them, while threads that have sessions of them live on."""
    gc.disable()
    kept.extend(tied(kind, library) for _ in range(MODELS))
    models = [weakref.ref(model) for model in kept]
    with running(kept):
        kept.clear()
        gc.collect()
        assert not any(model() for model in models)


def at_exit(kind: str, library: str) -> None:
    kept.extend(tied(kind, library) for _ in range(MODELS))
    with running(kept):
        pass


def forked(kind: str, library: str) -> None:
    """Children run what they inherit in the midst of runs, in threads of their own too, close it or not, and exit as usual."""
    model, stop = tied(kind, library), threading.Event()

    def work() -> None:
        while not stop.is_set():
            run(model)

    busy = [threading.Thread(target=work) for _ in range(2)]
    for thread in busy:
        thread.start()
    with running([model]):
        for i in range(6):
            child = os.fork()
            if child == 0:
                with running([model]):
                    run(model)
                if i % 2:
                    model.close()
                sys.exit()
            status = os.waitpid(child, 0)[1]
            assert status == 0, f"the child ended with {status}"
    stop.set()
    for thread in busy:
        thread.join()


if __name__ == "__main__":
    way = {"garbage": garbage, "exit": at_exit, "fork": forked}[sys.argv[3]]
    way(*sys.argv[1:3])
    print("fine")
