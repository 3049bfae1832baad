"""The embedded digit network: its accuracy on pictures it was not trained on, and `amalgamate demo` from end to end."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import amalgamate
from amalgamate import cli
from tools import ROOT, package, tool

DATA = ROOT / "amalgamate" / "data"


@pytest.fixture(scope="module")
def train() -> ModuleType:
    """The training script as a module."""
    package("sklearn")
    spec = importlib.util.spec_from_file_location("train_digits", ROOT / "examples" / "digits" / "train.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digit network as a shared library, for whole batches as well."""
    return Path(amalgamate.build(DATA / "digits.onnx").compile(out=tmp_path_factory.mktemp("digits")))


def test_accuracy_on_held_out_pictures(train: ModuleType, library: Path) -> None:
    _, _, x, classes = train.load()
    with amalgamate.load(library) as model:
        seen = np.array([model.run(None, {"image": x[i : i + 1]})[0].argmax() for i in range(len(x))])
    assert (seen == classes).mean() >= 0.985


def test_samples_were_not_trained_on(train: ModuleType) -> None:
    x, _, held_out, classes = train.load()
    samples = json.loads((DATA / "digits_samples.json").read_text())
    assert samples == train.samples(held_out, classes)
    trained = {picture.tobytes() for picture in x}
    assert not trained & {picture.tobytes() for picture in held_out}


def test_gradients_of_the_training(train: ModuleType) -> None:
    rng = np.random.default_rng(1)
    shapes = {"conv1_w": (16, 1, 3, 3), "conv2_w": (32, 16, 3, 3), "dense_w": (10, 512)}
    p = {key: rng.normal(0, 0.2, shape) for key, shape in shapes.items()}
    p |= {f"{key[:-1]}b": rng.normal(0, 0.1, shape[0]) for key, shape in shapes.items()}
    x, slope = rng.random((2, 1, 8, 8)), rng.normal(0, 1, (2, 10))
    grad = train.backward(p, train.forward(p, x)[1], slope, np.ones((2, 512)))
    for key in p:
        at = tuple(rng.integers(0, n) for n in p[key].shape)
        sides = []
        for step in (1e-5, -1e-5):
            moved = {**p, key: p[key].copy()}
            moved[key][at] += step
            sides.append((train.forward(moved, x)[0] * slope).sum())
        assert grad[key][at] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4, abs=1e-6), key


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["demo", "-o", "out"]) == 0
    out, err = capsys.readouterr()
    assert {path.name for path in Path("out").iterdir()} >= {"digits.c", "digits.h"}
    assert "compiling" in err and "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    captions = re.findall(r"(\d)  \d+\.\d%", out)
    assert captions[:5] == list("01234")
    right, total = map(int, re.search(r"(\d+) of (\d+) right", out).groups())
    assert total == 20 and right >= 19


def test_demo_pair_in_a_c_program(tmp_path: Path) -> None:
    """What the demo says to do next: include the header, compile with the C file and -lm, nothing else."""
    assert cli.run(["demo", "-o", str(tmp_path), "--quiet"]) == 0
    samples = json.loads((DATA / "digits_samples.json").read_text())
    pixels = ",".join(map(str, samples["images"][6]))
    (tmp_path / "main.c").write_text(
        '#include "digits.h"\n#include <stdio.h>\n'
        f"static const unsigned char pixels[64] = {{{pixels}}};\n"
        "int main(void)\n{\n    amg_model *m;\n    amg_session *s;\n    int32_t best;\n    float score;\n"
        "    if (amg_open(NULL, &m) || amg_session_new(m, NULL, &s)) { return 1; }\n"
        "    if (amg_set_image(s, 0, pixels, 8, 8, 8, AMG_GRAY8) || amg_run(s)) { return 2; }\n"
        "    if (amg_topk(s, 0, 1, &best, &score) != 1) { return 3; }\n"
        '    printf("%s %.1f\\n", amg_label(m, best), (double)score);\n'
        "    amg_session_free(s);\n    amg_close(m);\n    return 0;\n}\n"
    )
    subprocess.run(
        [tool("gcc"), "-O2", "-std=c99", "main.c", "digits.c", "-lm", "-o", "main"], cwd=tmp_path, check=True
    )
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True, check=True)
    label, score = done.stdout.split()
    assert int(label) == samples["labels"][6] and float(score) > 0.5
