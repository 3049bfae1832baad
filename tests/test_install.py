"""The wheel, installed into an empty environment outside the checkout, and used from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import ROOT

DIGITS = ROOT / "amalgamate" / "data"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


def test_wheel_holds_the_runtime_and_the_bindings(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (("runtime_src", "_runtime_src"), ("bindings", "_bindings")):
        tracked = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
        wanted = {path.replace(folder, f"amalgamate/{inside}", 1) for path in tracked.stdout.split()}
        assert wanted <= names
    assert {"amalgamate/py.typed", "amalgamate/data/digits.onnx", "amalgamate/templates/model.h.j2"} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/")) or name.endswith((".pyc", ".so"))]


def test_installed_wheel_builds_compiles_and_predicts(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = venv / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, str(wheel)], check=True)
    program = """
import json, sys, numpy as np, amalgamate as am
assert "site-packages" in am.__file__
samples = json.load(open(sys.argv[1] + "/digits_samples.json"))
built = am.build(sys.argv[1] + "/digits.onnx", image=am.Image(order="gray", std=(255.0,)))
with am.load(built.compile()) as model:
    x = np.array(samples["images"], np.float32).reshape(-1, 1, 1, 8, 8) / 255
    seen = [int(model.run(None, {"image": v})[0].argmax()) for v in x]
print(sum(a == b for a, b in zip(seen, samples["labels"])))
"""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"AMALGAMATE_CACHE": str(tmp_path / "cache")}
    run = [str(python), "-c", program, str(DIGITS)]
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(json.loads((DIGITS / "digits_samples.json").read_text())["labels"]) - 1
    command = [str(venv / "bin" / "amalgamate"), "demo", "-o", "out"]
    demo = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stderr
    assert (tmp_path / "out" / "digits.c").exists()
