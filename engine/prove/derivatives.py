"""The analytic derivatives along one line against numerical ones, at smaller and smaller steps.

`Derivatives` holds both, and the verdict on each output.  `refine` estimates numerical derivatives with smaller
and smaller steps until every output has a verdict, or the step sequence ends.  `confirm` repeats the estimate
with other steps where the verdict is "wrong".

A step must be large compared with rounding, and small compared with the distance to the nearest kink, pole or
end of the domain.  That distance is not known beforehand, so the step sequence starts at a twentieth of the
input, and each step is 1/64 of the one before.
"""

from __future__ import annotations

import numpy as np

from .differences import Array, Estimate
from .precision import SAFETY, TINY, Line, Point
from .results import IMPRECISE, NONDETERMINISTIC, OPEN, RIGHT, WRONG, Block

__all__ = ["FIRST_STEP", "STEP_SEQUENCE", "Derivatives", "confirm", "refine"]

FIRST_STEP = 791_533 * 2.0**-24  # relative to the input, about 1/21; a round number could be a period of f
STEP_SEQUENCE = tuple(2.0 ** (-6 * k) for k in range(6))  # multiples of the first step
CONFIRMING_STEPS = (2.0**-13, 2.0**-6, 0.75, 0.34375, 2.0**6, 2.0**12)  # multiples of the step that gave the verdict wrong


class Derivatives:
    """The derivatives of all outputs along one line, and what is known about them so far: arrays of shape (outputs,).

    Attributes:
        analytic: the derivative under test, in its own dtype.
        exact: the same in the working precision; 0 where a float64 could not hold it.
        rule_rounding: the rounding error of the rule.
        unit: |f| / length, the derivative at which the condition number |x f'/f| is 1.
        explained: the difference that the rule's own rounding explains.
        is_zero: whether the derivative is 0 up to rounding: it is tiny compared with `unit`, and not much larger than its
            own rounding error.
        largest: the size of the largest derivative by this input.
        slope, error, typical, step: the best numerical derivative so far, its estimated error, the size that the
            error is measured against, and the step that gave it.
        floor: the derivative that rounding hides, where the verdict had to ask for it.
        allowed: the largest difference that rounding explains, by all that is known.
        verdict, notes: the verdict on each output, and a note on some of them.
    """

    def __init__(self, point: Point, line: Line):
        direction = line.direction
        exact = point.exact[line.leaf] @ direction
        count = len(exact)
        self.line = line
        self.analytic = (point.analytic[line.leaf] @ direction).astype(float)
        self.exact = np.where(np.abs(exact) < TINY, 0.0, exact)
        self.rule_rounding = point.rule_rounding[line.leaf] @ np.abs(direction)
        self.unit = np.abs(point.here) / line.length
        self.largest = point.largest[line.leaf] * np.min(np.abs(direction[direction != 0]))
        self.explained, self.floor = np.zeros(count), np.zeros(count)
        if not point.widened:
            self.explained = (64 * point.own_eps * (np.abs(self.analytic) + self.unit) + SAFETY * self.rule_rounding).astype(float)
        tiny = np.abs(self.analytic) + np.abs(self.exact) <= 1e3 * point.own_eps * self.unit
        self.is_zero = tiny & (self.rule_rounding >= 1e-3 * np.abs(self.exact))
        self.slope, self.error = np.full(count, np.nan), np.full(count, np.inf)
        self.typical, self.step = np.zeros(count), np.full(count, np.inf)
        self.verdict = np.full(count, OPEN, np.uint8)
        self.allowed = np.full(count, np.nan)
        self.notes: dict[int, str] = {}
        self.conclude(point.random, NONDETERMINISTIC, "two calls at the same point differ")

    def conclude(self, where: Array, verdict: int, note: str) -> None:
        """Set the verdict and its reason for the outputs where the boolean array is true."""
        self.verdict[where] = verdict
        for j in np.flatnonzero(where).tolist():
            self.notes[j] = note

    def conclude_one(self, j: int, verdict: int, slope: float, error: float, note: str) -> None:
        """Set the verdict on output j, the numerical derivative that it is based on, and the reason."""
        self.verdict[j], self.slope[j], self.error[j], self.notes[j] = verdict, slope, error, note

    def adopt(self, where: Array, found: Estimate) -> None:
        """Replace the numerical derivative where the boolean array is true."""
        self.slope = np.where(where, found.slope, self.slope).astype(float)
        self.error = np.where(where, found.error, self.error).astype(float)

    def write_to(self, block: Block, i: int) -> None:
        """Write the derivatives, what they may differ by, verdicts and notes to place i of a block."""
        block.analytic[:, i], block.numerical[:, i] = self.analytic, self.slope
        block.error[:, i], block.verdict[:, i] = self.allowed, self.verdict
        block.notes |= {(j, i): note for j, note in self.notes.items()}


