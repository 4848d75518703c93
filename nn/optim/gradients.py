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
    """The parameters as a list.

    Raises:
        TypeError: params is a single Value, or an entry is not a Value.
    """
    if isinstance(params, Value):
        raise TypeError("expected a list of parameters, not one: write [p], or model.parameters()")
    parameters = list(params)
    for i, p in enumerate(parameters):
        if not isinstance(p, Value):
            raise TypeError(f"parameter {i} is a {type(p).__name__}, not a Value; pass model.parameters()")
    return parameters


def finite_gradients(params: list[Value]) -> list[tuple[int, Value, Any]]:
    """(index, parameter, gradient) for every parameter that has a gradient; the gradient is a float or an array.

    Raises:
        FloatingPointError: a gradient contains a NaN or an inf.
    """
    found = []
    for i, p in enumerate(params):
        if p.has_grad:
            g = p.grad.detach().data if isinstance(p.grad, Value) else p.grad  # it is a Value after backward(create_graph=True)
            # The sum of the squares tells in one pass, unless it overflows.
            if not (math.isfinite(g if type(g) is float else np.vdot(g, g)) or np.isfinite(g).all()):
                kind = "NaN" if np.isnan(g).any() else "inf"
                raise FloatingPointError(
                    f"the gradient of {parameter_name(i, p)} contains {kind}; "
                    "run the forward and the backward pass under engine.detect_anomaly() to find the operation that made it"
                )
            found.append((i, p, g))
    return found


def parameter_name(i: int, p: Value) -> str:
    """A parameter in an error message: its index, label and shape."""
    return f"parameter {i}, {describe(p)},"


# ── clipping ──────────────────────────────────────────────────────────────────


def clip_grad_norm_(parameters: Iterable[Value], max_norm: float, norm_type: float = 2.0) -> float:
    """Scale all gradients by one factor so that their norm is at most max_norm; return the norm before.

        g ← g · min(1, max_norm / (‖g‖ + 1e-6))

    The norm is that of all gradients together, as one long vector.  Its direction does not change
    (Pascanu et al. 2013, https://arxiv.org/abs/1211.5063).

    Args:
        parameters: the parameters; those without a gradient do not count.
        max_norm: the largest norm allowed.
        norm_type: the p of the p-norm; math.inf for the largest absolute element.

    Raises:
        TypeError: `parameters` is a single Value, or an entry is not a Value.
        FloatingPointError: a gradient contains a NaN or an inf; nothing was changed.
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
    """Limit every element of every gradient to [-clip_value, clip_value].  The direction of the gradient may change.

    Raises:
        TypeError: `parameters` is a single Value, or an entry is not a Value.
        FloatingPointError: a gradient contains a NaN or an inf; nothing was changed.
    """
    for _, p, g in finite_gradients(listed(parameters)):
        p.grad = np.clip(g, -clip_value, clip_value, out=g if type(g) is np.ndarray else None)
