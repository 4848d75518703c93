"""Gradient testing: is this derivative right?

    def cube(x):
        return np.sum(x**3)

    check(cube, np.array([1.0, -2.0]))                            # the engine's gradient against a numerical one
    check(cube, np.array([1.0, -2.0]), grad=lambda x: 3 * x**2)   # a gradient written by hand
    gradcheck(cube, np.array([1.0, -2.0]))                        # True, or GradcheckError, as in PyTorch

The numerical derivative (`engine.differences`) comes with an estimate of its error, so the tolerance is
not guessed: it follows from the estimate, for each element by itself.  The function is evaluated in the
machine's extended precision where it can be (the engine's rules run on any floating dtype), and so is the
derivative under test, which separates a wrong formula from a rounded one.  Where a step meets a kink, a
pole or the end of the domain, it shrinks by powers of 64, down to 1e-10 of the input.  Where the numbers
say wrong, they are asked again with other steps; and the recorded graph is asked whether one of its
nodes lies on a kink, and how much its rounding explains.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from . import calculus
from .differences import LEVELS, Estimate, estimate
from .subjects import KinkNode, Ours, Subject, second, subject, subscript

__all__ = ["VERDICTS", "Element", "GradcheckError", "Report", "check", "gradcheck"]

VERDICTS = ("right", "kink", "wrong", "domain", "imprecise", "nondeterministic", "disconnected")
RIGHT, KINK, WRONG, DOMAIN, IMPRECISE, NONDETERMINISTIC, DISCONNECTED, OPEN = range(8)

Array = np.ndarray[Any, Any]

EXTENDED: Any = np.longdouble if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else np.float64
DOUBLE_EPS, TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
MANY_INPUTS = 1_000  # beyond, "auto" checks random projections
MANY_OUTPUTS = 1_000  # beyond, or above MANY_PAIRS, outputs are joined by random cotangents
MANY_PAIRS = 1_000_000
MANY_NUMBERS = 100_000  # beyond, extended precision would take minutes
COTANGENTS = 8
FIRST_STEP = 2.0**-4  # of the input
SCALES = tuple(2.0 ** (-6 * k) for k in range(6))  # where the first step does not settle it
SAFETY = 8.0  # tolerance per estimated error


# ── the public face ───────────────────────────────────────────────────────────


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


class GradcheckError(AssertionError):
    """A gradient that is not right; `report` tells where."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


