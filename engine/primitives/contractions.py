"""Contractions: products summed over shared axes.  `matmul` and `einsum` carry all the others."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from operator import index as as_int
from typing import Any

import numpy as np

from .shapes import sides
from .table import Case, composite, primitive


def _matmul_left(g: Any, x: Any, y: Any) -> Any:
    if y.ndim == 1:
        return np.expand_dims(g, -1) * y
    if x.ndim == 1:
        return np.squeeze(y @ np.expand_dims(g, -1), -1)
    return g @ y.mT


def _matmul_right(g: Any, x: Any, y: Any) -> Any:
    if x.ndim == 1:
        return x * g if y.ndim == 1 else np.expand_dims(x, -1) * np.expand_dims(g, -2)
    if y.ndim == 1:
        return np.squeeze(x.mT @ np.expand_dims(g, -1), -1)
    if y.ndim == 2 and x.ndim > 2:  # one product over the whole batch, instead of one each and their sum
        rows = math.prod(x.shape[:-1])  # not -1, which reshape cannot resolve where another axis has length 0
        return np.reshape(x, (rows, x.shape[-1])).T @ np.reshape(g, (rows, g.shape[-1]))
    return x.mT @ g


matmul = primitive(
    "matmul",
    lambda x, y: np.matmul(x, y),
    lambda g, out, x, y: _matmul_left(g, x, y),
    lambda g, out, x, y: _matmul_right(g, x, y),
    symbol="@",
    numpy=np.matmul,
    cases=[
        Case(((3,), (3,))),
        Case(((2, 3), (3,))),
        Case(((3,), (3, 2))),
        Case(((2, 3), (3, 2))),
        Case(((2, 1, 3), (3, 2))),
        Case(((2, 1, 1, 3), (2, 3, 2))),
        Case(((3,), (2, 3, 2))),
        Case(((2, 2, 3), (3,))),
        Case(((2, 0), (0, 3))),
    ],
    doc="the matrix product x @ y, over the last two axes, batched over the others",
)


@composite(np.dot)
def dot(x: Any, y: Any) -> Any:
    """NumPy's dot: the product of a scalar, or the sum over the last axis of x and the second-last of y."""
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return x * y
    if np.ndim(y) == 1 or np.ndim(x) <= 2 >= np.ndim(y):
        return matmul(x, y)
    return tensordot(x, y, axes=(-1, -2))


@composite(np.inner)
def inner(x: Any, y: Any) -> Any:
    """The sum over the last axes of both."""
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return x * y
    return tensordot(x, y, axes=(-1, -1))


@composite(np.outer)
def outer(x: Any, y: Any) -> Any:
    """Every element of x times every element of y."""
    return np.reshape(x, (-1, 1)) * np.reshape(y, (1, -1))


@composite(np.vdot)
def vdot(x: Any, y: Any) -> Any:
    """The sum of the products of all elements."""
    return matmul(np.reshape(x, -1), np.reshape(y, -1))


@composite(np.tensordot)
def tensordot(x: Any, y: Any, axes: int | Sequence[Any] = 2) -> Any:
    """The sum over pairs of axes, or over the last axes of x and the first of y."""
    pair: Any = axes if np.ndim(axes) else (range(-as_int(axes), 0), range(as_int(axes)))  # type: ignore[arg-type]
    left, right = (np.arange(np.ndim(z))[np.array(sides(side), int)].tolist() for z, side in zip((x, y), pair, strict=True))
    x_shape, y_shape = np.shape(x), np.shape(y)
    if [x_shape[a] for a in left] != [y_shape[a] for a in right]:
        raise ValueError(f"tensordot: axes {left} of shape {x_shape} and {right} of shape {y_shape} differ in length")
    x_free = [a for a in range(np.ndim(x)) if a not in left]
    y_free = [a for a in range(np.ndim(y)) if a not in right]
    summed = math.prod(x_shape[a] for a in left)
    rows = np.reshape(np.transpose(x, x_free + left), (math.prod(x_shape[a] for a in x_free), summed))
    columns = np.reshape(np.transpose(y, right + y_free), (summed, math.prod(y_shape[a] for a in y_free)))
    return np.reshape(rows @ columns, [x_shape[a] for a in x_free] + [y_shape[a] for a in y_free])


