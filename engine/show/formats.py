"""The recorded graph in three written forms: JSON for programs, Mermaid for web pages, text for a terminal.

    print(to_text(loss))                       # a listing, one line a value
    Path("graph.json").write_text(to_json(loss, names=locals()))
    print(to_mermaid([a, b]))                  # paste it between ```mermaid fences

Each reads the same snapshot as `draw` (`engine.show.graph.Graph`), and `number` and `summary` are how all of
them, the pictures too, write a scalar and an array.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph import Graph, GraphNode

__all__ = ["number", "summary", "to_json", "to_mermaid", "to_text"]

NOTHING = "—"  # a gradient before any backward pass
FEW = 6  # up to so many elements of an array are shown themselves


# ── numbers in words ──────────────────────────────────────────────────────────


def number(x: Any) -> str:
    """A scalar in four significant digits, always recognisable as a float: 2.0, 0.7071, -1.5, 1e+06."""
    text = f"{float(x) + 0.0:.4g}"  # adding 0 turns -0.0 into 0.0
    return text + ".0" if text.lstrip("-").isdigit() else text


def summary(data: Any) -> str:
    """The numbers of a scalar or an array in one line: up to six of them themselves, of more their range and mean.

    NaN and infinite elements are counted, and left out of the range and the mean.
    """
    if data is None:
        return NOTHING
    if not np.ndim(data):
        return number(data)
    flat = np.ravel(data)
    if not flat.size:
        return "empty"
    if flat.size <= FEW:
        return _nested(data)
    finite = flat[np.isfinite(flat)].astype(np.float64)
    parts = [f"{count} {word}" for word, count in (("nan", np.isnan(flat).sum()), ("inf", np.isinf(flat).sum())) if count]
    if finite.size:
        low, high = finite.min(), finite.max()
        mean = (finite / finite.size).sum()  # in this order it cannot overflow
        if abs(mean) < 1e-12 * max(-low, high):  # the noise of rounding
            mean = 0.0
        parts.insert(0, f"all {number(low)}" if low == high else f"{number(low)} … {number(high)}, mean {number(mean)}")
    return ", ".join(parts)


def _nested(data: Any) -> str:
    if not np.ndim(data):
        return number(data)
    return "[" + ", ".join(map(_nested, data)) + "]"


def shape_of(data: Any) -> str:
    """The shape as it stands beside a name, with the dtype where it isn't float64: "(3, 4)", "(2,) float32", "" for a float."""
    kind = np.asarray(data).dtype
    words = [str(np.shape(data))] if np.ndim(data) else []
    return " ".join(words if kind == np.float64 else [*words, str(kind)])


# ── JSON ──────────────────────────────────────────────────────────────────────


def to_json(outputs: Any, names: Mapping[str, Any] | None = None) -> str:
    """The graph as a JSON object.

        {"version": 1, "outputs": [4], "nodes": [{"index": 0, "name": "x", "role": "input", "op": null, ...}, ...],
         "edges": [{"source": 0, "target": 2, "operand": 0, "local": 3.0, "contribution": -1.5}, ...]}

    Nodes are in the order of computation, one edge stands for each use of an operand, and arrays are
    nested lists.  JSON has no NaN and no infinity: they are the strings "nan", "inf" and "-inf".
    A gradient, local derivative or contribution that isn't known is null.

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
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)


def _plain(thing: Any) -> Any:
    """As JSON knows it; what it has no form for, such as an index expression, in Python's notation."""
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
        rows = [head] if is_number(node) else [head, f"value {summary(node.data)}"]
        if node.value is not None and node.value.requires_grad:
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
    """Text in Mermaid's entity codes (#60; for <): every sign but those that are harmless, and those within a number."""
    return re.sub(r"[^\w ,()…—.-]|(?<!\d)\.|\.(?!\d)|-(?!\d)", lambda sign: f"#{ord(sign[0])};", text)


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
    rows = [_row(node, graph) for node in graph.nodes if not is_number(node) or node.index in graph.outputs]
    widths = [min(48, max(map(len, column))) for column in zip(*rows, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def _row(node: GraphNode, graph: Graph) -> tuple[str, ...]:
    name = " ".join(filter(None, (node.name, shape_of(node.data))))
    made = f"{name} = {_call(node, graph)}" if node.primitive else name
    grad = f"grad {summary(node.grad)}" if node.value is not None and node.value.requires_grad else ""
    slopes = [f"∂{graph.nodes[edge.source].name} {number(edge.local)}" for edge in node.edges if edge.local is not None]
    role = "" if node.role == "interior" else node.role
    return made, f"= {summary(node.data)}", grad, role, ", ".join(slopes)


def is_number(node: GraphNode) -> bool:
    """Whether it is a bare number of the formula, which needs no line and no box of its own."""
    return node.role == "constant" and not node.labelled and not np.ndim(node.data)


def _call(node: GraphNode, graph: Graph) -> str:
    """The operation as it would be written: x1 * w1, sum(x, axis=0), x[0]."""
    inputs = [graph.nodes[edge.source].name for edge in node.edges]
    if node.primitive == "getitem":
        return f"{inputs[0]}[{_parameter(node.params['index'])}]"
    if len(inputs) == 2 and not node.params and not node.op[0].isalnum():
        return f"{inputs[0]} {node.op} {inputs[1]}"
    return f"{node.primitive}({', '.join([*inputs, *parameters(node)])})"


def parameters(node: GraphNode) -> list[str]:
    """The parameters of a node's operation in words: ["axis=0", "keepdims=True"]; large arrays by their shape."""
    return [f"{key}={_parameter(value)}" for key, value in node.params.items() if value is not None]


def _parameter(value: Any) -> str:
    if isinstance(value, slice):
        parts = [value.start, value.stop] if value.step is None else [value.start, value.stop, value.step]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, tuple) and any(part is ... or isinstance(part, (slice, np.ndarray)) for part in value):
        return ", ".join(map(_parameter, value))
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= FEW else f"array of shape {value.shape}"
    return "..." if value is ... else str(value)
