"""The fast path: the steps that scalar graphs live on, written out.

Nothing here says anything new.  `binary` and `unary` do what `value.record` does, for one primitive on one
or two operands without parameters; `push_scalar` does what `backprop.contributions` does, for one node
whose numbers are Python floats.  Each leaves every unusual case to the plain definition.
`tests/core/test_fast.py` holds them to it.

Where the time goes: on a graph of single numbers a function call costs about as much as the arithmetic of
a whole node, so here nothing is called that can be written in place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import modes
from .arrays import as_stored
from .node import Node, Pending, next_id
from .primitives import Primitive

__all__ = ["install", "push_scalar"]

_new = object.__new__
_frame = sys._getframe


def install(kind: type[Node], constant: Callable[[Any, Any], Any]) -> None:
    """Put a fast method before each plain one that the class inherits with a `primitive` of one or two operands.

    Args:
        kind: the class, and that of the results.
        constant: makes an operand of an array, in the dtype that it has beside another.
    """
    for name in dir(kind):
        plain = getattr(kind, name)
        primitive = getattr(plain, "primitive", None)
        if primitive is not None:
            method = unary(kind, primitive, plain) if len(primitive.vjps) == 1 else binary(kind, primitive, plain, constant)
            method.__name__, method.__doc__, method.__wrapped__ = plain.__name__, plain.__doc__, plain
            setattr(kind, name, method)


def binary(kind: type[Node], primitive: Primitive, plain: Callable[..., Any], constant: Callable[[Any, Any], Any]) -> Any:
    """The method of an operator; `plain` is its definition."""
    on_floats, on_arrays = primitive.float_forward, primitive.forward

    def operator(self: Node, other: Any) -> Any:
        x, wanted, of_other = self._data, self._requires_grad, type(other)
        if of_other is kind or issubclass(of_other, kind):
            y, wanted = other._data, wanted or other._requires_grad
        elif of_other is float:
            y = other
        elif of_other is int:
            y = other = float(other)
        elif of_other is np.ndarray and other.ndim:
            other = constant(other, (self,))
            y = other._data
        else:
            return plain(self, other)
        mode = modes.here() if modes.active else 0
        if mode and (mode != modes.NOT_RECORDED or type(x) is not float or type(y) is not float):
            return plain(self, other)
        if type(x) is float and type(y) is float:
            forward = on_floats
        elif (self._primitive is None and self._fingerprint is not None) or (  # perhaps the user wrote to it
            type(other) is not float and of_other is not np.ndarray and other._primitive is None and other._fingerprint is not None
        ):
            x = y = None  # `was_written` counts who holds the arrays
            return plain(self, other)
        else:
            forward = on_arrays
        try:
            result = forward(x, y)
        except (ArithmeticError, ValueError, TypeError):
            return plain(self, other)
        if type(result) is not float:
            if type(result) is complex or mode:
                return plain(self, other)
            if type(result) is not np.ndarray:
                result = as_stored(result)
        node = _new(kind)  # as in new_node
        node._data = result
        node._grad = None
        if mode:  # a constant
            node._primitive = node._x = node._y = node._fingerprint = None
            wanted = False
        else:
            node._primitive = primitive
            node._x = self
            node._y = other
        node._params = None
        node._id = next_id()
        node._requires_grad = wanted
        frame = _frame(1)
        node._code = frame.f_code
        node._lasti = frame.f_lasti
        return node

    return operator


def unary(kind: type[Node], primitive: Primitive, plain: Callable[..., Any]) -> Any:
    """The method of a function of one operand; `plain` is its definition."""
    on_floats, on_arrays = primitive.float_forward, primitive.forward

    def method(self: Node, *args: Any, **params: Any) -> Any:
        if args or params:
            return primitive(self, *args, **params)
        x, mode = self._data, modes.here() if modes.active else 0
        if mode and (mode != modes.NOT_RECORDED or type(x) is not float):
            return plain(self)
        if type(x) is float:
            forward = on_floats
        elif self._primitive is None and self._fingerprint is not None:  # perhaps the user wrote to it
            x = None
            return plain(self)
        else:
            forward = on_arrays
        try:
            result = forward(x)
        except (ArithmeticError, ValueError, TypeError):
            return plain(self)
        if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):
            result = as_stored(result)
            if mode and type(result) is not float:
                return plain(self)
        node = _new(kind)
        node._data = result
        node._grad = None
        node._y = node._params = None
        if mode:
            node._primitive = node._x = node._fingerprint = None
            node._requires_grad = False
        else:
            node._primitive = primitive
            node._x = self
            node._requires_grad = self._requires_grad
        node._id = next_id()
        frame = _frame(1)
        node._code = frame.f_code
        node._lasti = frame.f_lasti
        return node

    return method


def push_scalar(node: Node, g: float, leaves: dict[Node, Any], pending: Pending) -> bool:
    """Add what a node passes on to the gradients of its operands, if all are Python floats; False if they are not."""
    x, y, rules, out, born = node._x, node._y, node._primitive.float_vjps, node._data, node._id
    try:
        if y is None:
            if type(x) is tuple or x._id > born or not x._requires_grad:
                return False
            to_x = rules[0](g, out, x._data)
            if type(to_x) is not float:
                return False
            if x._primitive is None:
                leaves[x] = leaves[x] + to_x if x in leaves else to_x
            else:
                so_far = x._grad
                x._grad = to_x if so_far is pending else so_far + to_x
            return True
        if type(x) is float:
            x_data, x_wanted = x, False
        else:
            x_data, x_wanted = x._data, x._requires_grad
            if x._id > born:
                return False
        if type(y) is float:
            y_data, y_wanted = y, False
        else:
            y_data, y_wanted = y._data, y._requires_grad
            if y._id > born:
                return False
        if x_wanted:
            to_x = rules[0](g, out, x_data, y_data)
            if type(to_x) is not float:
                return False
        if y_wanted:
            to_y = rules[1](g, out, x_data, y_data)
            if type(to_y) is not float:
                return False
        if x_wanted:
            if x._primitive is None:
                leaves[x] = leaves[x] + to_x if x in leaves else to_x
            else:
                so_far = x._grad
                x._grad = to_x if so_far is pending else so_far + to_x
        if y_wanted:
            if y._primitive is None:
                leaves[y] = leaves[y] + to_y if y in leaves else to_y
            else:
                so_far = y._grad
                y._grad = to_y if so_far is pending else so_far + to_y
        return True
    except (ArithmeticError, ValueError, TypeError):  # 1/0.0: NumPy has an answer; no rule for an operand: the definition says so
        return False
