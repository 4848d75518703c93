"""Derivatives from function values alone: what the rules are measured against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def slope(f: Callable[[float], float], h: float = 0.05, levels: int = 6) -> tuple[float, float]:
    """f'(0) and an estimate of its error, for a smooth f.

    Central differences at h, h/2, h/4, ..., each pair of columns extrapolated to h = 0 (Richardson):
    D₀ = (f(h) - f(-h)) / 2h has an error in h², h⁴, ..., and (4ᵏ D(h/2) - D(h)) / (4ᵏ - 1) drops one
    power after the other.  The entry that differs least from its neighbours is taken.
    """
    table: list[list[float]] = []
    best, error = np.nan, np.inf
    for i in range(levels):
        step = h / 2**i
        row = [(f(step) - f(-step)) / (2 * step)]
        for k in range(1, i + 1):
            row.append((4**k * row[k - 1] - table[i - 1][k - 1]) / (4**k - 1))
            doubt = max(abs(row[k] - row[k - 1]), abs(row[k] - table[i - 1][k - 1]))
            if doubt < error:
                best, error = row[k], doubt
        table.append(row)
    return best, error


def along(f: Callable[..., Any], operands: Sequence[Any], directions: Sequence[Any], h: float = 0.05) -> tuple[float, float]:
    """The derivative of a scalar f(*operands) along a direction, and its error."""
    return slope(lambda t: float(f(*(x + t * d for x, d in zip(operands, directions, strict=True)))), h)


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    """Σ x·y over several arrays."""
    return float(sum(np.sum(np.multiply(x, y)) for x, y in zip(xs, ys, strict=True)))


def close(analytic: float, numerical: tuple[float, float], scale: float = 1.0, *, rtol: float = 1e-8) -> bool:
    """Whether an analytic derivative is a numerical one, as well as that can be told."""
    value, error = numerical
    return bool(abs(analytic - value) <= rtol * max(1.0, scale, abs(value)) + 10 * min(error, 1e-6 * max(1.0, scale)))
