"""What one core of this machine can do at most, measured."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from amalgamate.resources import folder
from amalgamate.toolchains import native


class Peak(NamedTuple):
    """Of one core: GFLOP/s of multiply-adds with an instruction set, and GB/s of reading memory with any."""

    gflops: float
    gbytes: float


def peaks() -> dict[str, Peak]:
    """By instruction set, the best last. Raises E140 and E141."""
    with tempfile.TemporaryDirectory() as build:
        source = Path(__file__).with_name("peak.c")
        program = native.executable([source], Path(build) / "peak", [f"-I{folder('runtime_src')}"])
        text = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    reading = max(float(read) for _, _, read in rows)  # which no instruction set limits
    return {isa: Peak(float(flops), reading) for isa, flops, _ in rows}
