"""Which initialisation keeps a deep network alive: Xavier's, He's, or just small numbers?

A layer with n inputs multiplies the variance of its inputs by n · Var(w).  Xavier's Var(w) = 1/n keeps the
variance.  ReLU then halves the mean square, so He takes Var(w) = 2/n.  One layer shows little difference; in a
deep network the factors multiply, forward in the activations and backward in the gradients.
"""

from __future__ import annotations

import numpy as np

import nn
from demos._common import BLUE, INK, ORANGE, digits, label_ends
from nn import optim

WIDTH = 64
INITIALISATIONS = {
    "Xavier": (lambda w: nn.init.xavier_normal_(w), BLUE),
    "He": (lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"), ORANGE),
    "N(0, 0.01²)": (lambda w: nn.init.normal_(w, 0.0, 0.01), INK),
}
ACTIVATIONS = {"ReLU": nn.ReLU, "tanh": nn.Tanh}


def network(depth, activation, initialise):
    """`depth` layers of equal width and a last linear layer; initialised weights, and biases 0."""
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(WIDTH, WIDTH), activation()]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    for name, parameter in model.named_parameters():
        initialise(parameter) if name.endswith("weight") else nn.init.zeros_(parameter)
    return model


def spread(model, x, y):
    """The root mean square of the output of each activation layer, and of the gradient with respect to it."""
    with nn.watch(model) as seen:
        nn.cross_entropy(model(x), y).backward()
    rows = [row for row in seen.layers if row.kind != "Linear"]
    return [np.hypot(row.mean, row.std) for row in rows], [np.hypot(row.grad_mean, row.grad_std) for row in rows]


def losses(model, x, y, steps, rng):
    """The loss at every step of training with SGD."""
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    path = []
    for _ in range(steps):
        rows = rng.integers(len(x), size=128)
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(x[rows]), y[rows])
        loss.backward(retain_graph=False)
        optimizer.step()
        path.append(loss.item())
    return np.array(path)


def run(demo):
    depth, steps = demo.pick(20, 10), demo.pick(300, 20)
    x, y, _, _ = digits(demo.seed)
    figure, panels = demo.figure(2, 3, size=(13, 6.6))
    table = []
    for row, (title, activation) in zip(panels, ACTIVATIONS.items(), strict=True):
        for name, (initialise, colour) in INITIALISATIONS.items():
            nn.manual_seed(demo.seed)
            model = network(depth, activation, initialise)
            outputs, gradients = spread(model, x[:256], y[:256])
            path = losses(model, x, y, steps, np.random.default_rng(demo.seed))
            smooth = np.convolve(path, np.ones(10) / 10, "valid")
            table.append((title, name, outputs[0], outputs[-1], gradients[0], gradients[-1], path[-10:].mean()))
            for axes, line in zip(row, (outputs, gradients, smooth), strict=True):
                axes.plot(range(1, len(line) + 1), line, color=colour, label=name)
        for axes, what in zip(row, ("activations", "gradients"), strict=False):
            axes.set(yscale="log", ylabel=f"{what}, root mean square", xlabel="layer")
        row[0].set_title(f"{title}: forward")
        row[1].set_title(f"{title}: backward")
        row[2].set(title=f"{title}: training", xlabel="step", ylabel="cross-entropy", ylim=(0, 3.2))
        for axes in row:
            axes.set_xlim(1, axes.dataLim.x1)
            label_ends(axes)
    demo.table(("", "weights", "first out", "last out", "first grad", "last grad", f"loss, step {steps}"), table)
    demo.save(figure)
    last = {(title, name): rest for title, name, *rest in table}
    he, xavier, he_tanh, xavier_tanh = (last[title, name] for title in ACTIVATIONS for name in ("He", "Xavier"))
    return (
        f"Through {depth} layers of ReLU, activations keep {he[1] / he[0]:.2g} of their size under He and "
        f"{xavier[1] / xavier[0]:.2g} under Xavier (in theory 1 and {2 ** (-(depth - 1) / 2):.2g});\n"
        f"after {steps} steps the loss is {he[-1]:.3g} against {xavier[-1]:.3g}.  tanh works with both, because its outputs are bounded:\n"
        f"it keeps {he_tanh[1] / he_tanh[0]:.2g} under He and {xavier_tanh[1] / xavier_tanh[0]:.2g} under Xavier, "
        f"and the loss is {he_tanh[-1]:.3g} against {xavier_tanh[-1]:.3g}.  Small weights, N(0, 0.01²), learn nothing with either."
    )
