"""Normalisation along axes, each step of the derivative collected into one line.

With s = 1/√(variance + eps) and y = (x - mean)·s, the mean and s depend on every element, and their
derivatives collect to

    g · ∂y/∂x = s · (g - mean(g) - y · mean(g·y))

which is the batch-norm backward pass of many an exercise; without the mean, `rms_normalize` loses the
middle term.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .reductions import mean
from .table import Case, primitive

_CASES = [
    Case(((3,),), {"eps": 0.1}),
    Case(((2, 3),), {"eps": 0.1}),
    Case(((2, 3),), {"axis": 0, "eps": 0.5}),
    Case(((2, 1, 3),), {"axis": (0, -1), "eps": 0.1}),
]


def _mean(x: Any, axis: Any) -> Any:
    return mean(x, axis=axis, keepdims=True)


def _standardize(x: Any, axis: Any = -1, eps: float = 1e-5) -> Any:
    centred = x - _mean(x, axis)
    return centred / np.sqrt(_mean(centred * centred, axis) + eps)


standardize = primitive(
    "standardize",
    _standardize,
    lambda g, out, x, axis=-1, eps=1e-5: (
        (g - _mean(g, axis) - out * _mean(g * out, axis)) / np.sqrt(np.var(x, axis=axis, keepdims=True) + eps)
    ),
    cases=_CASES,
    doc="(x - mean) / √(variance + eps) along an axis",
)

rms_normalize = primitive(
    "rms_normalize",
    lambda x, axis=-1, eps=1e-5: x / np.sqrt(_mean(x * x, axis) + eps),
    lambda g, out, x, axis=-1, eps=1e-5: (g - out * _mean(g * out, axis)) / np.sqrt(_mean(x * x, axis) + eps),
    cases=_CASES,
    doc="x / √(mean x² + eps) along an axis",
)
