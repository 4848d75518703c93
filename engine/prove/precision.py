"""A function at one point, evaluated as precisely as possible, and the rounding errors there.

A wrong derivative differs from the numerical one, and a right derivative differs as well, by its rounding error.
To distinguish the two, a `Point` knows three things about rounding:

* The *working precision*.  The function and the derivative under test are evaluated in the widest floating
  dtype in which the function still gives its values: the machine's extended precision where there is one.
* The *noise* of the function: the rounding error of one evaluation, measured from its values close by.  It
  can be much larger than one unit in the last place, because a function may subtract large numbers inside.
  (Moré & Wild 2011, "Estimating computational noise", SIAM J. Sci. Comput. 33:1292-1314, measure it from a
  table of differences; here it is the residual of a fitted parabola.)
* The *rounding error of the rule*: how far two differently rounded evaluations of the derivative lie apart.

Where extended precision is missing, the complex step sharpens the estimate (Squire & Trapp 1998, "Using
complex variables to estimate derivatives of real functions", SIAM Review 40:110-112).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .differences import Estimate, estimate
from .subjects import KinkNode, Subject

__all__ = ["DOUBLE", "EXTENDED", "SAFETY", "TINY", "Line", "Point", "Thresholds", "nearest_power_of_two"]

Array = np.ndarray[Any, Any]

EXTENDED: Any = np.longdouble if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else np.float64
TINY = float(np.finfo(np.float64).tiny)  # the smallest normal float64
DOUBLE = float(np.finfo(np.float64).eps)  # a function may be no more precise than this, whatever dtype it returns, as erf is
MANY_OUTPUTS = 1_000  # above this number, or MANY_PAIRS, random combinations of the outputs are compared
MANY_PAIRS = 1_000_000
MANY_NUMBERS = 100_000  # above this number of inputs, extended precision would take minutes
COTANGENTS = 8  # the number of random combinations
SAFETY = 8.0  # a tolerance is this many estimated errors
NEIGHBOURHOODS = (791_533 * 2.0**-63, 791_533 * 2.0**-53, 791_533 * 2.0**-43)  # relative distances at which a smooth function is a parabola
NEIGHBOURS = np.array([1.0, 1.93, 2.71, 3.14, 4.67, 5.77, 7.39])  # unevenly spaced, so that no even staircase looks like a line
COMPLEX_STEP = 1e-100  # relative to the input


class Thresholds(NamedTuple):
    """The largest relative errors with which a numerical derivative serves each purpose, in ascending order."""

    converged: float  # no smaller step is needed
    accepts: float  # precise enough to call an agreeing derivative right
    rejects: float  # precise enough to call a differing derivative wrong
    usable: float  # with a larger error it does not count as a derivative

    @classmethod
    def at(cls, eps: float) -> Thresholds:
        """The thresholds for a function whose values have the relative rounding error eps.

        A central difference with the best step has an error of about eps^(2/3), and extrapolation comes close to
        eps^(3/4).  No error smaller than 1e-11 is required.
        """
        converged = max(1e-11, eps**0.75)
        return cls(converged, 10 * converged, 100 * converged, max(1e-6, 30 * eps ** (2 / 3)))


class Line(NamedTuple):
    """A line through the point: one leaf moves along a direction."""

    leaf: int  # the number of the leaf
    direction: Array  # of shape (leaf.size,)
    length: float  # moving this far changes the leaf by its own size


class Point:
    """A subject at one point: its outputs and analytic derivatives, in the working precision, with their rounding errors.

    Args:
        subject: the function and the derivative under test.
        rng: draws the directions and the cotangents.
        step: the first step of a difference, relative to the input.
        atol, rtol: what the user allows on top of the estimated error.
        cotangents: the combinations of the outputs to compare, of shape (combinations, outputs); by
            default each output, or random combinations where there are many.

    Attributes:
        analytic: for each leaf the derivatives in its own dtype, of shape (cotangents, leaf.size).
        connected: for each leaf whether the graph has a path from it to an output.
        random: for each cotangent whether two calls gave different numbers.
        leaves, dtype, eps: the point, its dtype and its relative rounding error in the working precision.
        exact: the analytic derivatives in the working precision.
        widened: whether `exact` was computed in a wider dtype than `analytic`.
        own_eps: the relative rounding error of the leaves' own dtype.
        here: the outputs, in the working precision.
        magnitude: the size of the numbers that the outputs are made of: eps · magnitude is the noise.
        rule_rounding: for each leaf the rounding error of `analytic`, or of `exact` where that is no wider.
    """

    def __init__(self, subject: Subject, rng: np.random.Generator, step: float, atol: float, rtol: float, cotangents: Array | None = None):
        self.subject, self.rng, self.step, self.atol, self.rtol = subject, rng, step, atol, rtol
        inputs = sum(leaf.size for leaf in subject.leaves)
        values = subject.evaluate(subject.leaves)
        every = values.size <= COTANGENTS or (values.size <= MANY_OUTPUTS and values.size * inputs <= MANY_PAIRS)
        self.combined = not every
        if cotangents is not None:
            self.cotangents = cotangents
        else:
            self.cotangents = np.eye(values.size) if every else rng.standard_normal((COTANGENTS, values.size))
        self.analytic, self.connected = subject.vjp(self.cotangents)
        self.random = self._differs_when_repeated(values)
        outputs = self._choose_precision(values, inputs)
        self.dtype = np.result_type(*self.leaves)
        self.eps = max(float(np.finfo(self.dtype).eps), float(np.finfo(outputs.dtype).eps) if outputs.dtype.kind == "f" else 0.0)
        self.thresholds = Thresholds.at(self.eps)
        self.here = self.combine(outputs).astype(self.dtype)
        self.magnitude = np.abs(self.cotangents) @ np.abs(outputs) if self.combined else np.abs(self.here)
        if not self.random.any():
            self.magnitude = np.maximum(self.magnitude, self._noise() / self.eps)
        self.rule_rounding = self._measure_rule_rounding()
        self.takes_complex = True  # until an attempt fails

    # ── evaluating ────────────────────────────────────────────────────────────

    def combine(self, values: Array) -> Array:
        """The numbers that are differentiated: the outputs, or random combinations of them."""
        return self.cotangents @ values if self.combined else values

    def evaluate(self, leaves: list[Array]) -> Array:
        """The outputs at other leaves; NaN where the function raises an arithmetic error or a ValueError."""
        try:
            return self.combine(self.subject.evaluate(leaves)).astype(self.dtype)
        except (ArithmeticError, ValueError):
            return np.full_like(self.here, np.nan)

    def moved(self, line: Line, t: Any) -> list[Array]:
        """The leaves at the distance t along a line."""
        leaves = list(self.leaves)
        leaves[line.leaf] = _shifted(leaves[line.leaf], line.direction, t)
        return leaves

    def at(self, line: Line, t: float) -> Array:
        """The outputs at the distance t along a line."""
        return self.evaluate(self.moved(line, self.dtype.type(t)))

    def labels(self) -> list[str]:
        """A name for each number that is differentiated: "[2]" for an output, "u1" for a random combination."""
        return [f"u{k + 1}" for k in range(len(self.cotangents))] if self.combined else self.subject.labels()

    # ── lines ─────────────────────────────────────────────────────────────────

    def axis(self, k: int, i: int) -> Line:
        """The line on which element i of leaf k moves.  Its length is the element's size; for a zero, that of the largest element, or 1."""
        leaf = self.leaves[k].ravel()
        direction = np.zeros(leaf.size, self.dtype)
        direction[i] = 1
        return Line(k, direction, nearest_power_of_two(float(abs(leaf[i]) or np.max(np.abs(leaf)) or 1.0)))

    def random_line(self, k: int) -> Line:
        """A random direction in leaf k: each element moves by about its own size, up or down."""
        size = np.abs(self.leaves[k]).ravel()
        size = np.where(size == 0, np.max(size, initial=0.0) or 1.0, size)
        return Line(k, (2.0 ** np.round(np.log2(size)) * self.rng.choice([-1.0, 1.0], size.size)).astype(self.dtype), 1.0)

    # ── the working precision and the rounding errors ─────────────────────────

    def _differs_when_repeated(self, values: Array) -> Array:
        """For each number that is differentiated, whether a second call gave another value or derivative."""
        differs = ~_equal(self.combine(values), self.combine(self.subject.evaluate(self.subject.leaves)))
        again, _ = self.subject.vjp(self.cotangents)
        for one, two in zip(self.analytic, again, strict=True):
            differs = differs | ~_equal(one, two).all(axis=1)
        return differs

    def _choose_precision(self, values: Array, inputs: int) -> Array:
        """Change to the widest dtype in which the function still gives its values; return the outputs in it."""
        leaves, own = self.subject.leaves, np.result_type(*self.subject.leaves)
        self.leaves, self.exact, self.widened = list(leaves), self.analytic, False
        self.own_eps, tiny = float(np.finfo(own).eps), float(np.finfo(own).tiny)
        for dtype in [EXTENDED, np.float64] if inputs <= MANY_NUMBERS else [np.float64]:
            if np.finfo(dtype).eps >= np.finfo(own).eps or self.random.any():
                break
            wide = [leaf.astype(dtype) for leaf in leaves]
            try:
                outputs = self.subject.evaluate(wide)
                if outputs.dtype != dtype or not np.allclose(outputs, values, rtol=1e-2, atol=tiny, equal_nan=True):
                    continue
                exact, _ = self.subject.at(wide).vjp(self.cotangents)
            except (TypeError, ValueError, ArithmeticError, RuntimeError):
                continue
            self.leaves = wide
            if all(row.dtype == dtype for row in exact):
                self.exact, self.widened = exact, True
            return outputs
        return values

    def _noise(self) -> Array:
        """The rounding error of each output, measured where a smooth function is nearly a straight line.

        The noise is the residual of a parabola fitted to seven neighbours.  It is measured on both sides of the point,
        and the smaller one counts, because there may be a kink on one side.  Where rounding makes two neighbouring
        values equal, neighbours farther away are used; if those are equal as well, the function may be no more precise
        than float64.
        """
        lines = [self.random_line(k) for k in range(len(self.leaves))]
        basis = np.linalg.qr(np.vander(NEIGHBOURS, 3))[0]
        noise, too_close = np.zeros_like(self.here), np.ones(self.here.shape, bool)
        for distance in NEIGHBOURHOODS:
            sides = []
            for side in (-distance, distance):
                rows = []
                for place in NEIGHBOURS:
                    t = self.dtype.type(side * place)
                    rows.append(
                        self.evaluate([_shifted(leaf, line.direction, t) for leaf, line in zip(self.leaves, lines, strict=True)])
                        - self.here
                    )
                residual = rows - basis @ (basis.T @ rows)
                sides.append(np.sqrt(np.sum(residual**2, axis=0) / (len(NEIGHBOURS) - 3)))
                distinct = np.all(np.diff(rows, axis=0) != 0, axis=0)
            noise = np.where(too_close, 4 * np.fmin(*sides), noise)
            too_close &= ~distinct
            if not too_close.any():
                break
        noise = np.where(too_close, np.fmax(noise, DOUBLE * np.abs(self.here)), noise)
        return np.nan_to_num(noise, posinf=0.0)

    def _measure_rule_rounding(self) -> list[Array]:
        """How far two roundings of the derivative lie apart.

        They are rounded in two dtypes or, where only one can be had, at two points four units in the last place apart.
        """
        other = self.exact
        if not self.widened and not self.random.any():
            nudged = [leaf * leaf.dtype.type(1 + 4 * np.finfo(leaf.dtype).eps) for leaf in self.subject.leaves]
            other, _ = self.subject.at(nudged).vjp(self.cotangents)
        return [np.abs(one - two) for one, two in zip(self.analytic, other, strict=True)]

    @cached_property
    def rounding_of_outputs(self) -> Array:
        """The rounding error of each output to first order in eps, by the recorded graph: see `Subject.rounding`."""
        return self.subject.rounding(self.cotangents) * self.eps

    @cached_property
    def largest(self) -> list[float]:
        """The size of the largest derivative by each leaf."""
        return [float(np.max(np.abs(rows), initial=0.0, where=np.isfinite(rows))) for rows in self.analytic]

    @cached_property
    def kink_nodes(self) -> list[KinkNode]:
        """The graph's nodes whose primitives have kinks; empty where no node lies on its kink."""
        nodes = self.subject.kinks(self.subject.leaves)
        return nodes if any(node.near.any() for node in nodes) else []

    # ── numerical derivatives ─────────────────────────────────────────────────

    def estimate(self, line: Line, step: float) -> Estimate:
        """The numerical derivatives of all outputs along a line, the first step being given."""
        found = estimate(lambda t: self.at(line, t), self.here, self.magnitude, step, self.eps, self.thresholds.converged)
        rough = found.error > self.thresholds.converged * found.typical
        return self._sharpened(found, rough, line) if self.takes_complex and rough.any() else found

    def _sharpened(self, found: Estimate, rough: Array, line: Line) -> Estimate:
        """The estimate with the complex step's derivative in the rough places, where the two agree.

        Im f(x + it) / t contains no subtraction, so it has no cancellation, and t can be so small that the truncation
        error vanishes.  The function must be analytic and accept complex numbers.  Agreement with the real
        difference shows that it is.
        """
        t = COMPLEX_STEP * line.length
        outputs = self.subject.complex_evaluate(self.moved(line, self.dtype.type(t) * np.complex64(1j)))
        if outputs is None or outputs.dtype.kind != "c":
            self.takes_complex = False
            return found
        slope = (self.combine(outputs).imag / t).astype(self.dtype)
        amplified = np.fmax(1.0, self.magnitude / np.abs(self.here))  # a function that subtracts large numbers also subtracts their Im
        size = np.abs(slope) + np.abs(self.here) / line.length
        error = 16 * float(np.finfo(outputs.dtype).eps) * amplified * size
        better = rough & (np.abs(slope - found.slope) <= SAFETY * found.error) & (error < found.error)
        better &= found.error <= 1e-4 * found.typical
        return found._replace(slope=np.where(better, slope, found.slope), error=np.where(better, error, found.error))


def nearest_power_of_two(h: float) -> float:
    """The power of two nearest to h, so that adding it to a number rounds little; 1 where h is not finite."""
    return float(2.0 ** np.round(np.log2(h))) if np.isfinite(h) else 1.0


def _shifted(leaf: Array, direction: Array, t: Any) -> Array:
    return (leaf.ravel() + direction * t).reshape(leaf.shape)


def _equal(one: Array, two: Array) -> Array:
    """Element by element; NaN equals NaN."""
    return np.asarray((one == two) | ((one != one) & (two != two)))