class Report:
    """What `check` found: true when every element is right or a kink.

    `elements` has an `Element` for each derivative; `failures` those that are neither right nor kink;
    `counts` their number by verdict; `worst` the one to look at first.  `print` it for a table.

    The verdicts:
        right: analytic and numerical derivative agree within the error estimate.
        kink: the one-sided derivatives differ and the analytic one lies between them; or a node of the
            graph lies on its kink, and the rule is right on either side of it.
        wrong: they differ by more than the error explains.
        domain: the function is not finite here, or on one side of here.
        imprecise: the function, or the derivative in its own dtype, is too noisy here to decide.
        nondeterministic: two calls at the same point differ.
        disconnected: the result moves with the input, but no path of the graph leads from one to the other.
    """

    def __init__(self, name: str, mode: str, blocks: Sequence[_Block]):
        self.name = name
        self.mode = mode
        self._blocks = blocks

    def __bool__(self) -> bool:
        return not any((block.verdict > KINK).any() for block in self._blocks)

    @cached_property
    def elements(self) -> list[Element]:
        """Every derivative that was compared."""
        return [element for block in self._blocks for element in block.elements(np.ones(block.verdict.shape, bool))]

    @cached_property
    def failures(self) -> list[Element]:
        """Those that are neither right nor a kink."""
        return [element for block in self._blocks for element in block.elements(block.verdict > KINK)]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each verdict that occurs."""
        total = np.zeros(len(VERDICTS), int)
        for block in self._blocks:
            total += np.bincount(block.verdict.ravel(), minlength=len(VERDICTS))
        return {verdict: int(n) for verdict, n in zip(VERDICTS, total, strict=True) if n}

    @property
    def worst(self) -> Element | None:
        """The element with the largest relative difference, a wrong one before others."""
        return max(self.failures or self.elements, key=_badness, default=None)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        header, *rows = self._table()
        lines = [self._headline()]
        if rows:
            widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
            for row in (header, tuple("─" * width for width in widths), *rows):
                cells = (cell.rjust(w) if 1 <= k <= 4 else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True)))
                lines.append("  " + "  ".join(cells).rstrip())
        if hidden := self._hidden(rows):
            lines.append(hidden)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colours = dict(zip(VERDICTS, ("#2e7d32", "#b26a00", "#d32f2f", "#7b5fc0", "#7b5fc0", "#d32f2f", "#d32f2f"), strict=True))
        header, *rows = self._table()
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="color:{colours[cell]};font-weight:bold">{cell}</td>'
                if k == 5
                else f'<td style="text-align:{"right" if 1 <= k <= 4 else "left"};font-family:monospace">{escape(cell)}</td>'
                for k, cell in enumerate(row)
            )
            + "</tr>"
            for row in rows
        )
        return (
            f"<p><b>{escape(self._headline())}</b></p><table><thead><tr>{cells}</tr></thead>"
            f"<tbody>{body}</tbody></table><p>{escape(self._hidden(rows))}</p>"
        )

    def _headline(self) -> str:
        counted = ", ".join(f"{n:,} {verdict}" for verdict, n in self.counts.items()) or "nothing to check"
        return f"{'passed' if self else 'FAILED'}: {self.name}: {counted} (mode: {self.mode})"

    def _hidden(self, rows: Sequence[Any]) -> str:
        more = sum(self.counts.values()) - len(rows)
        return f"  ... and {more:,} more, see report.elements" if more else ""

    def _table(self, most: int = 20) -> Sequence[tuple[str, ...]]:
        """The header and the lines: all if they are few; else what failed, worst first, or else the kinks, or the first."""
        if sum(self.counts.values()) <= most:
            shown = self.elements
        elif self.failures:
            shown = sorted(self.failures, key=_badness, reverse=True)[:most]
        else:
            kinks = [element for block in self._blocks for element in block.elements(block.verdict == KINK)]
            shown = (kinks or self.elements)[:most]
        return [("derivative", "analytic", "numerical", "difference", "± error", "verdict", "note")] + [
            (
                e.name,
                f"{e.analytic:.12g}",
                f"{e.numerical:.12g}",
                f"{e.analytic - e.numerical:.1e}",
                f"{e.error:.0e}",
                e.verdict,
                e.note,
            )
            for e in shown
        ]


def check(
    f: Callable[..., Any],
    *args: Any,
    grad: Any = None,
    argnums: int | Sequence[int] | None = None,
    mode: str = "auto",
    order: int = 1,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    directions: int = 8,
    seed: int = 0,
    names: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Report:
    """Compare the derivatives of f at args with numerical ones.

    Args:
        f: a function of floats, arrays or Values, or of lists, tuples and dicts of them, with any number
            and shape of outputs.  With up to 1,000 outputs every pair of output and input is compared,
            with more random combinations of the outputs.  Functions of PyTorch tensors or JAX arrays are
            differentiated by their own library.
        args: where to check.  Integer arguments and other objects are handed through.
        grad: the gradient to test in place of the engine's, f being plain NumPy: a function of the same
            arguments, or its result; for several arguments a tuple.  Where f has several outputs it is
            the Jacobian, of shape f(x).shape + x.shape.
        argnums: the arguments to differentiate by; all that hold floats by default.
        mode: "elements", each derivative by itself;
            "projections", the derivative along random directions, for large inputs;
            "auto", elements up to 1,000 inputs, else projections;
            "transpose", forward against reverse mode, ⟨u, Jv⟩ = ⟨Jᵀu, v⟩ for random u and v;
            "taylor", whether f(x + hv) - f(x) - h⟨∇f, v⟩ shrinks like h²: 2 is its slope in a log-log plot.
        order: 2 also checks the derivatives of the gradient.
        eps: the first step, relative to the input, in place of 1/16.
        atol, rtol: a tolerance of atol + rtol · |numerical| on top of the estimated error.
        directions: how many random directions the last three modes try, in each input.
        seed: of the random directions and cotangents.
        names: of the arguments; f's parameter names and the Values' labels by default.
        progress: whether to show a progress bar; by default on a terminal, when it takes over a second.

    Raises:
        TypeError: nothing in args can be differentiated by.
        ValueError: the mode or the order is unknown, or grad's result does not fit the inputs.
        Whatever f raises at args.
    """
    if order not in (1, 2):
        raise ValueError(f"check: order is 1 or 2, not {order!r}")
    under_test = subject(f, args, grad, argnums, names)
    rng = np.random.default_rng(seed)
    subjects: list[Subject] = [under_test]
    if order == 2:
        if not isinstance(under_test, Ours):
            raise ValueError("check: order=2 differentiates the engine's gradient; elsewhere, check the gradient as a function of its own")
        subjects.append(second(under_test, rng))
    if mode == "auto":
        mode = "elements" if sum(leaf.size for leaf in under_test.leaves) <= MANY_INPUTS else "projections"
    blocks: list[_Block] = []
    with np.errstate(all="ignore"):
        for each in subjects:
            if mode == "transpose":
                blocks += _transpose(each, rng, directions)
                continue
            run = _Run(each, rng, eps or FIRST_STEP, atol, rtol)
            if mode == "elements":
                blocks += run.elements(progress)
            elif mode == "projections":
                blocks += run.projections(directions, progress)
            elif mode == "taylor":
                blocks += run.taylor(directions)
            else:
                raise ValueError(f"check: mode is 'auto', 'elements', 'projections', 'transpose' or 'taylor', not {mode!r}")
    return Report(getattr(f, "__name__", type(f).__name__), mode, blocks)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradient of func at the inputs is right, with PyTorch's signature: True, or GradcheckError.

    Args:
        func: the function.
        inputs: a tuple or list of its arguments, or the only one.
        eps, atol, rtol: as in `check`.  PyTorch's defaults let an error of 1e-3 pass; here the error
            estimate decides, and a tolerance that is given is added to it.
        raise_exception: False returns False instead of raising.
    """
    report = check(func, *(inputs if isinstance(inputs, (tuple, list)) else (inputs,)), eps=eps, atol=atol, rtol=rtol)
    if not report and raise_exception:
        raise GradcheckError(report)
    return bool(report)


