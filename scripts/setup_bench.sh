#!/usr/bin/env bash
# setup_bench.sh - prepares this checkout for make bench: the virtual environment, and in it the engines to compare with.
# One that cannot be installed here is left out, and the benchmark names it; in CI, where their adapters are tested, it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
python=.venv/bin/python

there() {
    "$python" -c "import sys
from amalgamate.benchmark.engines import PEERS, missing
sys.exit(any(map(missing, PEERS)))"
}

if ! there; then
    echo "setup: installing engines to compare with into .venv"
    "$python" -m pip install --quiet --disable-pip-version-check --editable ".[bench]" || echo "setup: some could not be installed" >&2
    # The program that converts models for ncnn needs nothing of the PyTorch that its package asks for.
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps pnnx || echo "setup: no pnnx for ncnn" >&2
    [ -z "${CI:-}" ] || there || { echo "setup: CI needs every engine" >&2; exit 1; }
fi
