"""Can a network of single numbers learn to tell two moons apart?

The demo of micrograd: an MLP of 337 scalar weights, the hinge loss of a support vector machine, and gradient
descent.  In the first steps every number of every example is a node of the graph, as in micrograd.  After
that the network gets the examples as two columns, and computes the same numbers with fewer nodes (--scalar:
single numbers in all steps).  With --seed 1337 the data, weights and losses are those of micrograd.
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.datasets import make_moons

from demos._common import BLUE, GREEN, INK, ORANGE, RED
from engine import Value, no_grad
from engine.node import reachable
from nn import MLP


def add_arguments(parser) -> None:
    parser.add_argument("--scalar", action="store_true", help="single numbers in all steps, which is slower")


def forward(model: MLP, x: np.ndarray, y: np.ndarray, columns: bool) -> tuple[Value, np.ndarray]:
    """(mean of max(0, 1 - yᵢ · scoreᵢ) + 10⁻⁴ Σ w², the scores); x (n, 2), y (n,) of -1 and 1."""
    if columns:
        score = model(x.T)
        margin_loss, found = (1 - y * score).relu().mean(), score.data
    else:
        scores = [model(point) for point in x]
        margin_loss = sum((1 - yi * score).relu() for yi, score in zip(y, scores, strict=True)) * (1 / len(y))
        found = np.array([score.data for score in scores])
    return margin_loss + 1e-4 * sum(w * w for w in model.parameters()), found


def learn(model: MLP, x: np.ndarray, y: np.ndarray, step: int, columns: bool) -> tuple[float, float, float, Value]:
    """One step of gradient descent: (loss, accuracy, seconds, root of the graph)."""
    began = time.perf_counter()
    loss, scores = forward(model, x, y, columns)
    model.zero_grad()
    loss.backward()
    for w in model.parameters():
        w.data -= (1.0 - 0.9 * step / 100) * w.grad
    return loss.item(), float(np.mean((scores > 0) == (y > 0))), time.perf_counter() - began, loss


def draw_boundary(axes, model: MLP, x: np.ndarray, y: np.ndarray, title: str) -> None:
    """The sign of the score at every point of the plane; the dashed lines are where the hinge loss becomes 0."""
    (left, low), (right, high) = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    across, up = np.meshgrid(np.linspace(left, right, 200), np.linspace(low, high, 150))
    with no_grad():
        scores = model([across, up]).data
    axes.contourf(across, up, scores, levels=[-np.inf, -1, 0, 1, np.inf], colors=[f"{ORANGE}60", f"{ORANGE}28", f"{BLUE}28", f"{BLUE}60"])
    axes.contour(across, up, scores, levels=[-1, 0, 1], colors=INK, linewidths=[0.8, 2, 0.8], linestyles=["--", "-", "--"])
    for side, paint in ((-1, ORANGE), (1, BLUE)):
        axes.plot(*x[y == side].T, "o", ms=5, color=paint, mec="white", mew=0.6)
    axes.set(title=title, xticks=[], yticks=[])
    axes.grid(visible=False)


def draw_network(axes, model: MLP) -> None:
    """Each neuron as a dot and each weight as a line: green for positive weights, red for negative ones."""
    from matplotlib.collections import LineCollection

    sizes = [2, *(len(layer.neurons) for layer in model.layers)]
    heights = [np.linspace(1, -1, n + 2)[1:-1] if n < 8 else np.linspace(1, -1, n) for n in sizes]
    lines, weights = [], []
    for i, layer in enumerate(model.layers):
        for neuron, to in zip(layer.neurons, heights[i + 1], strict=True):
            lines += [[(i, origin), (i + 1, to)] for origin in heights[i]]
            weights += [w.data for w in neuron.w]
    size = np.minimum(np.abs(weights) / 2.0, 1.0)
    paints = [(GREEN if w > 0 else RED, alpha) for w, alpha in zip(weights, size, strict=True)]
    axes.add_collection(LineCollection(lines, colors=paints, linewidths=2.5 * size))
    for i, ys in enumerate(heights):
        axes.plot([i] * len(ys), ys, "o", ms=7, color=INK, mec="white", mew=0.6, zorder=3)
    axes.set(title=f"The {len(model.parameters())} weights at the end", xlim=(-0.3, len(sizes) - 0.7), yticks=[])
    axes.set_xticks(range(len(sizes)), ["input", *(f"{n} relu" for n in sizes[1:-1]), "score"])
    axes.grid(visible=False)


def run(demo) -> str:
    x, y = make_moons(n_samples=100, noise=0.1, random_state=demo.seed)
    y = 2.0 * y - 1.0
    model = MLP(2, [16, 16, 1])  # its weights come from Python's random, which is seeded by --seed
    figure, panels = demo.figure(2, 3, size=(11, 6.4))
    draw_boundary(panels[0, 0], model, x, y, "before the first step")

    steps, scalar_steps = demo.pick((100, 5), (50, 1))
    losses, rights, rows, ways = [], [], [], {}
    for step in range(steps):
        columns = step >= scalar_steps and not demo.scalar
        loss, right, seconds, root = learn(model, x, y, step, columns)
        losses.append(loss)
        rights.append(right)
        nodes, best = ways.get(columns) or (len(reachable([root])), seconds)
        ways[columns] = (nodes, min(best, seconds))
        del root  # this frees the graph
        if step in (0, 1, 2, 4, 9, 19, 49, 99):
            rows.append([step, loss, f"{right:.0%}", "columns" if columns else "single numbers", f"{nodes:,}"])
        if step == 19:
            draw_boundary(panels[0, 1], model, x, y, "after 20 steps")
    demo.table(["step", "loss", "right", "computed on", "nodes of the graph"], rows)
    draw_boundary(panels[0, 2], model, x, y, f"after {steps} steps")
    panels[1, 0].plot(losses, color=INK)
    panels[1, 0].set(yscale="log", xlabel="step", title="Loss")
    panels[1, 1].plot(rights, color=INK)
    panels[1, 1].set(xlabel="step", title="Fraction of the examples right")
    panels[1, 1].yaxis.set_major_formatter("{x:.0%}")
    draw_network(panels[1, 2], model)
    demo.save(figure)

    point = [Value(number, label=f"x{i + 1}", requires_grad=False) for i, number in enumerate(x[0])]
    picture = model.draw(point, collapse=True, rankdir="TB")
    for kind in ("png", "svg"):
        print("wrote", picture.render(outfile=demo.out / f"moons_graph.{kind}", cleanup=True))
    sure = next((step for step in range(steps) if min(rights[step:]) == 1.0), None)
    first = f"from step {sure} on, all 100" if sure is not None else f"at the end {rights[-1]:.0%}"
    told = [
        f"{nodes:,} nodes and {1000 * best:.0f} ms on {'columns' if kind else 'single numbers'}" for kind, (nodes, best) in ways.items()
    ]
    return (
        f"Yes: {first} points are on the right side; the loss went from {losses[0]:.3g} to {losses[-1]:.2g}.\n"
        f"A step took {', '.join(told)}."
    )
