"""What does each activation function do to a number, and what does its derivative let through?

Draws functions of the engine, or expressions in x, each with its derivative (dashed).  At a kink the two
one-sided derivatives differ, and the derivative there is a convention.  For a kink at 0, the filled dot
shows the derivative of the engine's rule, and the open dots show the two one-sided derivatives.

    python -m demos activations --functions relu,sigmoid,tanh
    python -m demos activations --functions "x * sigmoid(1.702 * x)" gelu --range -3 3
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from demos._common import INK, colour, label_ends
from engine import Value
from engine.command.expression import ExpressionError, parse

NINE = "relu,leaky_relu,hardtanh,sigmoid,tanh,softplus,elu,gelu,silu"


class AtZero(NamedTuple):
    """The derivative at 0 by the rule, and at ±1e-9."""

    left: float
    rule: float
    right: float

    @property
    def kink(self) -> bool:
        return abs(self.left - self.right) > 1e-5 * (1.0 + abs(self.rule))


def sample(function: Callable, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The function's values and its derivatives at the points x, (n,) each: one pass for all points."""
    points = Value(x)
    out = function(points)
    with np.errstate(all="ignore"):
        out.backward(np.ones(out.shape))
    return out.data, np.where(np.isnan(out.data), np.nan, points.grad)  # NaN: not drawn outside the domain


def at_zero(function: Callable) -> AtZero:
    """The derivatives at 0 and on both sides, which differ at a kink."""
    return AtZero(*(float(slope) for slope in sample(function, np.array([-1e-9, 0.0, 1e-9]))[1]))


def read(items: list[str]) -> dict[str, Callable]:
    """The functions by name; an item is a list of names such as relu,tanh, or an expression in x."""
    functions = {}
    for item in items:
        names = item.split(",")
        for text in names if all(name.strip().isidentifier() for name in names) else [item]:
            text = text.strip()
            try:
                expression = parse(f"{text}(x)" if text.isidentifier() and text != "x" else text)
                function = functions[text] = lambda x, expression=expression: expression.evaluate({"x": x})
                together, *alone = (np.asarray(function(x)) for x in (np.array([0.5, 2.0]), 0.5, 2.0))
            except ExpressionError as error:
                raise SystemExit(f"{text}: {error}") from None
            if together.shape != (2,) or not np.allclose(together, alone, equal_nan=True):
                raise SystemExit(f"{text}: to draw a curve, the function must give one number for each x")
    return functions


def draw(axes, name: str, function: Callable, low: float, high: float) -> None:
    """One panel: the function, its derivative (dashed, and interrupted where it jumps), and the rule at 0."""
    x = np.linspace(low, high, 1000)  # an even number of points, so that 0 is not one of them
    y, slope = (np.where(np.isfinite(numbers), numbers, np.nan) for numbers in sample(function, x))
    if np.isnan(slope).all():
        raise SystemExit(f"{name} has no values between {low:g} and {high:g}")
    jumps = np.flatnonzero(np.abs(np.diff(slope)) > 0.3 * (np.nanmax(slope) - np.nanmin(slope))) + 1
    both = np.concatenate([y, slope])
    bottom, top = np.nanpercentile(both, [3, 97])
    margin = top - bottom + 0.5  # a line ends beyond it, so that a pole does not flatten the rest of the picture
    y, slope = (np.where((bottom - margin <= line) & (line <= top + margin), line, np.nan) for line in (y, slope))
    paint, short = colour(name), name if name.isidentifier() else "f"
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.axvline(0.0, color=INK, lw=0.8)
    axes.plot(x, y, color=paint, lw=2.4, label=short)
    axes.plot(np.insert(x, jumps, np.nan), np.insert(slope, jumps, np.nan), color=paint, lw=1.5, ls=(0, (4, 2)), label=f"{short}′")
    zero = at_zero(function)
    if zero.kink:
        axes.plot([0, 0], [zero.left, zero.right], "o", mfc="none", mec=paint, ms=7)
    axes.plot(0, zero.rule, "o", color=paint, ms=7)
    axes.set(xlabel="x", xlim=(low, high))
    title = f"{short}′(0) = {zero.rule:.3g}" + " by convention" * zero.kink
    axes.set_title(title if short == name else f"f(x) = {name}\n{title}", color=paint)
    label_ends(axes)


def add_arguments(parser) -> None:
    parser.add_argument("--functions", nargs="+", metavar="F", help=f"names, or expressions in x (default {NINE})")
    parser.add_argument("--range", nargs=2, type=float, default=(-4.0, 4.0), metavar=("LOW", "HIGH"), help="the x to draw (default -4 4)")


def run(demo) -> str:
    functions = read(demo.functions or [demo.pick(NINE, "relu,sigmoid,tanh")])
    low, high = demo.range
    if not low < high:
        raise SystemExit(f"--range needs LOW < HIGH, not {low:g} {high:g}")

    points = np.linspace(low, high, 9)
    rows = []
    for name, function in functions.items():
        y, slope = sample(function, points)
        rows += [[name, *(f"{value:.3g}" for value in y)], [f"{name}′", *(f"{value:.3g}" for value in slope)]]
    demo.table(["x =", *(f"{x:.4g}" for x in points)], rows)
    zeros = {name: at_zero(function) for name, function in functions.items()}
    marks = [[name, *zero, "a convention" if zero.kink else ""] for name, zero in zeros.items()]
    demo.table(["derivative at 0", "from the left", "by the rule", "from the right", ""], marks)

    columns = min(3, len(functions))
    lines = -(-len(functions) // columns)
    figure, axes = demo.figure(lines, columns, size=(3.8 * columns, 2.9 * lines), squeeze=False)
    for panel in axes.flat[len(functions) :]:
        panel.remove()
    for panel, (name, function) in zip(axes.flat, functions.items(), strict=False):
        draw(panel, name, function, low, high)
    demo.save(figure)

    through = ", ".join(f"{name} {sample(function, np.array([high]))[1][0]:.2g}" for name, function in functions.items())
    kinks = ", ".join(f"{name} {zero.rule:.2g}" for name, zero in zeros.items() if zero.kink)
    return f"At x = {high:g}, a gradient is multiplied by: {through}.\nThe derivative at a kink at 0, by the rule: {kinks or 'none'}."
