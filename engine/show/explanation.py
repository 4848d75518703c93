"""`explain`: the chain rule told step by step, in words and with the numbers.

The steps stand in the order in which backprop visits the nodes: from the output back, so that a node comes
after all nodes that use it.  The formula of a local derivative does not come from a second table: the
primitive's own vjp is run once on Values that carry the operands' names, with g = 1, and what it records
is written down.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backprop import contributions
from ..handmade import Handmade
from ..node import reachable
from ..primitives import TABLE
from ..value import Value
from .graph import Graph, GraphNode
from .notation import BINDING, FEW, SIGN, Formula, bracket, figure, formula, named, one_line, operation

__all__ = ["Explanation", "derivative", "explain"]

LONGEST = 60  # characters of the formula of a local derivative; of a longer one the number alone is told


class Explanation(str):
    """A text that the prompt shows without quotes, and Jupyter in a fixed-width font."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(self)}</pre>'


def explain(value: Value, *, names: Mapping[str, Any] | None = None, steps: int = 20) -> Explanation:
    """The backward pass from a Value, told step by step.

    Args:
        value: where the pass began.  Before any pass, the local derivatives are told and the gradients are not.
        names: names for Values without a label, such as `locals()`.
        steps: tell this many operations, from the value back.

    Raises:
        MutationError: data was changed since the forward pass, so that the derivatives no longer belong to the numbers.
        TypeError: `value` is not a Value.
    """
    if not isinstance(value, Value):
        raise TypeError(f"explain() tells how a Value came about, not {type(value).__name__}")
    values = reachable([value])
    computed = [place for place, v in enumerate(values) if v.requires_grad and not v.is_leaf]
    told = computed[max(0, len(computed) - steps) :]
    needed = len(values) - told[0] if told else 1
    graph = Graph(value, names, limit=max(needed, 8 * steps))  # so that in all but a long graph the names are those of `draw`
    return Explanation("\n".join(map(one_line, _Steps(graph, len(told), len(computed) - len(told)).lines)))


# ── the local derivative, as a formula and in numbers ─────────────────────────


def derivative(graph: Graph, node: GraphNode, argnum: int) -> tuple[str, Any]:
    """∂node/∂operand as a formula of the names and in numbers, from the primitive's vjp with g = 1.

    Of an elementwise primitive on arrays, it is the derivative of each element.

    Returns:
        (formula, number or array).  The formula is "" where it is a plain number or too long.  Where the local
        derivative is a matrix, or has no rule, the answer is ("", None).
    """
    value, primitive = node.value, TABLE.get(node.primitive)
    if value is None or primitive is None or value._primitive is not primitive:
        return "", None
    vjp = primitive.vjp(argnum)
    has_arrays = any(np.ndim(part.data) for part in (node, *(graph.nodes[edge.source] for edge in node.edges)))
    if vjp is None or (has_arrays and not primitive.elementwise):
        return "", None
    out = Value(value._data, label=node.name)
    args = [
        Value(operand._data, label=graph.nodes[edge.source].name) if isinstance(operand, Value) else np.float64(operand)
        for operand, edge in zip(value.operands, node.edges, strict=True)
    ]
    with np.errstate(all="ignore"):  # NumPy's numbers have an answer for 1/0.0
        local = vjp(np.float64(1.0), out, *args, **node.params)
    if not isinstance(local, Value):
        return "", float(local) if np.ndim(local) == 0 else local
    recorded = Graph(local)
    formulas: list[Formula] = []
    for step in recorded.nodes:
        formulas.append(_simplified(step, [formulas[edge.source] for edge in step.edges]) if step.op else named(step))
        too_long = len(formulas[-1][0]) > LONGEST
        unnamed_array = not step.op and np.ndim(step.data) and not step.labelled
        if too_long or unnamed_array:
            return "", local._data
    return formulas[recorded.outputs[0]][0], local._data


def _simplified(node: GraphNode, operands: list[Formula]) -> Formula:
    """The formula of an operation without factors and exponents of 1; of `where`, only the branch that was taken."""
    texts = [text for text, _ in operands]
    match node.primitive:
        case "where" if not np.ndim(node.params["condition"]):
            return operands[0 if node.params["condition"] else 1]
        case "multiply" if "1" in texts:
            return operands[1 - texts.index("1")]
        case "multiply" if texts[0] == "-1":
            return "-" + bracket(operands[1], SIGN), SIGN
        case "divide" | "power" if texts[1] == "1":
            return operands[0]
    return formula(node, operands)


# ── the steps ─────────────────────────────────────────────────────────────────


