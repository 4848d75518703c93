"""`Value`: a number or an array that remembers how it was made.

    a, b = Value(2.0, label="a"), Value([1.0, -3.0], label="b")
    loss = (a * b).relu().sum()
    loss.backward()
    a.grad, b.grad

Every operation on a Value enters a node into the graph: its result, its primitive, its operands.
Python's operators, the methods and NumPy's own functions (`engine.operators`) call a primitive, and a
primitive that meets a Value calls `record`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from . import backprop, fast, modes
from .arrays import ASSIGNED, as_stored, copy_as_float, fingerprint, is_view, read_only, was_written
from .handmade import Handmade
from .node import Pending, describe, location, new_node, next_id, operands
from .operators import Operators
from .primitives import Primitive

__all__ = ["Parameter", "Value", "stop_gradient"]

_frame = sys._getframe
_HERE = os.path.dirname(__file__) + os.sep


# ── recording ─────────────────────────────────────────────────────────────────


def record(primitive: Primitive, args: Sequence[Any], params: dict[str, Any], *, written_out: bool = True) -> Value:
    """Apply a primitive to operands of which one at least is a Value, and enter the result in the graph.

    Without parameters, the primitive's written-out method does it, if there is one; `written_out=False` is its definition.
    """
    if written_out and not params:
        reflected = not isinstance(args[0], Value)
        if method := primitive.fast[reflected]:
            made: Value = method(args[1], args[0]) if reflected else method(*args)
            frame = _users_frame()
            made._code, made._lasti = frame.f_code, frame.f_lasti
            return made
    inputs, data = [], []
    scalars, wanted = primitive.elementwise, False
    for arg in args:
        if isinstance(arg, Value):
            if arg._primitive is None and not primitive.sum_back and was_written(arg):
                _renew(arg)
        elif type(arg) is not float:
            arg = _constant(arg, args)
        inputs.append(arg)
        if type(arg) is not float:
            if arg._requires_grad:
                wanted = True
            arg = arg._data
            if type(arg) is not float:
                scalars = False
        data.append(arg)
    try:
        if scalars:
            result = primitive.on_floats(primitive.float_forward, primitive.forward, data, params)
        else:
            result = primitive.forward(*data, **params) if params else primitive.forward(*data)
    except (ValueError, IndexError, TypeError) as error:
        raise type(error)(f"{primitive.name} of {' and '.join(map(describe, inputs))}: {error}") from error
    if type(result) is not np.ndarray or not result.ndim:
        result = as_stored(result)
    if primitive.sum_back and inputs[0]._primitive is None and is_view(result) and was_written(inputs[0]):
        _renew(inputs[0])

    frame = _users_frame()
    if params and not primitive.built_in:  # the table's own rules have theirs copied already
        params = {key: value.copy() if isinstance(value, (np.ndarray, list)) else value for key, value in params.items()}
    if not modes.active or modes.is_grad_enabled():
        x = tuple(inputs) if len(inputs) > 2 else inputs[0]
        y = inputs[1] if len(inputs) == 2 else None
        node = new_node(Value, result, primitive, x, y, params or None, wanted, frame)
    else:
        if type(result) is np.ndarray and (result.base is not None or any(result is given for given in data)):
            result = result.copy()  # as the data of a leaf it must not be the data of another
        node = new_node(Value, result, None, None, None, None, False, frame)
        node._fingerprint = None
    if modes.active and modes.is_anomaly_enabled():
        made_from = ", ".join(map(describe, inputs))
        backprop.check_finite(result, f"forward of {primitive.name} at {location(node)}, from {made_from}")
    return node


def _users_frame() -> FrameType:
    """Where the user's code called the primitive that `record` is to apply."""
    frame = _frame(3)
    while _is_engine[frame.f_code.co_filename] and frame.f_back:
        frame = frame.f_back
    return frame


def _renew(leaf: Value) -> None:
    """A leaf whose array was written to counts as assigned, and is used now."""
    leaf._fingerprint, leaf._id = ASSIGNED, next_id()
    was_written(leaf)


