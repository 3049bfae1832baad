"""Runs in an environment that holds the wheel of the digit network and nothing else: empty.py GOLDEN."""

from __future__ import annotations

import array
import os
import pickle
import sys
import threading
from multiprocessing import get_context
from pathlib import Path

import digits

CYCLES = 1000


def golden(path: str) -> list[tuple[bytes, array.array[float], list[float]]]:
    """Pixels, the same as floats, and scores."""
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    pixels = [bytes(map(int, row[:64])) for row in rows]
    return [(p, array.array("f", [v / 255 for v in p]), [float(v) for v in r[65:]]) for p, r in zip(pixels, rows)]  # noqa: B905


def near(got: list[float], wanted: list[float]) -> bool:
    return len(got) == len(wanted) and all(abs(a - b) <= 1e-5 for a, b in zip(got, wanted))  # noqa: B905


def scores(model: digits.Model, x: object) -> list[float]:
    return model.run(None, {"image": x})[0].tolist()[0]  # type: ignore[no-any-return]


def in_child(model: digits.Model, x: array.array[float], wanted: list[float]) -> None:
    assert near(scores(model, x), wanted)
    model.close()


def forks(model: digits.Model, x: array.array[float], wanted: list[float]) -> None:
    """A child runs the model while threads of the parent are in the middle of runs."""
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            scores(model, x)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            child = get_context("fork").Process(target=in_child, args=(model, x, wanted))
            child.start()
            child.join(60)
            assert child.exitcode == 0, f"the child ended with {child.exitcode}"
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cycles(x: array.array[float]) -> int:
    """Bytes that 1,000 cycles of open, run and close leave behind, after as many to warm up."""
    before = 0
    for _ in range(2):
        before = resident()
        for _ in range(CYCLES):
            with digits.Model() as model:
                scores(model, x)
    return resident() - before


def main(path: str) -> None:
    assert "numpy" not in sys.modules
    vectors = golden(path)
    with digits.Model() as model:
        for pixels, x, wanted in vectors:
            for given in (x, x.tobytes(), memoryview(x), memoryview(x).cast("B").cast("f", (1, 1, 8, 8))):
                assert near(scores(model, given), wanted)
            best = model.classify(memoryview(pixels).cast("B", (8, 8)), top_k=10)
            assert near([p.score for p in sorted(best, key=lambda p: p.class_index)], wanted)
        _, x, wanted = vectors[0]
        again = pickle.loads(pickle.dumps(model))
        assert near(scores(again, x), wanted)
        forks(model, x, wanted)
        try:
            model.classify("picture.png")
        except digits.Error as error:
            assert "Pillow" in str(error) and error.code == -6
        else:
            raise AssertionError("there is no Pillow here")
    left = cycles(vectors[0][1])
    assert left < 2 << 20, f"{left} bytes are left"
    print("ok", digits.__file__)


if __name__ == "__main__":
    main(sys.argv[1])
