"""The C pair: NAME.c and NAME.h, a model with the runtime that it needs, or amg.c and amg.h, the runtime alone."""

from __future__ import annotations

from amalgamate.writers.tables import all_ops, generated

__all__ = ["all_ops", "generated"]
