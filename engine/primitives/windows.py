"""Strided windows, what convolution and pooling look through: `windows` and its adjoint `overlap_add`.

`windows` cuts the last k axes of x into windows of a given size,

    out[..., i₁ … iₖ, j₁ … jₖ] = x[..., i₁·stride₁ + j₁·dilation₁, …]

as a view: nothing is copied.  Every element of x stands in several windows, so the gradient of x adds up
what its windows received: `overlap_add`, whose own gradient is `windows` again.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .table import Case, Primitive, primitive

Sizes = tuple[int, ...]


def _reach(size: Sizes, dilation: Sizes) -> Sizes:
    """How many elements a window spans, gaps included."""
    return tuple((n - 1) * d + 1 for n, d in zip(size, dilation, strict=True))


def _windows(x: Any, size: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    k, shape, reach = len(size), np.shape(x), _reach(size, dilation)
    if len(shape) < k or any(n < r for n, r in zip(shape[len(shape) - k :], reach, strict=True)):
        raise ValueError(f"windows that span {reach} do not fit into the last {k} axes of shape {shape}")
    every = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(-k, 0)))
    index: Any = (..., *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))
    return every[index]


def _overlap_add(x: Any, shape: Sizes, size: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """One strided addition for each place in a window, over all windows at once; an assignment where no two overlap."""
    k, reach = len(size), _reach(size, dilation)
    counts = tuple((n - r) // s + 1 for n, r, s in zip(shape[len(shape) - k :], reach, stride, strict=True))
    apart = all(s >= r for s, r in zip(stride, reach, strict=True))
    if np.shape(x) != (*shape[: len(shape) - k], *counts, *size):
        raise ValueError(f"shape {shape} is cut into windows of shape {(*shape[: len(shape) - k], *counts, *size)}, not {np.shape(x)}")
    out = np.zeros(shape, np.asarray(x).dtype)
    for place in itertools.product(*map(range, size)):
        starts = [j * d for j, d in zip(place, dilation, strict=True)]
        target: Any = (..., *(slice(a, a + n * s, s) for a, n, s in zip(starts, counts, stride, strict=True)))
        if apart:
            out[target] = x[(..., *place)]
        else:
            out[target] += x[(..., *place)]
    return out


_CASES = [
    (Case(((4,),), {"size": (2,), "stride": (1,), "dilation": (1,)}), (3, 2)),
    (Case(((1, 5),), {"size": (2,), "stride": (2,), "dilation": (2,)}), (1, 2, 2)),
    (Case(((2, 4, 3),), {"size": (2, 2), "stride": (2, 1), "dilation": (1, 1)}), (2, 2, 2, 2, 2)),
    (Case(((3, 4),), {"size": (1, 2), "stride": (3, 1), "dilation": (1, 3)}), (1, 1, 1, 2)),
]

windows: Primitive = primitive(
    "windows",
    _windows,
    lambda g, out, x, size, stride, dilation: overlap_add(g, shape=np.shape(x), size=size, stride=stride, dilation=dilation),
    cases=[case for case, _ in _CASES],
    doc="windows of a size, at a stride, over the last axes; the axes of the windows come last",
)

overlap_add: Primitive = primitive(
    "overlap_add",
    _overlap_add,
    lambda g, out, x, shape, size, stride, dilation: windows(g, size=size, stride=stride, dilation=dilation),
    cases=[Case((cut,), {"shape": case.shapes[0], **case.params}) for case, cut in _CASES],
    doc="the adjoint of windows: an array of a shape, in which the windows are added up where they lie",
)
