"""`Value`: a number or an array that remembers how it was made.

    a, b = Value(2.0, label="a"), Value([1.0, -3.0], label="b")
    loss = (a * b).relu().sum()
    loss.backward()
    a.grad, b.grad

Every operation on a Value enters a node into the graph: its result, its primitive, its operands.
Python's operators, the methods below and NumPy's own functions (through NumPy's two dispatch protocols)
all end in `record`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from . import backprop, modes
from .node import Node, describe, location, operands
from .primitives import (
    DISPATCH,
    PLAIN,
    Primitive,
    activations as act,
    arithmetic as ari,
    contractions as con,
    exponentials as exps,
    reductions as red,
    shapes as shp,
)

__all__ = ["Parameter", "Value", "stop_gradient"]

_new = object.__new__
_next_id = count().__next__
_frame = sys._getframe
_HERE = os.path.dirname(__file__) + os.sep


# ── operators: factories of methods ───────────────────────────────────────────
#
# Operators are the engine's hottest lines, so those on one or two Values enter their node by themselves;
# everything else, and every unusual case, goes through `record`.


def _binary(primitive: Primitive) -> Callable[[Value, Any], Value]:
    on_floats, on_arrays = primitive.float_forward, primitive.forward

    def operator(self: Value, other: Any) -> Value:
        x, wanted, kind = self._data, self.requires_grad, type(other)
        if kind is Value or issubclass(kind, Value):
            y, wanted = other._data, wanted or other.requires_grad
        elif kind is float:
            y = other
        elif kind is int:
            y = other = float(other)
        elif kind is np.ndarray and other.ndim:
            other = _constant(other)
            y = other._data
        elif _understands(other):
            return record(primitive, (self, other), {})
        else:
            return NotImplemented
        if modes.active:
            return record(primitive, (self, other), {})
        if type(x) is float and type(y) is float:
            forward = on_floats
        elif self._params is not None or (
            kind is not np.ndarray and type(other) is not float and other._params is not None
        ):  # perhaps written to
            return record(primitive, (self, other), {})
        else:
            forward = on_arrays
        try:
            result = forward(x, y)
        except (ArithmeticError, ValueError, TypeError):
            return record(primitive, (self, other), {})
        if type(result) is not float:
            if type(result) is complex:
                return record(primitive, (self, other), {})
            if type(result) is not np.ndarray or not result.ndim:
                result = _settle(result)
        node = _new(Value)
        node._data = result
        node._grad = None
        node._primitive = primitive
        node._x = self
        node._y = other
        node._params = None
        node._id = _next_id()
        node.requires_grad = wanted
        node.label = ""
        frame = _frame(1)
        node._code = frame.f_code
        node._lasti = frame.f_lasti
        return node

    operator.__name__, operator.__doc__ = primitive.name, primitive.__doc__
    return operator


def _unary(primitive: Primitive) -> Callable[..., Value]:
    on_floats, on_arrays = primitive.float_forward, primitive.forward

    def method(self: Value, *args: Any, **params: Any) -> Value:
        if args or params:
            return primitive(self, *args, **params)
        if modes.active:
            return record(primitive, (self,), {})
        x = self._data
        if type(x) is float:
            forward = on_floats
        elif self._params is not None:  # perhaps written to
            return record(primitive, (self,), {})
        else:
            forward = on_arrays
        try:
            result = forward(x)
        except (ArithmeticError, ValueError, TypeError):
            return record(primitive, (self,), {})
        if type(result) is not float and (type(result) is not np.ndarray or not result.ndim):
            result = _settle(result)
        node = _new(Value)
        node._data = result
        node._grad = None
        node._primitive = primitive
        node._x = self
        node._y = None
        node._params = None
        node._id = _next_id()
        node.requires_grad = self.requires_grad
        node.label = ""
        frame = _frame(1)
        node._code = frame.f_code
        node._lasti = frame.f_lasti
        return node

    method.__name__, method.__doc__ = primitive.name, primitive.__doc__
    return method


def _understands(other: Any) -> bool:
    return isinstance(other, (int, float, np.generic, np.ndarray, list, tuple))


def _reflected(primitive: Primitive) -> Callable[[Value, Any], Value]:
    def operator(self: Value, other: Any) -> Value:
        return record(primitive, (other, self), {}) if _understands(other) else NotImplemented

    operator.__name__, operator.__doc__ = primitive.name, primitive.__doc__
    return operator


def _method(function: Callable[..., Any]) -> Callable[..., Value]:
    """A function of the engine as a method."""

    def method(self: Value, *args: Any, **params: Any) -> Value:
        return function(self, *args, **params)

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    return method


class Value(Node):
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
        self._data = data if type(data) is float and dtype is None else _own(data, dtype)
        self._grad = None
        self._primitive = None
        self._x = None
        self._y = None
        self._params = None
        self._code = None
        self.label = label
        self.requires_grad = requires_grad
        self._id = _next_id()
        if _children:
            self._x = tuple(child if isinstance(child, Value) else Value(child, requires_grad=False) for child in _children)
            self._primitive = backprop.Handmade(_op or "?")

    # ── what it holds ─────────────────────────────────────────────────────────

    @property
    def data(self) -> Any:
        """The plain number or array.  A leaf's can be written to; a result's array is read-only."""
        data = self._data
        if type(data) is np.ndarray:
            if self._primitive is not None:
                data = data.view()
                data.flags.writeable = False
            elif self._params is None:
                self._params = _checksum(data)  # from now on it can change behind our back
        return data

    @data.setter
    def data(self, new: Any) -> None:
        if type(new) is float and type(self._data) is float and self._primitive is None:
            self._data, self._id = new, _next_id()
            return
        if new is not self._data:
            new = _own(new, None)
            if np.shape(new) != self.shape or np.asarray(new).dtype != self.dtype:
                self._grad = None  # it has the shape and dtype of the data, always
            self._data = new
        if self._primitive is None:
            self._params = None if type(self._data) is not np.ndarray else _checksum(self._data)
        elif not isinstance(self._primitive, backprop.Spent):
            self._primitive = backprop.Spent(
                self._primitive.name, "was assigned other data; run the forward pass again, or start from a new leaf"
            )
        self._id = _next_id()  # younger than its users: that is how the backward pass notices

    @property
    def grad(self) -> Any:
        """∂root/∂self of the backward passes so far, in the shape and dtype of the data; 0 before any.

        A leaf adds up over passes until `zero_grad`; a result holds the last pass's gradient.
        """
        if not self.has_grad:
            if type(self._data) is not np.ndarray:
                return type(self._data)(0.0)
            self._grad = np.zeros_like(self._data)
        return self._grad

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
        return self._grad is not None and type(self._grad) is not object

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data, () for a scalar."""
        return np.shape(self._data)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self._data)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.size(self._data))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The floating type of the data; float64 for a Python float."""
        return np.dtype(np.float64) if type(self._data) is float else self._data.dtype

    @property
    def T(self) -> Value:
        """The axes in reverse order."""
        return shp.transpose(self)

    @property
    def mT(self) -> Value:
        """The last two axes exchanged."""
        return shp.swapaxes(self, -1, -2)

    @property
    def is_leaf(self) -> bool:
        """Whether it was given rather than computed."""
        return self._primitive is None

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
        if not self.requires_grad:
            raise ValueError(f"nothing that {describe(self)} depends on requires a gradient (was it made inside no_grad, or detached?)")
        seed = gradient._data if isinstance(gradient, Value) else gradient
        if type(seed) is not float or type(self._data) is not float:
            seed = self._seed(seed)
        if create_graph:
            seed = gradient if isinstance(gradient, Value) else Value(seed, requires_grad=False)
        for leaf, grad in backprop.backprop(self, seed, create_graph=create_graph, retain_graph=retain_graph is not False).items():
            leaf._grad = grad if leaf._grad is None else leaf._grad + grad

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
        if not isinstance(self._primitive, backprop.Handmade):
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
        if not self.is_leaf:
            raise ValueError(f"only a leaf can change requires_grad, and {self._primitive.name} made {describe(self)}; use detach()")
        self.requires_grad = requires_grad
        return self

    def was_written(self) -> bool:
        """Whether a leaf's array was written to in place since it was last used."""
        return self._params is not None and self._params != _checksum(self._data)

    # ── NumPy's protocols ─────────────────────────────────────────────────────

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **params: Any) -> Any:
        if out is not None:
            raise TypeError(f"np.{ufunc.__name__} cannot write into out= here: a recorded value is never changed in place; use the result")
        if method == "__call__":
            meant = DISPATCH.get(ufunc)
            if type(meant) is Primitive and not params and len(inputs) == len(meant.vjps):
                return record(meant, inputs, {})
            if meant is not None:
                return meant(*inputs, **params)
            if ufunc in PLAIN:
                return ufunc(*map(_plain, inputs), **params)
        reduction = _REDUCTIONS.get(ufunc)
        if method == "reduce" and reduction:
            params.setdefault("axis", 0)
            return reduction(*inputs, **params)
        raise TypeError(_no_rule(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in DISPATCH:
            return DISPATCH[function](*args, **kwargs)
        if function in PLAIN:
            return function(*map(_plain, args), **{key: _plain(arg) for key, arg in kwargs.items()})
        module = function.__module__.replace("numpy", "np", 1)
        raise TypeError(_no_rule(f"{module}.{function.__name__}"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(f"{describe(self)} would leave the graph here; write np.stack([...]) to join Values, .data for the plain array")

    def __float__(self) -> float:
        raise TypeError(f"float() of {describe(self)} would leave the graph here; write .item() for the plain number")

    __int__ = __index__ = __complex__ = __float__  # type: ignore[assignment]

    # ── comparisons and containers: plain answers ─────────────────────────────

    def __bool__(self) -> bool:
        return bool(self._data)

    def __eq__(self, other: Any) -> Any:
        return self._data == _plain(other)

    def __ne__(self, other: Any) -> Any:
        return self._data != _plain(other)

    def __lt__(self, other: Any) -> Any:
        return self._data < _plain(other)

    def __le__(self, other: Any) -> Any:
        return self._data <= _plain(other)

    def __gt__(self, other: Any) -> Any:
        return self._data > _plain(other)

    def __ge__(self, other: Any) -> Any:
        return self._data >= _plain(other)

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"len() of {describe(self)}")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        if not self.ndim:
            raise TypeError(f"cannot iterate over {describe(self)}")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Value:
        return shp.getitem(self, index=_plain_index(index))

    def __setitem__(self, index: Any, new: Any) -> None:
        raise TypeError(
            f"{describe(self)} cannot be written in place, the graph would lose its old numbers; "
            "make a new one: np.where(mask, new, value), or leaf.data[index] = ... before the forward pass"
        )

    def __repr__(self) -> str:
        grad = self._grad if self.has_grad else 0.0
        return f"Value(data={_short(self._data)}, grad={_short(_plain(grad))})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError(f"only leaves can be copied or pickled, and {self._primitive.name} made {describe(self)}; detach() it")
        return (_rebuild, (type(self), self._data, self.label, self.requires_grad))

    # ── operators and methods ─────────────────────────────────────────────────

    __add__, __radd__ = _binary(ari.add), _reflected(ari.add)
    __sub__, __rsub__ = _binary(ari.subtract), _reflected(ari.subtract)
    __mul__, __rmul__ = _binary(ari.multiply), _reflected(ari.multiply)
    __truediv__, __rtruediv__ = _binary(ari.divide), _reflected(ari.divide)
    __pow__, __rpow__ = _binary(ari.power), _reflected(ari.power)
    __matmul__, __rmatmul__ = _binary(con.matmul), _reflected(con.matmul)
    __neg__, __pos__, __abs__ = _unary(ari.negative), _unary(ari.positive), _unary(ari.absolute)

    relu, sigmoid, tanh = _unary(act.relu), _unary(act.sigmoid), _unary(exps.tanh)
    exp, log, sqrt = _unary(exps.exp), _unary(exps.log), _unary(ari.sqrt)
    sin, cos = _unary(exps.sin), _unary(exps.cos)
    abs, square = _unary(ari.absolute), _unary(ari.square)
    leaky_relu, elu, selu = _unary(act.leaky_relu), _unary(act.elu), _unary(act.selu)
    gelu, silu, softplus = _unary(act.gelu), _unary(act.silu), _unary(act.softplus)
    softsign, hardtanh = _unary(act.softsign), _unary(act.hardtanh)
    softmax, log_softmax, logsumexp = _unary(act.softmax), _unary(act.log_softmax), _unary(red.logsumexp)

    sum, mean, prod = _unary(red.sum), _unary(red.mean), _unary(red.prod)
    max, min = _unary(red.max), _unary(red.min)
    var, std, norm = _unary(red.var), _unary(red.std), _unary(red.norm)
    cumsum, cumprod, trace = _unary(red.cumsum), _unary(red.cumprod), _method(red.trace)

    ravel, flatten, squeeze = _method(shp.ravel), _method(shp.ravel), _method(shp.squeeze)
    swapaxes, take, repeat = _method(shp.swapaxes), _method(shp.take), _method(shp.repeat)
    diagonal, astype = _method(shp.diagonal), _method(shp.astype)
    dot, clip, round = _method(con.dot), _method(ari.clip), _method(ari._round)

    def reshape(self, *shape: Any) -> Value:
        """The same elements in another shape, in C order: reshape(2, 3) or reshape((2, 3))."""
        return shp.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Value:
        """The axes in another order, reversed by default: transpose(1, 0) or transpose((1, 0))."""
        return shp.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def argmax(self, axis: int | None = None) -> Any:
        """The index of the largest element, as plain data."""
        return np.argmax(self._data, axis)

    def argmin(self, axis: int | None = None) -> Any:
        """The index of the smallest element, as plain data."""
        return np.argmin(self._data, axis)


_REDUCTIONS: dict[Any, Primitive] = {np.add: red.sum, np.multiply: red.prod, np.maximum: red.max, np.minimum: red.min}


class Parameter(Value):
    """A leaf that a module learns; pictures show it in a colour of its own."""

    __slots__ = ()


def record(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Value:
    """Apply a primitive to operands of which one at least is a Value, and enter the result in the graph."""
    inputs: list[Value | float] = []
    data: list[Any] = []
    scalars, wanted = primitive.elementwise, False
    for arg in args:
        if isinstance(arg, Value):
            if arg._params is not None and arg._primitive is None and arg.was_written():
                arg._params, arg._id = _checksum(arg._data), _next_id()  # as if it had been assigned
        elif type(arg) is not float:
            arg = _constant(arg)
        inputs.append(arg)
        if type(arg) is float:
            data.append(arg)
            continue
        plain = arg._data
        data.append(plain)
        if arg.requires_grad:
            wanted = True
        if type(plain) is not float:
            scalars = False
    try:
        if scalars:
            result = primitive.on_floats(primitive.float_forward, primitive.forward, data, params)
        else:
            result = primitive.forward(*data, **params) if params else primitive.forward(*data)
    except (ValueError, IndexError, TypeError) as error:
        operands = " and ".join(map(describe, inputs))
        raise type(error)(f"{primitive.name} of {operands}: {error}") from error
    if type(result) is not np.ndarray or not result.ndim:
        result = _settle(result)

    node = _new(Value)
    node._data = result
    node._grad = None
    node._primitive = None
    node._x = None
    node._y = None
    node._params = None
    node._id = _next_id()
    node.requires_grad = False
    node.label = ""
    frame = _frame(1)
    while _is_ours[frame.f_code.co_filename] and frame.f_back:
        frame = frame.f_back
    node._code = frame.f_code
    node._lasti = frame.f_lasti
    if not modes.active or modes.is_grad_enabled():
        node.requires_grad = wanted
        node._primitive = primitive
        node._params = params or None
        if len(inputs) > 2:
            node._x = tuple(inputs)
        else:
            node._x = inputs[0]
            if len(inputs) == 2:
                node._y = inputs[1]
    if modes.active and modes.is_anomaly_enabled():
        made_from = ", ".join(map(describe, inputs))
        backprop.check_finite(result, f"forward of {primitive.name} at {location(node)}, from {made_from}")
    return node


Value.__record__ = staticmethod(record)  # type: ignore[attr-defined]  # what a primitive called with a Value turns to


class _Ours(dict[str, bool]):
    """Whether a source file is the engine's own; remembered, for every node asks."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = answer = filename.startswith(_HERE)
        return answer


_is_ours = _Ours()


# ── data ──────────────────────────────────────────────────────────────────────


def _settle(data: Any) -> Any:
    """A result as a Value keeps it: a float64 scalar as a Python float, other scalars as NumPy's."""
    if type(data) is np.ndarray:
        if data.ndim:
            return data
        data = data[()]
    return float(data) if type(data) is np.float64 else data


def _own(data: Any, dtype: Any) -> Any:
    """Data given by the user, as floats, in memory that nobody else holds."""
    if type(data) is float and dtype is None:
        return data
    if isinstance(data, Value):
        raise TypeError(f"{describe(data)} is a Value already; use it, or .data for its numbers")
    if isinstance(data, (list, tuple)) and any(isinstance(item, Value) for item in data):
        raise TypeError("a list of Values would leave the graph here; join them with np.stack([...])")
    array = np.array(data, dtype)
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise TypeError(f"a Value holds real numbers, not {array.dtype}; pass floats, or an array of a floating dtype")
    return _settle(array)


def _constant(data: Any) -> Value | float:
    """An operand that is not a Value: numbers as they are, arrays as constants.

    A small array is copied, which costs less than noticing that its owner wrote to it.
    """
    if isinstance(data, (bool, int, np.bool_, np.integer, np.float64)):
        return float(data)
    if type(data) is np.ndarray and data.ndim and data.dtype.kind == "f":
        settled = data.copy() if data.size <= 8192 else data
    else:
        settled = _own(data, None)
        if type(settled) is float:
            return settled
    constant = Value(0.0, requires_grad=False)
    constant._data = settled
    if settled is data:
        constant._params = _checksum(data)
    return constant


def _checksum(data: np.ndarray[Any, Any]) -> int:
    """A fingerprint of an array, to notice that it was written to; of a large one a sample and the sums of its bits.

    The sums run down 257 columns: a prime, so that elements which trade places, or which change their signs in
    pairs (twice the top bit is nothing), stand in different columns.
    """
    if data.size <= 1024:
        return hash(data.tobytes())
    flat = np.ascontiguousarray(data).reshape(-1)
    bits = flat.view({2: np.uint16, 4: np.uint32}.get(flat.itemsize, np.uint64))
    whole = bits.size // 257 * 257
    sums = np.add.reduce(bits[:whole].reshape(-1, 257))
    return hash((sums.tobytes(), bits[whole:].tobytes(), flat[:: flat.size // 256].tobytes()))


def _plain(thing: Any) -> Any:
    return thing._data if isinstance(thing, Value) else thing


def _plain_index(index: Any) -> Any:
    """An index without Values and lists; Values serve as integers or masks only by their data."""
    if isinstance(index, tuple):
        return tuple(map(_plain_index, index))
    if isinstance(index, Value):
        raise TypeError(f"{describe(index)} cannot be an index, its numbers are real; use an integer array")
    if isinstance(index, (list, np.ndarray)):
        return np.array(index, dtype=int if type(index) is list and not index else None)  # a copy: the graph keeps it
    return index


def _short(data: Any) -> str:
    return np.array2string(data, precision=4, threshold=20, separator=", ") if type(data) is np.ndarray else repr(float(data))


def _rebuild(kind: type[Value], data: Any, label: str, requires_grad: bool) -> Value:
    return kind(data, label=label, requires_grad=requires_grad)


def _no_rule(name: str) -> str:
    return (
        f"{name} has no rule here; build it from functions that have one, enter one with engine.primitive, or take .data for plain numbers"
    )


def stop_gradient(value: Any) -> Any:
    """The same numbers as a constant: gradients do not flow past it.  Plain data passes through."""
    return value.detach() if isinstance(value, Value) else value
