"""The loops that the manual counts: found in the machine code of every instruction set, and without spilled sums."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import ROOT, tool

sys.path.insert(0, str(ROOT / "benchmarks"))
import instructions
from instructions import ISAS, Isa, Step


def step(word: str, *to: int) -> Step:
    return Step(word, 1, to)


def test_the_way_that_multiplies_most_and_then_the_shortest() -> None:
    #        0 -> 1 skips what is multiplied; 3 -> 4 or 5
    turn = [step("jne", 1, 3), step("fmla", 2), step("fmla", 3), step("jne", 4, 5), step("str", 5), step("jne", 6, 0)]
    assert instructions.path(turn, "fmla") == (2, 5)
    assert instructions.path([step("fmla", 1), step("ret")], "fmla")[0] < 0


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_loops(isa: Isa, tmp_path: Path) -> None:
    tool(isa.compiler), tool(isa.disassembler)
    found = {
        loop.kernel: (loop, turns, n)
        for loop, turns, n in instructions.measured(isa, instructions.compiled(isa, tmp_path))
    }
    assert {"gemm_full", "gemm_small", "gemm_vector", "depthwise_1", "depthwise_2"} <= set(found)
    for loop, turns, length in found.values():
        assert length < 2.5 * turns * loop.needed(isa)
    loop, turns, length = found["gemm_full"]
    assert length < 1.6 * turns * loop.needed(isa), "a sum is stored and loaded again"
