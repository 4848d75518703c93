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
from hypothesis.extra import numpy as hnp

import engine
from engine import Value
from engine.primitives import COMPOSITES, TABLE

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Call(NamedTuple):
    """Operands (floats or arrays of float64) and parameters."""

    operands: tuple[Any, ...]
    params: dict[str, Any] = {}


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


# ── arrays ────────────────────────────────────────────────────────────────────

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
LAYOUTS = ("C", "F", "strided", "reversed", "read-only")


def lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, otherwise in memory."""
    if layout == "F":
        return np.asfortranarray(array) if array.ndim else array
    if layout == "strided":
        wide = np.full([2 * n for n in array.shape], np.nan, array.dtype)
        view = wide[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        return view
    if layout == "reversed":
        index = (slice(None, None, -1),) * array.ndim
        return array[index].copy()[index]
    if layout == "read-only":
        array.flags.writeable = False
    return array


def array(draw: Draw, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0, away: tuple[float, ...] = ()) -> Any:
    """Numbers of the open interval, at least 0.1 from each point of `away`, in any layout.

    They come from a seed: what hypothesis draws element by element repeats itself, and ties are kinks.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = rng.uniform(low, high, shape)
    for point in away:
        near = np.abs(numbers - point) < 0.1
        numbers = np.where(near, point + np.where(numbers >= point, 0.1, -0.1) + 2 * (numbers - point), numbers)
    if not shape:
        return draw(st.sampled_from([float, np.float64, np.array]))(numbers)
    return lay_out(numbers, draw(st.sampled_from(LAYOUTS)))


def spaced(draw: Draw, shape: tuple[int, ...]) -> Any:
    """Numbers no two of which lie closer than 0.2, nor their absolute values, nor any to 0."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = math.prod(shape)
    numbers = (0.3 * (1 + rng.permutation(size)) + rng.uniform(0, 0.1, size)) * rng.choice([-1.0, 1.0], size)
    return lay_out(numbers.reshape(shape), draw(st.sampled_from(LAYOUTS))) if shape else float(numbers[0])


def axes_of(draw: Draw, ndim: int, *, tuples: bool = True) -> Any:
    """None, an axis (from either end), or several."""
    if not ndim:
        return None
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(st.integers(0, ndim - 1), unique=True, min_size=1).map(
        lambda chosen: tuple(a - ndim if a % 2 else a for a in chosen),
    )
    return draw(st.none() | one | several if tuples else st.none() | one)


# ── calls ─────────────────────────────────────────────────────────────────────


def elementwise(
    *domains: tuple[float, float], away: tuple[float, ...] = (), apart: bool = False, **params: st.SearchStrategy[Any]
) -> st.SearchStrategy[Call]:
    """Operands whose shapes broadcast together, each from its domain; `apart` keeps any two from tying."""

    @st.composite
    def calls(draw: Draw) -> Call:
        if len(domains) == 1:
            shapes: Any = [draw(SHAPES)]
        else:
            drawn = hnp.mutually_broadcastable_shapes(num_shapes=len(domains), max_dims=3, min_side=0, max_side=3)
            shapes = draw(drawn).input_shapes
        operands = [array(draw, shape, *domain, away=away) for shape, domain in zip(shapes, domains, strict=True)]
        if apart:  # each operand lives in cells of its own, 1/n wide
            n = len(operands)
            operands = [
                operand if np.size(operand) == 0 else (np.floor(operand * 2) + (i + 0.3 + 0.4 * (operand % 1)) / n) / 2
                for i, operand in enumerate(operands)
            ]
        return Call(tuple(operands), {name: draw(values) for name, values in params.items()})

    return calls()


def reduction(*, distinct: bool = False, tuples: bool = True, keepdims: bool = True, empty: bool = False, **params: Any) -> Any:
    """An array and an axis."""

    @st.composite
    def calls(draw: Draw) -> Call:
        shape = draw(SHAPES if empty else st.just(()) | FULL)
        operand = spaced(draw, shape) if distinct else array(draw, shape, away=(0.0,))
        given: dict[str, Any] = {"axis": axes_of(draw, len(shape), tuples=tuples)}
        if keepdims:
            given["keepdims"] = draw(st.booleans())
        return Call((operand,), given | {name: draw(values) for name, values in params.items()})

    return calls()


def made(build: Callable[[Draw], Call]) -> st.SearchStrategy[Call]:
    """The strategy of a function that draws."""
    return st.composite(build)()


def spread(draw: Draw) -> Call:
    """var and std: at least two numbers in each group, far from equal."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=3))
    return Call(
        (spaced(draw, shape),), {"axis": axes_of(draw, len(shape)), "ddof": draw(st.integers(0, 1)), "keepdims": draw(st.booleans())}
    )


