"""A node of the recorded graph: what it remembers, and how the graph is read.

A node is a number or an array, and how it was made: the primitive, its operands in their order, and the
primitive's parameters.  A leaf was not made; the user gave it.  Every operand is older than the nodes that
use it, so the age of a node (`_id`, a creation counter) gives a topological order without a search.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import count
from operator import attrgetter
from types import CodeType, FrameType
from typing import Any, TypeVar
from weakref import ref

import numpy as np

__all__ = ["Node", "Pending", "age", "describe", "frozen", "location", "new_node", "next_id", "operands", "reachable", "was_frozen"]

_new = object.__new__
next_id = count().__next__
age = attrgetter("_id")

_labels: dict[int, tuple[str, ref[Node]]] = {}  # by id(node), until the node dies
frozen: dict[int, tuple[list[tuple[float, float]], ref[Node]]] = {}  # by id(leaf): when it required no gradient, (from, until)


class Node:
    """What a Value keeps.  The class `Value` adds what one can do with it.

    A million nodes are usual, so each field is a slot, and no node has one that most nodes do not need.
    """

    # fmt: off
    __slots__ = (  # noqa: RUF023
        "_data",            # float | np.floating | np.ndarray
        "_grad",            # None, or the gradient in the shape of the data; Pending() where a pass has yet to bring one
        "_primitive",       # None for a leaf
        "_x", "_y",         # the operands; read them with `operands`
        "_params",          # the primitive's parameters, or None
        "_id",              # the time of creation; after an assignment to `data`, of that
        "_fingerprint",     # leaves only: of an array that the user may have written to, else None
        "_requires_grad",   # whether gradients flow to it
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
    _fingerprint: int | None
    _requires_grad: bool
    _code: CodeType | None
    _lasti: int

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it.  Assign it to freeze a leaf, or to let it learn again.

        A graph that was recorded while a leaf was frozen gives it no gradient later, as in PyTorch.

        Raises:
            ValueError: on assignment, if the Value is not a leaf.
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        if self._primitive is not None:
            raise ValueError(f"only a leaf can change requires_grad, and {self._primitive.name} made {describe(self)}; use detach()")
        if bool(requires_grad) is not self._requires_grad:
            key, forget = id(self), frozen.pop
            if key not in frozen:
                frozen[key] = ([] if self._requires_grad else [(self._id, math.inf)], ref(self, lambda _: forget(key, None)))
            times, _ = frozen[key]
            if requires_grad:
                times[-1] = (times[-1][0], next_id())
            else:
                times.append((next_id(), math.inf))
                del times[:-100]  # a graph older than a hundred changes is hardly kept
        self._requires_grad = bool(requires_grad)

    @property
    def label(self) -> str:
        """The name in pictures, tables and error messages; "" by default.

        Few nodes have one, so labels stand in a table beside the nodes.
        """
        return _labels[id(self)][0] if id(self) in _labels else ""

    @label.setter
    def label(self, label: str) -> None:
        key, forget = id(self), _labels.pop
        forget(key, None)
        if label:
            _labels[key] = (label, ref(self, lambda _: forget(key, None)))


class Pending:
    """The gradient of an interior node that a backward pass has met and that has received nothing yet; each pass has its own."""

    __slots__ = ()


N = TypeVar("N", bound=Node)


def new_node(kind: type[N], data: Any, primitive: Any, x: Any, y: Any, params: Any, requires_grad: bool, frame: FrameType) -> N:
    """The result of a primitive as a node; `frame` is where the user's code called it."""
    node = _new(kind)
    node._data = data
    node._grad = None
    node._primitive = primitive
    node._x = x
    node._y = y
    node._params = params
    node._id = next_id()
    node._requires_grad = requires_grad
    node._code = frame.f_code
    node._lasti = frame.f_lasti
    return node


def was_frozen(operand: Node, node: Node) -> bool:
    """Whether the operand required no gradient when the node was recorded; only where `frozen` has entries does one need to ask."""
    return id(operand) in frozen and any(start < node._id < end for start, end in frozen[id(operand)][0])


def operands(node: Node) -> tuple[Any, ...]:
    """The operands of a node in their order, one entry for each use; () for a leaf, and for a node that was freed.

    An operand is a Node, or a Python float where a number was written in the formula.  One or two operands
    stand in the slots `_x` and `_y`, and more in a tuple in `_x`: a tuple for every node would double the
    work of Python's garbage collector, which on scalar graphs is most of the time.
    """
    x = node._x
    if type(x) is tuple:
        return x
    if node._y is not None:
        return (x, node._y)
    return () if x is None else (x,)


def reachable(roots: Iterable[N]) -> list[N]:
    """The roots and every node that they depend on, by age: operands stand before the nodes that use them."""
    order = list(dict.fromkeys(roots))
    seen, assigned = set(order), False
    for node in order:  # the list grows while it is read
        for operand in operands(node):
            if type(operand) is not float:
                assigned = assigned or operand._id > node._id
                if operand not in seen:
                    seen.add(operand)
                    order.append(operand)
    order.sort(key=age)
    if not assigned:
        return order
    placed: dict[N, None] = {}  # where data was assigned, as after a training step, the age is no guide
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
