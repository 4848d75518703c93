"""Losses: how wrong the outputs are, as one number; and penalties, which keep weights or activations small.

A loss takes the outputs first and the targets second.  It has one number for each element (for cross-entropy,
for each sample) and returns their mean; reduction="sum" returns their sum, and reduction="none" all of them.
Each raises ValueError for shapes that do not fit together and for an unknown reduction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

import engine

from ._dtypes import as_float_type
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
    """The mean or the sum of the losses, or all of them."""
    if reduction == "mean":
        return np.mean(loss)
    if reduction == "sum":
        return np.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def _fitting(name: str, input: Any, target: Any) -> Any:
    """The targets in the dtype of the outputs.

    Refuse to broadcast: outputs (n, 1) and targets (n,) would compare every output with every target.
    """
    if np.shape(input) != np.shape(target):
        raise ValueError(f"{name}: the outputs have shape {np.shape(input)} and the targets {np.shape(target)}; reshape one of them")
    return as_float_type(target, input)


# ── regression ────────────────────────────────────────────────────────────────


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The squared error (input - target)²."""
    target = _fitting("mse_loss", input, target)
    return _reduce(np.square(input - target), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """The absolute error |input - target|."""
    target = _fitting("l1_loss", input, target)
    return _reduce(np.absolute(input - target), reduction)


def huber_loss(input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Any:
    """½ d² for an error d with |d| ≤ delta, else delta · (|d| - ½ delta): the gradient of an outlier is bounded (Huber 1964)."""
    target = _fitting("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    error = input - target
    near = np.clip(error, -delta, delta)
    return _reduce(near * (error - 0.5 * near), reduction)


# ── two classes ───────────────────────────────────────────────────────────────


def hinge_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """max(0, 1 - target · input), with targets -1 and +1: the loss of a support vector machine."""
    target = _fitting("hinge_loss", input, target)
    return _reduce(engine.relu(1.0 - target * input), reduction)


def binary_cross_entropy(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-(target · ln p + (1 - target) · ln(1 - p)) for probabilities p; each logarithm is at least -100.

    For scores use `binary_cross_entropy_with_logits`: it is exact where the sigmoid would round to 0 or 1.

    Raises:
        ValueError: p is not in [0, 1].
    """
    target, least = _fitting("binary_cross_entropy", input, target), math.exp(-100.0)
    p = input.data if isinstance(input, engine.Value) else np.asarray(input)
    if np.any((p < 0.0) | (p > 1.0)):
        raise ValueError(
            f"binary_cross_entropy: probabilities lie in [0, 1], and these go from {np.min(p):g} to {np.max(p):g}; "
            "for scores use binary_cross_entropy_with_logits"
        )
    yes, no = np.log(np.maximum(input, least)), np.log(np.maximum(1.0 - input, least))
    return _reduce(-(target * yes + (1.0 - target) * no), reduction)


def binary_cross_entropy_with_logits(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """binary_cross_entropy(sigmoid(input), target) as ln(1 + eˣ) - target · x, without overflow."""
    target = _fitting("binary_cross_entropy_with_logits", input, target)
    return _reduce(engine.softplus(input) - target * input, reduction)


# ── many classes ──────────────────────────────────────────────────────────────


def cross_entropy(input: Any, target: Any, *, reduction: str = "mean", label_smoothing: float = 0.0) -> Any:
    """-ln softmax(input)[target]: minus the logarithm of the probability of the true class.

    Shapes: input (classes,), (N, classes) or (N, classes, *); target the same without the class axis.

    Args:
        target: integers in 0 … classes - 1.
        label_smoothing: ε, the part of the target that is spread evenly over all classes:
            (1 - ε) · (-ln p[target]) + ε · mean(-ln p) (Szegedy et al. 2016).

    Raises:
        TypeError: the targets are not integers.
        ValueError: a target is out of range, the shapes do not fit together, or ε is not in [0, 1].
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], not {label_smoothing}")
    axis = min(np.ndim(input) - 1, 1)
    log_p = engine.log_softmax(input, axis=axis)
    loss = -_pick("cross_entropy", log_p, target)
    if label_smoothing:
        loss = (1.0 - label_smoothing) * loss - label_smoothing * np.mean(log_p, axis=axis)
    return _reduce(loss, reduction)


def nll_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """-input[target] for log-probabilities; shapes and errors as for `cross_entropy`."""
    return _reduce(-_pick("nll_loss", input, target), reduction)


def _pick(name: str, scores: Any, target: Any) -> Any:
    """The score of each sample's target class."""
    shape, classes = np.shape(scores), np.asarray(target)
    if classes.dtype.kind not in "iu":
        raise TypeError(f"{name}: targets must be class indices (integers), not {classes.dtype}")
    axis = min(len(shape) - 1, 1)
    if not shape or classes.shape != shape[:axis] + shape[axis + 1 :]:
        raise ValueError(f"{name}: scores of shape {shape} need targets of shape {shape[:axis] + shape[axis + 1 :]}, not {classes.shape}")
    if classes.size and not (classes.min() >= 0 and classes.max() < shape[axis]):
        raise ValueError(f"{name}: targets must be in 0 … {shape[axis] - 1}, not {classes.min()} … {classes.max()}")
    samples = np.indices(classes.shape, sparse=True)
    return scores[(*samples[:axis], classes, *samples[axis:])]


# ── penalties ─────────────────────────────────────────────────────────────────


def l1_penalty(values: Module | Iterable[Any] | Any) -> Any:
    """Σ |v| over the parameters of a Module, over several Values (`[layer.weight]`), or over one; it makes some of them exactly 0."""
    return _total(np.absolute, values)


def l2_penalty(values: Module | Iterable[Any] | Any) -> Any:
    """Σ v² over the parameters of a Module, over several Values (`[layer.weight]`), or over one; it keeps all of them small."""
    return _total(np.square, values)


def _total(size: Any, values: Any) -> Any:
    """Σ size(v) over all elements of the values."""
    if isinstance(values, Module):
        values = values.parameters()
    if not isinstance(values, Iterable) or isinstance(values, (engine.Value, np.ndarray)):
        return np.sum(size(values))
    total: Any = 0.0
    for value in values:
        total = total + np.sum(size(value))
    return total
