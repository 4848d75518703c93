"""Indexing, and what is made of it: the same numbers at other places.

Two primitives carry it: `getitem`, and `scatter`, which is its derivative, as it is that of `scatter`.  `scatter_each` is
the derivative of several parts of one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arithmetic import where
from .shapes import atleast_1d, broadcast_to, move, moveaxis, ravel, reshape, sides
from .table import Case, Primitive, composite, primitive

# ── getitem and scatter are each other's derivative ───────────────────────────


def _scatter(x: Any, shape: tuple[int, ...], index: Any) -> Any:
    out = np.zeros(shape, dtype=np.asarray(x).dtype)
    out[index] = -0.0  # to which -0.0 can be added and stays
    _add_at(out, x, index)
    return out


def _add_at(total: Any, x: Any, index: Any) -> None:
    if _may_repeat(index):
        np.add.at(total, index, x)
    else:
        total[index] += x


def _may_repeat(index: Any) -> bool:
    """Whether an index can name an element twice: integers, slices and masks cannot."""
    parts = index if type(index) is tuple else (index,)
    return not all(part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice)) or _is_mask(part) for part in parts)


def _is_mask(part: Any) -> bool:
    return isinstance(part, (np.bool_, np.ndarray)) and part.dtype == bool


_ROWS = np.array([2, 0, 2])

_getitem: Primitive = primitive(
    "getitem",
    lambda x, index: np.asarray(x)[index],
    lambda g, out, x, index: scatter(g, shape=np.shape(x), index=index),
    sum_back=lambda gs, x, params: scatter_each(*gs, shape=np.shape(x), indices=tuple(p["index"] for p in params)),
    symbol="[ ]",
    cases=[
        Case(((3,),), {"index": 1}),
        Case(((3, 2),), {"index": (slice(None, None, -1), None, 0)}),
        Case(((3, 2),), {"index": _ROWS}),
        Case(((3, 2),), {"index": (_ROWS, np.array([0, 1, 0]))}),
        Case(((2, 3),), {"index": np.array([[True, False, True], [False, False, True]])}),
        Case(((2, 3, 2),), {"index": (Ellipsis, slice(0, 1))}),
    ],
    doc="x[index], with all of NumPy's indexing",
)

scatter: Primitive = primitive(
    "scatter",
    _scatter,
    lambda g, out, x, shape, index: _getitem(g, index=index),
    cases=[
        Case(((),), {"shape": (3,), "index": 1}),
        Case(((3, 2),), {"shape": (4, 2), "index": _ROWS}),
        Case(((2,),), {"shape": (2, 3), "index": (slice(None), 1)}),
    ],
    doc="zeros of a shape, with x added at an index; an element named twice gets both",
)


def _scatter_each(xs: Sequence[Any], shape: tuple[int, ...], indices: Sequence[Any]) -> Any:
    out = np.zeros(shape, dtype=np.asarray(xs[0]).dtype)
    for index in indices:
        out[index] = -0.0  # to which -0.0 can be added and stays
    for x, index in zip(xs, indices, strict=True):
        _add_at(out, x, index)
    return out


scatter_each: Primitive = primitive(
    "scatter_each",
    lambda *xs, shape, indices: _scatter_each(xs, shape, indices),
    lambda g, out, *xs, shape, indices, argnums: [_getitem(g, index=indices[k]) for k in argnums],
    variadic=True,
    cases=[
        Case(((), (2,)), {"shape": (3,), "indices": (1, _ROWS[1:])}),
        Case(((3, 2), (2,), ()), {"shape": (4, 2), "indices": (_ROWS, 1, (2, 0))}),
    ],
    doc="zeros of a shape, with each x added at an index of its own: the derivative of several parts of one array",
)


@composite()
def getitem(x: Any, index: Any) -> Any:
    """x[index], with all of NumPy's indexing.

    Raises:
        TypeError: a Value in the index; its numbers are real.
    """
    if type(index) is not int:
        index = tuple(map(_plain_index, index)) if isinstance(index, tuple) else _plain_index(index)
    return _getitem(x, index=index)


def _plain_index(part: Any) -> Any:
    """One entry of an index; lists, tuples and whatever else is an array to NumPy as an array, which the graph keeps."""
    if part is None or part is Ellipsis or isinstance(part, (int, slice, np.generic, float, str)):
        return part
    if hasattr(part, "__record__"):
        label = f"{part.label!r}" if part.label else "a Value"
        raise TypeError(f"{label} cannot be an index, its numbers are real; use an integer array")
    array = np.array(np.asarray(part))  # a copy: the user may write to theirs
    return array.astype(int) if not array.size and not hasattr(part, "dtype") else array


@move(np.flip)
def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """x with the order along an axis reversed, along all axes by default."""
    ndim = np.ndim(x)
    axes = range(ndim) if axis is None else [a % ndim for a in sides(axis)]
    return x[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(ndim))] if ndim else x


@move(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements (or slices along an axis) at integer indices."""
    places = np.asarray(indices)
    if places.size and places.dtype.kind not in "iub":  # NumPy 2.4 would cut off the fraction
        raise TypeError(f"take of shape {np.shape(x)}: an index is an integer, not {places.dtype}")
    places = places.astype(int)
    index = places if places.ndim else int(places)
    x = ravel(x) if axis is None else atleast_1d(x)
    return x[(slice(None),) * ((axis or 0) % np.ndim(x)) + (index,)]


