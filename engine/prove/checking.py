"""Gradient testing: is this derivative right?

    def cube(x):
        return np.sum(x**3)

    check(cube, np.array([1.0, -2.0]))                            # the engine's gradient against a numerical one
    check(cube, np.array([1.0, -2.0]), grad=lambda x: 3 * x**2)   # a gradient written by hand
    gradcheck(cube, np.array([1.0, -2.0]))                        # True, or GradcheckError, as in PyTorch

The numerical derivative (`engine.prove.differences`) comes with an estimate of its error, so the tolerance is
not guessed: it follows from the estimate, for each element by itself.  The function is evaluated in the
machine's extended precision where it can be (the engine's rules run on any floating dtype), and so is the
derivative under test; this distinguishes a wrong formula from a rounded one.  If a step reaches a kink, a
pole or the end of the domain, smaller steps follow, each 1/64 of the one before, down to 1e-10 of the input.
A derivative that differs is compared again with other steps.  The recorded graph then shows whether one of its
nodes lies on a kink, and how large the rounding error of the function is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from . import sampling
from .derivatives import FIRST_STEP
from .precision import TINY, Point
from .results import KINK, VERDICTS, Block, Element
from .subjects import Subject, ValueFunction, gradient_of, subject

__all__ = ["VERDICTS", "Element", "GradcheckError", "Report", "check", "gradcheck"]

MANY_INPUTS = 1_000  # beyond, "auto" checks random projections


class GradcheckError(AssertionError):
    """A gradient that is not right; `report` tells where."""

    def __init__(self, report: Report):
        self.report = report


class Report:
    """What `check` found: true when every element is right or a kink.

    `elements` has an `Element` for each derivative, and `failures` those that are neither right nor a kink.
    `counts` gives their number by verdict, and `worst` the one to look at first.  `print` shows a table.

    A difference up to "± allowed" is explained by the estimated error of the numerical derivative, by rounding
    in the rule, and by atol and rtol.  The verdicts:

        right: analytic and numerical derivative agree within that.
        kink: the one-sided derivatives differ and the analytic one lies between them; or a node of the
            graph lies on its kink, and the rule is right on either side of it.
        wrong: they differ by more than the error explains.
        domain: the function is not finite here, or on one side of here.
        imprecise: the function, or the derivative in its own dtype, is too noisy here to decide.
        nondeterministic: two calls at the same point differ.
        disconnected: the result moves with the input, but no path of the graph leads from one to the other.
    """

    def __init__(self, name: str, mode: str, blocks: Sequence[Block]):
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
        """The derivatives that are neither right nor a kink."""
        return [element for block in self._blocks for element in block.elements(block.verdict > KINK)]

    @property
    def counts(self) -> dict[str, int]:
        """The number of derivatives with each verdict that occurs."""
        total = np.zeros(len(VERDICTS), int)
        for block in self._blocks:
            total += np.bincount(block.verdict.ravel(), minlength=len(VERDICTS))
        return {verdict: int(n) for verdict, n in zip(VERDICTS, total, strict=True) if n}

    @property
    def worst(self) -> Element | None:
        """The element with the largest relative difference, a wrong one before others."""
        return max(self.failures or self.elements, key=badness, default=None)

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

        def cell(k: int, text: str) -> str:
            look = f"color:{colours[text]};font-weight:bold" if k == 5 else f"text-align:{'right' if 1 <= k <= 4 else 'left'}"
            return f'<td style="padding:.1em .6em;font-family:monospace;{look}">{escape(text)}</td>'

        top = "".join(f'<th style="padding:.1em .6em">{escape(text)}</th>' for text in header)
        body = "".join(f"<tr>{''.join(cell(k, text) for k, text in enumerate(row))}</tr>" for row in rows)
        return (
            f"<p><b>{escape(self._headline())}</b></p><table><thead><tr>{top}</tr></thead>"
            f"<tbody>{body}</tbody></table><p>{escape(self._hidden(rows))}</p>"
        )

    def _headline(self) -> str:
        counted = ", ".join(f"{n:,} {verdict}" for verdict, n in self.counts.items()) or "nothing to check"
        proved = "; it shows that each vjp is linear, not that it is the derivative" if self.mode == "transpose" else ""
        return f"{'passed' if self else 'FAILED'}: {self.name}: {counted} (mode: {self.mode}{proved})"

    def _hidden(self, rows: Sequence[Any]) -> str:
        more = sum(self.counts.values()) - len(rows)
        return f"  ... and {more:,} more, see report.elements" if more else ""

    def _table(self, most: int = 20) -> Sequence[tuple[str, ...]]:
        """The header and at most `most` rows: the failures, worst first, or else the kinks, or else the first; all if they are few."""
        if sum(self.counts.values()) <= most:
            shown = self.elements
        elif self.failures:
            shown = sorted(self.failures, key=badness, reverse=True)[:most]
        else:
            kinks = [element for block in self._blocks for element in block.elements(block.verdict == KINK)]
            shown = (kinks or self.elements)[:most]
        return [("derivative", "analytic", "numerical", "difference", "± allowed", "verdict", "note")] + [
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
            with more outputs random combinations of them are.  Functions of PyTorch tensors or JAX arrays are
            differentiated by their own library.
        args: where to check.  Integer arguments and other objects are handed through.
        grad: the gradient to test in place of the engine's, f being plain NumPy: a function of the same
            arguments, or its result; for several arguments a tuple.  Where f has several outputs it is
            the Jacobian, of shape f(x).shape + x.shape.
        argnums: the arguments to differentiate by; all that hold floats by default.
        mode: "elements", each derivative by itself;
            "projections", the derivative along random directions, for large inputs;
            "auto", elements up to 1,000 inputs, else projections.  Every argument is tried by itself, and f runs each time:
            many numbers are checked faster as one array than as an argument each;
            "transpose", forward against reverse mode, ⟨u, Jv⟩ = ⟨Jᵀu, v⟩ for random u and v: since forward mode is the
            transpose of the transpose, this shows that each vjp is linear in its cotangent, not that it is the derivative;
            "taylor", whether f(x + hv) - f(x) - h⟨∇f, v⟩ shrinks like h²: 2 is its slope in a log-log plot.
        order: 2 also checks the derivatives of the gradient.
        eps: the first step, relative to the input, in place of 1/21.
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
        if not isinstance(under_test, ValueFunction):
            raise ValueError("check: order=2 differentiates the engine's gradient; elsewhere, check the gradient as a function of its own")
        subjects.append(gradient_of(under_test, rng))
    if mode == "auto":
        mode = "elements" if sum(leaf.size for leaf in under_test.leaves) <= MANY_INPUTS else "projections"
    blocks: list[Block] = []
    with np.errstate(all="ignore"):
        for each in subjects:
            if mode == "transpose":
                blocks += sampling.transpose(each, rng, directions)
                continue
            point = Point(each, rng, eps or FIRST_STEP, atol, rtol)
            if mode == "elements":
                blocks += sampling.elements(point, progress)
            elif mode == "projections":
                blocks += sampling.projections(point, directions, progress)
            elif mode == "taylor":
                blocks += sampling.taylor(point, directions)
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


def badness(element: Element) -> tuple[bool, float]:
    """What comes first in a report: wrong ones, and then the largest relative difference; one that is no number lies before any other."""
    gap = abs(element.analytic - element.numerical) / max(abs(element.analytic), abs(element.numerical), TINY)
    return element.verdict == "wrong", gap if gap == gap else math.inf
