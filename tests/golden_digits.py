"""The golden vectors that every language runs: pictures of digits and their scores, made once from the pair.

Run as a program it writes tests/golden/digits.txt again: a line is 64 pixels of 0 to 255, the digit, and its 10 scores.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import amalgamate as am
from tools import ROOT

VECTORS = ROOT / "tests" / "golden" / "digits.txt"
DATA = ROOT / "amalgamate" / "data"


def digits(**options: str) -> am.Built:
    """The digit network as `amalgamate package digits` reads it; `options` go to `build`."""
    image = am.Image("gray", std=255.0, resize=(8, 8))
    labels = [str(digit) for digit in range(10)]
    return am.build(DATA / "digits.onnx", image=image, labels=labels, name="digits", **options)  # type: ignore[arg-type]


def vectors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 8, 8], digits [n], scores float32 [n, 10]."""
    rows = np.loadtxt(VECTORS)
    pixels = rows[:, :64].astype(np.uint8).reshape(-1, 8, 8)
    return pixels, rows[:, 64].astype(int), rows[:, 65:].astype(np.float32)


def write(path: Path = VECTORS) -> None:
    """Runs the pair on the pictures that come with the network."""
    samples = json.loads((DATA / "digits_samples.json").read_text())
    lines = []
    with am.load(digits().compile()) as model:
        for label, image in zip(samples["labels"], samples["images"], strict=True):
            x = (np.array(image, np.float32) / np.float32(255)).reshape(1, 1, 8, 8)
            scores = model.run(None, {model.inputs[0].name: x})[0].ravel()
            lines.append(" ".join([*map(str, image), str(label), *(f"{score:.9g}" for score in scores)]))
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write()
