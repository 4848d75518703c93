"""How to draw arguments for the engine's functions: operands at which a function is smooth, and its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import engine
from tests.core.arrays import FULL, SHAPES, Draw, array, axes_of, spaced


class Call(NamedTuple):
    """Operands (floats or arrays of float64) and parameters."""

    operands: tuple[Any, ...]
    params: dict[str, Any] = {}


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


def scattered_each(draw: Draw) -> Call:
    """scatter_each: one to three arrays, each with an index of its own."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    rows = [draw(hnp.arrays(int, st.integers(0, 4), elements=st.integers(0, shape[0] - 1))) for _ in range(draw(st.integers(1, 3)))]
    return Call(tuple(array(draw, (len(places), *shape[1:])) for places in rows), {"shape": shape, "indices": tuple(rows)})


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
    return Call((array(draw, engine.windows(np.zeros(shape), **cut).shape),), {"shape": shape, **cut})


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
