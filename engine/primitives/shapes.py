"""Shape moves: the same numbers at other places.

Three primitives carry most of it: `reshape`, `transpose`, and `getitem` with its adjoint `scatter`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .table import Case, Primitive, composite, primitive

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
    return _reshape(x, shape=shape if isinstance(shape, int) else tuple(shape))


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
    return _broadcast_to(x, shape=(shape,) if isinstance(shape, int) else tuple(shape))


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

_transpose = primitive(
    "transpose",
    lambda x, axes=None: np.transpose(x, axes),
    lambda g, out, x, axes=None: np.transpose(g, axes if axes is None else np.argsort(np.arange(len(axes))[list(axes)])),
    symbol="T",
    cases=[Case(((2, 3),)), Case(((2, 3, 1),), {"axes": (1, 2, 0)}), Case(((2, 3, 1),), {"axes": (-1, 0, 1)})],
    doc="the axes in another order, reversed by default",
)


@composite(np.transpose, np.permute_dims)
def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """x with its axes in another order, reversed by default."""
    return _transpose(x, axes=None if axes is None else tuple(int(a) for a in axes))


@composite(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    axes = list(range(np.ndim(x)))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose(x, axes)


@composite(np.moveaxis)
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """x with some axes moved to new places, the others in their order."""
    ndim = np.ndim(x)
    sources = [a % ndim for a in np.atleast_1d(source)]
    targets = [a % ndim for a in np.atleast_1d(destination)]
    if len(sources) != len(targets):
        raise ValueError(f"moveaxis: {len(sources)} source axes but {len(targets)} destinations")
    order = [a for a in range(ndim) if a not in sources]
    for target, source_axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_axis)
    return transpose(x, order)


# ── joining and splitting ─────────────────────────────────────────────────────


def _part(g: Any, args: tuple[Any, ...], argnum: int, axis: int | None) -> Any:
    """The stretch of g that came from operand number `argnum`."""
    shape = np.shape(args[argnum])
    if axis is None:
        start = sum(math.prod(np.shape(a)) for a in args[:argnum])
        return np.reshape(g[start : start + math.prod(shape)], shape)
    start = sum(a.shape[axis] for a in args[:argnum])
    return g[(slice(None),) * (axis % len(shape)) + (slice(start, start + shape[axis]),)]


_concatenate = primitive(
    "concatenate",
    lambda *args, axis=0: np.concatenate(args, axis=axis),
    lambda g, out, *args, axis=0, argnum: _part(g, args, argnum, axis),
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


def _slot(g: Any, argnum: int, axis: int) -> Any:
    return g[(slice(None),) * (axis % np.ndim(g)) + (argnum,)]


_stack = primitive(
    "stack",
    lambda *args, axis=0: np.stack(args, axis=axis),
    lambda g, out, *args, axis=0, argnum: _slot(g, argnum, axis),
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


@composite(np.array_split)
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


@composite(np.split)
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """x cut along an axis, into that many equal parts or at those indices."""
    length = np.shape(x)[axis]
    if isinstance(indices_or_sections, int) and length % indices_or_sections:
        raise ValueError(
            f"split: axis {axis} of shape {np.shape(x)} does not divide into {indices_or_sections} equal parts; use array_split"
        )
    return array_split(x, indices_or_sections, axis)


# ── indexing: getitem and scatter are each other's derivative ─────────────────


def _scatter(x: Any, shape: tuple[int, ...], index: Any) -> Any:
    out = np.zeros(shape, dtype=np.asarray(x).dtype)
    _add_at(out, x, index)
    return out


def _add_at(total: Any, x: Any, index: Any) -> None:
    if _may_repeat(index):
        np.add.at(total, index, x)
    else:
        total[index] += x


def _may_repeat(index: Any) -> bool:
    """Whether an index can name an element twice: only arrays and lists of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, (list, np.ndarray)) and np.asarray(part).dtype != bool for part in parts)


_ROWS = np.array([2, 0, 2])

