"""The recorded graph as data: every picture, table and explanation is made from it.

`Graph(value)` reads a Value's graph once.  Its nodes stand in the order of computation.  Each node has a
name, a role, its numbers, and one edge for each use of an operand; an edge holds the local derivative and
the contribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Literal

import numpy as np

from ..backprop import MutationError, contributions
from ..handmade import Handmade
from ..node import age, operands, reachable
from ..trees import tree_paths
from ..value import Parameter, Value

__all__ = ["Graph", "GraphEdge", "GraphNode", "Role", "trace"]

Role = Literal["input", "parameter", "constant", "interior", "output"]


@dataclass(slots=True)
class GraphEdge:
    """One use of an operand."""

    source: int  # the index of the operand's node
    local: float | None  # ∂result/∂operand; None where one of them is an array, or the operand is a constant
    contribution: Any  # local · upstream: what this edge added to the operand's gradient; None before a pass


@dataclass(slots=True)
class GraphNode:
    """One value of the graph, or a number that was written in the formula."""

    index: int
    name: str  # the label; without one, "v3" for the node of index 3, or the number itself for a constant
    labelled: bool
    role: Role
    op: str = ""  # the primitive's symbol, "" for a leaf
    primitive: str = ""  # its name, "" for a leaf
    params: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    grad: Any = None  # None before a pass ("—")
    edges: tuple[GraphEdge, ...] = ()
    value: Value | None = field(default=None, repr=False)  # None for a number of the formula

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self.value is not None and self.value.requires_grad

    @property
    def is_number(self) -> bool:
        """Whether it is an unnamed number of the formula, which needs no line and no box of its own."""
        return self.role == "constant" and not self.labelled and not np.ndim(self.data)

    @property
    def is_cut(self) -> bool:
        """Whether it was computed from values that were not read, because of the limit or the depth."""
        return self.value is not None and not self.value.is_leaf and not self.edges


class Graph:
    """A snapshot of the graph below some outputs.

    Args:
        outputs: a Value, or a list, tuple or dict of them; a dict names them.
        names: names for Values that have no label, such as `locals()`.  Lists of Values give `w[0]`, `w[1]`, ...;
            entries that are not Values are ignored.
        limit: read only this many of the youngest Values; their operands are shown as if they were given.
        depth: read only the Values that are at most this many operations away from an output.

    Attributes:
        nodes: oldest first; an operand stands before the nodes that use it.
        outputs: the indices of the outputs.
        total: how many Values the graph has, with those beyond the limit or the depth.

    Raises:
        TypeError: `outputs` holds something that is not a Value.
        ValueError: `outputs` is empty.
    """

    def __init__(self, outputs: Any, names: Mapping[str, Any] | None = None, *, limit: int | None = None, depth: int | None = None):
        roots = list(_roots(outputs))
        if not roots:
            raise ValueError("nothing to show: no Value was given")
        values = reachable(roots)
        self.total = len(values)
        given_names = _given_names(outputs, names or {}, values)
        complete = set(values)  # the values whose operands are read too
        if limit is not None and len(values) > limit:
            values = values[-limit:]
            complete = set(values)
            values = sorted({o for value in values for o in _node_operands(value)} - complete, key=age) + values
        if depth is not None:
            near = _within(roots, depth)
            values = [value for value in values if value in near]
            complete = {value for value in complete & near if near.issuperset(_node_operands(value))}

        self.nodes: list[GraphNode] = []
        places: dict[Value, int] = {}
        tops = set(roots)
        for value in values:
            label = value.label or given_names.get(value, "")
            computed = value._primitive is not None and value in complete
            edges = self._edges(value, places) if computed else ()
            index = places[value] = len(self.nodes)
            role = _role(value, computed, value in tops, label)
            name = label or (f"{value._data:g}" if role == "constant" and not value.ndim else f"v{index}")
            node = GraphNode(index, name, bool(label), role, data=value._data, grad=_gradient(value), edges=edges, value=value)
            if computed:
                node.op, node.primitive, node.params = value._primitive.symbol, value._primitive.name, value._params or {}
            self.nodes.append(node)
        self.outputs = [places[root] for root in roots]

    def _edges(self, value: Value, places: Mapping[Value, int]) -> tuple[GraphEdge, ...]:
        """The edges to a value; a number of the formula becomes a node of its own first."""
        edges = []
        for operand, (local, contribution) in zip(operands(value), _edge_numbers(value), strict=True):
            if type(operand) is float:
                source = len(self.nodes)
                self.nodes.append(GraphNode(source, f"{operand:g}", False, "constant", data=operand))
            else:
                source = places[operand]
            edges.append(GraphEdge(source, local, contribution))
        return tuple(edges)

    @property
    def hidden(self) -> int:
        """How many Values of the graph were not read, because of the limit or the depth."""
        return self.total - sum(node.value is not None for node in self.nodes)


# ── which values, under which names ───────────────────────────────────────────


def _roots(outputs: Any) -> Iterator[Value]:
    if isinstance(outputs, Value):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from dict.fromkeys(value for item in outputs.values() for value in _roots(item))
    elif isinstance(outputs, Sequence) and not isinstance(outputs, str):
        yield from dict.fromkeys(value for item in outputs for value in _roots(item))
    else:
        raise TypeError(f"expected a Value, or a list, tuple or dict of Values, not {type(outputs).__name__}")


def _node_operands(value: Value) -> list[Value]:
    """The operands that are Values, without the numbers of the formula."""
    return [operand for operand in operands(value) if type(operand) is not float]


def _within(roots: Iterable[Value], depth: int) -> set[Value]:
    """The Values that are at most `depth` operations away from a root."""
    found = frontier = set(roots)
    for _ in range(depth):
        frontier = {operand for value in frontier for operand in _node_operands(value)} - found
        found = found | frontier
    return found


def _given_names(outputs: Any, names: Mapping[str, Any], values: Iterable[Value]) -> dict[Value, str]:
    """Names for Values without a label: from `names`, from a dict of outputs, and ∂/∂x for a recorded gradient of x."""
    found: dict[Value, str] = {}
    # The first name wins, but one that the user chose wins over `_`, `_oh` and `Out`, which IPython gives to every result.
    best_first = sorted(names.items(), key=lambda item: str(item[0]).startswith("_") or item[0] == "Out")
    for name, thing in (*reversed(best_first), *(outputs.items() if isinstance(outputs, Mapping) else ())):
        for path, leaf in tree_paths(thing):
            if isinstance(leaf, Value):
                found[leaf] = str(name) + "".join(f"[{key!r}]" for key in path)
    for value in values:
        if isinstance(value._grad, Value) and (name := value.label or found.get(value, "")):
            found.setdefault(value._grad, f"∂/∂{name}")
    return found


# ── what a node and its edges hold ────────────────────────────────────────────


def _role(value: Value, computed: bool, output: bool, label: str) -> Role:
    if output and value._primitive is not None:
        return "output"
    if computed:
        return "interior"
    if isinstance(value, Parameter):
        return "parameter"
    return "input" if value.requires_grad or label else "constant"


def _gradient(value: Value) -> Any:
    """The gradient as a number or an array; None before a backward pass."""
    if not value.has_grad:
        return None
    return value._grad._data if isinstance(value._grad, Value) else value._grad


def _edge_numbers(value: Value) -> list[tuple[float | None, Any]]:
    """For each operand: ∂value/∂operand, and what the last pass added to the operand's gradient; None where unknown."""
    unknown: list[tuple[float | None, Any]] = [(None, None)] * len(operands(value))
    if isinstance(value._primitive, Handmade) or not value.requires_grad:
        return unknown
    grad = _gradient(value)
    locals_: Iterator[Any] = repeat(None)
    added: Iterator[Any] = repeat(None)
    with np.errstate(all="ignore"):
        try:
            if not value.ndim:
                one = 1.0 if type(value._data) is float else np.ones_like(value._data)
                locals_ = iter([local for _, local in contributions(value, one)])
            if grad is not None:
                added = iter([part for _, part in contributions(value, grad)])
        except MutationError:  # the data was changed, as by a training step; the old derivatives would mislead
            return unknown
    numbers = list(unknown)
    for place, operand in enumerate(operands(value)):
        if type(operand) is not float and operand.requires_grad:
            local, part = next(locals_), next(added)
            numbers[place] = (None if local is None or operand.ndim else float(local), part)
    return numbers


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """micrograd's view of the graph: the set of nodes, and the set of (operand, user) pairs."""
    nodes: set[Value] = set()
    edges: set[tuple[Value, Value]] = set()
    for node in reachable([root]):
        nodes.add(node)
        for operand in node._prev:
            nodes.add(operand)
            edges.add((operand, node))
    return nodes, edges