class _IsEngine(dict[str, bool]):
    """Whether a source file belongs to the engine; remembered, because every node asks."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = answer = filename.startswith(_HERE)
        return answer


_is_engine = _IsEngine()


class Value(Operators):
    """A scalar or an array, the operation that made it, and its gradient.

    Args:
        data: a number, a NumPy array or a nested sequence; kept as a Python float if it is a single
            float64, else as an array of its own.  Integers and booleans become float64; float32 and
            float16 stay what they are; complex and object data raise TypeError.
        _children, _op: the operands and the symbol of a node made by hand, as in micrograd; assign its
            `_backward` the closure that adds to its operands' `grad`.
        label: the name in pictures, tables and error messages.
        requires_grad: whether gradients flow to it.
    """

    __slots__ = ()

    def __init__(
        self, data: Any, _children: Sequence[Value] = (), _op: str = "", label: str = "", *, requires_grad: bool = True, dtype: Any = None
    ):
        self._data = data if type(data) is float and dtype is None else copy_as_float(data, dtype)
        self._grad = None
        self._primitive = None
        self._x = None
        self._y = None
        self._params = None
        self._fingerprint = None
        self._code = None
        self._requires_grad = requires_grad
        self._id = next_id()
        if label:
            self.label = label
        if _children:
            self._x = tuple(child if isinstance(child, Value) else Value(child, requires_grad=False) for child in _children)
            self._primitive = Handmade(_op or "?")

    # ── what it holds ─────────────────────────────────────────────────────────

    @property
    def data(self) -> Any:
        """The plain number or array.  A leaf's can be written to; a result's array is read-only."""
        data = self._data
        if type(data) is np.ndarray:
            if self._primitive is not None:
                return read_only(data)
            if self._fingerprint is None:
                self._fingerprint = fingerprint(data)  # from now on the user can write to it
        return data

    @data.setter
    def data(self, new: Any) -> None:
        if type(new) is float and type(self._data) is float and self._primitive is None:
            self._data, self._id = new, next_id()
            return
        if new is not self._data:
            new = copy_as_float(new)
            if np.shape(new) != self.shape or np.asarray(new).dtype != self.dtype:
                self._grad = None  # it has the shape and dtype of the data, always
            self._data = new
        if self._primitive is None:
            self._fingerprint = ASSIGNED if type(self._data) is np.ndarray else None
        else:  # its operands no longer give its data, so it can pass no gradient on to them
            self._x, self._y, self._params = (), None, None
        self._id = next_id()  # younger than its users: that is how the backward pass notices

    @property
    def grad(self) -> Any:
        """∂root/∂self of the backward passes so far, in the shape and dtype of the data; 0 (read-only) before any.

        A leaf adds up over passes until `zero_grad`; a result holds the last pass's gradient, read-only.
        """
        if self.has_grad:
            if type(self._grad) is np.ndarray and self._primitive is not None:
                return read_only(self._grad)  # other results may have the same array as theirs
            return self._grad
        if type(self._data) is not np.ndarray:
            return type(self._data)(0.0)
        return read_only(np.zeros_like(self._data))  # what is written here would be lost

    @grad.setter
    def grad(self, new: Any) -> None:
        if new is None or new is self._grad or isinstance(new, Value):
            self._grad = new
            return
        if np.shape(new) not in ((), np.shape(self._data)):
            raise ValueError(f"the gradient of {describe(self)} has its shape, not {np.shape(new)}")
        if type(self._data) is np.ndarray:
            self._grad = np.array(np.broadcast_to(new, self._data.shape), self._data.dtype)
        else:
            self._grad = type(self._data)(new)

    @property
    def has_grad(self) -> bool:
        """Whether a backward pass has reached it since the last `zero_grad`."""
        return self._grad is not None and type(self._grad) is not Pending

    @property
    def is_leaf(self) -> bool:
        """Whether it was given rather than computed."""
        return self._primitive is None

    @property
    def primitive(self) -> Primitive | None:
        """The rule that computed it; None for a leaf."""
        return self._primitive  # type: ignore[no-any-return]

    @property
    def operands(self) -> tuple[Value | float, ...]:
        """What it was computed from, in order, once per use; numbers of the formula as Python floats."""
        return operands(self)

    @property
    def _prev(self) -> tuple[Value, ...]:
        return tuple(o if isinstance(o, Value) else Value(o, requires_grad=False) for o in self.operands)

    @property
    def _op(self) -> str:
        return "" if self._primitive is None else self._primitive.symbol

    def item(self) -> float:
        """The data of a single element as a Python float."""
        if self.size != 1:
            raise ValueError(f"item() needs a single element; {describe(self)} has {self.size}; use .data")
        return float(self._data) if not self.ndim else float(self._data.item())

    def numpy(self) -> Any:
        """The data as a fresh array."""
        return np.array(self._data)

    def tolist(self) -> Any:
        """The data as nested lists of floats."""
        return self.numpy().tolist()

    # ── backprop ──────────────────────────────────────────────────────────────

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Compute ∂self/∂v for every Value v that self depends on, into `v.grad`.

        Args:
            gradient: the cotangent to start from, in the shape of self; 1 for a scalar.
            retain_graph: False frees the graph during the pass and keeps the gradients of leaves only,
                for training at size; by default everything stays, to be read, drawn and explained.
            create_graph: record the pass, so that the leaves' gradients are Values with a graph.

        Raises:
            ValueError: self is not a scalar and no gradient was given, or it has another shape.
            MutationError: data was changed since the forward pass.
        """
        if gradient is None:
            if type(self._data) is np.ndarray:
                raise ValueError(f"backward() starts from a scalar, not {describe(self)}; write .sum().backward(), or pass gradient=")
            gradient = 1.0
        if not self._requires_grad:
            raise ValueError(f"nothing that {describe(self)} depends on requires a gradient (was it made inside no_grad, or detached?)")
        seed = gradient._data if isinstance(gradient, Value) else gradient
        if type(seed) is not float or type(self._data) is not float:
            seed = self._seed(seed)
        if create_graph:
            seed = gradient if isinstance(gradient, Value) else Value(seed, requires_grad=False)
        backprop.backprop(self, seed, create_graph=create_graph, retain_graph=retain_graph is not False, accumulate=True)

    def _seed(self, seed: Any) -> Any:
        """A cotangent given by the user, in the shape and dtype of the data."""
        if np.shape(seed) != self.shape:
            raise ValueError(f"backward() of {describe(self)} needs a gradient of that shape, not {np.shape(seed)}")
        return np.array(seed, self.dtype) if self.shape else type(self._data)(seed)

    @property
    def _backward(self) -> Callable[[], None]:
        """One node's step of the chain rule, by hand: adds its contributions to its operands' `grad`."""
        if self._primitive is None:
            return lambda: None

        def step() -> None:
            for operand, contribution in backprop.contributions(self, self.grad):
                operand._grad = operand._grad + contribution if operand.has_grad else contribution

        return step

    @_backward.setter
    def _backward(self, closure: Callable[[], None]) -> None:
        if not isinstance(self._primitive, Handmade):
            raise AttributeError("only a node made by hand, Value(data, _children, _op), takes a _backward of its own")
        self._primitive.backward_closure = closure

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    def detach(self) -> Value:
        """The same numbers as a constant, outside the graph."""
        return Value(self._data, label=self.label, requires_grad=False)

    def requires_grad_(self, requires_grad: bool = True) -> Value:
        """Set whether gradients flow to this leaf, and return it."""
        self.requires_grad = requires_grad
        return self

    # ── as text ───────────────────────────────────────────────────────────────

    def __repr__(self) -> str:
        grad = self._grad if self.has_grad else 0.0
        return f"Value(data={_short(self._data)}, grad={_short(getattr(grad, '_data', grad))})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError(f"only leaves can be copied or pickled, and {self._primitive.name} made {describe(self)}; detach() it")
        grad = self._grad._data if isinstance(self._grad, Value) else self._grad
        return (_rebuild, (type(self), self._data, self.label, self._requires_grad, grad, getattr(self, "__dict__", {})))


