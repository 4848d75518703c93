"""The plain layers: `Linear`, `Embedding`, `Flatten`, `Dropout`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import Parameter

from . import init
from ._dtypes import float_type
from .init import Seed
from .module import Module

__all__ = ["Dropout", "Embedding", "Flatten", "Linear"]


class Linear(Module):
    """y = x Wᵀ + b

    Shapes: x (*, in_features), W (out_features, in_features), b (out_features,), y (*, out_features).

    Args:
        bias: whether there is a b.
        generator: a seed or a Generator; W and b start uniform in ±1/√in_features.

    Raises:
        ValueError: a size is below 1, or the input has another last axis.
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
            raise ValueError(f"{self._title}: the last axis of the input must have length {self.in_features}, not shape {shape}")
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """Join the axes start_dim … end_dim into one: (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        first, last = self.start_dim % len(shape), self.end_dim % len(shape)
        return np.reshape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"


class Embedding(Module):
    """Row i of the weight for each index i: a learned vector for each word, for example.

    Shapes: indices (*) of integers, weight (num_embeddings, embedding_dim), y (*, embedding_dim).

    Args:
        generator: a seed or a Generator; the weight starts normal, with mean 0 and standard deviation 1.

    Raises:
        TypeError: the indices are not integers.
        IndexError: an index is outside 0 … num_embeddings - 1.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, generator: Seed = None):
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = init.normal_(Parameter(np.empty((num_embeddings, embedding_dim))), generator=generator)

    def forward(self, indices: Any) -> Any:
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu":
            raise TypeError(f"{self._title}: indices must be integers, not {indices.dtype}")
        if indices.size and not (indices.min() >= 0 and indices.max() < self.num_embeddings):
            raise IndexError(f"{self._title}: indices must be in 0 … {self.num_embeddings - 1}, not {indices.min()} … {indices.max()}")
        return self.weight[indices]

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Dropout(Module):
    """In training, set each element to 0 with probability p, and divide the others by 1 - p; after eval(), change nothing.

    The division keeps the expected value.  No unit can depend on the presence of another one (Srivastava et al. 2014).

    Args:
        generator: a seed or a Generator for the mask; without it, the generator of `manual_seed` is used.

    Raises:
        ValueError: p is not in [0, 1].
    """

    def __init__(self, p: float = 0.5, *, generator: Seed = None):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is a probability, from 0 to 1, not {p}")
        self.p, self.generator = p, None if generator is None else init.as_generator(generator)

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0.0:
            return x
        kept = init.as_generator(self.generator).random(np.shape(x)) >= self.p
        return x * (kept / (1.0 - self.p) if self.p < 1.0 else np.zeros(np.shape(x))).astype(float_type(x))

    def extra_repr(self) -> str:
        return f"{self.p:g}"