# ── einsum ────────────────────────────────────────────────────────────────────


def _spell_out(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """Subscripts with the ellipsis as letters and the output explicit: (one string per operand, the output)."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    spare = [c for c in string.ascii_letters if c not in subscripts]
    widths = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True) if "..." in term]
    dots = "".join(spare[: max(widths, default=0)])
    inputs = []
    for term, shape in zip(terms, shapes, strict=True):
        width = len(shape) - len(term.replace("...", ""))
        inputs.append(term.replace("...", dots[len(dots) - width :]))
    if arrow:
        return inputs, result.replace("...", dots)
    once = sorted(c for c in set("".join(terms)) - {"."} if given.count(c) == 1)
    return inputs, dots + "".join(once)


def _einsum_back(g: Any, args: tuple[Any, ...], argnum: int, subscripts: str, optimize: Any) -> Any:
    """einsum again, with g in the operand's place: the output's letters in, the operand's letters out.

    A letter that stands twice in the operand (a diagonal) comes back through an identity matrix; one
    that stands in the operand alone (summed out) through a vector of ones.
    """
    shapes = [np.shape(a) for a in args]
    inputs, result = _spell_out(subscripts, shapes)
    terms = [result, *(term for i, term in enumerate(inputs) if i != argnum)]
    operands = [g, *(a for i, a in enumerate(args) if i != argnum)]
    spare = iter(c for c in string.ascii_letters if c not in "".join(inputs) + result)
    wanted = ""
    for letter, length in zip(inputs[argnum], shapes[argnum], strict=True):
        if letter in wanted:
            fresh = next(spare)
            terms.append(letter + fresh)
            operands.append(np.eye(length))
            wanted += fresh
        else:
            if not any(letter in term for term in terms):
                terms.append(letter)
                operands.append(np.ones(length))
            wanted += letter
    back = np.einsum(",".join(terms) + "->" + wanted, *operands, optimize=optimize)
    whole = np.broadcast_shapes(np.shape(back), shapes[argnum])  # an axis that every other operand has at length 1
    return back if np.shape(back) == whole else np.broadcast_to(back, whole)


_einsum = primitive(
    "einsum",
    lambda *args, subscripts, optimize=False: np.einsum(subscripts, *args, optimize=optimize),
    lambda g, out, *args, subscripts, optimize=False, argnum: _einsum_back(g, args, argnum, subscripts, optimize),
    variadic=True,
    cases=[
        Case(((2, 3), (3, 2)), {"subscripts": "ij,jk->ik"}),
        Case(((2, 3), (3,)), {"subscripts": "ij,j"}),
        Case(((3, 3),), {"subscripts": "ii"}),
        Case(((3, 3, 2),), {"subscripts": "iij->ji"}),
        Case(((2, 3), (2,)), {"subscripts": "ij,k->i"}),
        Case(((2, 1, 3), (2, 3, 2)), {"subscripts": "...ij,...jk->...ik"}),
        Case(((2, 3), (3,)), {"subscripts": "...i,...i->..."}),
        Case(((2, 3), (1, 2)), {"subscripts": "ij,jk->ik"}),  # a length of 1 broadcasts
        Case(((2, 3), (3, 2), (2, 2)), {"subscripts": "ij,jk,kl->il"}),
    ],
    doc="the sum of products that a string of subscripts spells (Einstein's summation)",
)


@composite(np.einsum)
def einsum(subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    """Σ of products over the letters that the output does not show: einsum("ij,jk->ik", x, y) is x @ y."""
    if not isinstance(subscripts, str):
        raise TypeError("einsum of Values takes its subscripts as a string: einsum('ij,jk->ik', x, y)")
    return _einsum(*operands, subscripts=subscripts, optimize=optimize)