class Parameter(Value):
    """A leaf that a module learns; pictures show it in a colour of its own."""

    __slots__ = ()


# ── data ──────────────────────────────────────────────────────────────────────


def _constant(data: Any, beside: Sequence[Any]) -> Value | float:
    """An operand that is not a Value: numbers as they are, arrays as constants, in NumPy's dtype beside the other operands.

    A small array is copied, which costs less than noticing that its owner wrote to it.
    """
    if isinstance(data, int):
        return float(data)
    stored: Any
    if type(data) is np.ndarray and data.ndim and data.dtype.kind == "f":
        stored = data.copy() if data.size <= 8192 else data
    else:
        narrow = [v.dtype for v in beside if isinstance(v, Value) and v.ndim and v.dtype != np.float64]
        if not narrow and isinstance(data, (np.bool_, np.integer, np.float64)):
            return float(data)
        if narrow and isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "biuf":
            dtype = np.result_type(data, *narrow)  # NumPy's promotion: float32 beside int8 stays float32, beside np.float64 it does not
            stored = data.astype(dtype)[()]
        else:
            stored = copy_as_float(data)
    if type(stored) is float:
        return stored
    constant = Value(0.0, requires_grad=False)
    constant._data = stored
    if stored is data:
        constant._fingerprint = fingerprint(data)
    return constant


def _short(data: Any) -> str:
    return np.array2string(data, precision=4, threshold=20, separator=", ") if type(data) is np.ndarray else repr(float(data))


def _rebuild(kind: type[Value], data: Any, label: str, requires_grad: bool, grad: Any, attributes: dict[str, Any]) -> Value:
    """A copy of a leaf, also of a subclass whose constructor takes other arguments."""
    leaf = kind.__new__(kind)
    Value.__init__(leaf, data, label=label, requires_grad=requires_grad)
    leaf.grad = grad
    if attributes:
        vars(leaf).update(attributes)
    return leaf


def stop_gradient(value: Any) -> Any:
    """The same numbers as a constant: gradients do not flow past it.  Plain data passes through."""
    return value.detach() if isinstance(value, Value) else value


Value.__record__ = staticmethod(record)  # type: ignore[attr-defined]  # what a primitive calls when it meets a Value
fast.install(Value, _constant, record)
