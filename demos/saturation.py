"""Why does a saturated sigmoid or tanh stop learning, and a ReLU not?

Far from 0, sigmoid and tanh are flat: the output is almost constant, and the gradient is almost 0.  One neuron
f(w) has the target 0.5.  It starts far from it, at w = 5, and learns by gradient descent on its squared error.
"""

from __future__ import annotations

import numpy as np

import engine
from demos._common import colour, label_ends
from engine import Value, grad

NAMES = ("sigmoid", "tanh", "relu")
TARGET, RATE = 0.5, 0.25


def train(function, start: float, limit: int) -> list[float]:
    """The squared error before every step, until it is at most 1 % of the first one, or for `limit` steps."""
    w, errors = Value(start), []
    while len(errors) <= limit:
        error = (function(w) - TARGET) ** 2
        errors.append(error.item())
        if errors[-1] <= 0.01 * errors[0]:
            break
        w.grad = 0.0
        error.backward()
        w.data -= RATE * w.grad
    return errors


def run(demo) -> str:
    functions = {name: getattr(engine, name) for name in NAMES}
    places = [0.0, 1.0, 2.0, 4.0, 6.0, 10.0]
    print("the derivative, by which the backward pass multiplies the gradient:")
    demo.table(["x =", *(f"{x:g}" for x in places)], [[name, *map(grad(f), places)] for name, f in functions.items()])

    limit = demo.pick(20_000, 2_000)
    starts = [-1.0, 1.0, 2.0, 3.0, 5.0]
    runs = {(name, start): train(f, start, limit) for name, f in functions.items() for start in starts}

    def steps(name: str, start: float) -> str:
        count = len(runs[name, start]) - 1
        return f"{count:,}" if count < limit else f"> {limit:,}"

    print(f"steps until the error is 1 % of the first (learning rate {RATE:g}):")
    demo.table(["start at w =", *(f"{start:g}" for start in starts)], [[name, *(steps(name, s) for s in starts)] for name in NAMES])

    figure, (value, slope, learning) = demo.figure(1, 3, size=(13, 3.6))
    x = np.linspace(-8.0, 8.0, 400)  # an even number of points, so that the kink of relu at 0 is not one of them
    for name, function in functions.items():
        points = Value(x)
        out = function(points)
        out.sum().backward()
        value.plot(x, np.where(out.data <= 3.0, out.data, np.nan), color=colour(name), label=name)
        slope.plot(x, np.where(points.grad > 0.0, points.grad, np.nan), color=colour(name), label=f"{name}′")
        errors = np.array(runs[name, starts[-1]])
        learning.plot(np.arange(len(errors)), errors / errors[0], color=colour(name))
        learning.plot(len(errors) - 1, errors[-1] / errors[0], "o", color=colour(name))
        learning.annotate(name, (len(errors) - 1, 0.0), (5, 8), textcoords="offset points", color=colour(name))
    value.set(xlabel="x", title="Output", ylim=(-1.2, 3.2))
    slope.set(xlabel="x", title="Derivative: the part that passes back", yscale="log")
    learning.set(
        xlabel="step",
        xscale="symlog",
        ylim=(-0.05, 1.08),
        title=f"Error of one neuron, from w = {starts[-1]:g}",
        ylabel="error / first error",
    )
    label_ends(value)
    label_ends(slope)
    demo.save(figure)
    last = starts[-1]
    return (
        f"The gradient at x = {last:g} is multiplied by: "
        + ", ".join(f"{name} {grad(f)(last):.2g}" for name, f in functions.items())
        + ".\n"
        f"Steps from w = {last:g}: " + ", ".join(f"{name} {steps(name, last)}" for name in NAMES) + ".\n"
        f"ReLU has a slope only for x > 0; from w = -1 it needs {steps('relu', -1.0)} steps, because there it is flat."
    )
