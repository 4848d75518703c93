"""Verdicts on derivatives: one point, its outputs and analytic derivatives, and the lines through it.

`Point.judge` takes a line through the point, asks for numerical derivatives along it at smaller and
smaller steps, and compares them with the analytic ones.  A difference must survive three doubts before
it is called wrong: other sequences of steps, nodes of the graph that lie on a kink, and rounding inside
the graph.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import calculus
from .differences import LEVELS, Estimate, estimate
from .subjects import KinkNode, Ours, Subject, subscript

VERDICTS = ("right", "kink", "wrong", "domain", "imprecise", "nondeterministic", "disconnected")
RIGHT, KINK, WRONG, DOMAIN, IMPRECISE, NONDETERMINISTIC, DISCONNECTED, OPEN = range(8)

Array = np.ndarray[Any, Any]

EXTENDED: Any = np.longdouble if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else np.float64
DOUBLE_EPS, TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
MANY_OUTPUTS = 1_000  # beyond, or above MANY_PAIRS, outputs are joined by random cotangents
MANY_PAIRS = 1_000_000
MANY_NUMBERS = 100_000  # beyond, extended precision would take minutes
COTANGENTS = 8
FIRST_STEP = 791_533 * 2.0**-24  # of the input, about 1/21: no round number, which could be a period of f
SCALES = tuple(2.0 ** (-6 * k) for k in range(6))  # where the first step does not settle it
REPEATS = (2.0**-13, 2.0**-6, 0.75, 0.34375)  # steps that must confirm a wrong one
CLOSE = (791_533 * 2.0**-63, 791_533 * 2.0**-53)  # of the input: where only rounding makes a function rough
SAFETY = 8.0  # tolerance per estimated error


# ── results ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Element:
    """One derivative, ∂output/∂input[index], and the verdict on it."""

    input: str  # the name of the input: "x", "params['w']"
    index: tuple[int, ...]  # the place in it; () for a scalar, and for a random direction
    output: str  # "" for a scalar result, "[2]" for an element, "u1" for a random cotangent
    analytic: float
    numerical: float
    error: float  # the estimated error of the numerical one
    verdict: str  # one of VERDICTS
    note: str  # what else is known, in words

    @property
    def name(self) -> str:
        """∂f[2]/∂x[0, 1]"""
        if self.output.startswith("⟨"):
            return f"{self.output} by {self.input}"
        top = f"∂{self.output}" if self.output[:1] in ("", "∂") else f"∂f{self.output}" if self.output[0] == "[" else f"∂({self.output}·f)"
        return f"{top or '∂f'}/∂{self.input}{subscript(self.index)}".replace("∂/", "∂f/").replace("∂∂f", "∂²f")


class Block:
    """The derivatives of all outputs by the places of one input: arrays of shape (outputs, places)."""

    def __init__(self, input: str, outputs: Sequence[str], places: Sequence[tuple[int, ...]]):
        self.input, self.outputs, self.places = input, outputs, places
        size = (len(outputs), len(places))
        self.analytic, self.numerical, self.error = np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan)
        self.verdict = np.full(size, OPEN, np.uint8)
        self.notes: dict[tuple[int, int], str] = {}

    def elements(self, chosen: Array) -> Iterator[Element]:
        for i, j in np.argwhere(chosen.T).tolist():
            yield Element(
                self.input,
                self.places[i],
                self.outputs[j],
                float(self.analytic[j, i]),
                float(self.numerical[j, i]),
                float(self.error[j, i]),
                VERDICTS[self.verdict[j, i]],
                self.notes.get((j, i), ""),
            )

    def enter(self, i: int, column: Column) -> None:
        self.analytic[:, i], self.numerical[:, i] = column.analytic, column.slope
        self.error[:, i], self.verdict[:, i] = column.error, column.verdict
        self.notes |= {(j, i): note for j, note in column.notes.items()}


# ── one point ─────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Line:
    """A line through the point: leaf k moves along a direction, `size` being a large step on it."""

    k: int
    direction: Array
    size: float


class Column:
    """The derivatives of all outputs along one line, and what is known about them so far."""

    def __init__(self, point: Point, line: Line):
        k, direction = line.k, line.direction
        exact = point.exact[k] @ direction
        self.line = line
        self.analytic = (point.analytic[k] @ direction).astype(float)
        self.exact = np.where(np.abs(exact) < TINY, 0.0, exact)  # by the same rule in the widest dtype; below TINY a float64 has 0
        self.jitter = point.jitter[k] @ np.abs(direction)  # how far two roundings of the rule lie apart
        self.natural = np.abs(point.here) / line.size  # the derivative that changes f by its own size
        self.largest = point.largest[k] * np.min(np.abs(direction[direction != 0]))  # of all derivatives by this input
        self.rounding = np.zeros(len(exact))  # the part of a difference that the rule's own rounding explains
        if not point.wider:
            self.rounding = (64 * point.own_eps * (np.abs(self.analytic) + self.natural) + SAFETY * self.jitter).astype(float)
        # Nothing but rounding: 0 in one precision, 1e-20 in the other.
        self.void = (self.jitter >= 1e-3 * np.abs(self.exact)) & (
            np.abs(self.analytic) + np.abs(self.exact) <= 1e3 * point.own_eps * self.natural
        )
        self.verdict = np.full(len(exact), OPEN, np.uint8)
        self.slope = np.full(len(exact), np.nan)
        self.error = np.full(len(exact), np.inf)
        self.typical = np.zeros(len(exact))
        self.step = np.full(len(exact), np.inf)  # the one that gave the slope
        self.notes: dict[int, str] = {}

    def say(self, where: Array, verdict: int, note: str = "") -> None:
        self.verdict[where] = verdict
        for j in np.flatnonzero(where).tolist():
            self.notes[j] = note

    def say_one(self, j: int, verdict: int, slope: Any, error: Any, note: str = "") -> None:
        self.verdict[j], self.slope[j], self.error[j], self.notes[j] = verdict, slope, error, note


class Point:
    """A subject at one point: its outputs, its analytic derivatives, and the verdicts on them."""

    def __init__(self, subject: Subject, rng: np.random.Generator, step: float, atol: float, rtol: float, cotangents: Array | None = None):
        self.subject, self.rng, self.step, self.atol, self.rtol = subject, rng, step, atol, rtol
        leaves = subject.leaves
        inputs = sum(leaf.size for leaf in leaves)
        values = subject.evaluate(leaves)
        every = values.size <= COTANGENTS or (values.size <= MANY_OUTPUTS and values.size * inputs <= MANY_PAIRS)
        if cotangents is not None:
            self.cotangents = cotangents
        else:
            self.cotangents = np.eye(values.size) if every else rng.standard_normal((COTANGENTS, values.size))
        self.joined = not every
        self.analytic, self.connected = subject.pull(self.cotangents)
        self.random = self._repeats(values)
        self._find_precision(values, inputs)
        self.clash = self.settled * 100
        self.doubtful = max(1e-6, 30 * self.eps ** (2 / 3))
        self.complex = True  # until an attempt fails

    def _repeats(self, values: Array) -> Array:
        """For each row, whether a second call gave other numbers."""
        differs = ~_same(self.join(values), self.join(self.subject.evaluate(self.subject.leaves)))
        again, _ = self.subject.pull(self.cotangents)
        for one, two in zip(self.analytic, again, strict=True):
            differs = differs | ~_same(one, two).all(axis=1)
        return differs

    def _find_precision(self, values: Array, inputs: int) -> None:
        """Go over to the widest dtype in which the function still gives its values."""
        leaves, own = self.subject.leaves, np.result_type(*self.subject.leaves)
        self.leaves, self.exact, self.wider = list(leaves), self.analytic, False
        self.own_eps = float(np.finfo(own).eps)
        outputs = values
        for dtype in [EXTENDED, np.float64] if inputs <= MANY_NUMBERS else [np.float64]:
            if np.finfo(dtype).eps >= np.finfo(own).eps or self.random.any():
                break
            wide = [leaf.astype(dtype) for leaf in leaves]
            try:
                found = self.subject.evaluate(wide)
                if found.dtype != dtype or not np.allclose(found, values, rtol=1e-2, atol=1e-300, equal_nan=True):
                    continue
                exact, _ = self.subject.at(wide).pull(self.cotangents)
            except (TypeError, ValueError, ArithmeticError, RuntimeError):
                continue
            outputs, self.leaves = found, wide
            if all(row.dtype == dtype for row in exact):
                self.exact, self.wider = exact, True
            break
        self.dtype = np.result_type(*self.leaves)
        self.eps = max(float(np.finfo(self.dtype).eps), float(np.finfo(outputs.dtype).eps) if outputs.dtype.kind == "f" else 0.0)
        self.settled = max(1e-11, self.eps**0.75)
        self.here = self.join(outputs).astype(self.dtype)
        self.weight = np.abs(self.cotangents) @ np.abs(outputs) if self.joined else np.abs(self.here)
        if not self.random.any():
            self.weight = np.maximum(self.weight, self.noise() / self.eps)
        # How far the rounding of the rule reaches: two roundings of it.
        self.jitter = [np.abs(one - two) for one, two in zip(self.analytic, self.exact, strict=True)]
        if not self.wider and not self.random.any():
            nudged, _ = self.subject.at([leaf * leaf.dtype.type(1 + 4 * np.finfo(leaf.dtype).eps) for leaf in leaves]).pull(self.cotangents)
            self.jitter = [np.abs(one - two) for one, two in zip(self.analytic, nudged, strict=True)]

    def noise(self) -> Array:
        """How rough each output is at close range, where a smooth function is a straight line: its rounding error.

        What a parabola through seven unevenly spaced neighbours leaves over, on the quieter side of the point
        (the other may hold a kink).  Where a function is too coarse to tell the neighbours apart, they spread.
        """
        clouds = [self.cloud(k) for k in range(len(self.leaves))]
        places = np.array([1.0, 1.93, 2.71, 3.14, 4.67, 5.77, 7.39])
        basis = np.linalg.qr(np.vander(places, 3))[0]
        noise, coarse = np.zeros_like(self.here), np.ones(self.here.shape, bool)
        for spread in CLOSE:
            sides = []
            for side in (-spread, spread):
                rows = []
                for place in places:
                    t = self.dtype.type(side * place)
                    moved = [
                        (leaf.ravel() + line.direction * t).reshape(leaf.shape) for leaf, line in zip(self.leaves, clouds, strict=True)
                    ]
                    rows.append(self.evaluate(moved) - self.here)
                left_over = rows - basis @ (basis.T @ rows)
                sides.append(np.sqrt(np.sum(left_over**2, axis=0) / (len(places) - 3)))
                told_apart = np.all(np.diff(rows, axis=0) != 0, axis=0)
            noise = np.where(coarse, 4 * np.fmin(*sides), noise)
            coarse &= ~told_apart
            if not coarse.any():
                break
        return np.nan_to_num(noise, nan=0.0, posinf=0.0)

    def join(self, values: Array) -> Array:
        """The outputs that are compared: each, or random combinations of them."""
        return self.cotangents @ values if self.joined else values

    def moved(self, line: Line, t: Any) -> list[Array]:
        """The leaves at a distance along a line."""
        leaves = list(self.leaves)
        leaf = leaves[line.k]
        leaves[line.k] = (leaf.ravel() + line.direction * t).reshape(leaf.shape)
        return leaves

    def at(self, line: Line, t: float) -> Array:
        """The outputs at a distance along a line."""
        return self.evaluate(self.moved(line, self.dtype.type(t)))

    def evaluate(self, leaves: list[Array]) -> Array:
        """The outputs at other numbers; NaN where the function refuses."""
        try:
            return self.join(self.subject.evaluate(leaves)).astype(self.dtype)
        except (ArithmeticError, ValueError):
            return np.full_like(self.here, np.nan)

    def estimate(self, line: Line, step: float) -> Estimate:
        found = estimate(lambda t: self.at(line, t), self.here, self.weight, step, self.eps, self.settled)
        rough = found.error > self.settled * found.typical
        if self.complex and rough.any():
            # Im f(x + it) / t has no subtraction, hence no rounding error, for a function that is analytic
            # and written for complex numbers; whether it is, the real difference decides.
            t = 1e-100 * line.size
            outputs = self.subject.complex_evaluate(self.moved(line, self.dtype.type(t) * np.complex64(1j)))
            if outputs is None or outputs.dtype.kind != "c":
                self.complex = False
                return found
            slope = (self.join(outputs).imag / t).astype(self.dtype)
            error = 16 * float(np.finfo(outputs.dtype).eps) * (np.abs(slope) + found.scale + np.abs(self.here) / line.size)
            sure = rough & (np.abs(slope - found.slope) <= SAFETY * found.error) & (error < found.error)
            sure &= found.error <= 1e-4 * found.typical
            return found._replace(slope=np.where(sure, slope, found.slope), error=np.where(sure, error, found.error))
        return found

    # ── the modes ─────────────────────────────────────────────────────────────

    def elements(self, progress: bool | None) -> list[Block]:
        """Each element of each input."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [
            Block(name, labels, list(np.ndindex(leaf.shape))) for name, leaf in zip(self.subject.names, self.subject.leaves, strict=True)
        ]
        work = [(k, i) for k, leaf in enumerate(self.leaves) for i in range(leaf.size)]
        for k, i in _with_bar(work, progress):
            line = self.axis(k, i)
            column = self.judge(line)
            if line.size < 1e-6 and (column.verdict == IMPRECISE).any():  # steps as small as x may drown in rounding: take x for a zero
                wide = self.judge(Line(k, line.direction, 1.0))
                column = wide if (wide.verdict == RIGHT).all() else column
            blocks[k].enter(i, column)
        return blocks

    def axis(self, k: int, i: int) -> Line:
        """The line of one element; a zero is as large as its largest neighbour, or 1."""
        leaf = self.leaves[k].ravel()
        direction = np.zeros(leaf.size, self.dtype)
        direction[i] = 1
        return Line(k, direction, _power_of_two(float(abs(leaf[i]) or np.max(np.abs(leaf)) or 1.0)))

    def cloud(self, k: int) -> Line:
        """A random direction in leaf k, each element in proportion to itself."""
        size = np.abs(self.leaves[k]).ravel()
        size = np.where(size == 0, np.max(size, initial=0.0) or 1.0, size)
        return Line(k, (2.0 ** np.round(np.log2(size)) * self.rng.choice([-1.0, 1.0], size.size)).astype(self.dtype), 1.0)

    def projections(self, directions: int, progress: bool | None) -> list[Block]:
        """Random directions in each input; where one is wrong, the element that is."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [Block(name, labels, [()] * directions) for name in self.subject.names]
        work = [(k, i) for k, leaf in enumerate(self.leaves) if leaf.size for i in range(directions)]
        for k, i in _with_bar(work, progress):
            line = self.cloud(k)
            column = self.judge(line)
            blocks[k].enter(i, column)
            for j in range(len(labels)):
                note = f"random direction {i + 1}"
                if column.verdict[j] == WRONG and not any("wrong at" in note for note in blocks[k].notes.values()):
                    note += f"; wrong at {self.subject.names[k]}{subscript(self.culprit(line, j))}"
                blocks[k].notes[j, i] = "; ".join(filter(None, [note, column.notes.get(j, "")]))
        for block, leaf in zip(blocks, self.leaves, strict=True):
            if not leaf.size:
                block.verdict[:] = RIGHT
        return blocks

    def culprit(self, line: Line, j: int) -> tuple[int, ...]:
        """An element of the leaf whose derivative is wrong, by halving the direction."""
        low, high = 0, line.direction.size
        while high - low > 1:
            middle = (low + high) // 2
            part = np.zeros_like(line.direction)
            part[low:middle] = line.direction[low:middle]
            low, high = (low, middle) if self.judge(Line(line.k, part, line.size)).verdict[j] == WRONG else (middle, high)
        return tuple(int(n) for n in np.unravel_index(low, self.leaves[line.k].shape))

    def taylor(self, directions: int) -> list[Block]:
        """The order at which the remainder of the linear approximation vanishes: 2 where the gradient is right."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [Block(name, labels, [()] * directions) for name in self.subject.names]
        for k, i in ((k, i) for k, leaf in enumerate(self.leaves) if leaf.size for i in range(directions)):
            line = self.cloud(k)
            column = self.judge(line)
            steps = [self.step / 4.0**level for level in range(LEVELS)]
            linear = self.exact[k] @ line.direction
            remainders = np.array([np.abs(self.at(line, h) - self.here - h * linear) for h in steps])
            noise = np.array(
                [64 * self.eps * (self.weight + h * np.abs(linear)) + h * self.jitter[k] @ np.abs(line.direction) for h in steps]
            )
            order = np.full(len(labels), 2.0)  # a linear function has no remainder
            for j in range(len(labels)):
                heard = remainders[:, j] > 100 * noise[:, j]
                ratios = np.log(remainders[:-1, j] / remainders[1:, j])[heard[:-1] & heard[1:]] / np.log(4.0)
                if len(ratios):
                    order[j] = ratios[-1]
            column.analytic, column.slope, column.error = np.full(len(labels), 2.0), order, np.full(len(labels), 0.1)
            column.notes = {j: f"the remainder shrinks like h^{order[j]:.2f}" for j in range(len(labels))}
            column.verdict[(order < 1.8) & (column.verdict == RIGHT)] = IMPRECISE
            blocks[k].enter(i, column)
        return blocks

    # ── verdicts ──────────────────────────────────────────────────────────────

    def judge(self, line: Line, *, ask_graph: bool = True) -> Column:
        """Decide on the derivatives of all outputs along one line."""
        column = Column(self, line)
        column.say(self.random, NONDETERMINISTIC, "two calls at the same point differ")
        last = self.look(column)
        if last is not None and (column.verdict == OPEN).any():
            jumps = self.jumps(line)
            for j in np.flatnonzero(column.verdict == OPEN).tolist():
                if not self.decide_one_sided(column, j, last, jumps[0][j], jumps[1][j]):
                    self.decide(column, j, last)
        if (column.verdict == WRONG).any():
            self.ask_again(column)
        if ask_graph and self.zeros:
            self.ask_kinks(column, last)
        if (column.verdict == WRONG).any():
            explained = SAFETY * self.roundings / (self.step * line.size)
            small = np.abs(column.exact - column.slope) <= explained
            column.say((column.verdict == WRONG) & small, IMPRECISE, "rounding inside the function explains the difference")
            if not self.connected[line.k]:
                column.say(column.verdict == WRONG, DISCONNECTED, "f depends on it, but no path of the graph leads to it")
        self.ask_own_dtype(column)
        return column

    def look(self, column: Column) -> Estimate | None:
        """Estimate at smaller and smaller steps until every output is settled; return the last estimate."""
        found = None
        sharp = max(1e-10, 10 * self.settled)
        for shrink in SCALES:
            if (column.verdict != OPEN).all():
                break
            step = self.step * column.line.size * shrink
            found = self.estimate(column.line, step)
            bent = np.abs(found.right - found.left) > SAFETY * found.gap_error + self.doubtful * found.typical
            smooth = found.finite & ~bent & (column.verdict == OPEN)
            better = smooth & (found.error < column.error)
            column.slope = np.where(better, found.slope, column.slope).astype(float)
            column.error = np.where(better, found.error, column.error).astype(float)
            column.typical = np.where(better, found.typical, column.typical).astype(float)
            column.step = np.where(better, step, column.step)
            gap = np.abs(column.exact - found.slope)
            agrees = better & (gap <= self.tolerance(column, found.slope, found.error))
            column.verdict[agrees & (found.error <= sharp * found.typical)] = RIGHT
            column.verdict[agrees & (column.exact == 0) & (found.scale == 0)] = RIGHT
            nothing = column.void | ((column.exact == 0) & (column.analytic == 0))
            column.verdict[agrees & nothing & (found.error <= self.doubtful * column.natural)] = RIGHT
            column.verdict[better & ~agrees & (found.error <= self.clash * found.typical)] = WRONG
        return found

    def tolerance(self, column: Column, slope: Array, error: Array) -> Array:
        """How far the analytic derivative may lie from the numerical one."""
        size = np.maximum(np.abs(column.exact), np.abs(slope))
        return np.asarray(SAFETY * error + 1e-12 * size + TINY + column.rounding + self.atol + self.rtol * np.abs(slope))

    def jumps(self, line: Line) -> tuple[Array, Array]:
        """Whether each output jumps to the left and to the right of the point: a step 2^-30 as long changes it as much."""
        found = []
        for side in (-1.0, 1.0):
            far, near = (np.abs(self.at(line, side * self.step * line.size * shrink) - self.here) for shrink in (SCALES[0], SCALES[-1]))
            found.append((near > 0.01 * far) & (near > 1e3 * self.eps * self.weight))
        return found[0], found[1]

    def decide_one_sided(self, column: Column, j: int, last: Estimate, falls: Any, rises: Any) -> bool:
        """The verdict on an output where the two sides differ at the smallest steps; False where they don't.

        falls, rises: whether the output jumps on the left and on the right.
        """
        here, exact, left, right = self.here[j], column.exact[j], last.left[j], last.right[j]
        if not np.isfinite(here):
            column.say_one(j, DOMAIN, np.nan, np.nan, f"the function is {here} here")
        elif not last.finite[j]:
            known, error, side = (right, last.right_error[j], "right") if np.isfinite(right) else (left, last.left_error[j], "left")
            note = f"defined only to the {side}" if np.isfinite(known) else "not finite on either side"
            settled = error <= self.doubtful * abs(known)
            column.say_one(j, DOMAIN, known if settled else np.nan, error if settled else np.nan, note)
        elif falls != rises:  # the other side has a derivative, and this one's is infinite
            held, error = (right, last.right_error[j]) if falls else (left, last.left_error[j])
            slack = SAFETY * error + column.rounding[j] + self.atol
            between = exact >= held - slack if last.slope[j] > 0 else exact <= held + slack
            column.say_one(j, KINK if between else WRONG, held, error, f"jumps on the {'left' if falls else 'right'}")
        elif abs(right - left) > SAFETY * last.gap_error[j] + self.doubtful * last.typical[j]:
            slack = SAFETY * last.gap_error[j] + 1e-9 * last.scale[j] + column.rounding[j] + self.atol
            between = min(left, right) - slack <= exact <= max(left, right) + slack
            note = f"{left:.6g} from the left, {right:.6g} from the right"
            column.say_one(j, KINK if between else WRONG, last.slope[j], last.error[j], note)
        else:
            return False
        return True

    def decide(self, column: Column, j: int, last: Estimate) -> None:
        """The verdict on a smooth output that no step settled to the wanted precision."""
        if not np.isfinite(column.slope[j]):
            column.slope[j], column.error[j], column.typical[j] = last.slope[j], last.error[j], last.typical[j]
        error, typical = column.error[j], column.typical[j]
        gap, tolerance = abs(column.exact[j] - column.slope[j]), self.tolerance(column, column.slope, column.error)[j]
        if gap <= tolerance:
            # Good enough: next to the derivative, to the largest by the same input, or to what the rule itself rounds off.
            decided = error <= max(self.doubtful * typical, 1e-9 * column.largest, column.jitter[j])
            verdict = RIGHT if decided else IMPRECISE
        else:
            # f may be all noise, or swing faster than any step can follow: sin(exp(200)).
            noisy = self.eps * self.weight[j] > 1e-6 * abs(self.here[j])
            swings = abs(column.exact[j]) * self.step * column.line.size * SCALES[-1] > abs(self.here[j])
            wild = error > 0.1 * typical and (noisy or swings)
            verdict = WRONG if gap > 4 * tolerance and not wild else IMPRECISE
        column.verdict[j] = verdict
        if verdict == IMPRECISE:
            column.notes[j] = "the function is too noisy here to decide"

    def ask_again(self, column: Column) -> None:
        """Only what other sequences of steps confirm is wrong.

        A step that is a multiple of f's period, or a staircase of even steps, can look like a straight line.
        A kink's one-sided derivatives come from the smallest steps, and need no confirmation.
        """
        wrong = (column.verdict == WRONG) & np.array([j not in column.notes for j in range(len(column.verdict))])
        steps = column.step[wrong & np.isfinite(column.step)]
        for factor in REPEATS if steps.size else ():
            found = self.estimate(column.line, float(np.min(steps)) * factor)
            gap = np.abs(column.exact - column.slope)
            near = np.minimum(gap, np.abs(found.slope) + np.abs(column.slope))
            other = wrong & (np.abs(found.slope - column.slope) > SAFETY * (found.error + column.error) + 0.1 * near)
            if not other.any():
                continue
            agrees = np.abs(column.exact - found.slope) <= self.tolerance(column, found.slope, found.error)
            agrees &= (found.error <= self.doubtful * found.typical) | ((found.scale == 0) & (column.exact == 0))
            column.say(other & ~agrees, IMPRECISE, "the numerical derivative depends on the step")
            column.verdict[other & agrees] = RIGHT
            column.slope = np.where(other & agrees, found.slope, column.slope).astype(float)
            column.error = np.where(other & agrees, found.error, column.error).astype(float)
            wrong &= ~other

    @cached_property
    def largest(self) -> list[float]:
        """The largest derivative by each leaf."""
        return [float(np.max(np.abs(rows), initial=0.0, where=np.isfinite(rows))) for rows in self.analytic]

    # ── asking the graph ──────────────────────────────────────────────────────

    @cached_property
    def zeros(self) -> list[KinkNode]:
        """The nodes with kinks, if any of them lies on one."""
        nodes = self.subject.kinks(self.subject.leaves)
        return nodes if any(node.near.any() for node in nodes) else []

    @cached_property
    def roundings(self) -> Array:
        """The rounding error of each output, to first order."""
        return self.subject.rounding(self.cotangents) * self.eps

    def ask_kinks(self, column: Column, last: Estimate | None) -> None:
        """Call kinks by their name, and find those that do not show in the numbers.

        A node that lies on its kink and leaves it when the input moves, makes the derivative a matter of
        convention, whatever cancels later.  The rule is then judged at both neighbours, where it is not.
        """
        line = column.line
        t = _power_of_two(self.step * line.size)
        native = [leaf.astype(own.dtype) for leaf, own in zip(self.moved(line, self.dtype.type(t)), self.subject.leaves, strict=True)]
        there = self.subject.kinks(native)
        if [node.name for node in there] != [node.name for node in self.zeros]:
            return  # the program itself takes another path there
        leaving = [
            (node, int(np.count_nonzero(left)))
            for node, after in zip(self.zeros, there, strict=True)
            if node.distance.shape == after.distance.shape and (left := node.near & (node.distance != after.distance)).any()
        ]
        if not leaving:
            return
        first = leaving[0][0]
        name = f"{first.name} lies on its kink, {first.where}"
        moves = last is None or last.scale != 0
        column.notes |= {j: f"{name}: {column.notes[j]}" for j in np.flatnonzero(column.verdict == KINK).tolist() if j in column.notes}
        column.say((column.verdict == RIGHT) & moves, KINK, name)
        doubted = (column.verdict == WRONG) | (column.verdict == IMPRECISE)
        if not doubted.any():
            return
        allowed, between = doubted.copy(), []
        for side in (-1.0, 1.0):
            leaves = [
                leaf.astype(own.dtype)
                for leaf, own in zip(self.moved(line, self.dtype.type(side * t / 1024)), self.subject.leaves, strict=True)
            ]
            run = Point(self.subject.at(leaves), self.rng, self.step / 4096, self.atol, self.rtol, self.cotangents)
            neighbour = run.judge(line, ask_graph=False)
            allowed &= neighbour.verdict == RIGHT
            between.append(neighbour.exact)
        if sum(count for _, count in leaving) == 1:  # nothing to cancel with: the value is one that this kink allows
            slack = 1e-2 * (np.abs(between[0]) + np.abs(between[1])) + column.rounding
            allowed &= (np.minimum(*between) - slack <= column.exact) & (column.exact <= np.maximum(*between) + slack)
        column.say(allowed, KINK, f"{name}; right on either side")

    def ask_own_dtype(self, column: Column) -> None:
        """A rule may be right as a formula and yet lose its digits, or overflow, in the dtype it is used in."""
        good = (column.verdict == RIGHT) | (column.verdict == KINK)
        column.say(good & ~np.isfinite(column.analytic), WRONG, "right in a wider dtype, not finite in this one")
        if self.wider:
            lost = column.jitter > 1e-3 * np.abs(column.exact) + 1e4 * self.own_eps * column.natural + TINY
            column.say(good & np.isfinite(column.analytic) & lost, IMPRECISE, "the formula is right, but loses its digits in this dtype")


