"""A node of the recorded graph: what it remembers, and how the graph is read.

A node is a number or an array, and how it was made: the primitive, its operands in their order, and its
parameters.  A leaf was given, not made.  An operand is always older than what uses it, so a node's age
(`_id`, a creation counter) gives a topological order without a search.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from types import CodeType
from typing import Any, TypeVar

import numpy as np

__all__ = ["Node", "age", "describe", "location", "operands", "reachable"]

age = attrgetter("_id")


class Node:
    """What a Value keeps; `Value` adds what one can do with it."""

    # fmt: off
    __slots__ = (  # noqa: RUF023
        "_data",          # float | np.floating | np.ndarray
        "_grad",          # None before a pass; then in the shape of the data
        "_primitive",     # None for a leaf
        "_x", "_y",       # the operands: see `operands`
        "_params",        # the primitive's parameters or None; for a leaf the checksum of an array handed out
        "_id",            # the time of creation; for a leaf, of its last change
        "requires_grad",
        "label",
        "_code", "_lasti",  # the instruction that created the node
        "__weakref__",
    )
    # fmt: on

    _data: Any
    _grad: Any
    _primitive: Any
    _x: Any
    _y: Any
    _params: Any
    _id: int
    _code: CodeType | None
    _lasti: int
    label: str
    requires_grad: bool


N = TypeVar("N", bound=Node)


def operands(node: Node) -> tuple[Any, ...]:
    """The operands of a node in their order, one entry for each use; () for a leaf."""
    x = node._x
    if type(x) is tuple:
        return x
    if node._y is not None:
        return (x, node._y)
    return () if x is None else (x,)


def reachable(roots: Iterable[N]) -> list[N]:
    """Every node that the roots depend on, and they themselves; by age, operands before what uses them."""
    order = list(dict.fromkeys(roots))
    seen, rewritten = set(order), False
    for node in order:  # the list grows while it is read
        for operand in operands(node):
            if type(operand) is not float:
                rewritten = rewritten or operand._id > node._id
                if operand not in seen:
                    seen.add(operand)
                    order.append(operand)
    order.sort(key=age)
    if not rewritten:
        return order
    placed: dict[N, None] = {}  # age is no guide where data was assigned, as after a training step
    while order:
        waiting = [o for o in operands(order[-1]) if type(o) is not float and o not in placed]
        if waiting:
            order.extend(waiting)
        else:
            placed.setdefault(order.pop())
    return list(placed)


def location(node: Node) -> str:
    """The file:line that created a node."""
    code: CodeType | None = node._code
    if code is None:
        return "an unknown place"
    lines = (line for start, end, line in code.co_lines() if start <= node._lasti < end and line)
    return f"{code.co_filename}:{next(lines, code.co_firstlineno)}"


def describe(value: Any) -> str:
    """A value in an error message: its label, if it has one, and its shape."""
    label = getattr(value, "label", "")
    shape = np.shape(getattr(value, "_data", value))
    kind = f"array of shape {shape}" if shape else "scalar"
    return f"{label!r} ({kind})" if label else f"an unlabelled {kind}" if hasattr(value, "label") else f"a constant {kind}"
