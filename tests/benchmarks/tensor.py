"""Graphs of arrays: against the forward and backward pass written by hand in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import engine
from engine import Value

from .scalar import _import
from .timing import Contest, Step


def contests() -> list[Contest]:
    """Two networks and a chain of elementwise functions."""
    return [network((2, 16, 16, 1), 100, "≤ 2.5 × NumPy"), classifier((784, 256, 128, 10), 128), elementwise(1_000_000)]


def agree(by_hand: list[np.ndarray], parameters: list[Value]) -> None:
    """Before the race: both compute the same gradients."""
    for gradient, parameter in zip(by_hand, parameters, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


def _weights(sizes: tuple[int, ...], rng: np.random.Generator) -> list[np.ndarray]:
    """W, b, W, b, ..."""
    flat: list[np.ndarray] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        flat += [rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), np.zeros(fan_out)]
    return flat


def _by_hand(x: np.ndarray, weights: list[np.ndarray], head: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """The gradients of a relu network; `head` maps its output to ∂loss/∂output."""
    inputs, depth = [x], len(weights) // 2
    for i in range(depth):
        x = x @ weights[2 * i] + weights[2 * i + 1]
        if i < depth - 1:
            x = np.maximum(x, 0.0)
            inputs.append(x)
    g = head(x)
    gradients: list[np.ndarray] = []
    for i in reversed(range(depth)):
        gradients = [inputs[i].T @ g, g.sum(axis=0), *gradients]
        if i:
            g = (g @ weights[2 * i].T) * (inputs[i] > 0)
    return gradients


def _forward(x: Any, weights: list[Any], relu: Callable[[Any], Any]) -> Any:
    depth = len(weights) // 2
    for i in range(depth):
        x = x @ weights[2 * i] + weights[2 * i + 1]
        if i < depth - 1:
            x = relu(x)
    return x


def _others(x: np.ndarray, weights: list[np.ndarray], losses: dict[str, Callable[[Any], Any]]) -> dict[str, Step]:
    """The same network in the libraries that are installed; `losses` maps each one's output to the loss."""
    found: dict[str, Step] = {}
    if (mygrad := _import("mygrad")) and "MyGrad" in losses:
        parameters = [mygrad.tensor(w) for w in weights]

        def with_mygrad() -> None:
            losses["MyGrad"](_forward(x, parameters, lambda h: mygrad.maximum(h, 0.0))).backward()

        found["MyGrad"] = with_mygrad
    if (autograd := _import("autograd")) and "autograd" in losses:
        import autograd.numpy as anp

        gradient = autograd.value_and_grad(lambda ws: losses["autograd"](_forward(x, ws, lambda h: anp.maximum(h, 0.0))))
        found["autograd"] = lambda: gradient(weights)
    if (torch := _import("torch")) and "PyTorch" in losses:
        tensors = [torch.tensor(w, requires_grad=True) for w in weights]
        inputs = torch.tensor(x)

        def with_torch() -> None:
            for p in tensors:
                p.grad = None
            losses["PyTorch"](_forward(inputs, tensors, torch.relu)).backward()

        found["PyTorch"] = with_torch
    return found


def network(sizes: tuple[int, ...], batch: int, goals: str) -> Contest:
    """Regression: mean squared error, gradients of all weights."""
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1])), _weights(sizes, rng)
    parameters = [Value(w) for w in weights]

    def ours(**mode: bool) -> None:
        for p in parameters:
            p.zero_grad()
        np.mean((_forward(x, parameters, engine.relu) - y) ** 2).backward(**mode)

    def by_hand() -> list[np.ndarray]:
        return _by_hand(x, weights, lambda out: (np.mean((out - y) ** 2), (out - y) * (2.0 / y.size))[1])

    ours()
    agree(by_hand(), parameters)
    contenders: dict[str, Step] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    squared = {"MyGrad": y, "autograd": y, "PyTorch": torch.tensor(y) if (torch := _import("torch")) else y}
    contenders |= _others(x, weights, {name: lambda out, y=y: ((out - y) ** 2).mean() for name, y in squared.items()})
    return Contest(f"MLP {'-'.join(map(str, sizes))}, batch {batch}", "NumPy by hand", contenders, goals)