# ── forward against reverse ───────────────────────────────────────────────────


def transpose(subject: Subject, rng: np.random.Generator, directions: int) -> list[Block]:
    """⟨u, Jv⟩ = ⟨Jᵀu, v⟩: whether each vjp is linear in its cotangent, as the transpose of a linear map is."""
    if not isinstance(subject, Ours):
        raise ValueError("check: mode='transpose' needs the engine's forward mode, so a function of Values")

    def flat(*leaves: Any) -> Any:
        outputs = [output for _, output in subject.call(leaves)]
        return outputs[0] if len(outputs) == 1 else np.concatenate([np.reshape(output, (-1,)) for output in outputs])

    leaves = [leaf if leaf.ndim else leaf[()] for leaf in subject.leaves]
    output, pull = calculus.vjp(flat, *leaves)
    blocks = []
    for k, (name, leaf) in enumerate(zip(subject.names, subject.leaves, strict=True)):
        block = Block(name, ["⟨u, Jv⟩"], [()] * directions)
        for i in range(directions):
            u = np.asarray(rng.standard_normal(np.shape(output)))
            tangents: list[Any] = [np.zeros_like(other)[()] for other in subject.leaves]
            tangents[k] = np.asarray(rng.standard_normal(leaf.shape))[()]
            pulled = pull(u if np.ndim(output) else float(u))
            back = np.asarray(pulled if len(leaves) == 1 else pulled[k])
            pushed = np.asarray(calculus.jvp(flat, leaves, tangents)[1])
            reverse, forward = np.sum(back * tangents[k]), np.sum(pushed * u)
            size = np.sum(np.abs(back * tangents[k])) + np.sum(np.abs(pushed * u))
            error = 64 * float(np.finfo(leaf.dtype).eps) * np.sqrt(leaf.size + u.size) * size
            block.analytic[0, i], block.numerical[0, i], block.error[0, i] = reverse, forward, error
            block.verdict[0, i] = RIGHT if abs(reverse - forward) <= error else WRONG
            block.notes[0, i] = "analytic: reverse mode, numerical: forward mode"
        blocks.append(block)
    return blocks


# ── helpers ─────────────────────────────────────────────────────────────────


def _same(one: Array, two: Array) -> Array:
    return np.asarray((one == two) | ((one != one) & (two != two)))


def _power_of_two(h: float) -> float:
    """A power of two nearby: adding it to a float64 is exact."""
    return float(2.0 ** np.round(np.log2(h))) if np.isfinite(h) else 1.0


def _with_bar(work: Sequence[Any], show: bool | None) -> Iterable[Any]:
    """The items of a list, with a progress bar on stderr once it takes over a second."""
    if not (sys.stderr.isatty() if show is None else show):
        yield from work
        return
    from rich.console import Console
    from rich.progress import Progress

    started, bar = time.monotonic(), Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("checking", total=len(work))
    try:
        for done, item in enumerate(work):
            if time.monotonic() - started > 1.0:
                bar.start()
                bar.update(task, completed=done)
            yield item
    finally:
        bar.stop()