def _badness(element: Element) -> float:
    gap = abs(element.analytic - element.numerical) / max(abs(element.analytic), abs(element.numerical), 1e-300)
    return (4.0 if element.verdict == "wrong" else 0.0) + (gap if gap == gap else 2.0)


class _Block:
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

    def enter(self, i: int, column: _Column) -> None:
        self.analytic[:, i], self.numerical[:, i] = column.analytic, column.slope
        self.error[:, i], self.verdict[:, i] = column.error, column.verdict
        self.notes |= {(j, i): note for j, note in column.notes.items()}


# ── one point ─────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Line:
    """A line through the point: leaf k moves along a direction, `size` being a large step on it."""

    k: int
    direction: Array
    size: float


class _Column:
    """The derivatives of all outputs along one line, and what is known about them so far."""

    def __init__(self, analytic: Array, exact: Array, rounding: Array):
        self.analytic = analytic
        self.exact = exact  # the same rule in a higher precision, where there is one
        self.rounding = rounding  # the part of a difference that the analytic derivative's own rounding explains
        self.verdict = np.full(len(analytic), OPEN, np.uint8)
        self.slope = np.full(len(analytic), np.nan)
        self.error = np.full(len(analytic), np.inf)
        self.typical = np.zeros(len(analytic))
        self.notes: dict[int, str] = {}

    def say(self, where: Array, verdict: int, note: str = "") -> None:
        self.verdict[where] = verdict
        for j in np.flatnonzero(where).tolist():
            self.notes[j] = note


