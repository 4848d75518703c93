"""Why do recurrent networks keep tanh and sigmoid, when everything else has gone over to ReLU?

A memory task: one of four symbols is shown, noise follows, and at the end the network must say which symbol it
was.  Three networks learn it on sequences of several lengths: an RNN with ReLU and an RNN with tanh, which
start from the same orthogonal weights, and an LSTM.  Also measured: how much of the gradient reaches each step,
from the end back to the start; and how large the states become with three times the recurrent weights.
"""

from __future__ import annotations

import math

import numpy as np

from demos._common import INK, PURPLE, colour, label_ends
from engine import Value, no_grad
from nn import LSTM, RNN, Linear, Module, accuracy, cross_entropy, optim

SYMBOLS, HIDDEN = 4, 32
KINDS = {"RNN relu": colour("relu"), "RNN tanh": colour("tanh"), "LSTM": PURPLE}


class Recaller(Module):
    """A recurrent layer over the sequence; its last state gives the scores of the symbols."""

    def __init__(self, kind: str, time: int):
        if kind == "LSTM":
            self.recurrent = LSTM(2 * SYMBOLS, HIDDEN)
            slow = math.log(time)  # gates that write and forget slowly at first (Tallec & Ollivier 2018)
            self.recurrent.bias_ih_l0.data[: 2 * HIDDEN] = np.repeat([-slow, slow], HIDDEN)
        else:
            self.recurrent = RNN(2 * SYMBOLS, HIDDEN, nonlinearity=kind.split()[1])
            self.recurrent.weight_hh_l0.data = np.linalg.qr(self.recurrent.weight_hh_l0.data)[0]
        self.scores = Linear(HIDDEN, SYMBOLS)

    def forward(self, x):
        return self.scores(self.recurrent(x)[0][-1])


def task(rng: np.random.Generator, time: int, count: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """x (time, count, 2 · SYMBOLS), one-hot: the symbol at the first step, then noise in other columns; and the symbols."""
    symbols, noise = rng.integers(SYMBOLS, size=count), rng.integers(SYMBOLS, size=(time, count))
    x = np.concatenate([np.zeros((time, count, SYMBOLS)), np.eye(SYMBOLS)[noise]], axis=2)
    x[0] = np.eye(2 * SYMBOLS)[symbols]
    return x, symbols


def learn(model: Module, time: int, steps: int, rng: np.random.Generator) -> float:
    """Train the model; the accuracy on new sequences."""
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        x, symbols = task(rng, time)
        optimizer.zero_grad()
        cross_entropy(model(x), symbols).backward(retain_graph=False)
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    x, symbols = task(rng, time, 500)
    with no_grad():
        return accuracy(model(x), symbols)


def gradient_through_time(model: Module, time: int, rng: np.random.Generator) -> np.ndarray:
    """‖∂loss/∂x‖ at each step: how much gradient reaches each input from the end of the sequence."""
    x, symbols = task(rng, time)
    x = Value(x)
    cross_entropy(model(x), symbols).backward()
    return np.linalg.norm(x.grad, axis=(1, 2))


def largest_states(model: Module, time: int, rng: np.random.Generator) -> np.ndarray:
    """The largest |h| at each step, with three times the recurrent weights."""
    weight = model.recurrent.weight_hh_l0
    weight.data = 3.0 * weight.data
    with no_grad():
        return np.abs(model.recurrent(task(rng, time)[0])[0].data).max(axis=(1, 2))


def run(demo) -> str:
    times = demo.pick([5, 10, 20, 40, 80], [5, 10, 20])
    longest = times[-1]
    right, gradients, states = {}, {}, {}
    for kind in KINDS:
        rng = np.random.default_rng(demo.seed)
        right[kind] = [learn(Recaller(kind, time), time, demo.pick(200, 40), rng) for time in times]
        gradients[kind] = gradient_through_time(Recaller(kind, longest), longest, rng)
        states[kind] = largest_states(Recaller(kind, longest), longest, rng)
    print("accuracy after training, by the length of the sequence (by chance: 25%):")
    demo.table(["length", *map(str, times)], [[kind, *(f"{share:.0%}" for share in right[kind])] for kind in KINDS])
    print(f"before training, over {longest} steps:")
    reach = {kind: gradients[kind][0] / gradients[kind][-1] for kind in KINDS}
    header = ["network", "gradient at the first step / at the last", "largest state with triple weights"]
    demo.table(header, [[kind, f"{reach[kind]:.1e}", f"{states[kind].max():.1e}"] for kind in KINDS])

    figure, (accuracies, through_time, sizes) = demo.figure(1, 3, size=(13, 4))
    for kind, paint in KINDS.items():
        accuracies.plot(times, right[kind], "o-", ms=5, color=paint, label=kind)
        through_time.plot(range(1, longest + 1), gradients[kind], color=paint, label=kind)
        sizes.plot(range(1, longest + 1), states[kind], color=paint, label=kind)
    accuracies.axhline(1 / SYMBOLS, ls=":", color=INK, lw=1)
    accuracies.set(xscale="log", xlabel="length of the sequence", title="Right answers after learning", ylim=(0, 1.05))
    accuracies.set_xticks(times, map(str, times))
    accuracies.minorticks_off()
    accuracies.yaxis.set_major_formatter("{x:.0%}")
    through_time.set(yscale="log", xlabel="step (the question comes after the last)", title="Gradient that reaches each step")
    sizes.set(yscale="log", xlabel="step", title="Largest state, recurrent weights × 3")
    for axes in (accuracies, through_time, sizes):
        label_ends(axes)
    demo.save(figure)

    def told(numbers, form: str) -> str:
        return ", ".join(f"{kind} {number:{form}}" for kind, number in numbers.items())

    return (
        f"The accuracy on sequences of {longest} steps: {told({kind: shares[-1] for kind, shares in right.items()}, '.0%')}.\n"
        f"The part of the gradient at the last step that reaches the first: {told(reach, '.0e')}.\n"
        "The same matrix is applied at every step, so only a bounded function keeps the state bounded: with triple weights\n"
        f"it grows to {states['RNN relu'].max():.0e} under ReLU, and to {states['RNN tanh'].max():.2f} under tanh. "
        "The sigmoids of the LSTM are gates, which keep or forget."
    )
