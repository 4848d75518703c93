"""Shape moves: the same numbers in another shape, in another order of the axes, joined and cut."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate
from operator import index as as_int
from typing import Any

import numpy as np

from .table import Case, composite, primitive

# ── whose arguments are right ─────────────────────────────────────────────────


def _blank(x: Any) -> Any:
    """An array of the shape of x that takes no memory."""
    return np.broadcast_to(np.False_, np.shape(x))


def move(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: a composite that stands for NumPy's function, which itself judges the arguments first, on a blank array."""

    def enter(made: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(made)
        def judged(x: Any, *args: Any, **params: Any) -> Any:
            try:
                function(_blank(x), *args, **params)
            except Exception as error:
                kind = type(error) if isinstance(error, (ValueError, IndexError, TypeError)) else ValueError
                operand = f"{x.label!r}, " if getattr(x, "label", "") else ""
                raise kind(f"{made.__name__} of {operand}shape {np.shape(x)}: {error}") from error
            return made(x, *args, **params)

        return composite(function)(judged)

    return enter


def sides(shape: Any) -> tuple[int, ...]:
    """A shape or axes, as NumPy takes them, as a tuple of Python's integers."""
    return tuple(map(as_int, np.atleast_1d(shape).tolist()))


# ── reshape and its relatives ─────────────────────────────────────────────────

_reshape = primitive(
    "reshape",
    lambda x, shape: np.reshape(x, shape),
    lambda g, out, x, shape: np.reshape(g, np.shape(x)),
    cases=[Case(((2, 3),), {"shape": (3, 2)}), Case(((2, 3),), {"shape": -1}), Case(((),), {"shape": (1, 1)})],
    doc="the same elements in another shape, in C order",
)


@composite(np.reshape)
def reshape(x: Any, shape: int | Sequence[int], order: str = "C") -> Any:
    """x in another shape, read in C order."""
    if order != "C":
        raise TypeError(f"reshape of a Value reads in C order only, not {order!r}; transpose first")
    return _reshape(x, shape=shape if isinstance(shape, int) else sides(shape))


@composite(np.ravel)
def ravel(x: Any) -> Any:
    """x as one row."""
    return reshape(x, -1)


@composite(np.expand_dims)
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """x with axes of length 1 put in."""
    return reshape(x, np.expand_dims(np.empty(np.shape(x), bool), axis).shape)


@composite(np.squeeze)
def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """x without its axes of length 1."""
    return reshape(x, np.squeeze(np.empty(np.shape(x), bool), axis).shape)


@composite(np.atleast_1d)
def atleast_1d(x: Any) -> Any:
    """x, a scalar as an array of one."""
    return x if np.ndim(x) else reshape(x, (1,))


@composite(np.atleast_2d)
def atleast_2d(x: Any) -> Any:
    """x with two axes at least."""
    return x if np.ndim(x) >= 2 else reshape(x, (1, -1))


_broadcast_to = primitive(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda g, out, x, shape: g,  # the chain rule sums what was broadcast
    cases=[Case(((3,),), {"shape": (2, 3)}), Case(((2, 1),), {"shape": (2, 3)}), Case(((),), {"shape": (2,)})],
    doc="x repeated along new axes and axes of length 1",
)


@composite(np.broadcast_to)
def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """x repeated to a shape, by NumPy's broadcasting."""
    return _broadcast_to(x, shape=sides(shape))


def _astype(x: Any, dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"{dtype} numbers have no derivative; take .data.astype({dtype.name!r}) for plain ones")
    return np.asarray(x).astype(dtype)


astype = primitive(
    "astype",
    _astype,
    lambda g, out, x, dtype: g,  # the chain rule gives the gradient its operand's dtype
    cases=[Case(((3,),), {"dtype": np.float64})],
    doc="the same numbers in another floating dtype",
)

# ── transpose and its relatives ───────────────────────────────────────────────


def _back(axes: Sequence[int]) -> list[int]:
    """The order of the axes that undoes this one."""
    return sorted(range(len(axes)), key=lambda k: axes[k] % len(axes))


_transpose = primitive(
    "transpose",
    lambda x, axes=None: x.transpose(axes) if type(x) is np.ndarray else np.transpose(x, axes),
    lambda g, out, x, axes=None: np.transpose(g, axes if axes is None else _back(axes)),
    symbol="T",
    cases=[Case(((2, 3),)), Case(((2, 3, 1),), {"axes": (1, 2, 0)}), Case(((2, 3, 1),), {"axes": (-1, 0, 1)})],
    doc="the axes in another order, reversed by default",
)


@composite(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """x with its axes in another order, reversed by default."""
    return _transpose(x) if axes is None else _transpose(x, axes=sides(axes))


@move(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    axes = list(range(np.ndim(x)))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(x, axes)


@move(np.moveaxis)
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """x with some axes moved to new places, the others in their order."""
    ndim = np.ndim(x)
    sources = [a % ndim for a in sides(source)]
    targets = [a % ndim for a in sides(destination)]
    order = [a for a in range(ndim) if a not in sources]
    for target, source_axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_axis)
    return transpose(x, order)


# ── joining and splitting ─────────────────────────────────────────────────────


def _stretches(g: Any, args: tuple[Any, ...], argnums: Sequence[int], axis: int | None) -> list[Any]:
    """The stretches of g that came from the operands of these numbers."""
    lengths = [math.prod(np.shape(a)) for a in args] if axis is None else [a.shape[axis] for a in args]
    ends = list(accumulate(lengths))
    before = () if axis is None else (slice(None),) * (axis % np.ndim(g))
    parts = [g[(*before, slice(ends[k] - lengths[k], ends[k]))] for k in argnums]
    return [np.reshape(part, np.shape(args[k])) for k, part in zip(argnums, parts, strict=True)] if axis is None else parts


_concatenate = primitive(
    "concatenate",
    lambda *args, axis=0: np.concatenate(args, axis=axis),
    lambda g, out, *args, axis=0, argnums: _stretches(g, args, argnums, axis),
    variadic=True,
    cases=[
        Case(((2,), (3,))),
        Case(((2, 1), (2, 2), (2, 1)), {"axis": -1}),
        Case(((2, 1), (3,)), {"axis": None}),
        Case(((1, 2), (0, 2))),
    ],
    doc="arrays joined along an axis",
)


@composite(np.concatenate)
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an axis that they have; flattened first where axis is None."""
    return _concatenate(*arrays, axis=axis)


def _slots(g: Any, argnums: Sequence[int], axis: int) -> list[Any]:
    before = (slice(None),) * (axis % np.ndim(g))
    return [g[(*before, k)] for k in argnums]


_stack = primitive(
    "stack",
    lambda *args, axis=0: np.stack(args, axis=axis),
    lambda g, out, *args, axis=0, argnums: _slots(g, argnums, axis),
    variadic=True,
    cases=[Case(((), ())), Case(((2,), (2,), (2,)), {"axis": 1}), Case(((2, 1), (2, 1)), {"axis": -1})],
    doc="arrays joined along a new axis",
)


@composite(np.stack)
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return _stack(*arrays, axis=axis)


@composite(np.hstack)
def hstack(arrays: Sequence[Any]) -> Any:
    """Arrays side by side: along the second axis, or the first of one-dimensional ones."""
    rows = [atleast_1d(a) for a in arrays]
    return concatenate(rows, axis=0 if np.ndim(rows[0]) == 1 else 1)


@composite(np.vstack)
def vstack(arrays: Sequence[Any]) -> Any:
    """Arrays on top of each other, one-dimensional ones as rows."""
    return concatenate([atleast_2d(a) for a in arrays], axis=0)


@move(np.array_split)
def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """x cut along an axis, into that many nearly equal parts or at those indices."""
    places = np.array_split(np.arange(np.shape(x)[axis]), indices_or_sections)
    lead = (slice(None),) * (axis % np.ndim(x))
    start, parts = 0, []
    for place in places:
        start = int(place[0]) if place.size else start
        parts.append(x[(*lead, slice(start, start + place.size))])
        start += place.size
    return parts


@move(np.split)
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """x cut along an axis, into that many equal parts or at those indices."""
    return array_split(x, indices_or_sections, axis)