class _Steps:
    """Writes the lines of an explanation, from the root back."""

    def __init__(self, graph: Graph, told: int, left: int):
        self.graph = graph
        self.root = graph.nodes[graph.outputs[0]]
        self.starts_here = self.root.grad is not None and bool(np.all(self.root.grad == 1))  # whether the pass began at the root
        self.lines: list[str] = []
        self.received: dict[int, list[Any]] = {}  # node -> the contributions to it, from its youngest use on
        computed = [node for node in reversed(graph.nodes) if node.op and node.requires_grad]
        self.begin()
        for number, node in enumerate(computed[:told], 1):
            self.step(number, node)
        self.end(told, left)

    def begin(self) -> None:
        root = self.root
        text = f"{root.name} = {figure(root.data)}"
        if root.value is not None and root.value.is_leaf:
            text += " was given, not computed: there is no step to tell."
        elif root.grad is None:
            text += f". No backward pass has left a gradient here yet; call {root.name}.backward() first."
        elif self.starts_here:
            text += f". The backward pass starts here, with ∂{root.name}/∂{root.name} = {figure(root.grad)}."
        else:
            text += f". The gradient that reached it is {figure(root.grad)}; from there on:"
        self.lines.append(text)

    def step(self, number: int, node: GraphNode) -> None:
        """One operation: what it computed, the gradient that reached it, and what it passes on."""
        value = node.value
        assert value is not None
        head = f"{number}. {node.name} = "
        if isinstance(value._primitive, Handmade):
            self.lines += ["", f"{head}{figure(node.data)} was made by hand ({node.op}); its own _backward passes the gradient on."]
            return
        with np.errstate(all="ignore"):
            next(contributions(value, np.zeros(value.shape)[()]), None)  # raises MutationError if the data was changed
        head += f"{operation(self.graph, node)} = {figure(node.data)}"
        if node.op not in BINDING and (doc := value._primitive.__doc__) and not doc.startswith(node.primitive):
            head += f"   [{node.primitive}: {doc}]"
        self.lines += ["", head]
        if node is not self.root and node.grad is not None:
            self.lines.append(f"   {self.gradient(node)}")
        for argnum, (edge, operand) in enumerate(zip(node.edges, value.operands, strict=True)):
            if isinstance(operand, Value) and operand.requires_grad:
                self.received.setdefault(edge.source, []).append(edge.contribution)
                self.lines.append(f"   {self.edge(node, argnum)}")
        self.kinks(node, value)

    def gradient(self, node: GraphNode) -> str:
        """The gradient of a node as the sum of the contributions to it."""
        name = f"∂{self.root.name}/∂{node.name}" if self.starts_here else f"{node.name}.grad"
        parts = self.received.get(node.index, [])
        if not parts or any(part is None for part in parts):
            return f"{name} = {figure(node.grad)}"
        total = sum(parts)
        text = f"{name} = {figure(total)}"
        if len(parts) > 1:
            terms = f"{' + '.join(map(_signed, parts))} = " if not np.ndim(total) and len(parts) <= FEW else ""
            text = f"{name} = {terms}{figure(total)}; it is used {len(parts)} times, and the contributions add"
        size = np.nan_to_num(sum(map(np.abs, parts)), nan=0.0, posinf=0.0)
        if not np.allclose(total, node.grad, atol=1e-8 * size, equal_nan=True):
            text += f"; {node.name}.grad = {figure(node.grad)}, together with earlier passes and other uses"
        return text

    def edge(self, node: GraphNode, argnum: int) -> str:
        """One use of an operand: its local derivative and its contribution."""
        edge = node.edges[argnum]
        source = self.graph.nodes[edge.source]
        formula, local = derivative(self.graph, node, argnum)
        text = ""
        if local is not None:
            repeated = sum(other.source == edge.source for other in node.edges) > 1
            which = f" (operand {argnum + 1})" if repeated else ""
            text = f"∂{node.name}/∂{source.name}{which} = {formula + ' = ' if formula else ''}{figure(local)}"
        if edge.contribution is None:
            return text or f"its gradient times the matrix ∂{node.name}/∂{source.name} goes to {source.name}"
        if local is not None and not np.ndim(node.data):
            return f"{text}; it passes {figure(local)} · {_signed(node.grad)} = {figure(edge.contribution)} back to {source.name}"
        passes = f"it passes {figure(edge.contribution)} back to {source.name}"
        if local is not None and np.shape(source.data) != np.shape(node.data):
            passes += f", summed over the copies that broadcasting made of it, from shape {np.shape(source.data)} to {np.shape(node.data)}"
        return f"{text}; {passes}" if text else passes

    def kinks(self, node: GraphNode, value: Value) -> None:
        """Where there is no derivative, and what it is set to there."""
        args = [operand._data if isinstance(operand, Value) else operand for operand in value.operands]
        for kink in value._primitive.kinks:
            with np.errstate(all="ignore"):
                met = int(np.sum(np.asarray(kink.distance(*args, **node.params)) == 0))
            if met:
                where = f", at {met} of {np.size(node.data)} elements" if np.ndim(node.data) else ""
                self.lines.append(f"   a kink ({kink.where}){where}: there is no derivative there, by convention it is {kink.value}")

    def end(self, told: int, left: int) -> None:
        """The gradients of the leaves; if operations are left, what the leaves received so far."""
        leaves = [node for node in self.graph.nodes if not node.op and node.index in self.received and node.grad is not None]
        if any(part is None for node in leaves for part in self.received[node.index]):
            leaves = []  # another pass left their gradients, or the pass kept no gradients of results
        if left:
            self.lines += ["", f"… {left} older values are not told; explain(..., steps={10 * max(told, 1)}) tells more."]
            leaves = [node for node in leaves if not node.is_cut]
        if leaves:
            self.lines += ["", "Received so far" if left else "The gradients of what was given"]
            for node in leaves:
                so_far = f"{node.name}: {figure(sum(self.received[node.index]))}, of {figure(node.grad)} in all"
                self.lines.append("   " + (so_far if left else self.gradient(node)))


def _signed(number: Any) -> str:
    """A number as a factor or a summand: a negative one in brackets."""
    return f"({figure(number)})" if number < 0 else figure(number)
