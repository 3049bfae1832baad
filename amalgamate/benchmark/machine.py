"""The machine that is measured on: its name, and the processors that the engines are held to."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def name() -> str:
    """The processor's name as the system tells it, and how many of it may be used."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return f"{found[1].strip() if found else platform.processor() or platform.machine()}, {len(allowed())} CPUs"


def allowed() -> list[int]:
    """The processors that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def chosen(threads: int) -> list[int]:
    """As many processors as threads, of different cores while there are any; empty where processes cannot be held to some.

    The last cores come first, since systems serve interrupts on the first.
    """
    if not hasattr(os, "sched_setaffinity") or threads > len(allowed()):
        return []
    first: list[int] = []
    second: list[int] = []  # of cores that are taken already
    taken: set[str] = set()
    for cpu in reversed(allowed()):
        siblings = _CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        (second if core in taken else first).append(cpu)
        taken.add(core)
    return sorted([*first, *second][:threads])
