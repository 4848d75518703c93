"""Which optimiser finds its way down a narrow valley, and by what path?

Two surfaces that are hard for plain gradient descent.  The ravine is 40 times steeper across than along:
a rate that is safe across hardly moves along.  Rosenbrock's banana adds a bend.  Each optimiser gets the
learning rate, of a grid, with which it arrives soonest, so that none looks bad by a bad choice.
"""

from __future__ import annotations

import numpy as np

from demos._common import BLUE, GREEN, INK, ORANGE, PURPLE, RED
from engine import Value
from nn import optim

OPTIMISERS = {
    "SGD": (optim.SGD, {}, INK),
    "SGD, momentum 0.9": (optim.SGD, {"momentum": 0.9}, BLUE),
    "SGD, Nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}, PURPLE),
    "Adagrad": (optim.Adagrad, {}, GREEN),
    "RMSprop": (optim.RMSprop, {}, ORANGE),
    "Adam": (optim.Adam, {}, RED),
}


def ravine(p):
    x, y = p
    return (x**2 + 40 * y**2) / 20


def banana(p):
    x, y = p
    return (1 - x) ** 2 / 4 + 5 * (y - x**2) ** 2


SURFACES = {  # the start, the minimum, the window
    "ravine": (ravine, (-4.0, 1.0), (0.0, 0.0), (-4.6, 1.6, -1.6, 1.6)),
    "Rosenbrock's banana": (banana, (-1.3, 1.2), (1.0, 1.0), (-1.9, 1.9, -0.9, 2.3)),
}


def descend(surface, start, make, arguments, lr, steps):
    """The points that an optimiser visits, up to where the surface is below 1e-4 or the path is lost."""
    p = Value(start)
    optimizer = make([p], lr=lr, **arguments)
    path = [p.data.copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        height = surface(p)
        if height < 1e-4 or not height < 1e3:
            break
        height.backward()
        optimizer.step()
        path.append(p.data.copy())
    return np.array(path)


def best(surface, start, make, arguments, rates, steps):
    """The shortest path over the rates: (rate, path); the one that ends lowest where none arrives."""

    def rank(path):
        height = surface(path[-1])
        return (len(path), height) if height < 1e-4 else (steps + 1, height if np.isfinite(height) else np.inf)

    paths = {rate: descend(surface, start, make, arguments, rate, steps) for rate in rates}
    rate = min(paths, key=lambda rate: rank(paths[rate]))
    return rate, paths[rate]


def run(demo):
    steps, rates = demo.pick(1000, 150), 10 ** np.arange(-2.5, 0.6, demo.pick(0.125, 0.5))
    figure, panels = demo.figure(1, 2, size=(11, 4.6))
    needed: dict[str, dict[str, str]] = {name: {} for name in OPTIMISERS}
    for axes, (title, (surface, start, minimum, window)) in zip(panels, SURFACES.items(), strict=True):
        x, y = np.meshgrid(np.linspace(*window[:2], 200), np.linspace(*window[2:], 200))
        axes.contour(x, y, np.log10(surface((x, y)) + 1e-3), levels=14, colors=INK, linewidths=0.6, alpha=0.45)
        for name, (make, arguments, colour) in OPTIMISERS.items():
            rate, path = best(surface, start, make, arguments, rates, steps)
            arrived = surface(path[-1]) < 1e-4
            needed[name][title] = f"{len(path) - 1} (lr {rate:.2g})" if arrived else f"not in {steps} (lr {rate:.2g})"
            axes.plot(*path.T, ".-", color=colour, lw=1.3, ms=3, alpha=0.9, label=name)
        axes.plot(*minimum, "*", color=INK, ms=13)
        axes.set(title=title, xlim=window[:2], ylim=window[2:], xlabel="x", ylabel="y")
        axes.grid(False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(OPTIMISERS))
    demo.table(["steps to a height of 1e-4", *SURFACES], ([name, *row.values()] for name, row in needed.items()))
    demo.save(figure)
    plain, ball, adam = (needed[name] for name in ("SGD", "SGD, momentum 0.9", "Adam"))
    return "\n".join(
        f"On the {title}: plain SGD {plain[title]}, with momentum {ball[title]}, Adam {adam[title]} steps." for title in SURFACES
    )
