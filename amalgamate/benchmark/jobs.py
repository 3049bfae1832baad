"""Gets a network ready for the engines: its input, and the files that each of them loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from amalgamate.benchmark import engines
from amalgamate.benchmark.engines import OURS
from amalgamate.benchmark.engines.amalgamate import files
from amalgamate.benchmark.rounds import Job
from amalgamate.graph import Array


def prepare(
    name: str,
    model: Path,
    data: bytes,
    inputs: Mapping[str, Array],
    outputs: Sequence[str],
    peers: Sequence[str],
    folder: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> Job:
    """The job of timing `data`, the .amg file of `model`, beside `peers`; those that are not installed are left out.

    What peers make of the model is kept in `folder`. One that cannot convert it is told in the job as failed.
    """
    progress(f"{name}  building")
    loaded: dict[str, list[Path]] = {OURS: files(data, folder / "ours" / name)}
    failed = {}
    for peer in peers:
        if engines.missing(peer):
            continue
        progress(f"{name}  converting for {engines.engine(peer).TITLE}")
        try:
            shapes = {input: array.shape for input, array in inputs.items()}
            loaded[peer] = engines.prepared(peer, model, shapes, folder / "converted")
        except OSError as error:
            failed[peer] = str(error)
    return Job(name, inputs, outputs, loaded, failed)
