"""How numbers and operations are written: the one notation of pictures, listings, explanations and tables."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .graph import Graph, GraphNode

__all__ = [
    "FEW",
    "SIGN",
    "UNKNOWN",
    "bracket",
    "figure",
    "formula",
    "named",
    "number",
    "numbers",
    "one_line",
    "operation",
    "parameters",
    "shape_of",
    "summary",
]

UNKNOWN = "—"  # a gradient before any backward pass
FEW = 6  # an array with at most this many elements is shown by its elements, a larger one by a summary


# ── numbers ───────────────────────────────────────────────────────────────────


def figure(data: Any) -> str:
    """A number in six significant digits, a small array by its elements, a larger one by shape and summary; "—" for None."""
    if np.ndim(data):
        return summary(data) if np.size(data) <= FEW else f"{shape_of(data)} {summary(data)}"
    return UNKNOWN if data is None else _rounded(data, 6)


def number(x: Any) -> str:
    """A scalar in four significant digits, always recognisable as a float: 2.0, 0.7071, -1.5, 1e+06."""
    text = _rounded(x, 4)
    return text + ".0" if text.lstrip("-").isdigit() else text


def _rounded(x: Any, digits: int) -> str:
    return f"{float(x) + 0.0:.{digits}g}"  # adding 0 turns -0.0 into 0.0


def numbers(data: Any) -> str:
    """As `figure`, but an array of up to 32 elements by its elements."""
    if not FEW < np.size(data) <= 32:
        return figure(data)
    return "[" + ", ".join(map(numbers, data)) + "]"


def summary(data: Any) -> str:
    """A scalar or an array in one line: up to six elements themselves, of more elements their range and mean; "—" for None.

    NaN and infinite elements are counted, and left out of the range and the mean.
    """
    if data is None:
        return UNKNOWN
    if not np.ndim(data):
        return number(data)
    flat = np.ravel(data)
    if not flat.size:
        return "empty"
    if flat.size <= FEW:
        return "[" + ", ".join(map(summary, data)) + "]"
    finite = flat[np.isfinite(flat)].astype(np.float64)
    parts = [f"{count} {word}" for word, count in (("nan", np.isnan(flat).sum()), ("inf", np.isinf(flat).sum())) if count]
    if finite.size:
        low, high = finite.min(), finite.max()
        mean = (finite / finite.size).sum()  # dividing first keeps the sum from overflowing
        if abs(mean) < 1e-12 * max(-low, high):  # a rounding error
            mean = 0.0
        parts.insert(0, f"all {number(low)}" if low == high else f"{number(low)} … {number(high)}, mean {number(mean)}")
    return ", ".join(parts)


def shape_of(data: Any) -> str:
    """The shape as it stands beside a name, with the dtype if that is not float64: "(3, 4)", "(2,) float32", "" for a float."""
    dtype = np.asarray(data).dtype
    words = [str(np.shape(data))] if np.ndim(data) else []
    return " ".join(words if dtype == np.float64 else [*words, str(dtype)])


# ── operations ────────────────────────────────────────────────────────────────

# How tightly an operator of Python binds.  The sign in -x binds tighter than *, and ** tighter than the sign.
BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 4}
SIGN, ATOM = 3, 5  # ATOM: a name, a call, an index expression

Formula = tuple[str, int]  # a formula, and how tightly its outermost operator binds


def operation(graph: Graph, node: GraphNode) -> str:
    """What a node computes from its operands' names: "v3 + b", "sum(v3, axis=0)", "x[1:]"; of a leaf its role."""
    if not node.op:
        return node.role
    return formula(node, [named(graph.nodes[edge.source]) for edge in node.edges])[0]


def named(node: GraphNode) -> Formula:
    """A node by its name; a negative number binds like a sign."""
    return node.name, SIGN if node.role == "constant" and node.name.startswith("-") else ATOM


def formula(node: GraphNode, operands: list[Formula]) -> Formula:
    """The operation of a node on operands that are formulas themselves, with the brackets that these need."""
    if node.op in BINDING and len(operands) == 1:
        return node.op + bracket(operands[0], SIGN), SIGN
    if node.op in BINDING and len(operands) == 2:
        left, right = operands
        binding = BINDING[node.op]
        # a - (b - c) and a / (b / c) need their brackets, and (a ** b) ** c needs those on the left
        return f"{bracket(left, binding + (node.op == '**'))} {node.op} {bracket(right, binding + (node.op in '-/@'))}", binding
    if node.primitive == "getitem":
        index = node.params["index"]
        return f"{bracket(operands[0], ATOM)}[{', '.join(map(_argument, index if isinstance(index, tuple) else (index,)))}]", ATOM
    keywords = [f"{key}={_argument(value)}" for key, value in node.params.items() if value is not None]
    return f"{node.primitive}({', '.join([text for text, _ in operands] + keywords)})", ATOM


def one_line(text: str) -> str:
    """Text for a terminal: line breaks and other control characters of a label as Python escapes them."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: repr(found[0])[1:-1], text)


def bracket(written: Formula, needed: int) -> str:
    """A formula in brackets, unless its outermost operator binds at least as tightly as needed."""
    text, binding = written
    return text if binding >= needed else f"({text})"


def parameters(node: GraphNode) -> list[str]:
    """The parameters of a node's operation as notes beside its symbol: ["axis=0", "keepdims=True"], ["subscripts=ij,jk->ik"]."""
    return [f"{key}={value if isinstance(value, str) else _argument(value)}" for key, value in node.params.items() if value is not None]


def _argument(value: Any) -> str:
    """A parameter in Python's notation; a large array by its shape."""
    if isinstance(value, slice):
        parts = [value.start, value.stop] if value.step is None else [value.start, value.stop, value.step]
        return ":".join("" if part is None else str(part) for part in parts)
    if isinstance(value, tuple) and any(part is ... or isinstance(part, (slice, np.ndarray)) for part in value):
        return ", ".join(map(_argument, value))
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= FEW else f"array of shape {value.shape}"
    if isinstance(value, str):
        return repr(value)
    return "..." if value is ... else str(value)
