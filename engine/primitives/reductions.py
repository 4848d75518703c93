"""Reductions: many numbers into one, over all axes or some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import Case, Kink, composite, plain, primitive

Axis = int | tuple[int, ...] | None

_ALL = [
    Case(((),)),
    Case(((3,),)),
    Case(((2, 3),), {"axis": 0}),
    Case(((2, 3),), {"axis": -1, "keepdims": True}),
    Case(((2, 1, 3),), {"axis": (0, -1)}),
]
_ONE = [Case(((3,),)), Case(((2, 3),)), Case(((2, 3),), {"axis": 0}), Case(((2, 1, 3),), {"axis": -1})]


def _open(reduced: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced array with the reduced axes put back at length 1, so that it broadcasts against the operand."""
    return reduced if keepdims or axis is None else np.expand_dims(reduced, axis)


def _spread(reduced: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced array broadcast back to the operand's shape: each number at every place that it was computed from."""
    shape = np.shape(x)
    if type(reduced) is float and math.prod(shape) <= 4096:  # faster than np.broadcast_to
        full = np.empty(shape)
        full.fill(reduced)
        return full
    return np.broadcast_to(_open(reduced, axis, keepdims), shape)


def _count(x: Any, axis: Axis) -> int:
    """How many numbers go into each result."""
    shape = np.shape(x)
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))


sum = primitive(
    "sum",
    lambda x, axis=None, keepdims=False: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda g, out, x, axis=None, keepdims=False: _spread(g, x, axis, keepdims),
    numpy=np.sum,
    cases=[*_ALL, Case(((0, 2),)), Case(((0, 2),), {"axis": 0})],
    doc="Σ x",
)


def _mean(x: Any, axis: Axis, keepdims: Any) -> Any:
    if getattr(x, "dtype", None) == np.float16:
        return np.mean(x, axis=axis, keepdims=keepdims)  # adds up in float32
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / _count(x, axis)


mean = primitive(
    "mean",
    lambda x, axis=None, keepdims=False: _mean(x, axis, keepdims),
    lambda g, out, x, axis=None, keepdims=False: _spread(g / _count(x, axis), x, axis, keepdims),
    numpy=np.mean,
    cases=_ALL,
    doc="Σ x / n",
)