getitem: Primitive = primitive(
    "getitem",
    lambda x, index: np.asarray(x)[index],
    lambda g, out, x, index: scatter(g, shape=np.shape(x), index=index),
    add_back=lambda total, g, out, x, index: _add_at(total, g, index),
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
    lambda g, out, x, shape, index: g[index],
    cases=[
        Case(((),), {"shape": (3,), "index": 1}),
        Case(((3, 2),), {"shape": (4, 2), "index": _ROWS}),
        Case(((2,),), {"shape": (2, 3), "index": (slice(None), 1)}),
    ],
    doc="zeros of a shape, with x added at an index; an element named twice gets both",
)


@composite(np.flip)
def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """x with the order along an axis reversed, along all axes by default."""
    ndim = np.ndim(x)
    axes = range(ndim) if axis is None else [a % ndim for a in np.atleast_1d(axis)]
    return x[tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(ndim))] if ndim else x


@composite(np.take)
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements (or slices along an axis) at integer indices."""
    where = indices if isinstance(indices, (int, np.integer)) else np.asarray(indices, dtype=int)
    return ravel(x)[where] if axis is None else x[(slice(None),) * (axis % np.ndim(x)) + (where,)]


@composite(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each row along an axis the elements at the indices of that row."""
    if axis is None:
        return ravel(x)[np.asarray(indices)]
    indices, ndim = np.asarray(indices), np.ndim(x)
    axis %= ndim
    grid = [np.arange(n).reshape((-1,) + (1,) * (ndim - 1 - a)) for a, n in enumerate(np.shape(x))]
    return x[tuple(indices if a == axis else grid[a] for a in range(ndim))]


@composite(np.sort)
def sort(x: Any, axis: int | None = -1) -> Any:
    """x in ascending order along an axis."""
    if axis is None:
        x, axis = ravel(x), 0
    return take_along_axis(x, np.argsort(x, axis=axis, kind="stable"), axis)


@composite(np.repeat)
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element (or slice along an axis) several times in a row."""
    length = math.prod(np.shape(x)) if axis is None else np.shape(x)[axis]
    return take(x, np.repeat(np.arange(length), repeats), axis)


@composite(np.tile)
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x laid several times beside itself along each axis."""
    reps = (reps,) if isinstance(reps, int) else tuple(reps)
    ndim = max(np.ndim(x), len(reps))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - np.ndim(x)) + np.shape(x)
    paired = reshape(x, [side for n in shape for side in (1, n)])
    spread = broadcast_to(paired, [side for r, n in zip(reps, shape, strict=True) for side in (r, n)])
    return reshape(spread, [r * n for r, n in zip(reps, shape, strict=True)])


@composite(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """x moved along an axis, what falls off one end coming in at the other; over the flat array by default."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), np.shape(x))
    shifts, axes = np.broadcast_arrays(shift, axis)
    for step, along in zip(shifts.flat, axes.flat, strict=True):
        x = take(x, np.roll(np.arange(np.shape(x)[along]), step), int(along))
    return x


@composite(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    """x with a border: of a constant, or by the modes edge, reflect, symmetric and wrap."""
    widths = np.broadcast_to(np.asarray(pad_width), (np.ndim(x), 2)).tolist()
    if mode == "constant":
        shape = tuple(n + before + after for n, (before, after) in zip(np.shape(x), widths, strict=True))
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(np.shape(x), widths, strict=True))
        padded = scatter(x, shape=shape, index=inside)
        if constant_values == 0:
            return padded
        border = np.full(shape, float(constant_values), np.result_type(x))
        border[inside] = 0.0
        return padded + border
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise TypeError(f"pad: mode {mode!r} has no rule; use constant, edge, reflect, symmetric or wrap")
    for axis, width in enumerate(widths):
        x = take(x, np.pad(np.arange(np.shape(x)[axis]), width, mode=mode), axis)  # type: ignore[call-overload]
    return x


# ── diagonals and triangles ───────────────────────────────────────────────────


@composite(np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements whose two indices differ by the offset, along a new last axis."""
    moved = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = np.shape(moved)[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    steps = np.arange(count)
    return moved[..., steps + max(-offset, 0), steps + max(offset, 0)]


@composite(np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """A matrix with x on its k-th diagonal; of a matrix, that diagonal."""
    if np.ndim(x) == 2:
        return diagonal(x, k)
    if np.ndim(x) != 1:
        raise ValueError(f"diag: needs a vector or a matrix, not shape {np.shape(x)}")
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
