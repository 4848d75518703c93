"""Nodes made by hand, as in micrograd: Value(data, _children, _op), whose `_backward` is a closure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .node import Node, operands, was_frozen
from .primitives import Primitive

__all__ = ["Handmade"]


class Handmade(Primitive):
    """The operation of a node made by hand: its `_backward` closure stands in for the vjps."""

    backward_closure: Callable[[], None] | None = None

    def __init__(self, op: str):
        super().__init__(op, lambda *args: None, ())

    def contributions(self, node: Node, g: Any) -> Iterator[tuple[Node, Any]]:
        """What the closure adds to the gradients of its operands.  Their own gradients are put back afterwards."""
        if self.backward_closure is None:
            raise TypeError(f"the node {self.name!r} was made by hand and has no derivative; assign its _backward")
        node._grad = g
        inputs = {o: o._grad for o in operands(node)}  # Values, all of them
        for operand in inputs:  # the closure may add to an array in place
            operand._grad = np.zeros_like(operand._data).view(_Open) if type(operand._data) is np.ndarray else None
        try:
            self.backward_closure()
            added = {operand: operand._grad for operand in inputs}
        finally:
            for operand, before in inputs.items():
                operand._grad = before
        for operand, grad in added.items():
            if grad is not None and operand._requires_grad and not was_frozen(operand, node):
                yield operand, np.asarray(grad) if type(grad) is _Open else grad


class _Open(np.ndarray[Any, Any]):
    """The gradient of a result while a closure adds to it; otherwise `grad` gives a read-only one."""
