"""Losses: how wrong an output is, as one number; and penalties, which keep weights or activations small.

Each takes the outputs first and the targets second, and returns their mean; reduction="sum" adds them up,
reduction="none" leaves one loss an element (for cross-entropy, a sample).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

import engine

from .module import Module

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "huber_loss",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "mse_loss",
    "nll_loss",
]


def _reduce(loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return np.mean(loss)
    if reduction == "sum":
        return np.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def _check_shapes(name: str, input: Any, target: Any) -> None:
    """Refuse to broadcast: (n, 1) against (n,) would compare every output with every target."""
    if np.shape(input) != np.shape(target):
        raise ValueError(f"{name}: the outputs have shape {np.shape(input)} and the targets {np.shape(target)}; reshape one of them")


# ── regression ────────────────────────────────────────────────────────────────


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The squared error (input - target)²."""
    _check_shapes("mse_loss", input, target)
    return _reduce(np.square(input - target), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The absolute error |input - target|."""
    _check_shapes("l1_loss", input, target)
    return _reduce(np.absolute(input - target), reduction)


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Any:
    """½ d² for an error d within ±delta, and delta · (|d| - ½ delta) beyond: outliers pull with constant force (Huber 1964)."""
    _check_shapes("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    error = input - target
    near = np.clip(error, -delta, delta)
    return _reduce(near * (error - 0.5 * near), reduction)


# ── two classes ───────────────────────────────────────────────────────────────


def hinge_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """max(0, 1 - target · input) for scores and targets -1 and +1: the support vector machine's loss."""
    _check_shapes("hinge_loss", input, target)
    return _reduce(engine.relu(1.0 - target * input), reduction)


def binary_cross_entropy(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-(target · ln p + (1 - target) · ln(1 - p)) for probabilities p; each logarithm is kept above -100.

    From scores, `binary_cross_entropy_with_logits` is exact where a sigmoid would round to 0 or 1.
    """
    _check_shapes("binary_cross_entropy", input, target)
    target, least = np.asarray(target), math.exp(-100.0)
    yes, no = np.log(np.maximum(input, least)), np.log(np.maximum(1.0 - input, least))
    return _reduce(-(target * yes + (1.0 - target) * no), reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """binary_cross_entropy(sigmoid(input), target) as ln(1 + eˣ) - target · x, without overflow."""
    _check_shapes("binary_cross_entropy_with_logits", input, target)
    return _reduce(engine.softplus(input) - target * input, reduction)


# ── many classes ──────────────────────────────────────────────────────────────


def cross_entropy(input: Any, target: Any, *, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
    """-ln softmax(input)[target]: how unlikely the scores make the true class.

    Shapes: input (classes,), (N, classes) or (N, classes, *), target the same without the class axis.

    Args:
        target: integers in 0 … classes - 1.
        label_smoothing: ε, which spreads that much of the target evenly over all classes:
            (1 - ε) · (-ln p[target]) + ε · mean(-ln p) (Szegedy et al. 2016).
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing lies between 0 and 1, not at {label_smoothing}")
    axis = min(np.ndim(input) - 1, 1)
    log_p = engine.log_softmax(input, axis=axis)
    loss = -_pick("cross_entropy", log_p, target)
    if label_smoothing:
        loss = (1.0 - label_smoothing) * loss - label_smoothing * np.mean(log_p, axis=axis)
    return _reduce(loss, reduction)


def nll_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-input[target], for log-probabilities in the shapes of `cross_entropy`."""
    return _reduce(-_pick("nll_loss", input, target), reduction)


def _pick(name: str, scores: Any, target: Any) -> Any:
    """The score of each sample's target class."""
    shape, classes = np.shape(scores), np.asarray(target)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"{name}: targets are class indices (integers), not {classes.dtype}")
    axis = min(len(shape) - 1, 1)
    if not shape or classes.shape != shape[:axis] + shape[axis + 1 :]:
        raise ValueError(f"{name}: scores of shape {shape} need targets of shape {shape[:axis] + shape[axis + 1 :]}, not {classes.shape}")
    if classes.size and not (classes.min() >= 0 and classes.max() < shape[axis]):
        raise ValueError(f"{name}: targets lie in 0 … {shape[axis] - 1}, got {classes.min()} … {classes.max()}")
    places = np.indices(classes.shape, sparse=True)
    return scores[(*places[:axis], classes, *places[axis:])]


# ── penalties ─────────────────────────────────────────────────────────────────


def l1_penalty(values: Module | Iterable[Any] | Any) -> Any:
    """Σ |v| over a Module's parameters, over some Values (`[layer.weight]`), or over one (an activation): pulls to exact zeros."""
    return _total(np.absolute, values)


def l2_penalty(values: Module | Iterable[Any] | Any) -> Any:
    """Σ v² over a Module's parameters, over some Values (`[layer.weight]`), or over one (an activation): keeps all of them small."""
    return _total(np.square, values)


def _total(size: Any, values: Any) -> Any:
    if isinstance(values, Module):
        values = values.parameters()
    if not isinstance(values, Iterable) or isinstance(values, (engine.Value, np.ndarray)):
        return np.sum(size(values))
    total: Any = 0.0
    for value in values:
        total = total + np.sum(size(value))
    return total
