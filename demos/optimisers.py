"""Which optimiser finds its way down a narrow valley, and by what path?

Three surfaces that are hard for plain gradient descent.  The curvature of the ravine is 40 times larger across
than along, so a learning rate that is safe across makes very small steps along.  The turned ravine is the same
valley, rotated by 30 degrees away from the axes.  Rosenbrock's banana is a bent valley.  Each optimiser gets
the learning rate of a grid that needs the fewest steps on a path inside the picture: the best choice for each.
"""

from __future__ import annotations

import numpy as np

from demos._common import BLUE, GREEN, INK, ORANGE, PURPLE, RED, TEAL
from engine import Value
from nn import optim

OPTIMISERS = {
    "SGD": (optim.SGD, {}, TEAL),
    "momentum 0.9": (optim.SGD, {"momentum": 0.9}, BLUE),
    "Nesterov 0.9": (optim.SGD, {"momentum": 0.9, "nesterov": True}, PURPLE),
    "Adagrad": (optim.Adagrad, {}, GREEN),
    "RMSprop": (optim.RMSprop, {"alpha": 0.9}, ORANGE),
    "Adam": (optim.Adam, {}, RED),
}
GOAL = 1e-4  # a path has arrived when the height of the surface is below this


def ravine(p):
    x, y = p
    return (x**2 + 40 * y**2) / 20


def turned(p):
    x, y = p
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    return ravine((cos * x + sin * y, cos * y - sin * x))


def banana(p):
    x, y = p
    return (1 - x) ** 2 / 4 + 5 * (y - x**2) ** 2


SURFACES = {  # where to start, where the minimum is, the window
    "ravine": (ravine, (-4.0, 1.0), (0.0, 0.0), (-4.8, 1.8, -2.3, 2.3)),
    "turned ravine": (turned, (-3.964, -1.134), (0.0, 0.0), (-4.8, 1.8, -3.0, 1.6)),
    "Rosenbrock's banana": (banana, (-1.3, 1.2), (1.0, 1.0), (-1.9, 1.9, -0.9, 2.3)),
}


def descend(surface, start, window, make, arguments, lr, steps):
    """The points that an optimiser visits until it arrives, leaves the window, or has made all steps."""
    p = Value(start)
    optimizer = make([p], lr=lr, **arguments)
    path = [p.data.copy()]
    left, right, bottom, top = window
    for _ in range(steps):
        optimizer.zero_grad()
        height = surface(p)
        if height < GOAL or not (left < path[-1][0] < right and bottom < path[-1][1] < top):
            break
        height.backward()
        optimizer.step()
        path.append(p.data.copy())
    return np.array(path)


def best(surface, start, window, make, arguments, rates, steps):
    """(lr, path) for the lr that needs the fewest steps; if no path arrives, for the lr with the lowest end."""
    paths = {lr: descend(surface, start, window, make, arguments, lr, steps) for lr in rates}
    return min(
        paths.items(), key=lambda item: (surface(item[1][-1]) >= GOAL, len(item[1]) * (surface(item[1][-1]) < GOAL), surface(item[1][-1]))
    )


def run(demo):
    steps, rates = demo.pick(1000, 80), 10 ** np.arange(-2.5, 0.6, demo.pick(0.25, 0.5))
    figure, panels = demo.figure(len(SURFACES), len(OPTIMISERS), size=(13.5, 6.6), sharex="row", sharey="row")
    needed = {}
    for row, (title, (surface, start, minimum, window)) in zip(panels, SURFACES.items(), strict=True):
        x, y = np.meshgrid(np.linspace(*window[:2], 120), np.linspace(*window[2:], 120))
        heights = np.log10(surface((x, y)) + 1e-3)
        for axes, (name, (make, arguments, colour)) in zip(row, OPTIMISERS.items(), strict=True):
            lr, path = best(surface, start, window, make, arguments, rates, steps)
            arrived = surface(path[-1]) < GOAL
            needed[title, name] = str(len(path) - 1) if arrived else f"> {steps}"
            axes.contour(x, y, heights, levels=10, colors=INK, linewidths=0.6, linestyles="solid", alpha=0.4)
            axes.plot(*path.T, ".-", color=colour, lw=1.2, ms=3.5)
            axes.plot(*minimum, "*", color=INK, ms=10)
            axes.set(xlim=window[:2], ylim=window[2:], xticks=[], yticks=[], xlabel=f"{needed[title, name]} steps, lr {lr:.2g}")
            axes.xaxis.label.set_color(colour)
        row[0].set_ylabel(title)
    for axes, name in zip(panels[0], OPTIMISERS, strict=True):
        axes.set_title(name)
    demo.table([f"steps to a height of {GOAL:g}", *SURFACES], ([name, *(needed[title, name] for title in SURFACES)] for name in OPTIMISERS))
    demo.save(figure)
    steps_of = {name: [needed[title, name] for title in SURFACES] for name in OPTIMISERS}
    turning = "; ".join(f"{name}: {row[0]} → {row[1]}" for name, row in steps_of.items())
    bending = "; ".join(f"{name}: {row[2]}" for name, row in steps_of.items())
    return (
        f"Steps down the ravine, straight → turned.  {turning}.\n"
        "The rotation changes nothing for SGD, with or without momentum; Adagrad and RMSprop, which scale each axis, need more steps.\n"
        f"Steps round the banana.  {bending}."
    )
