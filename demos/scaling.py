"""What do the scale of the inputs and a penalty on the weights change in training?

178 wines have 13 measurements each; one of these is near 750, another near 0.4.  The same network with the same
first weights learns the three kinds of wine from the raw numbers, from numbers normalised to [0, 1], and from
standardised numbers (mean 0, deviation 1).  Then it trains much longer on the standardised numbers: the
weights of a network that makes no mistakes any more continue to grow, unless a penalty keeps them small.
"""

from __future__ import annotations

import numpy as np

from demos._common import BLUE, GREEN, ORANGE, PINK, PURPLE, RED, label_ends
from nn import Linear, Sequential, Tanh, accuracy, cross_entropy, l1_penalty, l2_penalty, normalise, optim, standardise

PENALTIES = {"no penalty": None, "L1": (l1_penalty, 0.001), "L2": (l2_penalty, 0.002)}


def wines(seed: int):
    """Two thirds for training and one third for the test: x (n, 13), y (n,)."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:118], order[118:]
    return x[train], y[train], x[test], y[test]


def train(x, y, seed: int, steps: int, penalty=None, rate: float = 0.5):
    """The network, and its loss and the size of its weights, Σ|w|, at every step."""
    model = Sequential(Linear(13, 16, generator=seed), Tanh(), Linear(16, 3, generator=seed + 1))
    weights = [model[0].weight, model[2].weight]
    optimizer = optim.SGD(model.parameters(), lr=rate)
    losses, sizes = [], []
    for _ in range(steps):
        loss = total = cross_entropy(model(x), y)
        if penalty:
            measure, strength = penalty
            total = loss + strength * measure(weights)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(loss.item())
        sizes.append(sum(np.abs(w.data).sum() for w in weights))
    return model, losses, sizes


def run(demo) -> str:
    x, y, x_test, y_test = wines(demo.seed)
    low, high = x.mean(axis=0).min(), x.mean(axis=0).max()
    print(f"means of the 13 measurements: from {low:.2g} to {high:.3g}\n")
    scales = {"raw": lambda x: x, "normalised": normalise(x), "standardised": standardise(x)}
    steps = demo.pick(300, 60)
    rows, curves, hits, flats = [], {}, {}, {}
    for name, scale in {**scales, "raw at rate 0.01": scales["raw"]}.items():
        model, curves[name], _ = train(scale(x), y, demo.seed, steps, rate=0.01 if "rate" in name else 0.5)
        hits[name] = accuracy(model(scale(x_test)), y_test)
        flats[name] = np.mean(np.abs(np.tanh(model[0](scale(x)).data)) > 0.99)
        rows.append([name, curves[name][0], curves[name][-1], f"{flats[name]:.0%}", f"{hits[name]:.1%}"])
    demo.table(["inputs", "first loss", "last loss", "tanh saturated", "test accuracy"], rows)

    steps = demo.pick(5_000, 300)
    rows, sizes = [], {}
    z, z_test = scales["standardised"](x), scales["standardised"](x_test)
    for name, penalty in PENALTIES.items():
        model, _, sizes[name] = train(z, y, demo.seed, steps, penalty)
        weights = np.abs(np.concatenate([model[0].weight.data.ravel(), model[2].weight.data.ravel()]))
        share = f"{np.mean(weights < 1e-3):.0%}"
        rows.append([name, sizes[name][0], sizes[name][-1], weights.max(), share, f"{accuracy(model(z_test), y_test):.1%}"])
    demo.table(["penalty", "Σ|w| at first", f"after {steps:,} steps", "largest |w|", "|w| < 0.001", "test accuracy"], rows)

    figure, (left, right) = demo.figure(1, 2, size=(11, 4))
    for (name, curve), paint in zip(curves.items(), (RED, ORANGE, GREEN, PINK), strict=True):
        left.plot(curve, color=paint, label=name)
    left.set(xlabel="step", ylabel="training loss", yscale="log", title="The same network on other scales of input")
    for (name, size), paint in zip(sizes.items(), (RED, PURPLE, BLUE), strict=True):
        right.plot(np.arange(1, steps + 1), size, color=paint, label=name)
    right.set(xlabel="step", ylabel="Σ|w|, all weights together", xscale="log", title="The weights, trained on and on")
    label_ends(left)
    label_ends(right)
    demo.save(figure)
    held = ", ".join(f"with {name} to {sizes[name][-1]:.0f}" for name in ("L1", "L2"))
    return (
        "Accuracy on test wines: " + ", ".join(f"{name} {hit:.1%}" for name, hit in hits.items()) + ";\n"
        f"after training on raw numbers {flats['raw']:.0%} of the tanhs are saturated, on standardised ones {flats['standardised']:.0%}.\n"
        f"In {steps:,} steps, Σ|w| goes from {sizes['L1'][0]:.0f} to {sizes['no penalty'][-1]:.0f} without a penalty, {held}."
    )