class _Run:
    """A subject at one point: its outputs, its analytic derivatives, and the verdicts on them."""

    def __init__(self, subject: Subject, rng: np.random.Generator, step: float, atol: float, rtol: float, cotangents: Array | None = None):
        self.subject, self.rng, self.step, self.atol, self.rtol = subject, rng, step, atol, rtol
        leaves = subject.leaves
        inputs = sum(leaf.size for leaf in leaves)
        values = subject.evaluate(leaves)
        every = values.size <= MANY_OUTPUTS and values.size * inputs <= MANY_PAIRS
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
        # How far rounding reaches: two roundings of the same rule.
        self.jitter = [np.abs(one - two) for one, two in zip(self.analytic, self.exact, strict=True)]
        if not self.wider and not self.random.any():
            nudged, _ = self.subject.at([leaf * leaf.dtype.type(1 + 4 * np.finfo(leaf.dtype).eps) for leaf in leaves]).pull(self.cotangents)
            self.jitter = [np.abs(one - two) for one, two in zip(self.analytic, nudged, strict=True)]

    def join(self, values: Array) -> Array:
        """The outputs that are compared: each, or random combinations of them."""
        return self.cotangents @ values if self.joined else values

    def moved(self, line: _Line, t: Any) -> list[Array]:
        """The leaves at a distance along a line."""
        leaves = list(self.leaves)
        leaf = leaves[line.k]
        leaves[line.k] = (leaf.ravel() + line.direction * t).reshape(leaf.shape)
        return leaves

    def at(self, line: _Line, t: float) -> Array:
        """The outputs at a distance along a line; NaN where the function refuses."""
        try:
            return self.join(self.subject.evaluate(self.moved(line, self.dtype.type(t)))).astype(self.dtype)
        except (ArithmeticError, ValueError):
            return np.full_like(self.here, np.nan)

    def estimate(self, line: _Line, step: float) -> Estimate:
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
            return found._replace(slope=np.where(sure, slope, found.slope), error=np.where(sure, error, found.error))
        return found

    # ── the modes ─────────────────────────────────────────────────────────────

    def elements(self, progress: bool | None) -> list[_Block]:
        """Each element of each input."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [
            _Block(name, labels, list(np.ndindex(leaf.shape))) for name, leaf in zip(self.subject.names, self.subject.leaves, strict=True)
        ]
        work = [(k, i) for k, leaf in enumerate(self.leaves) for i in range(leaf.size)]
        for k, i in _with_bar(work, progress):
            blocks[k].enter(i, self.judge(self.axis(k, i)))
        return blocks

    def axis(self, k: int, i: int) -> _Line:
        """The line of one element; a zero is as large as its largest neighbour, or 1."""
        leaf = self.leaves[k].ravel()
        direction = np.zeros(leaf.size, self.dtype)
        direction[i] = 1
        return _Line(k, direction, _power_of_two(float(abs(leaf[i]) or np.max(np.abs(leaf)) or 1.0)))

    def cloud(self, k: int) -> _Line:
        """A random direction in leaf k, each element in proportion to itself."""
        size = np.abs(self.leaves[k]).ravel()
        size = np.where(size == 0, np.max(size, initial=0.0) or 1.0, size)
        return _Line(k, (2.0 ** np.round(np.log2(size)) * self.rng.choice([-1.0, 1.0], size.size)).astype(self.dtype), 1.0)

    def projections(self, directions: int, progress: bool | None) -> list[_Block]:
        """Random directions in each input; where one is wrong, the element that is."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [_Block(name, labels, [()] * directions) for name in self.subject.names]
        work = [(k, i) for k, leaf in enumerate(self.leaves) if leaf.size for i in range(directions)]
        for k, i in _with_bar(work, progress):
            line = self.cloud(k)
            column = self.judge(line)
            blocks[k].enter(i, column)
            for j in range(len(labels)):
                note = f"random direction {i + 1}"
                if column.verdict[j] == WRONG and not any("at" in note for note in blocks[k].notes.values()):
                    note += f"; wrong at {self.subject.names[k]}{subscript(self.culprit(line, j))}"
                blocks[k].notes[j, i] = "; ".join(filter(None, [note, column.notes.get(j, "")]))
        for block, leaf in zip(blocks, self.leaves, strict=True):
            if not leaf.size:
                block.verdict[:] = RIGHT
        return blocks

    def culprit(self, line: _Line, j: int) -> tuple[int, ...]:
        """An element of the leaf whose derivative is wrong, by halving the direction."""
        low, high = 0, line.direction.size
        while high - low > 1:
            middle = (low + high) // 2
            part = np.zeros_like(line.direction)
            part[low:middle] = line.direction[low:middle]
            low, high = (low, middle) if self.judge(_Line(line.k, part, line.size)).verdict[j] == WRONG else (middle, high)
        return tuple(int(n) for n in np.unravel_index(low, self.leaves[line.k].shape))

    def taylor(self, directions: int) -> list[_Block]:
        """The order at which the remainder of the linear approximation vanishes: 2 where the gradient is right."""
        labels = [f"u{k + 1}" for k in range(len(self.cotangents))] if self.joined else self.subject.labels()
        blocks = [_Block(name, labels, [()] * directions) for name in self.subject.names]
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
            shrinks = order > 1.8
            column.verdict[shrinks & (column.verdict == WRONG) & (self.rtol + self.atol > 0)] = RIGHT
            column.verdict[~shrinks & (column.verdict == RIGHT)] = IMPRECISE
            blocks[k].enter(i, column)
        return blocks

    # ── verdicts ──────────────────────────────────────────────────────────────

    def judge(self, line: _Line, *, ask_graph: bool = True) -> _Column:
        """Decide on the derivatives of all outputs along one line."""
        k, direction = line.k, line.direction
        natural = np.abs(self.here) / line.size  # the change of f per step if it changed by its own size
        analytic, exact = self.analytic[k] @ direction, self.exact[k] @ direction
        exact = np.where(np.abs(exact) < TINY, 0.0, exact)  # what a float64 cannot hold is 0 to it
        jitter = self.jitter[k] @ np.abs(direction)
        own = float(np.finfo(self.analytic[k].dtype).eps) if self.analytic[k].dtype.kind == "f" else DOUBLE_EPS
        rounding = np.zeros(len(analytic)) if self.wider else (64 * own * (np.abs(analytic) + natural) + SAFETY * jitter).astype(float)
        column = _Column(analytic.astype(float), exact, rounding)
        column.say(self.random, NONDETERMINISTIC, "two calls at the same point differ")
        # Derivatives that are nothing but rounding: 0 in one precision, 1e-20 in the other.
        nothing = ((jitter >= 1e-3 * np.abs(exact)) & (np.abs(analytic) + np.abs(exact) <= 1e3 * own * natural)) | (
            (exact == 0) & (analytic == 0)
        )

        last = self.look(line, column, natural, nothing)
        if last is not None:
            jumps = self.jumps(line) if (column.verdict == OPEN).any() else None
            for j in np.flatnonzero(column.verdict == OPEN).tolist():
                self.decide(column, j, last, jumps[0][j], jumps[1][j])
        wrong = column.verdict == WRONG
        if wrong.any():
            self.ask_again(line, column)
        if ask_graph and self.zeros and (column.verdict != DOMAIN).any():
            self.ask_kinks(line, column, last)
        wrong = column.verdict == WRONG
        if wrong.any():
            explained = SAFETY * self.roundings / (self.step * line.size)
            column.say(wrong & (np.abs(column.exact - column.slope) <= explained), IMPRECISE, "its rounding is larger than the difference")
            if not self.connected[k]:
                column.say(column.verdict == WRONG, DISCONNECTED, "f depends on it, but no path of the graph leads to it")
        self.judge_rounding(column, natural, own, jitter)
        return column

    def look(self, line: _Line, column: _Column, natural: Array, nothing: Array) -> Estimate | None:
        """Estimate at smaller and smaller steps until every output is settled; return the last estimate."""
        found = None
        sharp = max(1e-10, 10 * self.settled)
        for shrink in SCALES:
            if (column.verdict != OPEN).all():
                break
            found = self.estimate(line, self.step * line.size * shrink)
            bent = np.abs(found.right - found.left) > SAFETY * found.gap_error + self.doubtful * found.typical
            smooth = found.finite & ~bent & (column.verdict == OPEN)
            better = smooth & (found.error < column.error)
            column.slope = np.where(better, found.slope, column.slope).astype(float)
            column.error = np.where(better, found.error, column.error).astype(float)
            column.typical = np.where(better, found.typical, column.typical).astype(float)
            gap = np.abs(column.exact - found.slope)
            agrees = better & (gap <= self.tolerance(column, found.slope, found.error))
            column.verdict[agrees & (found.error <= sharp * found.typical)] = RIGHT
            column.verdict[agrees & (found.scale == 0) & (column.exact == 0)] = RIGHT
            column.verdict[agrees & nothing & (found.error <= self.doubtful * natural)] = RIGHT
            column.verdict[better & ~agrees & (found.error <= self.clash * found.typical)] = WRONG
        return found

    def tolerance(self, column: _Column, slope: Array, error: Array) -> Array:
        """How far the analytic derivative may lie from the numerical one."""
        size = np.maximum(np.abs(column.exact), np.abs(slope))
        return np.asarray(SAFETY * error + 1e-12 * size + TINY + column.rounding + self.atol + self.rtol * np.abs(slope))

    def jumps(self, line: _Line) -> tuple[Array, Array]:
        """Whether each output jumps to the left and to the right of the point: a step 2^-30 as long changes it as much."""
        found = []
        for side in (-1.0, 1.0):
            far, near = (np.abs(self.at(line, side * self.step * line.size * shrink) - self.here) for shrink in (SCALES[0], SCALES[-1]))
            found.append((near > 0.01 * far) & (near > 1e3 * self.eps * self.weight))
        return found[0], found[1]

    def decide(self, column: _Column, j: int, last: Estimate, falls: Any, rises: Any) -> None:
        """The verdict on an output that no step settled; `last` is from the smallest steps.

        falls, rises: whether the output jumps on the left and on the right.
        """
        here, exact = self.here[j], column.exact[j]
        left, right, scale = last.left[j], last.right[j], last.scale[j]
        if not np.isfinite(here):
            column.verdict[j], column.notes[j] = DOMAIN, f"the function is {here} here"
            return
        if not last.finite[j]:
            known, error, side = (right, last.right_error[j], "right") if np.isfinite(right) else (left, last.left_error[j], "left")
            steep = not error <= self.doubtful * abs(known)
            column.verdict[j], column.slope[j], column.error[j] = DOMAIN, np.nan if steep else known, np.nan if steep else error
            column.notes[j] = f"defined only to the {side}" if np.isfinite(known) else "not finite on either side"
            return
        if falls != rises:
            held, error = (right, last.right_error[j]) if falls else (left, last.left_error[j])
            slack = SAFETY * error + column.rounding[j] + self.atol
            allowed = (held - slack <= exact) if (last.slope[j] > 0) else (exact <= held + slack)
            column.verdict[j], column.slope[j], column.error[j] = KINK if allowed else WRONG, held, error
            column.notes[j] = f"jumps on the {'left' if falls else 'right'}"
            return
        if abs(right - left) > SAFETY * last.gap_error[j] + self.doubtful * last.typical[j]:
            slack = SAFETY * last.gap_error[j] + 1e-9 * scale + column.rounding[j] + self.atol
            column.verdict[j] = KINK if min(left, right) - slack <= exact <= max(left, right) + slack else WRONG
            column.notes[j] = f"{left:.6g} from the left, {right:.6g} from the right"
            column.slope[j], column.error[j] = last.slope[j], last.error[j]
            return
        if not np.isfinite(column.slope[j]):
            column.slope[j], column.error[j], column.typical[j] = last.slope[j], last.error[j], last.typical[j]
        gap, error = abs(exact - column.slope[j]), column.error[j]
        if gap <= self.tolerance(column, column.slope, column.error)[j]:
            column.verdict[j] = RIGHT if error <= self.doubtful * column.typical[j] else IMPRECISE
        else:
            column.verdict[j] = WRONG if gap > 4 * self.tolerance(column, column.slope, column.error)[j] else IMPRECISE
        if column.verdict[j] == IMPRECISE:
            column.notes[j] = "the function is too noisy here to decide"

    def ask_again(self, line: _Line, column: _Column) -> None:
        """Only what two other sequences of steps confirm is wrong; a kink's one-sided derivatives need no confirmation."""
        wrong = (column.verdict == WRONG) & np.array([j not in column.notes for j in range(len(column.verdict))])
        for factor in (0.75, 0.34375):
            found = self.estimate(line, self.step * line.size * factor)
            gap = np.abs(column.exact - found.slope)
            smooth = found.error <= self.doubtful * found.typical
            agrees = smooth & (gap <= self.tolerance(column, found.slope, found.error)) & (found.error <= column.error)
            column.verdict[wrong & agrees] = RIGHT
            spread = np.abs(found.slope - column.slope)
            column.say(
                wrong & ~agrees & smooth & (spread > 0.25 * np.abs(column.exact - column.slope)),
                IMPRECISE,
                "the numerical derivative depends on the step",
            )

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

    def ask_kinks(self, line: _Line, column: _Column, last: Estimate | None) -> None:
        """Call kinks by their name, and find those that do not show in the numbers.

        A node that lies on its kink and leaves it when the input moves, makes the derivative a matter of
        convention, whatever cancels later.  The rule is then judged at both neighbours, where it is not.
        """
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
            run = _Run(self.subject.at(leaves), self.rng, self.step / 4096, self.atol, self.rtol, self.cotangents)
            neighbour = run.judge(line, ask_graph=False)
            allowed &= neighbour.verdict == RIGHT
            between.append(neighbour.exact)
        if sum(count for _, count in leaving) == 1:  # nothing to cancel with: the value is one that this kink allows
            slack = 1e-2 * (np.abs(between[0]) + np.abs(between[1])) + column.rounding
            allowed &= (np.minimum(*between) - slack <= column.exact) & (column.exact <= np.maximum(*between) + slack)
        column.say(allowed, KINK, f"{name}; right on either side")

    def judge_rounding(self, column: _Column, natural: Array, own: float, jitter: Array) -> None:
        """A rule may be right as a formula and yet lose its digits, or overflow, in the dtype it is used in."""
        good = (column.verdict == RIGHT) | (column.verdict == KINK)
        column.say(good & ~np.isfinite(column.analytic), WRONG, "right in a wider dtype, not finite in this one")
        if self.wider:
            lost = jitter > 1e-3 * np.abs(column.exact) + 1e4 * own * natural + TINY
            column.say(good & np.isfinite(column.analytic) & lost, IMPRECISE, "the formula is right, but loses its digits in this dtype")


# ── forward against reverse ───────────────────────────────────────────────────


def _transpose(subject: Subject, rng: np.random.Generator, directions: int) -> list[_Block]:
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
        block = _Block(name, ["⟨u, Jv⟩"], [()] * directions)
        for i in range(directions):
            u = rng.standard_normal(np.shape(output))
            tangents: list[Any] = [np.zeros_like(other)[()] for other in subject.leaves]
            tangents[k] = rng.standard_normal(leaf.shape)[()] if leaf.ndim else float(rng.standard_normal())
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


# ── helpers ───────────────────────────────────────────────────────────────────


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