def lengths(draw: Draw) -> Call:
    """norm: of vectors by any order, of matrices by Frobenius's."""
    shape = draw(FULL)
    vectors = draw(st.booleans())
    axis = draw(st.integers(-len(shape), len(shape) - 1)) if vectors else None
    order = draw(st.sampled_from([None, 1, 2, 3, 2.5, np.inf, -np.inf])) if vectors else None
    return Call((spaced(draw, shape),), {"ord": order, "axis": axis, "keepdims": draw(st.booleans())})


def matrices(draw: Draw) -> Call:
    """matmul: any two shapes that it takes."""
    shapes = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3)).input_shapes
    return Call(tuple(array(draw, shape) for shape in shapes))


def dotted(draw: Draw) -> Call:
    """dot: scalars, vectors, matrices and stacks of them."""
    left = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    right = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3))
    if left and right:
        right = (*right[:-2], left[-1], right[-1]) if len(right) > 1 else (left[-1],)
    return Call((array(draw, left), array(draw, right)))


def inward(draw: Draw) -> Call:
    """inner: last axes of one length."""
    left, right = draw(FULL), draw(FULL)
    return Call((array(draw, left), array(draw, (*right[:-1], left[-1]))))


def two(draw: Draw) -> Call:
    """Any two arrays."""
    return Call((array(draw, draw(SHAPES)), array(draw, draw(SHAPES))))


def equal_sizes(draw: Draw) -> Call:
    """vdot: two arrays of one size."""
    shape = draw(SHAPES)
    return Call((array(draw, shape), array(draw, shape)))


def contracted(draw: Draw) -> Call:
    """tensordot: a number of axes, or pairs of them."""
    shared = draw(st.lists(st.integers(1, 3), max_size=2))
    left, right = draw(st.lists(st.integers(1, 3), max_size=2)), draw(st.lists(st.integers(1, 3), max_size=2))
    axes: Any = len(shared)
    operands = array(draw, (*left, *shared)), array(draw, (*shared, *right))
    if shared and draw(st.booleans()):
        axes = (tuple(range(len(left), len(left) + len(shared))), tuple(a - len(shared) - len(right) for a in range(len(shared))))
    return Call(operands, {"axes": axes})


SUBSCRIPTS = [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->ji", (2, 2, 3)),
    ("ij,k->i", (2, 3), (2,)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("ij,ij,j->i", (2, 3), (2, 3), (3,)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (2, 3, 2)),
    ("...i->...", (2, 3)),
    ("i...,i...", (2, 3), (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    (",i->i", (), (3,)),
    ("ij,jk->ik", (0, 2), (2, 3)),
    ("bhqd,bhkd->bhqk", (1, 2, 2, 3), (1, 2, 3, 3)),
    ("ijj,j->", (2, 2, 2), (2,)),
]


def summed(draw: Draw) -> Call:
    """einsum: repeated, summed-out and dotted indices."""
    subscripts, *shapes = draw(st.sampled_from(SUBSCRIPTS))
    return Call(tuple(array(draw, shape) for shape in shapes), {"subscripts": subscripts})


def reshaped(draw: Draw) -> Call:
    """reshape: a permutation of the lengths, one of them perhaps left to be found."""
    shape = draw(SHAPES)
    new = draw(st.permutations(shape))
    if new and 0 not in shape and draw(st.booleans()):
        new[draw(st.integers(0, len(new) - 1))] = -1
    return Call((array(draw, shape),), {"shape": tuple(new)})


def stretched(draw: Draw) -> Call:
    """broadcast_to: ones stretched, new axes in front."""
    shape = draw(SHAPES)
    wide = tuple(draw(st.integers(0, 3)) if n == 1 else n for n in shape)
    return Call((array(draw, shape),), {"shape": (*draw(st.lists(st.integers(0, 3), max_size=2)), *wide)})


def permuted(draw: Draw) -> Call:
    """transpose: no axes, or a permutation."""
    shape = draw(SHAPES)
    axes = draw(st.none() | st.permutations(range(len(shape))).map(tuple))
    return Call((array(draw, shape),), {} if axes is None else {"axes": tuple(a - len(shape) if a % 2 else a for a in axes)})


def axis_pair(draw: Draw) -> tuple[tuple[int, ...], int, int]:
    """A shape of two axes at least, and two different ones of them."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=3))
    first, second = draw(st.permutations(range(len(shape))))[:2]
    return shape, first, second - len(shape)


def swapped(draw: Draw) -> Call:
    """swapaxes."""
    shape, first, second = axis_pair(draw)
    return Call((array(draw, shape),), {"axis1": first, "axis2": second})


def moved(draw: Draw) -> Call:
    """moveaxis: one axis, or several."""
    shape, first, second = axis_pair(draw)
    if draw(st.booleans()):
        return Call((array(draw, shape),), {"source": first, "destination": second})
    return Call((array(draw, shape),), {"source": (first, second), "destination": tuple(draw(st.permutations(range(len(shape)))))[:2]})


def widened(draw: Draw) -> Call:
    """expand_dims."""
    shape = draw(SHAPES)
    axis = draw(st.sampled_from([0, -1, len(shape), (0, -1), (1, 0)]))
    return Call((array(draw, shape),), {"axis": axis})


def narrowed(draw: Draw) -> Call:
    """squeeze: all axes of length 1, or one of them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=2))
    ones = [a for a, n in enumerate(shape) if n == 1]
    return Call((array(draw, shape),), {"axis": draw(st.sampled_from([None, *ones, tuple(ones)]))})


def any_array(draw: Draw) -> Call:
    """One array of any shape."""
    return Call((array(draw, draw(SHAPES)),))


def joined(draw: Draw) -> Call:
    """concatenate: arrays that differ along the axis only, or anything flattened."""
    if draw(st.booleans()):
        return Call(tuple(array(draw, draw(SHAPES.filter(bool))) for _ in range(draw(st.integers(1, 3)))), {"axis": None})
    shape = list(draw(FULL))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    operands = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(0, 3))
        operands.append(array(draw, tuple(shape)))
    return Call(tuple(operands), {"axis": axis})


