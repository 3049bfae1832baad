"""Models that a program leaves to Python to close: tests/python/unclosed.py, through cffi and through the ctypes twin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults import Faulty, Shortage
from golden_digits import digits
from tools import ROOT


def ends_well(*words: str | Path, **environment: str) -> None:
    program = [sys.executable, "-W", "ignore::DeprecationWarning", ROOT / "tests" / "python" / "unclosed.py", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


@pytest.mark.parametrize("way", ["garbage", "exit"])
@pytest.mark.parametrize("kind", ["cffi", "ctypes"])
def test_sessions_go_before_their_model_and_each_once(kind: str, way: str, tmp_path: Path) -> None:
    shortage = Shortage(tmp_path / "numbers")
    ends_well(kind, Faulty.of(digits()).compile(), way, FAULTS=str(shortage.path))
    assert shortage.blocks == 0, f"{shortage.blocks} blocks are lost"


@pytest.mark.parametrize("kind", ["cffi", "ctypes"])
def test_children_end_with_what_they_inherit(kind: str) -> None:
    ends_well(kind, digits().compile(), "fork")