def _share(g: Any, out: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """The gradient to the extreme elements, evenly where several tie."""
    extreme = x == _open(out, axis, keepdims)
    return _open(g, axis, keepdims) / np.sum(extreme, axis=axis, keepdims=True) * extreme


def _gap(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How far the two largest elements lie apart, in each group that is reduced."""
    axes = tuple(range(np.ndim(x))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    rows = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x
    rows = np.sort(np.reshape(rows, (*np.shape(rows)[: np.ndim(x) - len(axes)], -1)), axis=-1)
    return rows[..., -1] - rows[..., -2] if rows.shape[-1] > 1 else np.full(rows.shape[:-1], np.inf)


max = primitive(
    "max",
    lambda x, axis=None, keepdims=False: np.max(x, axis=axis, keepdims=keepdims),
    lambda g, out, x, axis=None, keepdims=False: _share(g, out, x, axis, keepdims),
    numpy=(np.max, np.amax),
    cases=_ALL,
    kinks=[Kink("several largest elements", "they share evenly", _gap)],
    doc="the largest element",
)

min = primitive(
    "min",
    lambda x, axis=None, keepdims=False: np.min(x, axis=axis, keepdims=keepdims),
    lambda g, out, x, axis=None, keepdims=False: _share(g, out, x, axis, keepdims),
    numpy=(np.min, np.amin),
    cases=_ALL,
    kinks=[Kink("several smallest elements", "they share evenly", lambda x, axis=None, keepdims=False: _gap(-x, axis))],
    doc="the smallest element",
)


def _deviation(x: Any, axis: Axis) -> Any:
    return x - np.mean(x, axis=axis, keepdims=True)


_DDOF = [*_ALL, Case(((2, 3),), {"axis": 1, "ddof": 1})]

var = primitive(
    "var",
    lambda x, axis=None, ddof=0, keepdims=False: np.var(x, axis=axis, ddof=ddof, keepdims=keepdims),
    lambda g, out, x, axis=None, ddof=0, keepdims=False: _open(g, axis, keepdims) * 2.0 * _deviation(x, axis) / (_count(x, axis) - ddof),
    numpy=np.var,
    cases=_DDOF,
    doc="Σ (x - mean x)² / (n - ddof)",
)


def _std_slope(g: Any, out: Any, x: Any, axis: Axis, ddof: int, keepdims: bool) -> Any:
    spread = _open(out, axis, keepdims)
    return _open(g, axis, keepdims) * (spread != 0) * _deviation(x, axis) / ((_count(x, axis) - ddof) * np.where(spread == 0, 1.0, spread))


std = primitive(
    "std",
    lambda x, axis=None, ddof=0, keepdims=False: np.std(x, axis=axis, ddof=ddof, keepdims=keepdims),
    lambda g, out, x, axis=None, ddof=0, keepdims=False: _std_slope(g, out, x, axis, ddof, keepdims),
    numpy=np.std,
    cases=_DDOF,
    kinks=[Kink("all elements equal", "0", lambda x, axis=None, ddof=0, keepdims=False: np.std(x, axis=axis))],
    doc="√var",
)


def _cumsum_back(g: Any, x: Any, axis: int | None) -> Any:
    """Every element is in its own running sum and all later ones: Σ of g from here on."""
    return np.reshape(np.flip(np.cumsum(np.flip(g, axis or 0), axis or 0), axis or 0), np.shape(x))


cumsum = primitive(
    "cumsum",
    lambda x, axis=None: np.cumsum(x, axis=axis),
    lambda g, out, x, axis=None: _cumsum_back(g, x, axis),
    numpy=np.cumsum,
    cases=_ONE,
    doc="the running sum along an axis, over the flattened array by default",
)


def _cumprod_back(g: Any, x: Any, axis: int | None) -> Any:
    """Σ over later i of gᵢ · ∏ of the factors before and after this one, by Horner's rule from the end.

    No division, so zeros among the factors are right, and so are the derivatives of this line.
    """
    shape = np.shape(x)
    axis = axis if shape else None
    factors = np.reshape(x, (-1,)) if axis is None else np.moveaxis(x, axis, 0)
    g = g if axis is None else np.moveaxis(g, axis, 0)
    n = np.shape(factors)[0]
    before = [np.ones(np.shape(factors)[1:])]
    for i in range(n - 1):
        before.append(before[-1] * factors[i])
    slopes: list[Any] = []
    tail: Any = 0.0
    for i in reversed(range(n)):
        tail = g[i] + tail
        slopes.append(before[i] * tail)
        tail = tail * factors[i]
    if not n:
        return np.zeros(shape)
    back = np.stack(slopes[::-1])
    return np.reshape(back, shape) if axis is None else np.moveaxis(back, 0, axis)


cumprod = primitive(
    "cumprod",
    lambda x, axis=None: np.cumprod(x, axis=axis),
    lambda g, out, x, axis=None: _cumprod_back(g, x, axis),
    numpy=np.cumprod,
    cases=_ONE,
    doc="the running product along an axis, over the flattened array by default",
)


def _others(x: Any, axis: Axis) -> Any:
    """For each element the product of all the others in its group: ∏ before · ∏ after, so zeros are right."""
    shape, ndim = np.shape(x), np.ndim(x)
    axes = tuple(range(ndim)) if axis is None or not ndim else tuple(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    order = (*axes, *(a for a in range(ndim) if a not in axes))
    moved = np.transpose(x, order)
    flat = np.reshape(moved, (math.prod(shape[a] for a in axes), math.prod(shape[a] for a in order[len(axes) :])))
    one = np.ones((1, np.shape(flat)[1]))
    before = np.cumprod(np.concatenate([one, flat])[:-1], axis=0)
    after = np.flip(np.cumprod(np.concatenate([one, np.flip(flat, 0)])[:-1], axis=0), 0)
    return np.transpose(np.reshape(before * after, np.shape(moved)), np.argsort(order))


prod = primitive(
    "prod",
    lambda x, axis=None, keepdims=False: np.prod(x, axis=axis, keepdims=keepdims),
    lambda g, out, x, axis=None, keepdims=False: _open(g, axis, keepdims) * _others(x, axis),
    numpy=np.prod,
    cases=_ALL,
    doc="∏ x",
)


def _norm_slope(g: Any, out: Any, x: Any, ord: Any, axis: Axis, keepdims: bool) -> Any:
    g, size = _open(g, axis, keepdims), _open(out, axis, keepdims)
    safe = np.where(size == 0, 1.0, size)
    if ord in (None, 2, "fro"):
        return g * (size != 0) / safe * x
    if ord == 1:
        return g * np.sign(x)
    if ord in (np.inf, -np.inf):
        extreme = np.absolute(x) == size
        return g / np.sum(extreme, axis=axis, keepdims=True) * extreme * np.sign(x)
    ratio = np.absolute(x) / safe
    return g * np.sign(x) * np.where(ratio == 0, 1.0, ratio) ** (ord - 1) * (ratio != 0)


def _norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    axes = np.ndim(x) if axis is None else len(axis) if isinstance(axis, tuple) else 1
    if axes > 1 and ord not in (None, "fro"):
        raise ValueError(f"norm: a matrix norm of order {ord!r} has no rule; use ord=None, or a vector norm along one axis")
    if ord == 0:
        raise ValueError("norm: ord=0 counts the non-zeros and has no derivative; use np.count_nonzero(x.data)")
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


norm = primitive(
    "norm",
    _norm,
    lambda g, out, x, ord=None, axis=None, keepdims=False: _norm_slope(g, out, x, ord, axis, keepdims),
    numpy=np.linalg.norm,
    cases=[
        Case(((3,),)),
        Case(((2, 3),)),
        Case(((2, 3),), {"ord": 1, "axis": 0}),
        Case(((2, 3),), {"ord": np.inf, "axis": 1}),
        Case(((2, 3),), {"ord": -np.inf, "axis": 1}),
        Case(((2, 3),), {"ord": 3, "axis": -1, "keepdims": True}),
    ],
    kinks=[
        Kink("x = 0", "0", lambda x, ord=None, axis=None, keepdims=False: np.linalg.norm(x, axis=axis)),
        Kink(
            "ord = 1 or -inf: an element is 0",
            "0 for that element",
            lambda x, ord=None, axis=None, keepdims=False: x if ord in (1, -np.inf) else np.full(np.shape(x), np.inf),
        ),
        Kink(
            "ord = ±inf: several extreme elements",
            "they share evenly",
            lambda x, ord=None, axis=None, keepdims=False: (
                _gap(np.absolute(x) * np.sign(ord), axis) if ord in (np.inf, -np.inf) else np.array(np.inf)
            ),
        ),
    ],
    doc="the length of x: (Σ |x|ᵖ)^(1/p), p = ord, 2 by default; also the Frobenius norm of a matrix",
)


def _logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    summed = np.sum(np.exp(x - top), axis=axis, keepdims=True)
    out = np.log(summed) + top
    return out if keepdims else np.squeeze(out, axis=axis)


logsumexp = primitive(
    "logsumexp",
    _logsumexp,
    lambda g, out, x, axis=None, keepdims=False: _open(g, axis, keepdims) * np.exp(x - _open(out, axis, keepdims)),
    cases=_ALL,
    doc="ln Σ eˣ, without overflow",
)


@composite(np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Σ of a diagonal."""
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)


plain(np.argmax, np.argmin, np.argsort)
