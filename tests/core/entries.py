"""The engine's functions as a table: NumPy's own, ours, and how to draw arguments for them.

`ENTRIES` has one entry for each name of the rule table and of the composites.  A test takes an entry,
draws a call, and compares; so a claim is made once and holds for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import engine
from engine import Value
from engine.primitives import COMPOSITES, TABLE
from tests.core.arrays import SHAPES, array
from tests.core.calls import (
    Call,
    along_axis,
    any_array,
    chosen,
    clipped,
    contracted,
    cut,
    cut_evenly,
    diagonal_matrix,
    diagonals,
    dotted,
    elementwise,
    equal_sizes,
    from_windows,
    indexed,
    into_windows,
    inward,
    joined,
    lengths,
    made,
    matrices,
    moved,
    narrowed,
    normalised,
    padded,
    permuted,
    reduction,
    repeated,
    reshaped,
    rolled,
    scattered,
    scattered_each,
    side_by_side,
    sorted_,
    spread,
    stacked,
    stretched,
    summed,
    swapped,
    taken,
    taken_along,
    tiled,
    triangular,
    turned,
    two,
    widened,
)


class Entry(NamedTuple):
    """One function.

    Attributes:
        name: the engine's name.
        oracle: the same on plain arrays: NumPy's function, or a formula where NumPy has none.
        calls: draws a `Call` at which the function is smooth.
        forms: every way of calling it, by label: through NumPy, the engine's name, operator, method.
        ulps: how far from the oracle a result may lie, in units of the last place; 0 is the last bit.
    """

    name: str
    oracle: Callable[..., Any]
    calls: st.SearchStrategy[Call]
    forms: dict[str, Callable[..., Any]]
    ulps: int = 0


# ── the oracles that NumPy does not have ──────────────────────────────────────


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(x)


def _erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(x)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)))


def _softmax(x: Any, axis: int) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def _standardize(x: Any, axis: Any, eps: float) -> Any:
    return (x - np.mean(x, axis=axis, keepdims=True)) / np.sqrt(np.var(x, axis=axis, keepdims=True) + eps)


def _rms_normalize(x: Any, axis: Any, eps: float) -> Any:
    return x / np.sqrt(np.mean(np.square(x), axis=axis, keepdims=True) + eps)


def _scatter(x: Any, shape: tuple[int, ...], index: Any) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, x)
    return out


def _scatter_each(*xs: Any, shape: tuple[int, ...], indices: Any) -> Any:
    return sum(_scatter(x, shape, index) for x, index in zip(xs, indices, strict=True))


def _places(shape: tuple[int, ...], size: Any, stride: Any, dilation: Any) -> tuple[Any, ...]:
    """For each windowed axis the index start·stride + place·dilation, starts along the first axes, places along the last."""
    k = len(size)
    grids = []
    for a, (length, n, s, d) in enumerate(zip(shape[-k:], size, stride, dilation, strict=True)):
        starts, places = [1] * (2 * k), [1] * (2 * k)
        starts[a], places[k + a] = -1, -1
        count = (length - (n - 1) * d - 1) // s + 1
        grids.append((np.arange(count) * s).reshape(starts) + (np.arange(n) * d).reshape(places))
    return (..., *grids)


def _windows(x: Any, **cut: Any) -> Any:
    return x[_places(x.shape, **cut)]


def _overlap_add(x: Any, shape: tuple[int, ...], **cut: Any) -> Any:
    out = np.zeros(shape)
    np.add.at(out, _places(shape, **cut), x)
    return out


# ── the table ─────────────────────────────────────────────────────────────────


def _entry(name: str, oracle: Any, calls: Any, ulps: int = 0, **forms: Callable[..., Any]) -> Entry:
    """An entry with NumPy's function, the engine's name and the method of that name among its forms."""
    every: dict[str, Callable[..., Any]] = {}
    if getattr(oracle, "__module__", "numpy").startswith("numpy"):
        every["NumPy"] = oracle
    every["engine"] = COMPOSITES[name] if name in COMPOSITES else TABLE[name]  # `engine.trace` is micrograd's
    if hasattr(Value, name):
        every["method"] = lambda x, *rest, **params: getattr(x, name)(*rest, **params)
    return Entry(name, oracle, calls, every | forms, ulps)


def _joining(name: str, oracle: Any, calls: Any) -> Entry:
    """An entry for a function of a list of arrays."""
    ours = COMPOSITES[name]
    return Entry(
        name,
        lambda *xs, **params: oracle(xs, **params),
        calls,
        {"NumPy": lambda *xs, **params: oracle(list(xs), **params), "engine": lambda *xs, **params: ours(list(xs), **params)},
    )


REAL, POSITIVE, UNIT = (-2.0, 2.0), (0.3, 2.5), (-0.8, 0.8)
DEFAULT = st.just({})

ENTRIES: list[Entry] = [
    # arithmetic
    _entry("add", np.add, elementwise(REAL, REAL), operator=lambda x, y: x + y),
    _entry("subtract", np.subtract, elementwise(REAL, REAL), operator=lambda x, y: x - y),
    _entry("multiply", np.multiply, elementwise(REAL, REAL), operator=lambda x, y: x * y),
    _entry("divide", np.divide, elementwise(REAL, POSITIVE), operator=lambda x, y: x / y),
    _entry("power", np.power, elementwise(POSITIVE, REAL), ulps=4, operator=lambda x, y: x**y, builtin=lambda x, y: pow(x, y)),
    _entry("negative", np.negative, elementwise(REAL), operator=lambda x: -x),
    _entry("positive", np.positive, elementwise(REAL), operator=lambda x: +x),
    _entry("absolute", np.absolute, elementwise(REAL, away=(0.0,)), builtin=abs, method=lambda x: x.abs()),
    _entry("maximum", np.maximum, elementwise(REAL, REAL, apart=True)),
    _entry("minimum", np.minimum, elementwise(REAL, REAL, apart=True)),
    _entry("fmax", np.fmax, elementwise(REAL, REAL, apart=True)),
    _entry("fmin", np.fmin, elementwise(REAL, REAL, apart=True)),
    _entry("square", np.square, elementwise(REAL)),
    _entry("sqrt", np.sqrt, elementwise(POSITIVE)),
    _entry("cbrt", np.cbrt, elementwise(POSITIVE)),
    _entry("reciprocal", np.reciprocal, elementwise(POSITIVE)),
    _entry("hypot", np.hypot, elementwise(POSITIVE, REAL)),
    _entry("clip", np.clip, made(clipped)),
    Entry(
        "where",
        lambda x, y, condition: np.where(condition, x, y),
        made(chosen),
        {
            "NumPy": lambda x, y, condition: np.where(condition, x, y),
            "engine": lambda x, y, condition: engine.where(condition, x, y),
        },
    ),
    _entry("sign", np.sign, elementwise(REAL, away=(0.0,))),
    _entry("floor", np.floor, elementwise((0.1, 0.9)), builtin=lambda x: np.floor(x)),
    _entry("ceil", np.ceil, elementwise((0.1, 0.9))),
    _entry("trunc", np.trunc, elementwise((0.1, 0.9))),
    _entry("round", np.round, elementwise((0.6, 1.4)), rint=lambda x: np.rint(x), around=lambda x: np.around(x)),
    # exponentials and trigonometry; on Python floats the engine calls `math`, which may differ in the last places
    _entry("exp", np.exp, elementwise(REAL), ulps=4),
    _entry("exp2", np.exp2, elementwise(REAL), ulps=4),
    _entry("expm1", np.expm1, elementwise(REAL), ulps=4),
    _entry("log", np.log, elementwise(POSITIVE), ulps=4),
    _entry("log2", np.log2, elementwise(POSITIVE), ulps=4),
    _entry("log10", np.log10, elementwise(POSITIVE), ulps=4),
    _entry("log1p", np.log1p, elementwise((-0.7, 2.0)), ulps=4),
    _entry("logaddexp", np.logaddexp, elementwise(REAL, REAL), ulps=4),
    _entry("sin", np.sin, elementwise(REAL), ulps=4),
    _entry("cos", np.cos, elementwise(REAL), ulps=4),
    _entry("tan", np.tan, elementwise((-1.0, 1.0)), ulps=4),
    _entry("arcsin", np.arcsin, elementwise(UNIT), ulps=4),
    _entry("arccos", np.arccos, elementwise(UNIT), ulps=4),
    _entry("arctan", np.arctan, elementwise(REAL), ulps=4),
    _entry("arctan2", np.arctan2, elementwise(REAL, POSITIVE), ulps=4),
    _entry("sinh", np.sinh, elementwise(REAL), ulps=4),
    _entry("cosh", np.cosh, elementwise(REAL), ulps=4),
    _entry("tanh", np.tanh, elementwise(REAL), ulps=4),
    _entry("arcsinh", np.arcsinh, elementwise(REAL), ulps=4),
    _entry("arccosh", np.arccosh, elementwise((1.4, 3.0)), ulps=4),
    _entry("arctanh", np.arctanh, elementwise(UNIT), ulps=4),
    _entry("sinc", np.sinc, elementwise(REAL)),
    # activations
    _entry("relu", lambda x: np.maximum(x, 0), elementwise(REAL, away=(0.0,))),
    _entry("sigmoid", _sigmoid, elementwise(REAL), ulps=8),
    _entry(
        "leaky_relu",
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        elementwise(REAL, away=(0.0,), negative_slope=st.sampled_from([0.01, 0.3])),
    ),
    _entry("elu", _elu, elementwise(REAL, away=(0.0,), alpha=st.sampled_from([1.0, 0.4])), ulps=64),
    _entry("selu", lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772), elementwise(REAL, away=(0.0,)), ulps=64),
    _entry("erf", _erf, elementwise(REAL)),
    _entry("erfc", _erfc, elementwise(REAL)),
    _entry("gelu", _gelu, elementwise(REAL, approximate=st.sampled_from(["none", "tanh"])), ulps=64),
    _entry("silu", lambda x: x * _sigmoid(x), elementwise(REAL), ulps=8),
    _entry("softplus", lambda x: np.log1p(np.exp(x)), elementwise(REAL), ulps=8),
    _entry("softsign", lambda x: x / (1 + np.abs(x)), elementwise(REAL, away=(0.0,))),
    _entry("hardtanh", lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val), elementwise(REAL, away=(-1.0, 1.0))),
    _entry("softmax", _softmax, made(along_axis), ulps=16),
    _entry("log_softmax", lambda x, axis: np.log(_softmax(x, axis)), made(along_axis), ulps=256),
    _entry("standardize", _standardize, made(normalised), ulps=16),
    _entry("rms_normalize", _rms_normalize, made(normalised), ulps=16),
    # reductions
    _entry("sum", np.sum, reduction(empty=True)),
    _entry("mean", np.mean, reduction()),
    _entry("prod", np.prod, reduction(empty=True)),
    _entry("max", np.max, reduction(distinct=True), amax=lambda x, **params: np.amax(x, **params)),
    _entry("min", np.min, reduction(distinct=True), amin=lambda x, **params: np.amin(x, **params)),
    _entry("var", np.var, made(spread)),
    _entry("std", np.std, made(spread)),
    _entry("cumsum", np.cumsum, reduction(tuples=False, keepdims=False)),
    _entry("cumprod", np.cumprod, reduction(tuples=False, keepdims=False)),
    _entry("norm", np.linalg.norm, made(lengths)),
    _entry("logsumexp", lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)), reduction(), ulps=256),
    _entry("trace", np.trace, made(diagonals)),
    # contractions
    _entry("matmul", np.matmul, made(matrices), ulps=8, operator=lambda x, y: x @ y),
    _entry("dot", np.dot, made(dotted), ulps=4),
    _entry("inner", np.inner, made(inward), ulps=4),
    _entry("outer", np.outer, made(two)),
    _entry("vdot", np.vdot, made(equal_sizes), ulps=4),
    _entry("tensordot", np.tensordot, made(contracted), ulps=4),
    Entry(
        "einsum",
        lambda *xs, subscripts: np.einsum(subscripts, *xs),
        made(summed),
        {
            "NumPy": lambda *xs, subscripts: np.einsum(subscripts, *xs),
            "engine": lambda *xs, subscripts: engine.einsum(subscripts, *xs),
        },
        ulps=8,  # the order of its sums depends on where the operands lie in memory
    ),
    # shape moves
    _entry("reshape", np.reshape, made(reshaped), method=lambda x, shape: x.reshape(*shape), tuple=lambda x, shape: x.reshape(shape)),
    _entry("ravel", np.ravel, made(any_array), flatten=lambda x: x.flatten()),
    _entry("expand_dims", np.expand_dims, made(widened)),
    _entry("squeeze", np.squeeze, made(narrowed)),
    _entry("atleast_1d", np.atleast_1d, made(any_array)),
    _entry("atleast_2d", np.atleast_2d, made(any_array)),
    _entry("broadcast_to", np.broadcast_to, made(stretched)),
    _entry(
        "transpose",
        np.transpose,
        made(permuted),
        method=lambda x, axes=None: x.transpose() if axes is None else x.transpose(*axes),
        tuple=lambda x, axes=None: x.T if axes is None else x.transpose(axes),
    ),
    _entry("swapaxes", np.swapaxes, made(swapped)),
    _entry("moveaxis", np.moveaxis, made(moved)),
    _joining("concatenate", np.concatenate, made(joined)),
    _joining("stack", np.stack, made(stacked)),
    _joining("hstack", np.hstack, made(side_by_side)),
    _joining("vstack", np.vstack, made(side_by_side)),
    _entry("array_split", np.array_split, made(cut)),
    _entry("split", np.split, made(cut_evenly)),
    Entry(
        "getitem",
        lambda x, index: x[index],
        made(indexed),
        {"operator": lambda x, index: x[index], "engine": lambda x, index: engine.getitem(x, index=index)},
    ),
    Entry("scatter", _scatter, made(scattered), {"engine": engine.scatter}),
    Entry("scatter_each", _scatter_each, made(scattered_each), {"engine": engine.scatter_each}),
    _entry("windows", _windows, made(into_windows)),
    _entry("overlap_add", _overlap_add, made(from_windows), ulps=4),
    _entry("flip", np.flip, made(turned)),
    _entry("take", np.take, made(taken)),
    _entry("take_along_axis", np.take_along_axis, made(taken_along)),
    _entry("sort", np.sort, made(sorted_)),
    _entry("repeat", np.repeat, made(repeated)),
    _entry("tile", np.tile, made(tiled)),
    _entry("roll", np.roll, made(rolled)),
    _entry("pad", np.pad, made(padded)),
    _entry("diagonal", np.diagonal, made(diagonals)),
    _entry("diag", np.diag, made(diagonal_matrix)),
    _entry("tril", np.tril, made(triangular)),
    _entry("triu", np.triu, made(triangular)),
    Entry(
        "astype",
        lambda x, dtype: np.asarray(x).astype(dtype),
        made(lambda draw: Call((array(draw, draw(SHAPES)),), {"dtype": np.float64})),
        {"engine": engine.astype, "method": lambda x, dtype: x.astype(dtype)},
    ),
]

BY_NAME = {entry.name: entry for entry in ENTRIES}
