"""Exponentials, logarithms, and the trigonometric and hyperbolic functions with their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arithmetic import POSITIVE
from .table import Kink, primitive

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
UNIT = (-1.0, 1.0)

exp = primitive("exp", np.exp, lambda g, out, x: g * out, doc="eˣ")
exp2 = primitive("exp2", np.exp2, lambda g, out, x: g * out * LN2, doc="2ˣ")
expm1 = primitive("expm1", np.expm1, lambda g, out, x: g * np.exp(x), doc="eˣ - 1, exact near 0")
log = primitive("log", np.log, lambda g, out, x: g / x, domain=[POSITIVE], doc="ln x")
log2 = primitive("log2", np.log2, lambda g, out, x: g / (x * LN2), domain=[POSITIVE], doc="log₂ x")
log10 = primitive("log10", np.log10, lambda g, out, x: g / (x * LN10), domain=[POSITIVE], doc="log₁₀ x")
log1p = primitive("log1p", np.log1p, lambda g, out, x: g / (1.0 + x), domain=[(-1.0, np.inf)], doc="ln(1 + x), exact near 0")
logaddexp = primitive(
    "logaddexp",
    np.logaddexp,
    lambda g, out, x, y: g * np.exp(x - out),
    lambda g, out, x, y: g * np.exp(y - out),
    doc="ln(eˣ + eʸ), without overflow",
)

sin = primitive("sin", np.sin, lambda g, out, x: g * np.cos(x), doc="sin x, x in radians")
cos = primitive("cos", np.cos, lambda g, out, x: -g * np.sin(x), doc="cos x, x in radians")
tan = primitive("tan", np.tan, lambda g, out, x: g * (1.0 + out * out), domain=[(-np.pi / 2, np.pi / 2)], doc="tan x, x in radians")
arcsin = primitive("arcsin", np.arcsin, lambda g, out, x: g / np.sqrt((1.0 - x) * (1.0 + x)), domain=[UNIT], doc="arcsin x, in radians")
arccos = primitive("arccos", np.arccos, lambda g, out, x: -g / np.sqrt((1.0 - x) * (1.0 + x)), domain=[UNIT], doc="arccos x, in radians")
arctan = primitive("arctan", np.arctan, lambda g, out, x: g / (1.0 + x * x), doc="arctan x, in radians")


def _squared_radius(x: Any, y: Any) -> Any:
    """x² + y², and 1 at the origin, where the derivatives of the angle are 0 by another factor."""
    return x * x + y * y + ((x == 0) & (y == 0))


arctan2 = primitive(
    "arctan2",
    np.arctan2,
    lambda g, out, y, x: g * ((x != 0) | (y != 0)) * x / _squared_radius(x, y),
    lambda g, out, y, x: -g * ((x != 0) | (y != 0)) * y / _squared_radius(x, y),
    kinks=[
        Kink("x = y = 0", "0", np.hypot),
        Kink("y = 0 where x < 0", "that of the smooth continuation", lambda y, x: np.where(x < 0, y, np.inf)),
    ],
    doc="the angle of the point (x, y), in radians, called as arctan2(y, x)",
)

sinh = primitive("sinh", np.sinh, lambda g, out, x: g * np.cosh(x), doc="sinh x")
cosh = primitive("cosh", np.cosh, lambda g, out, x: g * np.sinh(x), doc="cosh x")
tanh = primitive("tanh", np.tanh, lambda g, out, x: g * (1.0 - out * out), doc="tanh x")
arcsinh = primitive("arcsinh", np.arcsinh, lambda g, out, x: g / np.hypot(x, 1.0), doc="arsinh x")
arccosh = primitive("arccosh", np.arccosh, lambda g, out, x: g / np.sqrt((x - 1.0) * (x + 1.0)), domain=[(1.0, np.inf)], doc="arcosh x")
arctanh = primitive("arctanh", np.arctanh, lambda g, out, x: g / ((1.0 - x) * (1.0 + x)), domain=[UNIT], doc="artanh x")


# sinc'(x) = (cos πx - sinc x) / x cancels near 0, where its series is used: sinc x = Σ (-1)ᵏ (πx)²ᵏ / (2k+1)!
_SERIES = [(-1.0) ** k * np.pi ** (2 * k) * 2 * k / float(np.prod(np.arange(1.0, 2 * k + 2))) for k in range(1, 14)]


def _sinc_slope(x: Any) -> Any:
    near = np.absolute(x) < 0.5
    safe = np.where(near, 1.0, x)
    small = np.where(near, x, 0.0)
    series: Any = 0.0
    square = small * small
    for coefficient in reversed(_SERIES):
        series = series * square + coefficient
    return np.where(near, small * series, (np.cos(np.pi * safe) - np.sinc(safe)) / safe)


sinc = primitive(
    "sinc",
    lambda x: np.sinc(x),
    lambda g, out, x: g * _sinc_slope(x),
    numpy=np.sinc,
    elementwise=True,
    doc="sin(πx) / (πx), and 1 at 0",
)
