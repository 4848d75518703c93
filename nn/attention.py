"""Attention: every place in a sequence looks at the others, and takes a mean of what it finds there.

    attention(q, k, v) = softmax(q kᵀ / √d) v            (Vaswani et al. 2017, equation 1)

q asks, k answers, and the softmax of how well they match weighs the values v.  A causal mask hides what
comes later, so that the same network can be trained on all prefixes of a text at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import engine
from engine import Parameter

from . import init
from .activations import ReLU
from .init import Seed
from .linear import Dropout, Linear
from .module import Module
from .norm import LayerNorm

__all__ = ["MultiHeadAttention", "TransformerBlock", "scaled_dot_product_attention"]


# Finite, so that `detect_anomaly` has nothing to report; e to this power is exactly 0.
HIDDEN = -1e30


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False) -> Any:
    """softmax(q kᵀ / √d + mask) v

    Shapes: query (*, T, d), key (*, S, d), value (*, S, e), result (*, T, e).

    Args:
        attn_mask: (T, S), or a shape that broadcasts to (*, T, S): booleans, True where a query may look,
            or numbers that are added to the scores.
        is_causal: query t may look at keys 0 … t only.
    """
    scores = (query * (1.0 / math.sqrt(np.shape(query)[-1]))) @ np.swapaxes(key, -1, -2)
    if is_causal:
        after, before = np.arange(np.shape(key)[-2]), np.arange(np.shape(query)[-2])[:, None]
        scores = scores + np.where(after <= before, 0.0, HIDDEN)
    if attn_mask is not None:
        scores = scores + (np.where(attn_mask, 0.0, HIDDEN) if np.asarray(attn_mask).dtype == bool else attn_mask)
    return engine.softmax(scores) @ value


class MultiHeadAttention(Module):
    """Attention in several heads: each looks at embed_dim / num_heads features of its own; a last product mixes them.

    Called with x alone it is self-attention; `attention(x, memory)` takes keys and values from the memory.

    Shapes: x and y (*, T, embed_dim), memory (*, S, embed_dim); in_proj_weight (3·embed_dim, embed_dim) for
    q, k and v, in_proj_bias (3·embed_dim,), out_proj a Linear(embed_dim, embed_dim): PyTorch's MultiheadAttention
    with batch_first=True.

    Args:
        is_causal: place t sees places 0 … t only.
        generator: seed or Generator; in_proj_weight starts Xavier-uniform, the biases 0.
    """

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, is_causal: bool = False, *, generator: Seed = None):
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: {num_heads} heads do not divide {embed_dim} features")
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
                raise ValueError(f"{self._title}: the {name} has shape (*, time, {self.embed_dim}), not {shape}")
        if memory is None:
            q, k, v = self._heads(x, 0, 3)
        else:
            (q,), (k, v) = self._heads(x, 0, 1), self._heads(memory, 1, 3)
        seen = np.swapaxes(scaled_dot_product_attention(q, k, v, attn_mask, self.is_causal), -2, -3)
        return self.out_proj(np.reshape(seen, np.shape(x)))

    def _heads(self, x: Any, first: int, last: int) -> list[Any]:
        """Projections number first … last - 1 (of q, k, v), each (*, heads, T, embed_dim / heads)."""
        rows, count = slice(first * self.embed_dim, last * self.embed_dim), last - first
        whole = count == 3
        y = x @ (self.in_proj_weight if whole else self.in_proj_weight[rows]).T
        if self.in_proj_bias is not None:
            y = y + (self.in_proj_bias if whole else self.in_proj_bias[rows])
        *batch, time, _ = np.shape(x)
        apart = np.reshape(y, (*batch, time, count, self.num_heads, -1))
        n = len(batch)
        stacked = np.transpose(apart, (n + 1, *range(n), n + 2, n, n + 3))
        return [stacked[i] for i in range(count)]

    def extra_repr(self) -> str:
        bias = "" if self.in_proj_bias is not None else ", bias=False"
        return f"{self.embed_dim}, {self.num_heads}{bias}" + (", is_causal=True" if self.is_causal else "")


class TransformerBlock(Module):
    """x + attention(norm(x)), then the same with a two-layer network: x + linear2(activation(linear1(norm(x)))).

    Normalising before each part, not after it, keeps the sum free for the gradient (Radford et al. 2019;
    PyTorch's TransformerEncoderLayer with norm_first=True, batch_first=True, and its names).

    Shapes: x and y (*, T, d_model).

    Args:
        dim_feedforward: the width between linear1 and linear2, 4·d_model by default.
        dropout: the probability with which each part's result loses an element in training.
        activation, norm: what makes the activation, and a normaliser of a given width: `GELU`, `RMSNorm`.
        is_causal: place t sees places 0 … t only, as a language model wants it.
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
