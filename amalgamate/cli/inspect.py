"""inspect: a model at each stage between its file and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from amalgamate.cli.options import ModelOptions, model_options
from amalgamate.cli.output import printing, show, table

if TYPE_CHECKING:
    from amalgamate.plan import Plan


@click.command("inspect")
@model_options
@click.option(
    "--stage",
    type=click.Choice(["graph", "passes", "plan", "layers"]),
    default="layers",
    show_default=True,
    help="As imported; after the rewrites; memory; or a table of what runs.",
)
@printing
def inspect_command(options: ModelOptions, stage: str) -> None:
    """Show operators, shapes, multiply-accumulates, weights and memory of MODEL."""
    from amalgamate import passes
    from amalgamate.plan import plan

    graph = options.read()
    if stage == "graph":
        show(_nodes(graph), lambda: click.echo(str(graph)))
        return
    graph = passes.run(graph)
    if stage == "passes":
        show(_nodes(graph), lambda: click.echo(str(graph)))
    elif stage == "plan":
        planned = plan(graph, options.stored_as, options.arena)
        blocks = [vars(block) for block in planned.blocks]
        told = {"arena_bytes": planned.arena_bytes, "blocks": blocks, "homes": planned.homes, "rows": planned.rows}
        show(told, lambda: click.echo(f"{planned}\n\n{planned.timeline()}"))
    else:
        _layers(graph, plan(graph, options.stored_as, options.arena))


def _nodes(graph: Any) -> dict[str, Any]:
    """A graph as JSON, without the values of constants."""
    return {
        "name": graph.name,
        "inputs": [_tensor(graph, name) for name in graph.inputs],
        "outputs": [_tensor(graph, name) for name in graph.outputs],
        "nodes": [
            {"name": n.name, "op": n.op.name, "attributes": str(n.op), "inputs": n.inputs, "outputs": n.outputs}
            for n in graph.nodes
        ],
    }


def _tensor(graph: Any, name: str) -> dict[str, Any]:
    tensor = graph.tensors[name]
    return {"name": name, "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _layers(graph: Any, planned: Plan) -> None:
    layers = [
        {
            "layer": node.name,
            "op": str(node.op),
            "output": list(graph.tensors[node.outputs[0]].shape),
            "macs": graph.node_macs(node),
            "weight_bytes": sum(
                t.bytes for t in {i: graph.tensors[i] for i in node.inputs if i}.values() if t.constant
            ),
        }
        for node in graph.nodes
    ]
    total = {
        "macs": graph.macs(),
        "weight_bytes": sum(t.bytes for t in graph.constants()),
        "stored_bytes": sum(constant.bytes for constant in planned.constants.values()),
        "expanded_bytes": planned.widened_bytes,
        "arena_bytes": planned.arena_bytes,
        "inputs": [_tensor(graph, name) for name in graph.inputs],
        "outputs": [_tensor(graph, name) for name in graph.outputs],
    }

    def text() -> None:
        rows = [
            [n["layer"], n["op"], "x".join(map(str, n["output"])), f"{n['macs']:,}", f"{n['weight_bytes']:,}"]
            for n in layers
        ]
        table(["layer", "operator", "output", "MACs", "weight bytes"], rows, right=["output", "MACs", "weight bytes"])
        for kind in ("inputs", "outputs"):
            click.echo(f"{kind}: " + ", ".join(f"{t['name']} {t['dtype']}{t['shape']}" for t in total[kind]))
        click.echo(f"{len(layers)} layers, {total['macs'] / 1e6:,.1f} M multiply-accumulates")
        mib = {what: f"{total[f'{what}_bytes'] / 2**20:,.2f} MiB" for what in ("weight", "stored", "expanded", "arena")}
        click.echo(f"{mib['weight']} of weights, {mib['arena']} of activations")
        if total["expanded_bytes"]:
            click.echo(f"weights stored as float16 in {mib['stored']}; opening takes {mib['expanded']} to expand them")

    show({"layers": layers, **total}, text)
