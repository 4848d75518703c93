"""`explain`: the chain rule told step by step, in words and with the numbers.

The steps stand in the order in which backprop visits the nodes: from the output back, each node when all
that use it have passed their contributions on.  The formula of a local derivative is not a second table:
it is the primitive's own rule, run once on the Values' names with g = 1, and written down.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backprop import contributions
from ..handmade import Handmade
from ..primitives import TABLE
from ..value import Value
from .formats import shape_of, summary
from .graph import Graph, GraphNode

__all__ = ["Explanation", "derivative", "explain", "figure", "numbers", "operation"]

# How tightly Python's operators bind; a sign stands between * and **.
BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 4}
SIGN, ATOM = 3, 5

# A formula longer than this helps nobody; the number stands alone then.
LONGEST = 60

SMALL = 6  # an array with more numbers than this shows its shape


class Explanation(str):
    """A text that shows itself: as it is at the prompt, in a fixed-width font in Jupyter."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(self)}</pre>'


def explain(value: Value, *, names: Mapping[str, Any] | None = None, steps: int = 20) -> Explanation:
    """The backward pass from a Value, told step by step.

    Args:
        value: where the pass began.  Without a pass so far, the local derivatives are told and the gradients are not.
        names: names for Values without a label, such as `locals()`.
        steps: tell this many operations, from the value back.

    Raises:
        MutationError: data was changed since the forward pass, so that no derivative fits the numbers.
    """
    if not isinstance(value, Value):
        raise TypeError(f"explain() tells how a Value came about, not {type(value).__name__}")
    graph = Graph(value, names, limit=8 * max(steps, 1))
    return Explanation("\n".join(_Story(graph, steps).lines))


# ── numbers and operations as text; the command's table uses them too ─────────


def figure(data: Any) -> str:
    """A number in six significant digits, a small array by its numbers, a larger one by shape and summary; "—" for None."""
    if data is None:
        return "—"
    if np.ndim(data):
        return summary(data) if np.size(data) <= SMALL else f"{shape_of(data)} {summary(data)}"
    return f"{float(data) or 0.0:.6g}"  # without the sign of -0.0


def numbers(data: Any) -> str:
    """As `figure`, an array of a few dozen elements by its numbers."""
    if not SMALL < np.size(data) <= 32 or not np.ndim(data):
        return figure(data)
    return "[" + ", ".join(numbers(row) if np.size(row) > SMALL else figure(row) for row in data) + "]"


def operation(graph: Graph, node: GraphNode) -> str:
    """What a node computes from its operands' names: "v3 + b", "sum(v3, axis=0)"; of a leaf its role."""
    if not node.op:
        return node.role
    return _spell(node, [_operand(graph.nodes[edge.source]) for edge in node.edges])[0]


def _operand(node: GraphNode) -> tuple[str, int]:
    return node.name, SIGN if node.role == "constant" and node.name.startswith("-") else ATOM


def _spell(node: GraphNode, operands: list[tuple[str, int]]) -> tuple[str, int]:
    """An operation on operands given as text, and how tightly the result binds."""
    texts = [text for text, _ in operands]
    if node.op in BINDING and len(operands) <= 2:
        binding = BINDING[node.op]
        if len(operands) == 1:
            return node.op + _bracket(*operands[0], SIGN), SIGN
        left, right = operands
        tight = node.op == "**"
        return f"{_bracket(*left, binding + tight)} {node.op} {_bracket(*right, binding + (node.op in '-/@'))}", binding
    if node.primitive == "getitem":
        return f"{_bracket(*operands[0], ATOM)}[{_index(node.params['index'])}]", ATOM
    params = [f"{key}={_short(param)}" for key, param in node.params.items() if param is not None]
    return f"{node.primitive}({', '.join(texts + params)})", ATOM


def _bracket(text: str, binding: int, needed: int) -> str:
    return text if binding >= needed else f"({text})"


def _short(param: Any) -> str:
    if isinstance(param, np.ndarray) and param.size > 6:
        return f"array{param.shape}"
    return str(param.tolist() if isinstance(param, (np.ndarray, np.generic)) else repr(param) if isinstance(param, str) else param)


