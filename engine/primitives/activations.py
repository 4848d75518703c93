"""Activation functions: relu, sigmoid and tanh (in `exponentials`), and those that came after them.

At a kink the derivative is 0 where 0 lies between the two one-sided derivatives (relu, hardtanh);
elsewhere (leaky_relu, elu, selu) it is the one from the left.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import Case, Kink, primitive

relu = primitive(
    "relu",
    lambda x: np.maximum(x, 0.0),
    lambda g, out, x: g * (x > 0),
    elementwise=True,
    kinks=[Kink("x = 0", "0", lambda x: x)],
    doc="max(0, x)",
)


def _sigmoid(x: Any) -> Any:
    decay = np.exp(-np.absolute(x))  # in (0, 1]: no overflow at either end
    return np.maximum(x >= 0, decay) / (1.0 + decay)  # the numerator is 1 for x >= 0 and eˣ below


sigmoid = primitive(
    "sigmoid",
    _sigmoid,
    lambda g, out, x: g * out * (1.0 - out),
    elementwise=True,
    doc="1 / (1 + e⁻ˣ)",
)

leaky_relu = primitive(
    "leaky_relu",
    lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
    lambda g, out, x, negative_slope=0.01: g * np.where(x > 0, 1.0, negative_slope),
    elementwise=True,
    kinks=[Kink("x = 0", "negative_slope, the derivative from the left", lambda x, negative_slope=0.01: x)],
    cases=[Case(((3,),), {"negative_slope": 0.2})],
    doc="x where x > 0, else negative_slope · x (Maas et al. 2013)",
)

elu = primitive(
    "elu",
    lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
    lambda g, out, x, alpha=1.0: g * np.where(x > 0, 1.0, alpha * np.exp(x - np.where(x > 0, x, 0.0))),
    elementwise=True,
    kinks=[Kink("x = 0", "alpha, the derivative from the left (no kink at alpha = 1, but one in elu')", lambda x, alpha=1.0: x)],
    cases=[Case(((3,),), {"alpha": 1.5})],
    doc="x where x > 0, else alpha · (eˣ - 1) (Clevert et al. 2015)",
)

# Klambauer et al. 2017, equation 14
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

selu = primitive(
    "selu",
    lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0))),
    lambda g, out, x: g * SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(x - np.where(x > 0, x, 0.0))),
    elementwise=True,
    kinks=[Kink("x = 0", "scale · alpha, the derivative from the left", lambda x: x)],
    doc="elu, scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017)",
)

_erf_of, _erfc_of = np.frompyfunc(math.erf, 1, 1), np.frompyfunc(math.erfc, 1, 1)


def _like(x: Any, result: Any) -> Any:
    """A frompyfunc result (objects) in the dtype of x."""
    return np.asarray(result, dtype=np.result_type(np.asarray(x), np.float16))


erf = primitive(
    "erf",
    lambda x: _like(x, _erf_of(x)),
    lambda g, out, x: g * (2.0 / math.sqrt(math.pi)) * np.exp(-x * x),
    elementwise=True,
    doc="2/√π ∫₀ˣ exp(-t²) dt",
)

erfc = primitive(
    "erfc",
    lambda x: _like(x, _erfc_of(x)),
    lambda g, out, x: g * (-2.0 / math.sqrt(math.pi)) * np.exp(-x * x),
    elementwise=True,
    doc="1 - erf x, exact where erf x is near 1",
)

_TANH_GELU = math.sqrt(2.0 / math.pi)


def _gelu_logit(x: Any) -> Any:
    return 2.0 * _TANH_GELU * (x + 0.044715 * x * x * x)


def _gelu_slope(x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        s = sigmoid(_gelu_logit(x))
        return s * (1.0 + x * (1.0 - s) * 2.0 * _TANH_GELU * (1.0 + 3 * 0.044715 * x * x))
    return 0.5 * erfc(-x / math.sqrt(2.0)) + x * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":  # (1 + tanh z) / 2 = sigmoid(2z), without its cancellation where z is far below 0
        return x * sigmoid(_gelu_logit(x))
    if approximate != "none":
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return 0.5 * x * erfc(-x / math.sqrt(2.0))


gelu = primitive(
    "gelu",
    _gelu,
    lambda g, out, x, approximate="none": g * _gelu_slope(x, approximate),
    elementwise=True,
    cases=[Case(((3,),), {"approximate": "tanh"})],
    doc="x · Φ(x), Φ the normal distribution function; approximate='tanh' is GPT-2's form (Hendrycks & Gimpel 2016)",
)

silu = primitive(
    "silu",
    lambda x: x * sigmoid(x),
    lambda g, out, x: g * (sigmoid(x) + out * (1.0 - sigmoid(x))),
    elementwise=True,
    doc="x · sigmoid(x), also called swish",
)

softplus = primitive(
    "softplus",
    lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.absolute(x))),
    lambda g, out, x: g * sigmoid(x),
    elementwise=True,
    doc="ln(1 + eˣ), without overflow",
)

softsign = primitive(
    "softsign",
    lambda x: x / (1.0 + np.absolute(x)),
    lambda g, out, x: g / np.square(1.0 + np.absolute(x)),
    elementwise=True,
    doc="x / (1 + |x|)",
)

hardtanh = primitive(
    "hardtanh",
    lambda x, min_val=-1.0, max_val=1.0: np.minimum(np.maximum(x, min_val), max_val),
    lambda g, out, x, min_val=-1.0, max_val=1.0: g * ((min_val < x) & (x < max_val)),
    elementwise=True,
    kinks=[
        Kink("x = min_val", "0", lambda x, min_val=-1.0, max_val=1.0: x - min_val),
        Kink("x = max_val", "0", lambda x, min_val=-1.0, max_val=1.0: x - max_val),
    ],
    cases=[Case(((3,),), {"min_val": -0.5, "max_val": 2.0})],
    doc="x kept between min_val and max_val",
)

_ALONG = [Case(((3,),)), Case(((2, 3),)), Case(((2, 3),), {"axis": 0}), Case(((2, 1, 2),), {"axis": 1})]


def _log_softmax(x: Any, axis: int = -1) -> Any:
    shifted = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


softmax = primitive(
    "softmax",
    lambda x, axis=-1: np.exp(_log_softmax(x, axis)),
    lambda g, out, x, axis=-1: out * (g - np.add.reduce(g * out, axis=axis, keepdims=True)),
    cases=_ALONG,
    doc="exp(x) / Σ exp(x) along an axis, without overflow",
)

log_softmax = primitive(
    "log_softmax",
    _log_softmax,
    lambda g, out, x, axis=-1: g - np.exp(out) * np.add.reduce(g, axis=axis, keepdims=True),
    cases=_ALONG,
    doc="ln softmax(x) along an axis, without overflow",
)
