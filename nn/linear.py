"""`Linear`, and `Flatten`, which brings anything into its shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import Parameter

from . import init
from .init import Seed
from .module import Module

__all__ = ["Flatten", "Linear"]


class Linear(Module):
    """y = x Wᵀ + b

    Shapes: x (*, in_features), W (out_features, in_features), b (out_features,), y (*, out_features).

    Args:
        bias: whether there is a b.
        generator: seed or Generator for the weights: W and b start uniform in ±1/√in_features.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, generator: Seed = None):
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear needs at least one input and one output, not {in_features} and {out_features}")
        self.in_features, self.out_features = in_features, out_features
        generator, bound = init.as_generator(generator), 1.0 / math.sqrt(in_features)
        self.weight = init.uniform_(Parameter(np.empty((out_features, in_features))), -bound, bound, generator)
        self.bias = init.uniform_(Parameter(np.empty(out_features)), -bound, bound, generator) if bias else None

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        if not shape or shape[-1] != self.in_features:
            raise ValueError(f"Linear({self.extra_repr()}): the last axis of its input must be {self.in_features}, got shape {shape}")
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """The axes from start_dim to end_dim made one: (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        first, last = self.start_dim % len(shape), self.end_dim % len(shape)
        return np.reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"