def stacked(draw: Draw) -> Call:
    """stack: arrays of one shape, scalars too."""
    shape = draw(SHAPES)
    return Call(tuple(array(draw, shape) for _ in range(draw(st.integers(1, 3)))), {"axis": draw(st.integers(-len(shape) - 1, len(shape)))})


def side_by_side(draw: Draw) -> Call:
    """hstack and vstack: arrays of one shape."""
    shape = draw(SHAPES)
    return Call(tuple(array(draw, shape) for _ in range(draw(st.integers(1, 3)))))


def cut(draw: Draw) -> Call:
    """array_split: into parts, or at indices."""
    shape = draw(FULL)
    where = draw(st.integers(1, 4) | st.lists(st.integers(0, 3), max_size=3).map(sorted))
    return Call((array(draw, shape),), {"indices_or_sections": where, "axis": draw(st.integers(-len(shape), len(shape) - 1))})


def cut_evenly(draw: Draw) -> Call:
    """split: into a number of parts that divides the axis, or at indices."""
    shape = draw(FULL)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = draw(st.sampled_from([n for n in (1, 2, 3) if shape[axis] % n == 0]) | st.lists(st.integers(0, 3), max_size=3).map(sorted))
    return Call((array(draw, shape),), {"indices_or_sections": parts, "axis": axis})


def indexed(draw: Draw) -> Call:
    """getitem: basic, advanced and boolean indices, and their mixtures."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3))
    operand = array(draw, shape)
    kind = draw(st.sampled_from(["basic", "integers", "mask", "mixed"]))
    if kind == "basic":
        return Call((operand,), {"index": draw(hnp.basic_indices(shape, allow_newaxis=True))})
    if kind == "integers":
        return Call((operand,), {"index": draw(hnp.integer_array_indices(shape))})
    if kind == "mask":
        return Call((operand,), {"index": draw(hnp.arrays(bool, shape))})
    rows = draw(hnp.arrays(int, st.integers(0, 4), elements=st.integers(-shape[0], shape[0] - 1)))
    return Call((operand,), {"index": (rows, Ellipsis, None) if len(shape) < 3 else (rows, slice(None, None, -1), 0)})


def scattered(draw: Draw) -> Call:
    """scatter: an array that fits where an index points, repeated places included."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    rows = draw(hnp.arrays(int, st.integers(0, 4), elements=st.integers(0, shape[0] - 1)))
    return Call((array(draw, (len(rows), *shape[1:])),), {"shape": shape, "index": rows})


def turned(draw: Draw) -> Call:
    """flip."""
    shape = draw(SHAPES)
    return Call((array(draw, shape),), {"axis": axes_of(draw, len(shape))})


def taken(draw: Draw) -> Call:
    """take: an index, or an array of them, flat or along an axis."""
    shape = draw(FULL)
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    length = math.prod(shape) if axis is None else shape[axis]
    one = st.integers(-length, length - 1)
    indices = draw(one | hnp.arrays(int, hnp.array_shapes(max_dims=2, max_side=3), elements=one))
    return Call((array(draw, shape),), {"indices": indices, "axis": axis})


