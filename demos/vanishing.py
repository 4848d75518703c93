"""Where does the gradient vanish in a deep network, and where does it not?

Networks of equal layers f(h W), each 64 wide, read handwritten digits.  The gradient of the loss is measured at
the weights of every layer, before training.  Sigmoid and tanh have Xavier's weights; ReLU has He's, and in a
second network Xavier's, which are too small for it.
"""

from __future__ import annotations

import numpy as np

import engine
from demos._common import colour, digits, label_ends
from engine import Value
from nn import cross_entropy

WIDTH = 64
KINDS = {  # name: (activation, gain of the weights, colour and line)
    "sigmoid": (engine.sigmoid, 1.0, colour("sigmoid"), "-"),
    "tanh": (engine.tanh, 1.0, colour("tanh"), "-"),
    "relu": (engine.relu, np.sqrt(2.0), colour("relu"), "-"),
    "relu (Xavier)": (engine.relu, 1.0, colour("relu"), "--"),
}


def gradient_norms(activation, gain: float, depth: int, x, y, rng) -> np.ndarray:
    """‖∂loss/∂W‖ for each of the layers, from the first to the last."""
    weights = [Value(rng.normal(0.0, gain / np.sqrt(WIDTH), (WIDTH, WIDTH))) for _ in range(depth)]
    h = x
    for weight in weights:
        h = activation(h @ weight)
    cross_entropy(h @ rng.normal(0.0, 1.0 / np.sqrt(WIDTH), (WIDTH, 10)), y).backward()
    return np.array([np.linalg.norm(weight.grad) for weight in weights])


def run(demo) -> str:
    x, y, _, _ = digits(demo.seed)
    x, y = x[:128], y[:128]
    depths = demo.pick([2, 5, 10, 20, 30, 40, 50], [2, 5, 10])
    norms = {
        (kind, depth): gradient_norms(activation, gain, depth, x, y, np.random.default_rng(demo.seed))
        for kind, (activation, gain, _, _) in KINDS.items()
        for depth in depths
    }
    print("gradient norm of the first layer's weights, by the depth of the network:")
    demo.table(["depth", *map(str, depths)], [[kind, *(f"{norms[kind, depth][0]:.1e}" for depth in depths)] for kind in KINDS])

    shown, deepest = depths[len(depths) // 2], depths[-1]
    figure, (by_layer, by_depth) = demo.figure(1, 2, size=(11, 4.2))
    for kind, (_, _, paint, line) in KINDS.items():
        by_layer.plot(np.arange(1, shown + 1), norms[kind, shown], line, color=paint, label=kind)
        by_depth.plot(depths, [norms[kind, depth][0] for depth in depths], line, marker="o", ms=4, color=paint, label=kind)
    by_layer.set(xlabel="layer (1 is next to the input)", ylabel="gradient norm", yscale="log", title=f"By layer, {shown} layers deep")
    by_depth.set(xlabel="depth of the network", yscale="log", title="First layer, over depth")
    by_layer.set_xticks([1, *range(5, shown + 1, 5)])
    label_ends(by_layer)
    label_ends(by_depth)
    demo.save(figure)

    passed = {kind: (norms[kind, deepest][0] / norms[kind, deepest][-1]) ** (1 / (deepest - 1)) for kind in KINDS}
    return (
        f"With {deepest} layers, each multiplies the gradient by: " + ", ".join(f"{kind} {passed[kind]:.2f}" for kind in KINDS) + ".\n"
        "The gradient norm at the first layer: " + ", ".join(f"{kind} {norms[kind, deepest][0]:.1e}" for kind in KINDS) + ".\n"
        "With sigmoid it vanishes from layer to layer; with ReLU and Xavier's weights it is small in all layers, since the signal is."
    )
