"""What every language gets from SqueezeNet on the same photos, made once from the pair; the weights are not in the repository.

Run as a program it writes tests/golden/squeezenet.txt again, whose head says how to read it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

import amalgamate as am
from amalgamate import packages
from tools import ROOT, shared

SCORES = ROOT / "tests" / "golden" / "squeezenet.txt"
PHOTOS = ("cat", "fish-bike", "people-1", "persian-cat")
HEAD = """\
# SqueezeNet v1.0 on photos: NAME, five times CLASS SCORE from the best on, then the sums of p[i] * i / 1000 and of p[i] * p[i]
# over the scores p of all 1000 classes. Each number holds within 1e-4. The test is given a folder with the photos as
# NAME.ppm: "P6", WIDTH HEIGHT, "255", a line each, then rows of 3 bytes R, G, B for each pixel; they go through the model's
# own resizing. "ramp" is no photo but the 1x3x227x227 floats of the input: element i is (i * 7919) modulo 251, minus 125.
"""


@cache
def squeezenet() -> am.Built:
    """The network as its packages hold it. Skips the test where the shared data are not there."""
    folder = "data/squeezenet"
    built = am.build(
        shared(f"{folder}/SqueezeNet_deploy.prototxt"),
        weights=shared(f"{folder}/squeezenet_compressed.net"),
        labels=shared(f"{folder}/synset_words.txt"),
        image=am.Image(order="bgr", mean=(104, 117, 123), resize=256, crop=227),
        name="squeezenet",
    )
    return packages.placed(built)


def photo(name: str) -> np.ndarray:
    """uint8 [height, width, 3], in RGB order."""
    with Image.open(shared(f"data/images/{name}.jpg")) as opened:
        return np.asarray(opened.convert("RGB"))


def write_photos(folder: Path) -> Path:
    """The photos as NAME.ppm, which takes no decoder to read."""
    for name in PHOTOS:
        Image.fromarray(photo(name)).save(folder / f"{name}.ppm")
    return folder


def ramp() -> np.ndarray:
    return (np.arange(3 * 227 * 227) * 7919 % 251 - 125).astype(np.float32).reshape(1, 3, 227, 227)


def golden() -> dict[str, list[float]]:
    """The numbers of each line by its name."""
    lines = [line.split() for line in SCORES.read_text().splitlines() if not line.startswith("#")]
    return {name: [float(word) for word in words] for name, *words in lines}


def numbers(scores: np.ndarray) -> list[float]:
    """The numbers of a line, for the scores of all classes."""
    p = scores.astype(np.float64).ravel()
    best = np.argsort(-p, kind="stable")[:5]
    return [*(n for c in best for n in (int(c), p[c])), (p * np.arange(p.size)).sum() / 1000, (p * p).sum()]


def write(path: Path = SCORES) -> None:
    """Runs the pair on the photos and the ramp."""
    lines = []
    with am.load(squeezenet().compile()) as model:
        for name in (*PHOTOS, "ramp"):
            if name == "ramp":
                scores = model.run(None, {model.inputs[0].name: ramp()})[0]
            else:
                best = {p.class_index: p.score for p in model.classify(photo(name), top_k=1000)}
                scores = np.array([best[c] for c in range(1000)])
            lines.append(" ".join([name, *(f"{n:.7g}" for n in numbers(scores))]))
    path.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    write()
