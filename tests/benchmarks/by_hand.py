"""The forward and backward passes of layers, written by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax_slope(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """∂(mean cross-entropy)/∂scores."""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    np.mean(np.log(p[rows, labels]))
    p[rows, labels] -= 1.0
    return p / len(labels)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(output, columns)"""
    n, (out, channels, kh, kw) = len(x), weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))
    height, width = windows.shape[2:4]
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, channels * kh * kw, height * width)
    y = weight.reshape(out, -1) @ columns
    y += bias[:, None]
    return y.reshape(n, out, height, width), columns


def convolve_slopes(
    g: np.ndarray, columns: np.ndarray, x: np.ndarray, weight: np.ndarray, *, wrt_x: bool
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The gradients for x, weight and bias."""
    n, out, height, width = g.shape
    flat = g.reshape(n, out, -1)
    d_weight = (flat @ columns.swapaxes(1, 2)).sum(axis=0).reshape(weight.shape)
    d_bias = flat.sum(axis=(0, 2))
    if not wrt_x:
        return None, d_weight, d_bias
    kh, kw = weight.shape[2:]
    d_columns = (weight.reshape(out, -1).T @ flat).reshape(n, -1, kh, kw, height, width)
    d_x = np.zeros_like(x)
    for i in range(kh):
        for j in range(kw):
            d_x[:, :, i : i + height, j : j + width] += d_columns[:, :, i, j]
    return d_x, d_weight, d_bias


_PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]


def pool(x: np.ndarray) -> np.ndarray:
    h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    a, b, c, d = (x[:, :, i:h:2, j:w:2] for i, j in _PLACES)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


def pool_slope(g: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    h, w = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
    d_x = np.zeros_like(x)
    for i, j in _PLACES:
        d_x[:, :, i:h:2, j:w:2] = g * (x[:, :, i:h:2, j:w:2] == y)
    return d_x


def gpt_slopes(weights: list[np.ndarray], letters: np.ndarray, targets: np.ndarray, heads: int) -> list[np.ndarray]:
    """The gradients of the GPT's weights, in the order of its parameters."""
    letter, place, head, project, mix, widen, narrow = weights
    n, width = len(letters), letter.shape[1]

    def norm(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scale = 1.0 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5)
        return x * scale, scale

    def norm_slope(g: np.ndarray, y: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return (g - y * (g * y).mean(axis=-1, keepdims=True)) * scale

    y0, s0 = norm(letter[letters] + place[:n])
    y1, s1 = norm(y0)
    q, k, v = (y1 @ project.T).reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)
    root = 1.0 / np.sqrt(width // heads)
    scores = (q * root) @ k.swapaxes(1, 2) + np.where(np.tri(n) > 0, 0.0, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    seen = (p @ v).swapaxes(0, 1).reshape(n, width)
    x1 = y0 + seen @ mix.T
    y2, s2 = norm(x1)
    wide = np.maximum(y2 @ widen.T, 0.0)
    x2 = x1 + wide @ narrow.T
    g = softmax_slope(x2 @ head.T, targets)
    d_head, g = g.T @ x2, g @ head
    d_narrow, d_wide = g.T @ wide, (g @ narrow) * (wide > 0)
    d_widen = d_wide.T @ y2
    g = g + norm_slope(d_wide @ widen, y2, s2)
    d_mix, d_seen = g.T @ seen, (g @ mix).reshape(n, heads, -1).swapaxes(0, 1)
    d_p, d_v = d_seen @ v.swapaxes(1, 2), p.swapaxes(1, 2) @ d_seen
    d_scores = p * (d_p - (d_p * p).sum(axis=-1, keepdims=True))
    d_q, d_k = d_scores @ k * root, d_scores.swapaxes(1, 2) @ (q * root)
    d_qkv = np.stack([d_q, d_k, d_v]).transpose(2, 0, 1, 3).reshape(n, -1)
    d_project = d_qkv.T @ y1
    g = g + norm_slope(d_qkv @ project, y1, s1)
    g = norm_slope(g, y0, s0)
    d_letter, d_place = np.zeros_like(letter), np.zeros_like(place)
    np.add.at(d_letter, letters, g)
    d_place[:n] = g
    return [d_letter, d_place, d_head, d_project, d_mix, d_widen, d_narrow]