def taken_along(draw: Draw) -> Call:
    """take_along_axis: indices of the operand's shape but for one axis."""
    shape = draw(FULL)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    wanted = list(shape)
    wanted[axis] = draw(st.integers(1, 3))
    indices = draw(hnp.arrays(int, tuple(wanted), elements=st.integers(-shape[axis], shape[axis] - 1)))
    return Call((array(draw, shape),), {"indices": indices, "axis": axis})


def sorted_(draw: Draw) -> Call:
    """sort."""
    shape = draw(FULL)
    return Call((spaced(draw, shape),), {"axis": axes_of(draw, len(shape), tuples=False)})


def repeated(draw: Draw) -> Call:
    """repeat: a number of times, or one for each element."""
    shape = draw(FULL)
    axis = axes_of(draw, len(shape), tuples=False)
    length = math.prod(shape) if axis is None else shape[axis]
    times = draw(st.integers(0, 3) | hnp.arrays(int, (length,), elements=st.integers(0, 2)))
    return Call((array(draw, shape),), {"repeats": times, "axis": axis})


def tiled(draw: Draw) -> Call:
    """tile."""
    reps = draw(st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=4).map(tuple))
    return Call((array(draw, draw(SHAPES)),), {"reps": reps})


def rolled(draw: Draw) -> Call:
    """roll: flat, along an axis, or along several."""
    shape = draw(FULL)
    axis = axes_of(draw, len(shape))
    shift = draw(st.integers(-4, 4))
    return Call((array(draw, shape),), {"shift": (shift,) * len(axis) if isinstance(axis, tuple) else shift, "axis": axis})


def padded(draw: Draw) -> Call:
    """pad: every mode that has a rule."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    widths = draw(st.integers(0, 2) | st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=len(shape), max_size=len(shape)))
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]))
    extra = {"constant_values": draw(st.sampled_from([0.0, 1.5]))} if mode == "constant" else {}
    return Call((array(draw, shape),), {"pad_width": widths, "mode": mode, **extra})


def diagonals(draw: Draw) -> Call:
    """diagonal and trace."""
    shape, first, second = axis_pair(draw)
    return Call((array(draw, shape),), {"offset": draw(st.integers(-3, 3)), "axis1": first, "axis2": second})


def diagonal_matrix(draw: Draw) -> Call:
    """diag: of a vector, or of a matrix."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    return Call((array(draw, shape),), {"k": draw(st.integers(-2, 2))})


def triangular(draw: Draw) -> Call:
    """tril and triu."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=3))
    return Call((array(draw, shape),), {"k": draw(st.integers(-2, 2))})


def windowed(draw: Draw) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape, and windows that fit into its last axes."""
    k = draw(st.integers(1, 2))
    one = st.tuples(*[st.integers(1, 3)] * k)
    size, stride, dilation = draw(st.tuples(*[st.integers(1, 2)] * k)), draw(one), draw(one)
    lengths = [(n - 1) * d + 1 + draw(st.integers(0, 3)) for n, d in zip(size, dilation, strict=True)]
    return (*draw(st.lists(st.integers(1, 2), max_size=1)), *lengths), {"size": size, "stride": stride, "dilation": dilation}


def into_windows(draw: Draw) -> Call:
    """windows."""
    shape, cut = windowed(draw)
    return Call((array(draw, shape),), cut)


def from_windows(draw: Draw) -> Call:
    """overlap_add."""
    shape, cut = windowed(draw)
    return Call((array(draw, _windows(np.zeros(shape), **cut).shape),), {"shape": shape, **cut})


def chosen(draw: Draw) -> Call:
    """where."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    return Call((array(draw, shapes[0]), array(draw, shapes[1])), {"condition": draw(hnp.arrays(bool, shapes[2]))})


def clipped(draw: Draw) -> Call:
    """clip: bounds as numbers, arrays or None, in order."""
    shape = draw(SHAPES)
    return Call((array(draw, shape, away=(-1.0, 1.0)), array(draw, (), -1.05, -0.95), array(draw, (), 0.95, 1.05)))


def along_axis(draw: Draw) -> Call:
    """softmax and log_softmax."""
    shape = draw(FULL)
    return Call((array(draw, shape),), {"axis": draw(st.integers(-len(shape), len(shape) - 1))})


def normalised(draw: Draw) -> Call:
    """standardize and rms_normalize."""
    shape = draw(FULL)
    return Call((array(draw, shape),), {"axis": axes_of(draw, len(shape)), "eps": draw(st.sampled_from([0.1, 0.5]))})


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
