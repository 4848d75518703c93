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

from .backprop import contributions
from .formats import summary
from .graph import Graph, Node
from .primitives import TABLE
from .value import Value

__all__ = ["Explanation", "explain", "figure", "operation"]

# How tightly Python's operators bind; a sign stands between * and **.
BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 4}
SIGN, ATOM = 3, 5

# A formula longer than this helps nobody; the number stands alone then.
LONGEST = 48


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
    """A number in six significant digits, an array by its shape and a summary; "—" for None."""
    if data is None:
        return "—"
    if np.ndim(data):
        return summary(data)
    return f"{float(data):.6g}".replace("-0", "0") if data == 0 else f"{float(data):.6g}"


def operation(graph: Graph, node: Node) -> str:
    """What a node computes from its operands' names: "v3 + b", "sum(v3, axis=0)"; of a leaf its role."""
    if not node.op:
        return node.role
    return _spell(node, [_operand(graph.nodes[edge.source]) for edge in node.edges])[0]


def _operand(node: Node) -> tuple[str, int]:
    return node.name, SIGN if node.role == "constant" and node.name.startswith("-") else ATOM


def _spell(node: Node, operands: list[tuple[str, int]]) -> tuple[str, int]:
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


# ── the formula of a local derivative ─────────────────────────────────────────


def formula(graph: Graph, node: Node, argnum: int) -> str:
    """∂node/∂operand as a formula of the names, from the primitive's rule; "" if it is a number or too long."""
    value = node.value
    if value is None or value._primitive.pull is not None:
        return ""
    out = Value(value._data, label=node.name)
    args = [
        operand if type(operand) is float else Value(operand._data, label=graph.nodes[edge.source].name)
        for operand, edge in zip(value.operands, node.edges, strict=True)
    ]
    with np.errstate(all="ignore"):
        local = value._primitive.vjp(argnum)(1.0, out, *args, **node.params)
    if not isinstance(local, Value):
        return ""
    trace = Graph(local)
    texts: list[tuple[str, int]] = []
    for step in trace.nodes:
        texts.append(_simplify(step, [texts[edge.source] for edge in step.edges]) if step.op else _operand(step))
    text = texts[trace.outputs[0]][0]
    return text if len(text) <= LONGEST else ""


def _simplify(node: Node, operands: list[tuple[str, int]]) -> tuple[str, int]:
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
        self.uses: dict[int, list[Any]] = {}  # what each node received, from the youngest user on
        told = 0
        computed = [node for node in reversed(graph.nodes) if node.op and node.value is not None and node.value.requires_grad]
        self.open(len(computed))
        for node in computed:
            if told == steps:
                break
            told += 1
            self.step(told, node)
        self.close(told)

    def open(self, operations: int) -> None:
        root = self.root
        if not root.op:
            self.lines.append(f"{root.name} = {figure(root.data)} was given, not computed: there is nothing to go back through.")
        elif root.grad is None:
            self.lines.append(
                f"{root.name} = {figure(root.data)}. No backward pass has run, so gradients are unknown (—); call {root.name}.backward()."
            )
        else:
            self.lines.append(f"{root.name} = {figure(root.data)}. The backward pass starts here, with {self.gradient(root)}.")

    def gradient(self, node: Node) -> str:
        """∂root/∂node, and how it came together."""
        text = f"∂{self.root.name}/∂{node.name} = "
        parts = self.uses.get(node.index, [])
        if len(parts) > 1 and all(part is not None for part in parts):
            if np.ndim(node.data):
                return f"{text}{figure(node.grad)}, the sum of what its {len(parts)} uses passed back"
            return (
                f"{text}{' + '.join(map(_signed, parts))} = {figure(sum(parts))}: it is used {len(parts)} times, so the contributions add"
            )
        return text + figure(node.grad)

    def step(self, number: int, node: Node) -> None:
        value = node.value
        assert value is not None
        next(contributions(value, value.grad), None)  # raises MutationError where data was changed since
        head = f"{number}. {node.name} = {operation(self.graph, node)} = {figure(node.data)}"
        if node.op not in BINDING and TABLE.get(node.primitive) and TABLE[node.primitive].__doc__:
            head += f"   [{node.primitive}: {TABLE[node.primitive].__doc__}]"
        self.lines += ["", head]
        if node is not self.root:
            self.lines.append(f"   {self.gradient(node)}.")
        for argnum, edge in enumerate(node.edges):
            source = self.graph.nodes[edge.source]
            operand = value.operands[argnum]
            if type(operand) is float or not operand.requires_grad:
                continue
            self.uses.setdefault(edge.source, []).append(edge.contribution)
            self.lines.append("   " + self.edge(node, argnum, source))
        self.kinks(node)

    def edge(self, node: Node, argnum: int, source: Node) -> str:
        edge = node.edges[argnum]
        if edge.local is not None:
            told = formula(self.graph, node, argnum)
            text = f"∂{node.name}/∂{source.name} = {told + ' = ' if told else ''}{figure(edge.local)}"
            if edge.contribution is not None:
                text += f"; it passes {figure(edge.local)} · {_signed(node.grad)} = {figure(edge.contribution)} back to {source.name}."
            return text
        if edge.contribution is None:
            return f"a gradient passes back to {source.name} in its shape, {np.shape(source.data) or 'a number'}."
        text = f"it passes back to {source.name}: {figure(edge.contribution)}"
        if TABLE.get(node.primitive) and TABLE[node.primitive].elementwise and np.shape(source.data) != np.shape(node.data):
            shape = np.shape(source.data) or "a single number"
            text += f"   ({source.name}, {shape}, was stretched to {np.shape(node.data)}: summed over the copies)"
        return text

    def kinks(self, node: Node) -> None:
        """Say where the derivative is a convention."""
        value = node.value
        assert value is not None
        args = [operand if type(operand) is float else operand._data for operand in value.operands]
        for kink in TABLE[node.primitive].kinks if node.primitive in TABLE else ():
            with np.errstate(all="ignore"):
                met = int(np.sum(np.asarray(kink.distance(*args, **node.params)) == 0))
            if met:
                where = f"{kink.where} is a kink" if not node.value or not value.ndim else f"{met} elements are at a kink, {kink.where}"
                self.lines.append(f"   {where}: no derivative exists there; the convention is {kink.value}.")

    def close(self, told: int) -> None:
        left = self.graph.total - len(self.graph.nodes)
        leaves = [node for node in self.graph.nodes if not node.op and node.index in self.uses]
        if leaves and self.root.grad is not None:
            self.lines += ["", "The gradients"]
            for node in leaves:
                self.lines.append(f"   {self.gradient(node)}")
        if left > 0:
            self.lines += ["", f"… {left} older values are not told here; explain(..., steps={10 * told}) tells more."]


def _signed(number: Any) -> str:
    """A number as a factor or a summand: negative ones in brackets."""
    return f"({figure(number)})" if number < 0 else figure(number)
