"""What a Value understands: Python's operators, NumPy's functions, comparisons, indices, and methods.

Nothing here knows how a result is recorded: each operator and method calls a primitive of the rule table,
or a function made of some, and a primitive that meets a Value enters its result in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import numpy as np

from .node import Node, describe
from .primitives import (
    DISPATCH,
    PLAIN,
    Primitive,
    activations as act,
    arithmetic as ari,
    contractions as con,
    exponentials as exps,
    indexing as idx,
    reductions as red,
    shapes as shp,
)

__all__ = ["Operators"]

_OPERANDS = (Node, int, float, np.generic, np.ndarray, list, tuple)  # what an operator takes on its other side
_REDUCTIONS: dict[Any, Primitive] = {np.add: red.sum, np.multiply: red.prod, np.maximum: red.max, np.minimum: red.min}


def _operator(primitive: Primitive) -> Any:
    """A primitive of two operands as an operator: a + b."""

    def operator(self: Any, other: Any) -> Any:
        return primitive(self, other) if isinstance(other, _OPERANDS) else NotImplemented

    operator.__name__, operator.__doc__, operator.rule = primitive.name, primitive.__doc__, (primitive, 0)  # type: ignore[attr-defined]
    return operator


def _reflected(primitive: Primitive) -> Any:
    """The same where the Value stands on the right: 2 + b."""

    def operator(self: Any, other: Any) -> Any:
        return primitive(other, self) if isinstance(other, _OPERANDS) else NotImplemented

    operator.__name__, operator.__doc__, operator.rule = primitive.name, primitive.__doc__, (primitive, 1)  # type: ignore[attr-defined]
    return operator


def _method(function: Callable[..., Any]) -> Any:
    """A primitive, or a function made of some, as a method: x.tanh()."""

    def method(self: Any, *args: Any, **params: Any) -> Any:
        return function(self, *args, **params)

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    if isinstance(function, Primitive) and len(function.vjps) == 1 and not function.variadic:
        method.rule = (function, 0)  # type: ignore[attr-defined]
    return method


class Operators(Node):
    """The base of Value with everything that only calls primitives, or answers with plain data."""

    __slots__ = ()

    # ── shape ─────────────────────────────────────────────────────────────────

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
    def T(self) -> Any:
        """The axes in reverse order."""
        return shp.transpose(self)

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return shp.swapaxes(self, -1, -2)

    # ── operators and methods ─────────────────────────────────────────────────

    __add__, __radd__ = _operator(ari.add), _reflected(ari.add)
    __sub__, __rsub__ = _operator(ari.subtract), _reflected(ari.subtract)
    __mul__, __rmul__ = _operator(ari.multiply), _reflected(ari.multiply)
    __truediv__, __rtruediv__ = _operator(ari.divide), _reflected(ari.divide)
    __pow__, __rpow__ = _operator(ari.power), _reflected(ari.power)
    __matmul__, __rmatmul__ = _operator(con.matmul), _reflected(con.matmul)
    __neg__, __pos__, __abs__ = _method(ari.negative), _method(ari.positive), _method(ari.absolute)

    relu, sigmoid, tanh = _method(act.relu), _method(act.sigmoid), _method(exps.tanh)
    exp, log, sqrt = _method(exps.exp), _method(exps.log), _method(ari.sqrt)
    sin, cos = _method(exps.sin), _method(exps.cos)
    abs, square = _method(ari.absolute), _method(ari.square)
    leaky_relu, elu, selu = _method(act.leaky_relu), _method(act.elu), _method(act.selu)
    gelu, silu, softplus = _method(act.gelu), _method(act.silu), _method(act.softplus)
    softsign, hardtanh = _method(act.softsign), _method(act.hardtanh)
    softmax, log_softmax, logsumexp = _method(act.softmax), _method(act.log_softmax), _method(red.logsumexp)

    sum, mean, prod = _method(red.sum), _method(red.mean), _method(red.prod)
    max, min = _method(red.max), _method(red.min)
    var, std, norm = _method(red.var), _method(red.std), _method(red.norm)
    cumsum, cumprod, trace = _method(red.cumsum), _method(red.cumprod), _method(red.trace)

    ravel, flatten, squeeze = _method(shp.ravel), _method(shp.ravel), _method(shp.squeeze)
    swapaxes, take, repeat = _method(shp.swapaxes), _method(idx.take), _method(idx.repeat)
    diagonal, astype = _method(idx.diagonal), _method(shp.astype)
    dot, clip, round = _method(con.dot), _method(ari.clip), _method(ari.round_)

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape, in C order: reshape(2, 3) or reshape((2, 3))."""
        return shp.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, reversed by default: transpose(1, 0) or transpose((1, 0))."""
        return shp.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def argmax(self, axis: int | None = None) -> Any:
        """The index of the largest element, as plain data."""
        return np.argmax(self._data, axis)

    def argmin(self, axis: int | None = None) -> Any:
        """The index of the smallest element, as plain data."""
        return np.argmin(self._data, axis)

    # ── NumPy's protocols ─────────────────────────────────────────────────────

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **params: Any) -> Any:
        if out is not None:
            raise TypeError(f"np.{ufunc.__name__} cannot write into out= here: a recorded value is never changed in place; use the result")
        if method == "__call__":
            if made := DISPATCH.get(ufunc):
                return made(*inputs, **params) if params else made(*inputs)
            if ufunc in PLAIN:
                return ufunc(*map(_plain, inputs), **params)
        reduction = _REDUCTIONS.get(ufunc)
        if method == "reduce" and reduction:
            params.setdefault("axis", 0)
            return reduction(*inputs, **params)
        raise TypeError(_no_rule(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in DISPATCH:
            made = DISPATCH[function]
            if isinstance(made, Primitive) and not made.variadic and len(args) > (arity := len(made.vjps)):
                names = list(signature(function).parameters)  # by name: np.sum(x, 0, True) does not mean keepdims
                args, kwargs = args[:arity], dict(zip(names[arity:], args[arity:], strict=False)) | kwargs
            return made(*args, **kwargs)
        if function in PLAIN:
            return function(*map(_plain, args), **{key: _plain(arg) for key, arg in kwargs.items()})
        module = function.__module__.replace("numpy", "np")
        raise TypeError(_no_rule(f"{module}.{function.__name__}"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(f"{describe(self)} would leave the graph here; write np.stack([...]) to join Values, .data for the plain array")

    def __float__(self) -> float:
        raise TypeError(f"float() of {describe(self)} would leave the graph here; write .item() for the plain number")

    __int__ = __index__ = __complex__ = __float__  # type: ignore[assignment]

    # ── comparisons and containers ────────────────────────────────────────────

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

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError(f"cannot iterate over {describe(self)}")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return idx.getitem(self, index)

    def __setitem__(self, index: Any, new: Any) -> None:
        raise TypeError(
            f"{describe(self)} cannot be written in place, the graph would lose its old numbers; "
            "make a new one: np.where(mask, new, value), or leaf.data[index] = ... before the forward pass"
        )


def _plain(thing: Any) -> Any:
    return thing._data if isinstance(thing, Node) else thing


def _no_rule(name: str) -> str:
    return (
        f"{name} has no rule here; build it from functions that have one, enter one with engine.primitive, or take .data for plain numbers"
    )
