"""Numerical derivatives with an error estimate.

Richardson's extrapolation of central differences

    D(h) = (f(x+h) - f(x-h)) / 2h = f'(x) + c₂h² + c₄h⁴ + ...

at h, h/2, h/4, ...: each combination of two neighbours removes one more power of h², and the distance
between an entry and those it was made from estimates its error (Ridders 1982, Advances in Engineering
Software 4:75-76).  The same evaluations, combined one-sidedly, give the derivatives from the left and
from the right, whose expansions go in powers of h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

LEVELS = 7  # halvings of the step


class Tableau:
    """Richardson's extrapolation to h = 0 of a quantity given at h, h/2, h/4, ..., for many outputs at once.

    Args:
        order: the quantity has an expansion in powers of h^order.

    Attributes:
        value: for each output the entry with the smallest estimated error so far.
        error: that error.
    """

    def __init__(self, order: int):
        self.order = order
        self.row: list[Array] = []
        self.value: Array
        self.error: Array

    def add(self, first: Array, noise: Array) -> None:
        """Add the quantity at the next halving; `noise` is a bound on its rounding error."""
        row = [first]
        if not self.row:
            self.value, self.error = first, np.full_like(first, np.inf)
        for j, older in enumerate(self.row):
            row.append(row[j] + (row[j] - older) / (2.0 ** (self.order * (j + 1)) - 1.0))
            error = np.maximum(np.abs(row[j + 1] - row[j]), np.abs(row[j + 1] - older)) + noise
            better = error < self.error
            self.value = np.where(better, row[j + 1], self.value)
            self.error = np.where(better, error, self.error)
        if self.row:
            # Each halving brings the quantity closer to its limit.  If it moved away instead, then the earlier
            # entries agreed by accident, because their steps were multiples of a period.
            distance = np.abs(first - self.value)
            diverges = distance > 2.0 * np.abs(self.row[0] - self.value) + 8.0 * noise
            self.error = np.where(diverges, np.maximum(self.error, distance), self.error)
        self.row = row


class Estimate(NamedTuple):
    """Derivatives along a line, an entry for each output."""

    slope: Array  # two-sided
    error: Array
    left: Array  # one-sided
    left_error: Array
    right: Array
    right_error: Array
    scale: Array  # the steepest secant: the size against which an error is large or small
    finite: Array  # whether the function is, on both sides

    @property
    def typical(self) -> Array:
        """The size of the derivative, or the steepest secant where that is larger: a derivative of 0 has a size too."""
        return np.maximum(self.scale, np.abs(self.slope))

    @property
    def gap_error(self) -> Array:
        """The error of right - left."""
        return self.left_error + self.right_error


def estimate(phi: Callable[[float], Array], here: Array, magnitude: Array, step: float, eps: float, converged: float) -> Estimate:
    """Differentiate phi at 0 by steps of `step` and its halves.

    Args:
        phi: the outputs at a distance along the line.
        here: phi(0).
        magnitude: the size of the numbers that phi is computed from, which rounding is relative to.
        eps: the relative rounding of one evaluation.
        converged: stop when every error is below this fraction of the scale.
    """
    centre, sides = Tableau(2), Tableau(1)  # sides: left and right
    scale, finite = np.zeros_like(here), np.ones(here.shape, bool)
    for level in range(LEVELS):
        h = step / 2.0**level
        ahead, behind = phi(h), phi(-h)
        noise = 2.0 * eps * np.maximum(magnitude, np.fmax(np.abs(ahead), np.abs(behind))) / h
        sides.add(np.stack([here - behind, ahead - here]) / h, 2.0 * noise)
        centre.add((ahead - behind) / (2.0 * h), noise)
        finite = np.isfinite(ahead) & np.isfinite(behind)
        scale = np.max(np.abs(sides.row[0]), axis=0)
        if level > 2 and np.all((centre.error <= converged * scale) | ~finite):
            break
    (left, right), (left_error, right_error) = sides.value, sides.error
    # Where f'' jumps, as that of x|x| at 0, only the one-sided differences converge quickly.
    mean, spread = (left + right) / 2, left_error + right_error + np.abs(right - left) / 2
    better = spread < centre.error
    slope, error = np.where(better, mean, centre.value), np.where(better, spread, centre.error)
    return Estimate(slope, error, left, left_error, right, right_error, scale, finite)