@move(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each row along an axis the elements at the indices of that row."""
    if axis is None:
        return ravel(x)[np.asarray(indices)]
    indices, ndim = np.asarray(indices), np.ndim(x)
    axis %= ndim
    grid = [np.arange(n).reshape((-1,) + (1,) * (ndim - 1 - a)) for a, n in enumerate(np.shape(x))]
    return x[tuple(indices if a == axis else grid[a] for a in range(ndim))]


@move(np.sort)
def sort(x: Any, axis: int | None = -1) -> Any:
    """x in ascending order along an axis."""
    if axis is None:
        x, axis = ravel(x), 0
    return take_along_axis(x, np.argsort(x, axis=axis, kind="stable"), axis)


@move(np.repeat)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element (or slice along an axis) several times in a row."""
    x = ravel(x) if axis is None else atleast_1d(x)
    return take(x, np.repeat(np.arange(np.shape(x)[axis or 0]), repeats), axis or 0)


@move(np.tile)
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x laid several times beside itself along each axis."""
    reps = sides(reps)
    ndim = max(np.ndim(x), len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - np.ndim(x)) + np.shape(x)
    paired = reshape(x, [side for n in shape for side in (1, n)])
    spread = broadcast_to(paired, [side for r, n in zip(reps, shape, strict=True) for side in (r, n)])
    return reshape(spread, [r * n for r, n in zip(reps, shape, strict=True)])


@move(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """x moved along an axis, what falls off one end coming in at the other; over the flat array by default."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), np.shape(x))
    shifts, axes = np.broadcast_arrays(shift, axis)
    for step, along in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        x = take(x, np.roll(np.arange(np.shape(x)[along]), step), along)
    return x


@move(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0) -> Any:
    """x with a border: of constants, or by the modes edge, reflect, symmetric and wrap."""
    ndim = np.ndim(x)
    if isinstance(pad_width, dict):  # by axis, as NumPy 2.2 takes it
        by_axis = {axis % ndim: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(axis, 0), 2) for axis in range(ndim)]
    widths = np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    if mode == "constant":
        shape = tuple(n + before + after for n, (before, after) in zip(np.shape(x), widths, strict=True))
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(np.shape(x), widths, strict=True))
        padded = scatter(x, shape=shape, index=inside)
        if not np.any(constant_values) and not np.any(np.signbit(constant_values)):
            return padded
        border = np.pad(np.zeros(np.shape(x), np.result_type(x)), widths, constant_values=constant_values)
        return where(scatter(np.ones(np.shape(x)), shape=shape, index=inside) == 1, padded, border)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(f"pad: mode {mode!r} has no rule; use constant, edge, reflect, symmetric or wrap")
    for axis, width in enumerate(widths):
        x = take(x, np.pad(np.arange(np.shape(x)[axis]), width, mode=mode), axis)  # type: ignore[call-overload]
    return x


# ── diagonals and triangles ───────────────────────────────────────────────────


@move(np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements whose two indices differ by the offset, along a new last axis."""
    moved = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = np.shape(moved)[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    steps = np.arange(count)
    return moved[..., steps + max(-offset, 0), steps + max(offset, 0)]


@move(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with x on its k-th diagonal; of a matrix, that diagonal."""
    if np.ndim(x) == 2:
        return diagonal(x, k)
    n = np.shape(x)[0]
    steps = np.arange(n)
    return scatter(x, shape=(n + abs(k), n + abs(k)), index=(steps + max(-k, 0), steps + max(k, 0)))


_TRIANGLES = [Case(((2, 3),)), Case(((2, 3, 3),), {"k": -1}), Case(((3, 2),), {"k": 1})]

tril = primitive(
    "tril",
    lambda x, k=0: np.tril(x, k),
    lambda g, out, x, k=0: np.tril(g, k),
    numpy=np.tril,
    cases=_TRIANGLES,
    doc="x with zeros above its k-th diagonal",
)

triu = primitive(
    "triu",
    lambda x, k=0: np.triu(x, k),
    lambda g, out, x, k=0: np.triu(g, k),
    numpy=np.triu,
    cases=_TRIANGLES,
    doc="x with zeros below its k-th diagonal",
)
