"""Graphs of single numbers: against plain Python floats, and against micrograd."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

from .timing import Contest, Step

X1, X2, W1, W2, B = 2.0, 0.0, -3.0, 1.0, 6.8813735870195432


def expression() -> Contest:
    """tanh(x1*w1 + x2*w2 + b), forward and backward."""

    def plain() -> Step:
        def step() -> tuple[float, ...]:
            x1, x2, w1, w2, b = X1, X2, W1, W2, B
            out = math.tanh(x1 * w1 + x2 * w2 + b)
            slope = 1.0 - out * out
            return slope * w1, slope * w2, slope * x1, slope * x2, slope

        return step

    def ours(**mode: bool) -> Step:
        from engine import Value

        def step() -> None:
            x1, x2, w1, w2, b = Value(X1), Value(X2), Value(W1), Value(W2), Value(B)
            (x1 * w1 + x2 * w2 + b).tanh().backward(**mode)

        return step

    def micrograd() -> Step:
        from micrograd.engine import Value

        def step() -> None:
            x1, x2, w1, w2, b = map(Value, (X1, X2, W1, W2, B))
            _micrograd_tanh(Value, x1 * w1 + x2 * w2 + b).backward()

        return step

    def mygrad() -> Step:
        import mygrad

        def step() -> None:
            x1, x2, w1, w2, b = map(mygrad.tensor, (X1, X2, W1, W2, B))
            mygrad.tanh(x1 * w1 + x2 * w2 + b).backward()

        return step

    def autograd() -> Step:
        import autograd.numpy as anp
        from autograd import value_and_grad

        gradient = value_and_grad(lambda p: anp.tanh(p[0] * p[2] + p[1] * p[3] + p[4]))
        return lambda: gradient((X1, X2, W1, W2, B))

    def torch() -> Step:
        import torch

        def step() -> None:
            x1, x2, w1, w2, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X1, X2, W1, W2, B))
            torch.tanh(x1 * w1 + x2 * w2 + b).backward()

        return step

    contenders = {"Python floats": plain, "chainrule": ours, "chainrule, lean": lambda: ours(retain_graph=False)}
    contenders |= {"micrograd": micrograd, "MyGrad": mygrad, "autograd": autograd, "PyTorch": torch}
    return Contest("tanh(x1*w1 + x2*w2 + b)", "Python floats", contenders, "≤ 42 × floats")


def _micrograd_tanh(kind: Any, x: Any) -> Any:
    """The lecture's tanh, which the package lacks."""
    t = math.tanh(x.data)
    out = kind(t, (x,), "tanh")

    def _backward() -> None:
        x.grad += (1 - t * t) * out.grad

    out._backward = _backward
    return out


def network() -> Contest:
    """An MLP 2-16-16-1, a number a node, over 20 samples: loss and gradients."""

    def ours(**mode: bool) -> Step:
        from engine import Value

        return _network_of(Value, **mode)

    def micrograd() -> Step:
        from micrograd.engine import Value

        return _network_of(Value)

    contenders = {"micrograd": micrograd, "chainrule": ours, "chainrule, lean": lambda: ours(retain_graph=False)}
    return Contest("scalar MLP 2-16-16-1, 20 samples", "micrograd", contenders, "micrograd ≥ 7 × ours", turn=1.0)


def _network_of(kind: Callable[[float], Any], **mode: bool) -> Step:
    """One step of training, the same lines for any class of numbers."""
    draw = random.Random(0).uniform
    sizes = [2, 16, 16, 1]
    layers = [
        [([kind(draw(-1, 1)) for _ in range(fan_in)], kind(0.0)) for _ in range(fan_out)] for fan_in, fan_out in itertools.pairwise(sizes)
    ]
    samples = [([draw(-1, 1), draw(-1, 1)], draw(-1, 1)) for _ in range(20)]
    parameters = [p for layer in layers for weights, bias in layer for p in (*weights, bias)]

    def step() -> None:
        loss = 0.0
        for inputs, target in samples:
            hidden: list[Any] = list(map(kind, inputs))
            for depth, layer in enumerate(layers):
                sums = [sum((w * x for w, x in zip(weights, hidden, strict=True)), bias) for weights, bias in layer]
                hidden = sums if depth == len(layers) - 1 else [s.relu() for s in sums]
            loss = loss + (hidden[0] - target) ** 2
        for p in parameters:
            p.grad = 0.0
        loss.backward(**mode)  # type: ignore[attr-defined]

    return step
