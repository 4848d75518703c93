"""Both passes as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..show.explanation import derivative
from ..show.graph import Graph, GraphNode
from ..show.notation import figure, numbers, operation, summary

__all__ = ["show"]

ROWS = 60  # a table shows this many values, the newest


def show(title: str, graph: Graph) -> None:
    """Print the forward pass, the backward pass, and the gradients of the leaves.  The terminal's width is kept to."""
    nodes = [node for node in graph.nodes if node.labelled or node.op or np.ndim(node.data)]  # no bare numbers
    newest = nodes[-ROWS:]
    parts: list[Any] = [Text(title, style="bold"), "", _forward(graph, newest)]
    if (first := next((node for node in nodes if not np.all(np.isfinite(node.data))), None)) is not None:
        made = f"{first.name} = {operation(graph, first)}" if first.op else first.name
        parts.append(Text(f"{made} is the first value that is not finite.", style="red"))
    parts.append("")
    backward = _backward(graph, newest)
    if backward.row_count:
        parts += [backward, ""]
    if hidden := len(nodes) - len(newest):
        parts += [Text(f"{hidden} older values are not shown; --json lists all."), ""]
    parts += [_gradients(graph), ""]

    console = Console()
    with console.capture() as printed:
        for part in parts:
            console.print(part)
    print(printed.get(), end="")


def _forward(graph: Graph, nodes: Sequence[GraphNode]) -> Table:
    table = _table("Forward pass", "node", "operation", "value")
    for node in nodes:
        table.add_row(_name(node), Text(operation(graph, node)), Text(figure(node.data)))
    return table


def _backward(graph: Graph, nodes: Sequence[GraphNode]) -> Table:
    """A row for each operand that takes a contribution.  The first row of a node has the node's name and gradient."""
    table = _table("Backward pass", "node", "gradient", "passes to", "local derivative", "contribution")
    for node in reversed(nodes):
        start = [_name(node), _brief(node.grad)]
        for argnum, edge in enumerate(node.edges):
            if edge.contribution is not None:
                operand = graph.nodes[edge.source]
                _, local = derivative(graph, node, argnum)
                told = Text(f"{np.size(node.data)} × {np.size(operand.data)} matrix") if local is None else _brief(local)
                table.add_row(*start, Text(operand.name), told, _brief(edge.contribution))
                start = [Text(""), Text("")]
    return table


def _gradients(graph: Graph) -> Table:
    output = graph.nodes[graph.outputs[0]].name
    table = _table("Gradients", "", "")
    for node in graph.nodes:
        if not node.op and node.grad is not None:
            table.add_row(Text(f"∂{output}/∂{node.name}"), Text(numbers(node.grad), style="bold"))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim"
    )
    table.show_header = any(columns)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _name(node: GraphNode) -> Text:
    return Text(node.name, style={"output": "bold green", "input": "bold cyan"}.get(node.role, ""))


def _brief(data: Any) -> Text:
    """A number as it is; of an array, its range."""
    return Text(summary(data).partition(", mean")[0] if np.ndim(data) else figure(data))
