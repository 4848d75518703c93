"""Arithmetic: sums, products, powers, and the choice between two numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Case, Kink, composite, plain, primitive

POSITIVE = (0.0, np.inf)
REAL = (-np.inf, np.inf)

add = primitive("add", np.add, lambda g, out, x, y: g, lambda g, out, x, y: g, symbol="+", doc="x + y")

subtract = primitive("subtract", np.subtract, lambda g, out, x, y: g, lambda g, out, x, y: -g, symbol="-", doc="x - y")

multiply = primitive("multiply", np.multiply, lambda g, out, x, y: g * y, lambda g, out, x, y: g * x, symbol="*", doc="x · y")

divide = primitive("divide", np.divide, lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y, symbol="/", doc="x / y")

# d/dx x**y = y x**(y-1), and 0 where y = 0; d/dy x**y = x**y log x, and 0 where x = 0.
# The operator, not np.power: NumPy's `**` squares where it can.
power = primitive(
    "power",
    lambda x, y: x**y,
    lambda g, out, x, y: g * y * x ** (y - (y != 0)),
    lambda g, out, x, y: g * out * np.log(np.where(x == 0, 1.0, x)),
    symbol="**",
    numpy=np.power,
    elementwise=True,
    domain=(POSITIVE, REAL),
    doc="x ** y; the exponent's derivative is NaN where x < 0",
)

negative = primitive("negative", np.negative, lambda g, out, x: -g, symbol="-", doc="-x")

positive = primitive("positive", np.positive, lambda g, out, x: g, symbol="+", doc="+x")

absolute = primitive(
    "absolute",
    np.absolute,
    lambda g, out, x: g * np.sign(x),
    symbol="abs",
    kinks=[Kink("x = 0", "0", lambda x: x)],
    doc="|x|",
)


def _ties(x: Any, y: Any) -> Any:
    """1 where x wins over y by `>`, 1/2 where they tie."""
    return (x > y) + 0.5 * (x == y)


TIE = [Kink("x = y", "the tie shares evenly: 1/2 each", lambda x, y: x - y)]

maximum = primitive(
    "maximum",
    np.maximum,
    lambda g, out, x, y: g * _ties(x, y),
    lambda g, out, x, y: g * _ties(y, x),
    symbol="max",
    kinks=TIE,
    doc="the larger of x and y; NaN if either is",
)

minimum = primitive(
    "minimum",
    np.minimum,
    lambda g, out, x, y: g * _ties(y, x),
    lambda g, out, x, y: g * _ties(x, y),
    symbol="min",
    kinks=TIE,
    doc="the smaller of x and y; NaN if either is",
)

fmax = primitive(
    "fmax",
    np.fmax,
    lambda g, out, x, y: g * (_ties(x, y) + np.isnan(y)),
    lambda g, out, x, y: g * (_ties(y, x) + np.isnan(x)),
    kinks=TIE,
    doc="the larger of x and y, passing over NaN",
)

fmin = primitive(
    "fmin",
    np.fmin,
    lambda g, out, x, y: g * (_ties(y, x) + np.isnan(y)),
    lambda g, out, x, y: g * (_ties(x, y) + np.isnan(x)),
    kinks=TIE,
    doc="the smaller of x and y, passing over NaN",
)

square = primitive("square", np.square, lambda g, out, x: 2.0 * g * x, doc="x²")

sqrt = primitive("sqrt", np.sqrt, lambda g, out, x: g / (2.0 * out), domain=[POSITIVE], doc="√x; the derivative at 0 is inf")

cbrt = primitive("cbrt", np.cbrt, lambda g, out, x: g / (3.0 * np.square(out)), domain=[POSITIVE], doc="∛x; the derivative at 0 is inf")

reciprocal = primitive("reciprocal", np.reciprocal, lambda g, out, x: -g * np.square(out), symbol="1/x", domain=[POSITIVE], doc="1/x")

hypot = primitive(
    "hypot",
    np.hypot,
    lambda g, out, x, y: g * (out != 0) * x / np.where(out == 0, 1.0, out),
    lambda g, out, x, y: g * (out != 0) * y / np.where(out == 0, 1.0, out),
    kinks=[Kink("x = y = 0", "0", np.hypot)],
    doc="√(x² + y²), without overflow",
)

_clip = primitive(
    "clip",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda g, out, x, low, high: g * ((low < x) & (x < high)),
    lambda g, out, x, low, high: g * ((x < low) & (low < high)),
    lambda g, out, x, low, high: g * ((x > high) | (low > high)),
    elementwise=True,
    kinks=[
        Kink("x = low", "0", lambda x, low, high: x - low),
        Kink("x = high", "0", lambda x, low, high: x - high),
        Kink("low = high", "0", lambda x, low, high: low - high),
    ],
    doc="min(max(x, low), high)",
)


@composite(np.clip)
def clip(x: Any, min: Any = None, max: Any = None, *, a_min: Any = None, a_max: Any = None) -> Any:
    """x kept between min and max, each a number, an array or None for no bound."""
    low = a_min if min is None else min
    high = a_max if max is None else max
    return _clip(x, -np.inf if low is None else low, np.inf if high is None else high)


_where = primitive(
    "where",
    lambda x, y, condition: np.where(condition, x, y),
    lambda g, out, x, y, condition: np.where(condition, g, 0.0),
    lambda g, out, x, y, condition: np.where(condition, 0.0, g),
    cases=[
        Case(((3,), (3,)), {"condition": np.array([True, False, True])}),
        Case(((2, 3), (1,)), {"condition": np.array([True, False, True])}),
    ],
    doc="x where the condition holds, else y",
)


@composite(np.where)
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the condition itself is not differentiated."""
    return _where(x, y, condition=np.array(getattr(condition, "_data", condition)))  # a copy: the backward pass needs it as it is now


# Piecewise constant: the derivative is 0 wherever it exists, and by convention at the steps.
_STEP = [Kink("x = 0", "0", lambda x: x)]
_INTEGERS = [Kink("x an integer", "0", lambda x: x - np.round(x))]
_HALVES = [
    Kink(
        "x half-way between two rounded numbers",
        "0",
        lambda x, decimals=0: (x * 10.0**decimals - np.floor(x * 10.0**decimals) - 0.5) / 10.0**decimals,
    )
]

sign = primitive("sign", np.sign, lambda g, out, x: np.zeros_like(x), kinks=_STEP, doc="-1, 0 or 1")
floor = primitive("floor", np.floor, lambda g, out, x: np.zeros_like(x), kinks=_INTEGERS, doc="⌊x⌋")
ceil = primitive("ceil", np.ceil, lambda g, out, x: np.zeros_like(x), kinks=_INTEGERS, doc="⌈x⌉")
trunc = primitive("trunc", np.trunc, lambda g, out, x: np.zeros_like(x), kinks=_INTEGERS, doc="x without its fraction")
round_ = primitive(
    "round",
    lambda x, decimals=0: np.round(x, decimals),
    lambda g, out, x, decimals=0: np.zeros_like(x),
    elementwise=True,
    numpy=(np.round, np.around, np.rint),
    kinks=_HALVES,
    cases=[Case(((3,),), {"decimals": -1})],
    doc="the nearest integer, halves to the even one",
)

plain(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal)
plain(np.isnan, np.isinf, np.isfinite, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor)
plain(np.zeros_like, np.ones_like, np.shape, np.ndim, np.size, np.result_type)
plain(np.isclose, np.allclose, np.array_equal, np.any, np.all, np.nonzero, np.count_nonzero)
