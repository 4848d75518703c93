"""The fast path: the steps that scalar graphs live on, written out.

Nothing here says anything new.  `binary`, `reflected` and `unary` do what `value.record` does, for one primitive
on one or two operands without parameters; `push_scalars` does what `backprop.contributions` and the loop around it do,
for nodes whose numbers are Python floats; `route` is written for speed alone.  Each leaves every unusual case to the plain definition.
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
from .node import Node, Pending, age, new_node, next_id
from .primitives import TABLE, Primitive
from .primitives.arithmetic import add, multiply

__all__ = ["install", "push_scalars", "route"]

_new = object.__new__
_frame = sys._getframe
_DOUBLE = np.dtype(np.float64)


def install(kind: type[Node], constant: Callable[[Any, Any], Any], record: Callable[..., Any]) -> None:
    """Give the primitives of one or two operands their `fast` methods, and the class one before each plain one that it inherits.

    Args:
        kind: the class, and that of the results.
        constant: makes an operand of an array, in the dtype that it has beside another.
        record: the definition, as record(primitive, args, params, written_out=False).
    """
    for primitive in TABLE.values():

        def first(*args: Any, primitive: Primitive = primitive) -> Any:
            return record(primitive, args, {}, written_out=False)

        def second(self: Any, other: Any, primitive: Primitive = primitive) -> Any:
            return record(primitive, (other, self), {}, written_out=False)

        if not primitive.variadic and len(primitive.vjps) == 1:
            primitive.fast = (unary(kind, primitive, first), None)
        elif not primitive.variadic and len(primitive.vjps) == 2:
            primitive.fast = (binary(kind, primitive, first, constant), reflected(kind, primitive, second))
    for name in dir(kind):
        plain = getattr(kind, name)
        rule, place = getattr(plain, "rule", (None, 0))
        if rule is not None:
            if place:
                method = reflected(kind, rule, plain)
            else:
                method = unary(kind, rule, plain) if len(rule.vjps) == 1 else binary(kind, rule, plain, constant)
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
        elif of_other is int or (of_other is np.float64 and (type(x) is float or x.dtype is _DOUBLE)):
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
        except (ArithmeticError, ValueError, TypeError, IndexError):
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


def reflected(kind: type[Node], primitive: Primitive, plain: Callable[..., Any]) -> Any:
    """The method of an operator whose left operand is a number, 2 * b; `plain` is its definition."""
    on_floats, on_arrays = primitive.float_forward, primitive.forward

    def operator(self: Node, other: Any) -> Any:
        y, of_other = self._data, type(other)
        if of_other is int or (of_other is np.float64 and (type(y) is float or y.dtype is _DOUBLE)):
            other = float(other)
        elif of_other is not float:
            return plain(self, other)
        if modes.active or (self._primitive is None and self._fingerprint is not None):  # perhaps the user wrote to it
            y = None
            return plain(self, other)
        try:
            result = on_floats(other, y) if type(y) is float else on_arrays(other, y)
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return plain(self, other)
        if type(result) is complex:
            return plain(self, other)
        return new_node(kind, as_stored(result), primitive, other, self, None, self._requires_grad, _frame(1))

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
        except (ArithmeticError, ValueError, TypeError, IndexError):
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


def route(root: Node, pending: Pending) -> list[Node]:
    """The interior nodes on the way from the root to the leaves, oldest first, each with the gradient `pending`."""
    order, found = [], [root]
    root._grad = pending
    last, by_age = root._id, True
    while found:  # depth first, the second operand before the first: nearly by age, which makes the sort cheap
        node = found.pop()
        order.append(node)
        if node._id > last:
            by_age = False
        last = node._id
        x, y = node._x, node._y
        if y is None:
            for one in x if type(x) is tuple else (x,):
                if type(one) is not float and one._primitive is not None and one._grad is not pending and one._requires_grad:
                    one._grad = pending
                    found.append(one)
            continue
        if type(x) is not float and x._primitive is not None and x._grad is not pending and x._requires_grad:
            x._grad = pending
            found.append(x)
        if type(y) is not float and y._primitive is not None and y._grad is not pending and y._requires_grad:
            y._grad = pending
            found.append(y)
    order.reverse()
    if not by_age:
        order.sort(key=age)
    return order


def push_scalars(order: list[Node], leaves: dict[Node, Any], pending: Pending, retain_graph: bool) -> None:
    """Let node after node, youngest first, pass its cotangent on to its operands and leave the order, as long as all are Python floats."""
    done = 0
    for node in reversed(order):
        g = node._grad
        if type(g) is not float:
            break
        x, y, born, primitive = node._x, node._y, node._id, node._primitive
        if y is None:
            if type(x) is tuple or x._id > born or not primitive.elementwise or node._params is not None:
                break
            try:
                to_x = primitive.float_vjps[0](g, node._data, x._data)
            except (ArithmeticError, ValueError, TypeError):  # 1/0.0: NumPy has an answer; no rule: the definition says so
                break
            if type(to_x) is not float:
                break
        else:
            if type(x) is float:
                x_data, x = x, None
            elif x._id > born:
                break
            else:
                x_data, x = x._data, x if x._requires_grad else None
            if type(y) is float:
                y_data, y = y, None
            elif y._id > born:
                break
            else:
                y_data, y = y._data, y if y._requires_grad else None
            if primitive is multiply:  # these two rules are most of a scalar graph
                to_x, to_y = g * y_data, g * x_data
            elif primitive is add:
                to_x = to_y = g
            elif not primitive.elementwise or node._params is not None:
                break
            else:
                to_x = to_y = g
                try:
                    if x is not None:
                        to_x = primitive.float_vjps[0](g, node._data, x_data, y_data)
                    if y is not None:
                        to_y = primitive.float_vjps[1](g, node._data, x_data, y_data)
                except (ArithmeticError, ValueError, TypeError):
                    break
                if type(to_x) is not float or type(to_y) is not float:
                    break
        done += 1
        if x is not None:
            if x._primitive is None:
                leaves[x] = leaves[x] + to_x if x in leaves else to_x
            else:
                so_far = x._grad
                x._grad = to_x if so_far is pending else so_far + to_x
        if y is not None:
            if y._primitive is None:
                leaves[y] = leaves[y] + to_y if y in leaves else to_y
            else:
                so_far = y._grad
                y._grad = to_y if so_far is pending else so_far + to_y
        if not retain_graph:
            node._grad = node._y = None
            node._x = ()
    if done:
        del order[-done:]
