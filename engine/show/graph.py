"""The recorded graph as data: what every picture, table and explanation is made from.

`Graph(value)` reads a Value's graph once.  Its nodes are in the order of computation; each has a name, a
role, its numbers, and one edge per use of an operand with the local derivative and the contribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..backprop import MutationError, contributions
from ..handmade import Handmade
from ..node import age, operands, reachable
from ..trees import tree_paths
from ..value import Parameter, Value

Role = Literal["input", "parameter", "constant", "interior", "output"]


@dataclass(slots=True)
class GraphEdge:
    """One use of an operand."""

    source: int  # the index of the operand's node
    local: float | None  # ∂out/∂operand, between scalars that take part in differentiation
    contribution: Any  # local · upstream, what this edge added to the operand's gradient; None before a pass


@dataclass(slots=True)
class GraphNode:
    """One value of the graph."""

    index: int
    name: str  # the label, or a made-up one: v3
    labelled: bool
    role: Role
    op: str  # the primitive's symbol, "" for a leaf
    primitive: str  # its name, "" for a leaf
    params: dict[str, Any]
    data: Any
    grad: Any  # None before a pass ("—")
    edges: tuple[GraphEdge, ...] = ()
    value: Value | None = field(default=None, repr=False)  # None for a number of the formula


class Graph:
    """A snapshot of the graph below some outputs.

    Args:
        outputs: a Value, or a list, tuple or dict of them; a dict names them.
        names: names for Values that have no label, such as `locals()`; entries that are not Values are
            passed over, lists of Values give `w[0]`, `w[1]`, ...
        limit: read only this many of the youngest nodes; their operands beyond stand as if given.
        depth: read only what is at most this many operations away from an output.

    Attributes:
        nodes: oldest first; an operand stands before what uses it.
        outputs: the indices of the outputs.
        total: how many Values the graph has, beyond any limit.
    """

    def __init__(self, outputs: Any, names: Mapping[str, Any] | None = None, *, limit: int | None = None, depth: int | None = None):
        roots = list(_roots(outputs))
        if not roots:
            raise ValueError("nothing to show: no Value was given")
        given = dict(_name_of(names or {}))
        if isinstance(outputs, Mapping):
            given |= {value: str(name) for name, value in outputs.items()}
        values = reachable(roots)
        for value in values:
            if isinstance(value._grad, Value) and (name := value.label or given.get(value)):
                given.setdefault(value._grad, f"∂/∂{name}")
        self.total = len(values)
        as_given: set[Value] = set()
        if limit is not None and len(values) > limit:
            values = values[-limit:]
            as_given = {o for value in values for o in operands(value) if type(o) is not float}.difference(values)
            values = sorted(as_given, key=age) + values
        if depth is not None:
            near = _within(roots, depth)
            values = [value for value in values if value in near]
        self.nodes: list[GraphNode] = []
        places: dict[Value, int] = {}
        inside, tops = set(values), set(roots)
        for value in values:
            edges = []
            whole = value not in as_given and all(type(o) is float or o in inside for o in operands(value))
            for operand, (local, added) in zip(operands(value), _along_edges(value), strict=True) if whole else ():
                if type(operand) is float:
                    edges.append(GraphEdge(self._add(f"{operand:g}", False, "constant", operand, None), local, added))
                else:
                    edges.append(GraphEdge(places[operand], local, added))
            label = value.label or given.get(value, "")
            role: Role = (
                "output"
                if value in tops and value._primitive is not None
                else "interior"
                if value._primitive is not None and whole
                else "parameter"
                if isinstance(value, Parameter)
                else "input"
                if value.requires_grad or label
                else "constant"
            )
            places[value] = self._add(label, bool(label), role, value._data, value)
            node = self.nodes[places[value]]
            if value.has_grad:
                node.grad = value._grad._data if isinstance(value._grad, Value) else value._grad
            if value._primitive is not None and whole:
                node.op, node.primitive = value._primitive.symbol, value._primitive.name
                node.params, node.edges = value._params or {}, tuple(edges)
            if not label:
                node.name = f"{value._data:g}" if role == "constant" and not value.ndim else f"v{node.index}"
        self.outputs = [places[root] for root in roots]

    def _add(self, name: str, labelled: bool, role: Role, data: Any, value: Value | None) -> int:
        self.nodes.append(GraphNode(len(self.nodes), name, labelled, role, "", "", {}, data, None, (), value))
        return len(self.nodes) - 1


def _roots(outputs: Any) -> Iterable[Value]:
    if isinstance(outputs, Value):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from dict.fromkeys(v for item in outputs.values() for v in _roots(item))
    elif isinstance(outputs, Sequence) and not isinstance(outputs, str):
        yield from dict.fromkeys(v for item in outputs for v in _roots(item))
    else:
        raise TypeError(f"expected a Value, or a list or dict of Values, not {type(outputs).__name__}")


def _within(roots: Iterable[Value], depth: int) -> set[Value]:
    """What is at most `depth` operations away from a root."""
    found = frontier = set(roots)
    for _ in range(depth):
        frontier = {o for value in frontier for o in operands(value) if type(o) is not float} - found
        found = found | frontier
    return found


def _name_of(names: Mapping[str, Any]) -> Iterable[tuple[Value, str]]:
    """Values found under names and inside of what they name (`w[0]`); the first name wins."""
    for name, thing in reversed(list(names.items())):
        for path, leaf in tree_paths(thing):
            if isinstance(leaf, Value):
                yield leaf, name + "".join(f"[{key!r}]" for key in path)


def _along_edges(value: Value) -> list[tuple[float | None, Any]]:
    """For each operand (∂value/∂operand if both are scalars, what the last pass added to it)."""
    inputs = operands(value)
    blank: list[tuple[float | None, Any]] = [(None, None)] * len(inputs)
    if value._primitive is None or isinstance(value._primitive, Handmade) or not value.requires_grad:
        return blank
    wanted = [type(o) is not float and o.requires_grad for o in inputs]
    grad = value._grad._data if isinstance(value._grad, Value) else value._grad if value.has_grad else None
    with np.errstate(all="ignore"):
        try:
            one = 1.0 if type(value._data) is float else np.ones_like(value._data)
            locals_ = [c for _, c in contributions(value, one)] if not value.ndim else [None] * sum(wanted)
            added = [c for _, c in contributions(value, grad)] if grad is not None else [None] * sum(wanted)
        except MutationError:  # the data changed since, as after a training step: old derivatives would mislead
            return blank
    along = iter(zip(locals_, added, strict=True))
    return [
        (float(local) if local is not None and not np.ndim(o if type(o) is float else o._data) else None, part)
        for o, want in zip(inputs, wanted, strict=True)
        for local, part in [next(along) if want else (None, None)]
    ]


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """micrograd's view of the graph: the set of nodes and the set of (operand, user) pairs."""
    nodes: set[Value] = set()
    edges: set[tuple[Value, Value]] = set()
    for node in reachable([root]):
        nodes.add(node)
        for operand in node._prev:
            nodes.add(operand)
            edges.add((operand, node))
    return nodes, edges
