"""Does the engine learn exactly what a network with gradients derived by hand learns?

A classic first network: three inputs, a hidden layer, one output, sigmoids in both layers, and four examples.
`NeuralNetwork` computes its two gradients by formulas in NumPy; `error` defines the loss only, and the engine
computes the gradients.  Both train from the same weights, for thousands of rounds, and then answer a situation
that is not among the examples (--situation).
"""

from __future__ import annotations

import numpy as np

from demos._common import BLUE, INK, ORANGE
from engine import Value, sigmoid, square

# The rule behind the four examples is: the answer is the first input.  The network must find it.
EXAMPLES = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
ANSWERS = EXAMPLES[:, :1]
ALL = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=float)


class NeuralNetwork:
    """Inputs, hidden sigmoids and one output sigmoid, with the derivatives of its error derived by hand."""

    def __init__(self, rng: np.random.Generator, hidden: int = 4):
        self.inner = rng.uniform(-1.0, 1.0, (3, hidden))
        self.outer = rng.uniform(-1.0, 1.0, (hidden, 1))

    def think(self, x):
        """The hidden activations (n, hidden) and the output (n, 1) for situations x (n, 3)."""
        hidden = sigmoid(x @ self.inner)
        return hidden, sigmoid(hidden @ self.outer)

    def gradients(self, x, y):
        """∂E/∂inner and ∂E/∂outer for E = ½ Σ (output - y)²."""
        hidden, output = self.think(x)
        at_output = (output - y) * output * (1.0 - output)  # ∂E/∂(input of the last sigmoid)
        at_hidden = (at_output @ self.outer.T) * hidden * (1.0 - hidden)  # ∂E/∂(inputs of the hidden sigmoids)
        return x.T @ at_hidden, hidden.T @ at_output


def error(inner: Value, outer: Value, x, y) -> Value:
    """The same E.  `error(...).backward()` computes what `NeuralNetwork.gradients` has formulas for."""
    return square(sigmoid(sigmoid(x @ inner) @ outer) - y).sum() / 2


def train(network: NeuralNetwork, rounds: int) -> tuple[Value, Value, np.ndarray, float]:
    """Train both: the weights of the engine, the two errors of each round, the largest difference between gradients."""
    inner, outer = Value(network.inner, label="inner"), Value(network.outer, label="outer")
    errors, gap = [], 0.0
    for _ in range(rounds):
        by_hand = network.gradients(EXAMPLES, ANSWERS)
        loss = error(inner, outer, EXAMPLES, ANSWERS)
        loss.backward()
        errors.append((loss.item(), np.square(network.think(EXAMPLES)[1] - ANSWERS).sum() / 2))
        gap = max(gap, *(np.abs(p.grad - g).max() for p, g in zip((inner, outer), by_hand, strict=True)))
        network.inner, network.outer = network.inner - by_hand[0], network.outer - by_hand[1]
        for weight in (inner, outer):
            weight.data = weight.data - weight.grad
            weight.grad = 0.0
    return inner, outer, np.array(errors), gap


def add_arguments(parser) -> None:
    parser.add_argument("--situation", default="1,0,0", help="the three inputs to answer (default 1,0,0)")
    parser.add_argument("--rounds", type=int, help="rounds of training (default 10,000)")


def run(demo) -> str:
    try:
        situation = np.array([[float(number) for number in demo.situation.split(",")]])
        if situation.shape != (1, 3):
            raise ValueError
    except ValueError:
        raise SystemExit(f"--situation takes three numbers, as in 1,0,0, not {demo.situation!r}") from None
    network = NeuralNetwork(np.random.default_rng(demo.seed))
    rounds = max(1, demo.rounds or demo.pick(10_000, 1_000))
    inner, outer, errors, gap = train(network, rounds)

    checkpoints = sorted({10**k for k in range(6) if 10**k <= rounds} | {rounds})
    demo.table(["round", "error, engine", "error, by hand"], [[f"{n:,}", *errors[n - 1]] for n in checkpoints])
    weights_gap = max(np.abs(inner.data - network.inner).max(), np.abs(outer.data - network.outer).max())
    print(f"by hand against the engine, after {rounds:,} rounds:")
    print(f"  largest difference between gradients, in any round   {gap:g}")
    print(f"  largest difference between the weights at the end    {weights_gap:g}")

    figure, (left, right) = demo.figure(1, 2)
    left.loglog(np.arange(1, rounds + 1), errors[:, 0], color=BLUE)
    dots = np.unique(np.geomspace(1, rounds, 12).astype(int))
    left.loglog(dots, errors[dots - 1, 1], "o", mfc="none", color=ORANGE, ms=8)
    left.text(0.06, 0.2, "line: the engine", color=BLUE, transform=left.transAxes)
    left.text(0.06, 0.1, "circles: by hand", color=ORANGE, transform=left.transAxes)
    left.set(xlabel="round", ylabel="error E", title="The error while it learns")
    seen = (ALL[:, None] == EXAMPLES).all(-1).any(-1)
    thought = network.think(ALL)[1][:, 0]
    right.bar(range(8), thought, color=[BLUE if known else ORANGE for known in seen], width=0.6)
    for i, height in enumerate(thought):
        right.text(i, height + 0.02, f"{height:.2f}", ha="center", color=INK)
    right.set_xticks(range(8), ["".join(f"{bit:.0f}" for bit in row) for row in ALL])
    right.set(xlabel="the three inputs", ylabel="output", ylim=(0, 1.15), title="What it answers")
    right.text(0, 0.85, "the four examples", color=BLUE)
    right.text(0, 0.74, "never seen", color=ORANGE)
    right.grid(visible=False)
    demo.save(figure)

    answers = sigmoid(sigmoid(situation @ inner) @ outer).item(), network.think(situation)[1].item()
    shown = ", ".join(f"{number:g}" for number in situation[0])
    same = "Yes, to the last digit" if gap == weights_gap == 0.0 else f"Nearly: the gradients differ by up to {gap:g}"
    return (
        f"{same}, for {rounds:,} rounds, down to an error of {errors[-1, 0]:.2g}.\n"
        f"To the new situation [{shown}] the engine's network answers {answers[0]:.4f}, the one by hand {answers[1]:.4f}."
    )
