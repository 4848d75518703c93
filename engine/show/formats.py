"""The recorded graph in three written forms: JSON for programs, Mermaid for web pages, text for a terminal.

    print(to_text(loss))                       # a listing, one line a value
    Path("graph.json").write_text(to_json(loss, names=locals()))
    print(to_mermaid([a, b]))                  # paste it between ```mermaid fences

Each reads the same snapshot as `draw` (`engine.show.graph.Graph`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph import Graph, GraphNode
from .notation import number, one_line, operation, shape_of, summary

__all__ = ["to_json", "to_mermaid", "to_text"]

# ── JSON ──────────────────────────────────────────────────────────────────────


def to_json(outputs: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph as a JSON object.

        {"version": 1, "outputs": [4], "nodes": [{"index": 0, "name": "x", "role": "input", "op": null, ...}, ...],
         "edges": [{"source": 0, "target": 2, "operand": 0, "local": 3.0, "contribution": -1.5}, ...]}

    Nodes are in the order of computation, one edge stands for each use of an operand, and arrays are
    nested lists.  JSON has no NaN and no infinity: they are the strings "nan", "inf" and "-inf".
    A gradient, local derivative or contribution that is not known is null.

    Args:
        outputs: a Value, or a list, tuple or dict of them.
        names: names for Values without a label, such as `locals()`.
    """
    graph = Graph(outputs, names)
    nodes = [
        {
            "index": node.index,
            "name": node.name,
            "labelled": node.labelled,
            "role": node.role,
            "op": node.primitive or None,
            "params": {key: _plain(value) for key, value in node.params.items()},
            "shape": list(np.shape(node.data)),
            "dtype": str(np.asarray(node.data).dtype),
            "value": _plain(node.data),
            "grad": _plain(node.grad),
        }
        for node in graph.nodes
    ]
    edges = [
        {
            "source": edge.source,
            "target": node.index,
            "operand": place,
            "local": _plain(edge.local),
            "contribution": _plain(edge.contribution),
        }
        for node in graph.nodes
        for place, edge in enumerate(node.edges)
    ]
    document = {"version": 1, "outputs": graph.outputs, "nodes": nodes, "edges": edges}
    return json.dumps(document, ensure_ascii=False, indent=1)


def _plain(thing: Any) -> Any:
    """A number, list or text as JSON has them; anything else, such as an index expression, in Python's notation."""
    if isinstance(thing, (np.ndarray, np.generic)):
        thing = thing.tolist()
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else str(thing)
    if isinstance(thing, (list, tuple)):
        return [_plain(item) for item in thing]
    return thing if thing is None or isinstance(thing, (bool, int, str)) else repr(thing)


# ── Mermaid ───────────────────────────────────────────────────────────────────

_MERMAID_STYLES = {
    "input": "fill:#d7e7f7,stroke:#4a7fb5,color:#1c1c1e",
    "parameter": "fill:#d9efd6,stroke:#4f9a56,color:#1c1c1e",
    "constant": "fill:#ececef,stroke:#8e8e93,color:#1c1c1e",
    "interior": "fill:#ffffff,stroke:#8e8e93,color:#1c1c1e",
    "output": "fill:#ecdcf5,stroke:#8f5bb0,color:#1c1c1e",
    "operation": "fill:#f7f7f2,stroke:#8e8e93,color:#1c1c1e",
}


def to_mermaid(outputs: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph as a Mermaid flowchart, which GitHub, GitLab and many notebooks draw from its text.

    A box for each value with its number and gradient, a round node for each operation, an arrow for each
    use of an operand with its local derivative.

    Args:
        outputs: a Value, or a list, tuple or dict of them.
        names: names for Values without a label, such as `locals()`.
    """
    graph = Graph(outputs, names)
    lines = ["flowchart LR"]
    for node in graph.nodes:
        head = " ".join(filter(None, (node.name, shape_of(node.data))))
        rows = [head] if node.is_number else [head, f"value {summary(node.data)}"]
        if node.requires_grad:
            rows.append(f"grad {summary(node.grad)}")
        lines.append(f'    v{node.index}["{"<br>".join(map(_escape_mermaid, rows))}"]:::{node.role}')
        if node.op:
            lines.append(f'    op{node.index}(["{_escape_mermaid(node.op)}"]):::operation')
    for node in graph.nodes:
        for edge in node.edges:
            label = "" if edge.local is None else f'|"{number(edge.local)}"|'
            lines.append(f"    v{edge.source} -->{label} op{node.index}")
        if node.op:
            lines.append(f"    op{node.index} --- v{node.index}")
    lines += [f"    classDef {role} {style}" for role, style in _MERMAID_STYLES.items()]
    return "\n".join(lines) + "\n"


def _escape_mermaid(text: str) -> str:
    """Text with Mermaid's entity codes, such as #60; for <; letters, digits, numbers and harmless signs stay."""
    return re.sub(r"[^\w ,()…—.-]|(?<!\d)\.|\.(?!\d)|-(?!\d)", lambda found: f"#{ord(found[0])};", text)


# ── text ──────────────────────────────────────────────────────────────────────


def to_text(outputs: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph as a listing in the order of computation: each value once, with its number and gradient.

        x           = 2.0   grad 3.0    input
        w           = 3.0   grad 2.0    parameter
        v2 = x * w  = 6.0   grad 1.0    output      ∂x 3.0, ∂w 2.0

    The last column holds the local derivatives, ∂v2/∂x and ∂v2/∂w, between scalars.

    Args:
        outputs: a Value, or a list, tuple or dict of them.
        names: names for Values without a label, such as `locals()`.
    """
    graph = Graph(outputs, names)
    rows = [tuple(map(one_line, _row(node, graph))) for node in graph.nodes if not node.is_number or node.index in graph.outputs]
    widths = [min(48, max(map(len, column))) for column in zip(*rows, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def _row(node: GraphNode, graph: Graph) -> tuple[str, ...]:
    """The columns of a line: name and operation, value, gradient, role, local derivatives."""
    name = " ".join(filter(None, (node.name, shape_of(node.data))))
    computation = f"{name} = {operation(graph, node)}" if node.primitive else name
    grad = f"grad {summary(node.grad)}" if node.requires_grad else ""
    local_derivatives = [f"∂{graph.nodes[edge.source].name} {number(edge.local)}" for edge in node.edges if edge.local is not None]
    role = "" if node.role == "interior" else node.role
    return computation, f"= {summary(node.data)}", grad, role, ", ".join(local_derivatives)
