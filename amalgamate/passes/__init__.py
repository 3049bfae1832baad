"""Rewrites of the graph, one file each: `run(graph) -> Graph`. The order is the list below and nothing else.

Every pass keeps what the graph computes but for rounding, and leaves it verified.
"""

from __future__ import annotations

from types import ModuleType

from amalgamate.graph import Graph
from amalgamate.passes import (
    choose_depthwise,
    fold_batch_norm,
    fold_constants,
    fold_padding,
    fuse_activation,
    fuse_residual,
    layout,
    match_composites,
    merge_reshapes,
    remove_identity,
)

ORDER: tuple[ModuleType, ...] = (
    remove_identity,
    fold_constants,
    match_composites,
    fold_padding,
    fold_batch_norm,
    fuse_residual,
    fuse_activation,
    layout,
    merge_reshapes,
    fuse_activation,
    choose_depthwise,
)


def run(graph: Graph) -> Graph:
    """The graph after all passes; the argument is left as it was."""
    for stage in ORDER:
        graph = stage.run(graph.copy())
        graph.prune()
        graph.verify()
    return graph
