"""micrograd's Neuron, Layer and MLP: networks of scalars, in which every number is a node of the graph.

    model = MLP(2, [16, 16, 1])
    model([0.5, -1.0])                  # one sample, a list of numbers or Values: returns a Value
    model([X[:, 0], X[:, 1]])           # a batch, by columns (or model(X.T)): returns the scores of all samples

Both forms run the same code.  A Value can hold an array, so a neuron that multiplies its weights by columns
computes its output for all samples at once, with as many nodes as for one sample.

The weights come from Python's `random` in the order of micrograd, so a seeded program gives the numbers of
micrograd (https://github.com/karpathy/micrograd, MIT).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from engine import Parameter

from .module import Module

__all__ = ["MLP", "Layer", "Neuron"]


class Neuron(Module):
    """relu(Σ wᵢ·xᵢ + b), or without the relu if `nonlin` is False.

    Args:
        nin: the number of inputs; wᵢ starts uniform in (-1, 1), b starts at 0.

    Raises:
        ValueError: the input has another number of entries.
    """

    def __init__(self, nin: int, nonlin: bool = True):
        self.w = [Parameter(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Parameter(0.0)
        self.nonlin = nonlin

    def forward(self, x: Iterable[Any]) -> Any:
        x = _inputs(x)
        if len(x) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, not {len(x)}; pass a batch of samples by its columns: model(X.T)")
        act: Any = self.b
        for w, value in zip(self.w, x, strict=True):
            act = act + w * value
        return act.relu() if self.nonlin else act

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Several neurons on the same inputs: returns a list of outputs, or the output itself if there is one neuron."""

    def __init__(self, nin: int, nout: int, **kwargs: Any):
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def forward(self, x: Iterable[Any]) -> Any:
        x = _inputs(x)
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(repr, self.neurons))}]"


class MLP(Module):
    """Layers one after another, the last one linear: MLP(2, [16, 16, 1]) has 2 inputs and 1 output."""

    def __init__(self, nin: int, nouts: Sequence[int]):
        sizes = [nin, *nouts]
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != len(nouts) - 1) for i in range(len(nouts))]

    def forward(self, x: Any) -> Any:
        first, *others = self.layers
        x = first(x)
        for layer in others:
            x = layer(x if isinstance(x, list) else [x])
        return x

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(repr, self.layers))}]"


def _inputs(x: Iterable[Any]) -> Sequence[Any]:
    """The inputs as a sequence; numbers as Python floats."""
    if isinstance(x, (list, tuple)):
        return x
    if isinstance(x, np.ndarray) and x.ndim == 1:
        return x.tolist()  # type: ignore[no-any-return]  # on Python floats the engine is fastest
    return list(x)
