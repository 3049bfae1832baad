"""Memory that runs out when a test says so, in the C of a pair, below whatever binding calls it: tests/c/faults.h."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amalgamate as am
from tools import ROOT


class Faulty(am.Built):
    """A model whose pair allocates by tests/c/faults.h, in every package and artifact that is made of it."""

    @classmethod
    def of(cls, built: am.Built) -> Faulty:
        return cls(built.name, built.plan, built.data, built.options)

    def pair(self) -> dict[str, bytes]:
        faults = (ROOT / "tests" / "c" / "faults.h").read_bytes()
        return {name: faults + data if name.endswith(".c") else data for name, data in super().pair().items()}


class Shortage:
    """The two numbers of tests/c/faults.h, in the file at `path`, which the environment names as FAULTS."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(16))
        self.path = path
        with path.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 16)

    @contextmanager
    def at(self, call: int) -> Iterator[None]:
        """Within, the call-th allocation fails, and all after it."""
        self._numbers[:8] = struct.pack("=q", call)
        try:
            yield
        finally:
            self._numbers[:8] = bytes(8)

    @property
    def blocks(self) -> int:
        """How many are allocated and not yet freed."""
        return int(struct.unpack("=q", self._numbers[8:])[0])