def classifier(sizes: tuple[int, ...], batch: int) -> Contest:
    """Classification: softmax cross-entropy, gradients of all weights."""
    rng = np.random.default_rng(0)
    x, labels, weights = rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch), _weights(sizes, rng)
    rows = np.arange(batch)
    parameters = [Value(w) for w in weights]

    def head(out: np.ndarray) -> np.ndarray:
        shifted = np.exp(out - out.max(axis=1, keepdims=True))
        p = shifted / shifted.sum(axis=1, keepdims=True)
        np.mean(np.log(p[rows, labels]))
        p[rows, labels] -= 1.0
        return p / batch

    def ours(**mode: bool) -> None:
        for p in parameters:
            p.zero_grad()
        (-np.mean(engine.log_softmax(_forward(x, parameters, engine.relu))[rows, labels])).backward(**mode)

    ours()
    agree(_by_hand(x, weights, head), parameters)
    contenders: dict[str, Step] = {
        "NumPy by hand": lambda: _by_hand(x, weights, head),
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    losses: dict[str, Callable[[Any], Any]] = {}
    if _import("mygrad"):
        from mygrad.nnet.losses import softmax_crossentropy

        losses["MyGrad"] = lambda out: softmax_crossentropy(out, labels)
    if _import("autograd"):
        from autograd.scipy.special import logsumexp

        losses["autograd"] = lambda out: -(out - logsumexp(out, axis=1, keepdims=True))[rows, labels].mean()
    if torch := _import("torch"):
        targets = torch.tensor(labels)
        losses["PyTorch"] = lambda out: torch.nn.functional.cross_entropy(out, targets)
    contenders |= _others(x, weights, losses)
    return Contest(f"MLP {'-'.join(map(str, sizes))}, batch {batch}", "NumPy by hand", contenders, "lean ≤ 1.2 × NumPy", turn=0.1)


def elementwise(size: int) -> Contest:
    """Σ exp(-tanh(0.9x + 0.1)²), and its gradient."""
    x = np.random.default_rng(0).normal(size=size)
    leaf = Value(x)

    def by_hand() -> np.ndarray:
        t = np.tanh(x * 0.9 + 0.1)
        e = np.exp(-(t * t))
        e.sum()
        return -2.0 * e * t * (1.0 - t * t) * 0.9

    def ours(**mode: bool) -> None:
        leaf.zero_grad()
        t = np.tanh(leaf * 0.9 + 0.1)
        np.sum(np.exp(-(t * t))).backward(**mode)

    ours()
    agree([by_hand()], [leaf])
    contenders: dict[str, Step] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
    }
    if mygrad := _import("mygrad"):
        theirs = mygrad.tensor(x)

        def with_mygrad() -> None:
            t = mygrad.tanh(theirs * 0.9 + 0.1)
            mygrad.exp(-(t * t)).sum().backward()

        contenders["MyGrad"] = with_mygrad
    if autograd := _import("autograd"):
        import autograd.numpy as anp

        gradient = autograd.value_and_grad(lambda v: anp.sum(anp.exp(-(anp.tanh(v * 0.9 + 0.1) ** 2))))
        contenders["autograd"] = lambda: gradient(x)
    if torch := _import("torch"):
        tensor = torch.tensor(x, requires_grad=True)

        def with_torch() -> None:
            tensor.grad = None
            t = torch.tanh(tensor * 0.9 + 0.1)
            torch.exp(-(t * t)).sum().backward()

        contenders["PyTorch"] = with_torch
    return Contest(f"elementwise chain over {size:,} numbers", "NumPy by hand", contenders, "≤ 1.6 × NumPy", turn=0.2)
