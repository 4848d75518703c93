"""Attention: each position of a sequence gets a weighted mean of the values at all positions.

    attention(q, k, v) = softmax(q kᵀ / √d) v            (Vaswani et al. 2017, equation 1)

The scores q kᵀ say how well the query of one position matches the key of another; their softmax gives the
weights of the values v.  A causal mask hides the later positions, so that a network can be trained on all
prefixes of a text at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import engine
from engine import Parameter

from . import init
from ._dtypes import as_float_type, float_type
from .activations import ReLU
from .init import Seed
from .linear import Dropout, Linear
from .module import Module
from .norm import LayerNorm

__all__ = ["MultiHeadAttention", "TransformerBlock", "scaled_dot_product_attention"]


def _hidden(dtype: Any) -> float:
    """The score of a hidden position: finite, so `detect_anomaly` does not report it, and its exponential is exactly 0."""
    return max(-1e30, float(np.finfo(dtype).min) / 2)


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False) -> Any:
    """softmax(q kᵀ / √d + mask) v

    Shapes: query (*, T, d), key (*, S, d), value (*, S, e), result (*, T, e).

    Args:
        attn_mask: (T, S), or a shape that broadcasts to (*, T, S).  Booleans: True where the query may attend
            to the key, as in PyTorch's function of that name (in its modules, and in ours, True hides the key).
            Floats: they are added to the scores.
        is_causal: query t attends to keys 0 … t only.

    Raises:
        TypeError: the mask contains integers, which could mean either.
    """
    scores = (query * (1.0 / math.sqrt(np.shape(query)[-1]))) @ np.swapaxes(key, -1, -2)
    dtype = float_type(scores)
    if is_causal:
        after, before = np.arange(np.shape(key)[-2]), np.arange(np.shape(query)[-2])[:, None]
        scores = scores + np.where(after <= before, 0.0, _hidden(dtype)).astype(dtype)
    if attn_mask is not None:
        if _kind(attn_mask) == "b":
            attn_mask = np.where(attn_mask, 0.0, _hidden(dtype))
        scores = scores + as_float_type(attn_mask, scores)
    return engine.softmax(scores) @ value


def _kind(attn_mask: Any) -> str:
    """The kind of a mask: "b" for booleans, "f" for floats."""
    kind = attn_mask.dtype.kind if hasattr(attn_mask, "dtype") else np.asarray(attn_mask).dtype.kind
    if kind not in "bf":
        raise TypeError("attn_mask contains integers; pass booleans to hide positions, or floats to add them to the scores")
    return str(kind)


class MultiHeadAttention(Module):
    """Attention in several heads, each on its own embed_dim / num_heads features; a last linear map mixes the heads.

    `attention(x)` is self-attention; `attention(x, memory)` takes the keys and values from the memory.

    Shapes: x and y (*, T, embed_dim), memory (*, S, embed_dim); in_proj_weight (3·embed_dim, embed_dim) for
    q, k and v, in_proj_bias (3·embed_dim,), out_proj a Linear(embed_dim, embed_dim): PyTorch's MultiheadAttention
    with batch_first=True.

    `attention(x, attn_mask=mask)` takes a mask of shape (T, S), or one that broadcasts to (*, num_heads, T, S), as
    PyTorch's module does: True where the query may not attend to the key, or floats that are added to the scores.

    Args:
        is_causal: position t attends to positions 0 … t only.
        generator: a seed or a Generator; in_proj_weight is initialised by `init.xavier_uniform_`, the biases are 0.

    Raises:
        ValueError: num_heads does not divide embed_dim; or an input has another shape.
    """

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, is_causal: bool = False, *, generator: Seed = None):
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: {num_heads} heads do not divide {embed_dim} features; take a divisor of embed_dim")
        self.embed_dim, self.num_heads, self.is_causal = embed_dim, num_heads, is_causal
        generator = init.as_generator(generator)
        self.in_proj_weight = init.xavier_uniform_(Parameter(np.empty((3 * embed_dim, embed_dim))), generator=generator)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, generator=generator)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(self, x: Any, memory: Any = None, attn_mask: Any = None) -> Any:
        for name, thing in (("input", x), ("memory", x if memory is None else memory)):
            shape = np.shape(thing)
            if len(shape) < 2 or shape[-1] != self.embed_dim:
                raise ValueError(f"{self._title}: the {name} must have shape (*, time, {self.embed_dim}), not {shape}")
        if memory is None:
            q, k, v = self._heads(x, 0, 3)
        else:
            (q,), (k, v) = self._heads(x, 0, 1), self._heads(memory, 1, 3)
        if attn_mask is not None and _kind(attn_mask) == "b":
            attn_mask = np.logical_not(attn_mask)
        means = np.swapaxes(scaled_dot_product_attention(q, k, v, attn_mask, self.is_causal), -2, -3)
        return self.out_proj(np.reshape(means, np.shape(x)))

    def _heads(self, x: Any, first: int, last: int) -> list[Any]:
        """The projections first … last - 1 of (q, k, v), each of shape (*, heads, T, embed_dim / heads)."""
        rows, count = slice(first * self.embed_dim, last * self.embed_dim), last - first
        whole = count == 3
        y = x @ (self.in_proj_weight if whole else self.in_proj_weight[rows]).T
        if self.in_proj_bias is not None:
            y = y + (self.in_proj_bias if whole else self.in_proj_bias[rows])
        *batch, time, _ = np.shape(x)
        y = np.reshape(y, (*batch, time, count, self.num_heads, -1))
        n = len(batch)
        stacked = np.transpose(y, (n + 1, *range(n), n + 2, n, n + 3))
        return [stacked[i] for i in range(count)]

    def extra_repr(self) -> str:
        bias = "" if self.in_proj_bias is not None else ", bias=False"
        return f"{self.embed_dim}, {self.num_heads}{bias}" + (", is_causal=True" if self.is_causal else "")


class TransformerBlock(Module):
    """x ← x + attention(norm1(x)), then x ← x + linear2(activation(linear1(norm2(x)))).

    The normalisation stands before each part and not after it, so the gradient can pass along the sums unchanged
    (Radford et al. 2019).  The names are those of PyTorch's TransformerEncoderLayer with norm_first=True and
    batch_first=True.

    Shapes: x and y (*, T, d_model); attn_mask as for `MultiHeadAttention`.

    Args:
        dim_feedforward: the width between linear1 and linear2; 4·d_model by default.
        dropout: the probability that an element of a part's result is dropped in training.
        activation: makes the activation Module: `ReLU`, `GELU`, ...
        norm: makes a normalisation Module from a width: `LayerNorm`, `RMSNorm`, ...
        bias: whether the linear maps, and a `LayerNorm`, have biases.
        is_causal: position t attends to positions 0 … t only, as in a language model.
        generator: a seed or a Generator for the weights and for dropout.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[], Module] = ReLU,
        norm: Callable[[int], Module] = LayerNorm,
        bias: bool = True,
        is_causal: bool = False,
        *,
        generator: Seed = None,
    ):
        generator = init.as_generator(generator)
        wide = 4 * d_model if dim_feedforward is None else dim_feedforward
        if norm is LayerNorm:
            norm = partial(LayerNorm, bias=bias)
        self.norm1 = norm(d_model)
        self.self_attn = MultiHeadAttention(d_model, nhead, bias, is_causal, generator=generator)
        self.norm2 = norm(d_model)
        self.linear1 = Linear(d_model, wide, bias, generator=generator)
        self.activation = activation()
        self.linear2 = Linear(wide, d_model, bias, generator=generator)
        self.dropout = Dropout(dropout, generator=generator)

    def forward(self, x: Any, attn_mask: Any = None) -> Any:
        x = x + self.dropout(self.self_attn(self.norm1(x), attn_mask=attn_mask))
        return x + self.dropout(self.linear2(self.activation(self.linear1(self.norm2(x)))))
