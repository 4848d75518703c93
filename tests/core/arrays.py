"""How to draw shapes, and arrays of any layout in memory with numbers away from kinks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Draw = Callable[[st.SearchStrategy[Any]], Any]

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
