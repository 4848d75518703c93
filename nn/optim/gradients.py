"""The gradients of parameters: read as plain numbers, checked, and clipped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine import Value
from engine.node import describe

__all__ = ["clip_grad_norm_", "clip_grad_value_", "finite_gradients", "listed", "parameter_name"]


def listed(params: Iterable[Value]) -> list[Value]:
    if isinstance(params, Value):
        raise TypeError("expected a list of parameters, not one: write [p], or model.parameters()")
    listed = list(params)
    for i, p in enumerate(listed):
        if not isinstance(p, Value):
            raise TypeError(f"parameter {i} is a {type(p).__name__}, not a Value; pass model.parameters()")
    return listed


def finite_gradients(params: list[Value]) -> list[tuple[int, Value, Any]]:
    """(index, parameter, gradient) of those that have one, as plain numbers, every one of them finite."""
    found = []
    for i, p in enumerate(params):
        if p.has_grad:
            g = p.grad.detach().data if isinstance(p.grad, Value) else p.grad  # a Value after backward(create_graph=True)
            if not (math.isfinite(g) if type(g) is float else np.isfinite(g).all()):
                kind = "NaN" if np.isnan(g).any() else "inf"
                raise FloatingPointError(
                    f"the gradient of {parameter_name(i, p)} holds a {kind}; "
                    "run the forward and the backward pass under engine.detect_anomaly() to see where it comes from"
                )
            found.append((i, p, g))
    return found


def parameter_name(i: int, p: Value) -> str:
    return f"parameter {i}, {describe(p)},"


# ── clipping ──────────────────────────────────────────────────────────────────


def clip_grad_norm_(parameters: Iterable[Value], max_norm: float, norm_type: float = 2.0) -> float:
    """Shorten the gradient of all parameters, as one long vector, to max_norm; return its norm before.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6))

    The direction stays (Pascanu et al. 2013, https://arxiv.org/abs/1211.5063).  norm_type is the p of the
    p-norm, math.inf for the largest element.  FloatingPointError where a gradient holds a NaN or an inf.
    """
    gradients = finite_gradients(listed(parameters))
    norms = [abs(g) if type(g) is float else float(np.linalg.norm(np.ravel(g), norm_type)) for _, _, g in gradients]
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if total + 1e-6 > max_norm:
        for _, p, g in gradients:
            g *= max_norm / (total + 1e-6)
            p.grad = g
    return total


def clip_grad_value_(parameters: Iterable[Value], clip_value: float) -> None:
    """Confine every element of every gradient to [-clip_value, clip_value].  The direction may change."""
    for _, p, g in finite_gradients(listed(parameters)):
        p.grad = np.clip(g, -clip_value, clip_value, out=g if type(g) is np.ndarray else None)
