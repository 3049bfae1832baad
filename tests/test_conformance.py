"""ONNX's own node tests through importer, passes, plan and C; `make conformance` writes the page from the same results."""

from __future__ import annotations

from functools import cache

import pytest

import conformance
from harness import run_c


@cache
def results(isa: str = "auto") -> list[conformance.Result]:
    return conformance.run(conformance.node_tests(), lambda graph, inputs: run_c(graph, inputs, isa))


@pytest.mark.parametrize("isa", ["auto", "scalar"])
def test_nothing_fails_and_at_least_480_pass(isa: str) -> None:
    assert [r for r in results(isa) if r.status == "failed"] == []
    assert sum(r.status == "passed" for r in results(isa)) >= 480


def test_the_page_is_as_this_run_would_write_it() -> None:
    assert conformance.PAGE.read_text() == conformance.page(results()), "run `make conformance`"
