"""How many activations of a ReLU network are exactly zero, and what changes that?

Three hidden layers of 64 ReLUs learn handwritten digits: without changes, with an L1 penalty on the
activations, with biases that start at 0.1, and with a learning rate that is too large.  Measured on the
training data: the fraction of activations that are exactly 0.0, and the number of dead units, which are 0 for
every example and get no gradient.  Measured on test digits: the accuracy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from demos._common import BLUE, CYCLE, digits, label_ends
from nn import Batches, Linear, Module, ReLU, accuracy, cross_entropy, dead_units, init, l1_penalty, optim

WIDTH, LAYERS = 64, 3


class Setting(NamedTuple):
    penalty: float = 0.0  # λ in loss + λ · Σ |activation| for each example
    bias: float = 0.0  # the first value of the biases
    rate: float = 0.1


SETTINGS = {
    "plain": Setting(),
    "L1 0.001": Setting(penalty=0.001),
    "L1 0.01": Setting(penalty=0.01),
    "bias 0.1": Setting(bias=0.1),
    "rate 1": Setting(rate=1.0),
}


class Network(Module):
    """64 pixels → 64 → 64 → 64 → 10 scores; returns the activations of each hidden layer, and then the scores."""

    def __init__(self, bias: float, seed: int):
        generator = np.random.default_rng(seed)
        self.linears = [Linear(WIDTH, WIDTH, generator=generator) for _ in range(LAYERS)]
        self.relus = [ReLU() for _ in self.linears]
        self.scores = Linear(WIDTH, 10, generator=generator)
        for linear in self.linears:
            init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
            init.constant_(linear.bias, bias)

    def forward(self, x):
        outputs = []
        for linear, relu in zip(self.linears, self.relus, strict=True):
            x = relu(linear(x))
            outputs.append(x)
        return [*outputs, self.scores(x)]


def train(model: Network, setting: Setting, x, y, epochs: int, seed: int) -> None:
    """Train with SGD, with the penalty and the learning rate of the setting."""
    optimizer = optim.SGD(model.parameters(), lr=setting.rate)
    batches = Batches(x, y, batch_size=64, seed=seed)
    for _ in range(epochs):
        for xs, ys in batches:
            *hidden, scores = model(xs)
            loss = cross_entropy(scores, ys)
            if setting.penalty:
                loss = loss + setting.penalty * l1_penalty(hidden) / len(xs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def count(model: Network, x, y) -> tuple[list[float], int]:
    """The fraction of zeros in each hidden layer, and the number of dead units in all hidden layers."""
    zeros = [float(np.mean(h.data == 0.0)) for h in model(x)[:-1]]
    return zeros, sum(map(len, dead_units(model, Batches(x, y, batch_size=len(x), shuffle=False)).values()))


def run(demo) -> str:
    x, y, x_test, y_test = digits(demo.seed)
    epochs = demo.pick(60, 2)
    shown = np.argsort(y[:50], kind="stable")  # fifty examples, sorted by digit
    rows, zeros, activations, counts = [], {}, {}, {}
    for name, setting in SETTINGS.items():
        model = Network(setting.bias, demo.seed)
        zeros_before, dead_before = count(model, x, y)
        train(model, setting, x, y, epochs, demo.seed)
        zeros[name], dead = count(model, x, y)
        right = accuracy(model(x_test)[-1], y_test)
        activations[name] = model(x[shown])[LAYERS - 1].data
        rows.append([name, *(f"{z:.0%}" for z in (np.mean(zeros_before), *zeros[name])), dead_before, dead, f"{right:.1%}"])
        counts[name] = (np.mean(zeros[name]), dead, right)
    layers = [f"layer {i + 1}" for i in range(LAYERS)]
    demo.table(["setting", "zeros at first", *layers, "dead at first", "dead", "test accuracy"], rows)

    from matplotlib.colors import LinearSegmentedColormap

    figure, panels = demo.figure(1, 3, size=(13, 4), width_ratios=[1, 1.1, 1.1])
    for (name, fractions), paint in zip(zeros.items(), CYCLE, strict=False):
        panels[0].plot(range(1, LAYERS + 1), fractions, "o-", color=paint, label=name)
    panels[0].set(xlabel="hidden layer", ylabel="fraction of exact zeros", ylim=(0, 1.05), title="True zeros after training")
    panels[0].set_xticks(range(1, LAYERS + 1))
    label_ends(panels[0])
    for axes, name in zip(panels[1:], ("plain", "L1 0.01"), strict=True):
        on = activations[name] > 0
        paint = LinearSegmentedColormap.from_list("on", [f"{BLUE}50", BLUE])
        axes.imshow(np.where(on, activations[name], np.nan), cmap=paint, vmin=0, vmax=np.quantile(activations[name], 0.98), aspect="auto")
        axes.set_yticks(range(0, len(shown), 3), y[shown][::3])
        axes.set(xlabel=f"unit of layer {LAYERS}", ylabel="the digit shown", title=f"{name}: {1 - on.mean():.0%} empty, that is zero")
        axes.grid(visible=False)
    demo.save(figure)
    (plain, plain_dead, plain_right), (sparse, _, sparse_right) = counts["plain"], counts["L1 0.01"]
    return (
        f"{plain:.0%} of the activations are zero without changes, and {sparse:.0%} with an L1 penalty; "
        f"the test accuracy is {plain_right:.1%} and {sparse_right:.1%}.\n"
        f"Dead units, of {WIDTH * LAYERS}: {plain_dead} without changes, {counts['bias 0.1'][1]} with biases that start at 0.1, "
        f"and {counts['rate 1'][1]} with a learning rate that is ten times as large."
    )