def _index(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(map(_index, index))
    if isinstance(index, slice):
        ends = ["" if end is None else str(end) for end in (index.start, index.stop, index.step)]
        return ":".join(ends if ends[2] else ends[:2])
    return "..." if index is Ellipsis else _short(index)


# ── the local derivative, as a formula and in numbers ─────────────────────────


def derivative(graph: Graph, node: GraphNode, argnum: int) -> tuple[str, Any]:
    """∂node/∂operand as a formula of the names and in numbers, from the primitive's rule with g = 1.

    Of an elementwise primitive on arrays it is the derivative of each element.  The formula is "" where it is
    a plain number or too long; both are missing, ("", None), where the local derivative is a matrix.
    """
    value, primitive = node.value, TABLE.get(node.primitive)
    if value is None or value._primitive is not primitive or primitive is None or (np.ndim(node.data) and not primitive.elementwise):
        return "", None
    if not np.ndim(node.data) and any(np.ndim(graph.nodes[edge.source].data) for edge in node.edges):
        return "", None
    out = Value(value._data, label=node.name)
    args = [
        Value(operand._data, label=graph.nodes[edge.source].name) if isinstance(operand, Value) else operand
        for operand, edge in zip(value.operands, node.edges, strict=True)
    ]
    rule = primitive.vjp(argnum)
    if rule is None:
        return "", None
    with np.errstate(all="ignore"):
        local = rule(1.0, out, *args, **node.params)
    if not isinstance(local, Value):
        return "", local
    trace = Graph(local)
    texts: list[tuple[str, int]] = []
    for step in trace.nodes:
        texts.append(_simplify(step, [texts[edge.source] for edge in step.edges]) if step.op else _operand(step))
        if len(texts[-1][0]) > LONGEST or (not step.op and np.ndim(step.data) and not step.labelled):
            return "", local._data
    return texts[trace.outputs[0]][0], local._data


def _simplify(node: GraphNode, operands: list[tuple[str, int]]) -> tuple[str, int]:
    """Spell an operation without factors and exponents of 1, and of `where` only the branch that was taken."""
    texts = [text for text, _ in operands]
    match node.primitive:
        case "where" if not np.ndim(node.params["condition"]):
            return operands[0 if node.params["condition"] else 1]
        case "multiply" if "1" in texts:
            return operands[1 - texts.index("1")]
        case "multiply" if texts[0] == "-1":
            return "-" + _bracket(*operands[1], SIGN), SIGN
        case "divide" | "power" if texts[1] == "1":
            return operands[0]
    return _spell(node, operands)


# ── the story ─────────────────────────────────────────────────────────────────


class _Story:
    """The lines of an explanation."""

    def __init__(self, graph: Graph, steps: int):
        self.graph = graph
        self.root = graph.nodes[graph.outputs[0]]
        self.lines: list[str] = []
        self.received: dict[int, list[Any]] = {}  # the contributions to each node, from its youngest use on
        computed = [node for node in reversed(graph.nodes) if node.op and node.value is not None and node.value.requires_grad]
        self.open()
        for number, node in enumerate(computed[:steps], 1):
            self.step(number, node)
        self.close(len(computed[:steps]), len(computed[steps:]))

    def open(self) -> None:
        root = self.root
        told = f"{root.name} = {figure(root.data)}"
        if root.value is not None and root.value.is_leaf:
            told += " was given, not computed: there is no step to tell."
        elif root.grad is None:
            told += f". No backward pass has left a gradient here yet; call {root.name}.backward() first."
        elif self.starts:
            told += f". The backward pass starts here, with ∂{root.name}/∂{root.name} = {figure(root.grad)}."
        else:
            told += f". The gradient that reached it is {figure(root.grad)}; from there on:"
        self.lines.append(told)

    @property
    def starts(self) -> bool:
        """Whether the pass began at the root itself."""
        return self.root.grad is not None and bool(np.all(self.root.grad == 1))

    def gradient(self, node: GraphNode) -> str:
        """The gradient of a node, and how it came together."""
        name = f"∂{self.root.name}/∂{node.name}" if self.starts else f"{node.name}.grad"
        parts = self.received.get(node.index, [])
        if not parts or any(part is None for part in parts):
            return f"{name} = {figure(node.grad)}"
        total = sum(parts)
        told = f"{name} = {figure(total)}"
        if len(parts) > 1:
            added = f"{' + '.join(map(_signed, parts))} = " if not np.ndim(total) and len(parts) <= SMALL else ""
            told = f"{name} = {added}{figure(total)}; it is used {len(parts)} times, and the contributions add"
        if not np.allclose(total, node.grad, equal_nan=True):
            told += f"; {node.name}.grad = {figure(node.grad)}, together with earlier passes and other uses"
        return told

    def step(self, number: int, node: GraphNode) -> None:
        """One operation: what it computed, the gradient that reached it, and what it passes on."""
        value = node.value
        assert value is not None
        if isinstance(value._primitive, Handmade):
            self.lines += [
                "",
                f"{number}. {node.name} = {figure(node.data)} was made by hand ({node.op}); its own _backward passes the gradient on.",
            ]
            return
        with np.errstate(all="ignore"):
            next(contributions(value, np.zeros(value.shape)[()]), None)  # raises MutationError where data was changed since
        head = f"{number}. {node.name} = {operation(self.graph, node)} = {figure(node.data)}"
        if node.op not in BINDING and (doc := value._primitive.__doc__) and not doc.startswith(node.primitive):
            head += f"   [{node.primitive}: {doc}]"
        self.lines += ["", head]
        if node is not self.root and node.grad is not None:
            self.lines.append(f"   {self.gradient(node)}")
        for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands, strict=True)):
            if isinstance(operand, Value) and operand.requires_grad:
                self.received.setdefault(edge.source, []).append(edge.contribution)
                self.lines.append(f"   {self.edge(node, argnum)}")
        self.kinks(node)

    def edge(self, node: GraphNode, argnum: int) -> str:
        """One use of an operand: its local derivative, and the contribution."""
        edge = node.edges[argnum]
        source = self.graph.nodes[edge.source]
        formula, local = derivative(self.graph, node, argnum)
        twice = sum(other.source == edge.source for other in node.edges) > 1
        told = ""
        if local is not None:
            which = f" (operand {argnum + 1})" if twice else ""
            told = f"∂{node.name}/∂{source.name}{which} = {formula + ' = ' if formula else ''}{figure(local)}; "
        if edge.contribution is None:
            return told.removesuffix("; ") or f"its gradient times the matrix ∂{node.name}/∂{source.name} goes to {source.name}"
        if local is not None and not np.ndim(node.data):
            return f"{told}it passes {figure(local)} · {_signed(node.grad)} = {figure(edge.contribution)} back to {source.name}"
        told += f"it passes {figure(edge.contribution)} back to {source.name}"
        if local is not None and np.shape(source.data) != np.shape(node.data):
            told += f", summed over the copies that broadcasting made of it, from shape {np.shape(source.data)} to {np.shape(node.data)}"
        return told

    def kinks(self, node: GraphNode) -> None:
        """Say where the derivative is a convention."""
        value = node.value
        assert value is not None
        args = [operand._data if isinstance(operand, Value) else operand for operand in value.operands]
        for kink in value._primitive.kinks:
            with np.errstate(all="ignore"):
                met = int(np.sum(np.asarray(kink.distance(*args, **node.params)) == 0))
            if met:
                many = f", at {met} of {np.size(node.data)} elements" if np.ndim(node.data) else ""
                self.lines.append(f"   a kink ({kink.where}){many}: there is no derivative there, by convention it is {kink.value}")

    def close(self, told: int, left: int) -> None:
        leaves = [node for node in self.graph.nodes if not node.op and node.index in self.received and node.grad is not None]
        if any(part is None for node in leaves for part in self.received[node.index]):
            leaves = []  # what they hold was left by another pass, or by one that kept no gradients of results
        left += self.graph.total - sum(node.value is not None for node in self.graph.nodes)
        if left:
            self.lines += ["", f"… {left} older values are not told; explain(..., steps={10 * max(told, 1)}) tells more."]
            leaves = [node for node in leaves if node.value is not None and node.value.is_leaf]
        if leaves:
            self.lines += ["", "Received so far" if left else "The gradients of what was given"]
            for node in leaves:
                so_far = f"{node.name}: {figure(sum(self.received[node.index]))}, of {figure(node.grad)} in all"
                self.lines.append("   " + (so_far if left else self.gradient(node)))


def _signed(number: Any) -> str:
    """A number as a factor or a summand: negative ones in brackets."""
    return f"({figure(number)})" if number < 0 else figure(number)