def tolerance(point: Point, d: Derivatives, slope: Array, error: Array) -> Array:
    """The largest difference between the exact derivative and a numerical one that still counts as agreement."""
    size = np.maximum(np.abs(d.exact), np.abs(slope))
    return np.asarray(SAFETY * error + 1e-12 * size + TINY + d.explained + point.atol + point.rtol * np.abs(slope))


def sides_differ(point: Point, found: Estimate) -> Array:
    """For each output whether the derivatives from the left and from the right differ by more than their errors explain."""
    return np.abs(found.right - found.left) > SAFETY * found.gap_error + point.thresholds.usable * found.typical


def refine(point: Point, d: Derivatives) -> Estimate | None:
    """Estimate at smaller and smaller steps until every output has a verdict; return the last estimate, if one was needed."""
    found, limits = None, point.thresholds
    for shrink in STEP_SEQUENCE:
        if (d.verdict != OPEN).all():
            break
        step = point.step * d.line.length * shrink
        found = point.estimate(d.line, step)
        smooth = found.finite & ~sides_differ(point, found) & (d.verdict == OPEN)
        # A small relative error counts as well: where f oscillates within a step, the larger step gives small numbers.
        clearer = (found.error < 0.1 * found.typical) & (found.error * d.typical < d.error * found.typical)
        better = smooth & ((found.error < d.error) | clearer)
        d.adopt(better, found)
        d.typical = np.where(better, found.typical, d.typical).astype(float)
        d.step = np.where(better, step, d.step)
        agrees = better & (np.abs(d.exact - found.slope) <= tolerance(point, d, found.slope, found.error))
        d.verdict[agrees & (found.error <= limits.accepts * found.typical)] = RIGHT
        d.verdict[agrees & (d.exact == 0) & (found.scale == 0)] = RIGHT
        d.verdict[agrees & d.is_zero & (found.error <= limits.usable * d.unit)] = RIGHT
        d.verdict[better & ~agrees & (found.error <= limits.rejects * found.typical)] = WRONG
    return found


def confirm(point: Point, d: Derivatives) -> None:
    """Estimate again with other steps where the verdict is wrong; keep that verdict only where the new estimates agree with the old.

    A function whose period divides the step, or a staircase of even steps, can look like a straight line; so can, at
    small steps, a function that rounding has made a staircase, as in (1 - cos x) / x² near 0.  Larger steps show that,
    where nothing else comes within their reach.  A verdict from one-sided derivatives has a note.  It uses the
    smallest steps already, and is not estimated again.
    """
    wrong = (d.verdict == WRONG) & np.array([j not in d.notes for j in range(len(d.verdict))])
    steps = d.step[wrong & np.isfinite(d.step)]
    for factor in CONFIRMING_STEPS if steps.size else ():
        step = float(np.min(steps)) * factor
        if step > point.step * d.line.length:
            break
        found = point.estimate(d.line, step)
        gap = np.abs(d.exact - d.slope)
        nearer = np.minimum(gap, np.abs(found.slope) + np.abs(d.slope))
        differs = wrong & (np.abs(found.slope - d.slope) > SAFETY * (found.error + d.error) + 0.1 * nearer)
        if factor > 1:
            differs &= found.finite & ~sides_differ(point, found)
        if not differs.any():
            continue
        agrees = (factor < 1) & (np.abs(d.exact - found.slope) <= tolerance(point, d, found.slope, found.error))
        agrees &= (found.error <= point.thresholds.usable * found.typical) | ((found.scale == 0) & (d.exact == 0))
        d.conclude(differs & ~agrees, IMPRECISE, "the numerical derivative depends on the step")
        d.verdict[differs & agrees] = RIGHT
        d.adopt(differs & agrees, found)
        wrong &= ~differs
