"""Graphs of arrays: against the forward and backward pass written by hand in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .timing import Contender, Contest, Step

RATE = 1e-9  # of the updates: they are carried out, and the weights stay what they are for all


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


def _network(x: np.ndarray, weights: list[np.ndarray], head: Callable[[np.ndarray], np.ndarray], losses: dict[str, Any]) -> dict[str, Any]:
    """Who computes the gradients of a relu network; `losses[who]()` makes the loss of its output in that library."""

    def by_hand() -> Step:
        return lambda: _by_hand(x, weights, head)

    def ours(update: str = "", **mode: bool) -> Step:
        import engine
        from engine import Value

        parameters, loss = [Value(w) for w in weights], losses["chainrule"]()
        if update == "SGD":
            import nn

            optimizer = nn.optim.SGD(parameters, lr=RATE)

        def step() -> list[np.ndarray]:
            for p in parameters:
                p.zero_grad()
            loss(_forward(x, parameters, engine.relu)).backward(**mode)
            if update == "SGD":
                optimizer.step()
            elif update:
                for p in parameters:
                    p.data -= RATE * p.grad
            return [p.grad for p in parameters]

        return step

    def mygrad() -> Step:
        import mygrad

        parameters, loss = [mygrad.tensor(w) for w in weights], losses["MyGrad"]()
        return lambda: loss(_forward(x, parameters, lambda h: mygrad.maximum(h, 0.0))).backward()

    def autograd() -> Step:
        import autograd.numpy as anp
        from autograd import value_and_grad

        loss = losses["autograd"]()
        gradient = value_and_grad(lambda ws: loss(_forward(x, ws, lambda h: anp.maximum(h, 0.0))))
        return lambda: gradient(weights)

    def torch() -> Step:
        import torch

        tensors, inputs, loss = [torch.tensor(w, requires_grad=True) for w in weights], torch.tensor(x), losses["PyTorch"]()

        def step() -> None:
            for p in tensors:
                p.grad = None
            loss(_forward(inputs, tensors, torch.relu)).backward()

        return step

    def jax() -> Step:
        import jax

        jax.config.update("jax_enable_x64", True)
        parameters, inputs, loss = [jax.numpy.asarray(w) for w in weights], jax.numpy.asarray(x), losses["JAX"]()
        gradient = jax.jit(jax.value_and_grad(lambda ws: loss(_forward(inputs, ws, jax.nn.relu))))
        return lambda: jax.block_until_ready(gradient(parameters))

    return {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
        "chainrule, p.data -= rate * p.grad": lambda: ours("by hand"),
        "chainrule, SGD": lambda: ours("SGD", retain_graph=False),
        "MyGrad": mygrad,
        "autograd": autograd,
        "PyTorch": torch,
        "JAX, jit": jax,
    }


def network(sizes: tuple[int, ...] = (2, 16, 16, 1), batch: int = 100) -> Contest:
    """Regression: mean squared error, gradients of all weights."""
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(batch, sizes[0])), rng.normal(size=(batch, sizes[-1])), _weights(sizes, rng)

    def head(out: np.ndarray) -> np.ndarray:
        np.mean((out - y) ** 2)
        return (out - y) * (2.0 / y.size)

    def torch() -> Any:
        import torch

        targets = torch.tensor(y)
        return lambda out: ((out - targets) ** 2).mean()

    losses = {name: lambda: lambda out: ((out - y) ** 2).mean() for name in ("MyGrad", "autograd", "JAX")}
    losses |= {"chainrule": lambda: lambda out: np.mean((out - y) ** 2), "PyTorch": torch}
    return Contest(f"MLP {'-'.join(map(str, sizes))}, batch {batch}", "NumPy by hand", _network(x, weights, head, losses), "≤ 4.8 × NumPy")


def classifier(sizes: tuple[int, ...] = (784, 256, 128, 10), batch: int = 128) -> Contest:
    """Classification: softmax cross-entropy, gradients of all weights."""
    rng = np.random.default_rng(0)
    x, labels, weights = rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch), _weights(sizes, rng)
    rows = np.arange(batch)

    def head(out: np.ndarray) -> np.ndarray:
        shifted = np.exp(out - out.max(axis=1, keepdims=True))
        p = shifted / shifted.sum(axis=1, keepdims=True)
        np.mean(np.log(p[rows, labels]))
        p[rows, labels] -= 1.0
        return p / batch

    def ours() -> Any:
        import engine

        return lambda out: -np.mean(engine.log_softmax(out)[rows, labels])

    def mygrad() -> Any:
        from mygrad.nnet.losses import softmax_crossentropy

        return lambda out: softmax_crossentropy(out, labels)

    def autograd() -> Any:
        from autograd.scipy.special import logsumexp

        return lambda out: -(out - logsumexp(out, axis=1, keepdims=True))[rows, labels].mean()

    def torch() -> Any:
        import torch

        targets = torch.tensor(labels)
        return lambda out: torch.nn.functional.cross_entropy(out, targets)

    def jax() -> Any:
        import jax

        return lambda out: -jax.nn.log_softmax(out)[rows, labels].mean()

    losses = {"chainrule": ours, "MyGrad": mygrad, "autograd": autograd, "PyTorch": torch, "JAX": jax}
    return Contest(
        f"MLP {'-'.join(map(str, sizes))}, batch {batch}",
        "NumPy by hand",
        _network(x, weights, head, losses),
        "≤ 1.15 × NumPy, ≤ 1.2 with the update",
        turn=0.2,
    )


def elementwise(size: int = 1_000_000) -> Contest:
    """Σ exp(-tanh(0.9x + 0.1)²), and its gradient."""
    x = np.random.default_rng(0).normal(size=size)

    def by_hand() -> Step:
        def step() -> list[np.ndarray]:
            t = np.tanh(x * 0.9 + 0.1)
            e = np.exp(-(t * t))
            e.sum()
            return [-2.0 * e * t * (1.0 - t * t) * 0.9]

        return step

    def ours(**mode: bool) -> Step:
        from engine import Value

        leaf = Value(x)

        def step() -> list[np.ndarray]:
            leaf.zero_grad()
            t = np.tanh(leaf * 0.9 + 0.1)
            np.sum(np.exp(-(t * t))).backward(**mode)
            return [leaf.grad]

        return step

    def mygrad() -> Step:
        import mygrad

        theirs = mygrad.tensor(x)

        def step() -> None:
            t = mygrad.tanh(theirs * 0.9 + 0.1)
            mygrad.exp(-(t * t)).sum().backward()

        return step

    def autograd() -> Step:
        import autograd.numpy as anp
        from autograd import value_and_grad

        gradient = value_and_grad(lambda v: anp.sum(anp.exp(-(anp.tanh(v * 0.9 + 0.1) ** 2))))
        return lambda: gradient(x)

    def torch() -> Step:
        import torch

        tensor = torch.tensor(x, requires_grad=True)

        def step() -> None:
            tensor.grad = None
            t = torch.tanh(tensor * 0.9 + 0.1)
            torch.exp(-(t * t)).sum().backward()

        return step

    def jax() -> Step:
        import jax

        jax.config.update("jax_enable_x64", True)
        jnp, array = jax.numpy, jax.numpy.asarray(x)
        gradient = jax.jit(jax.value_and_grad(lambda v: jnp.sum(jnp.exp(-(jnp.tanh(v * 0.9 + 0.1) ** 2)))))
        return lambda: jax.block_until_ready(gradient(array))

    contenders: dict[str, Contender] = {
        "NumPy by hand": by_hand,
        "chainrule": ours,
        "chainrule, lean": lambda: ours(retain_graph=False),
        "MyGrad": mygrad,
        "autograd": autograd,
        "PyTorch": torch,
        "JAX, jit": jax,
    }
    return Contest(f"elementwise chain over {size:,} numbers", "NumPy by hand", contenders, "≤ 1.7 × NumPy", turn=0.3)
