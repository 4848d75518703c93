"""What `np` means inside a rule when every operand is a Python float.

NumPy's names over `math`.  Where Python raises and NumPy does not (1/0, log(-1), exp(1000)), the caller
repeats the step with NumPy.  A name not found here is NumPy's own: slower, never wrong.
"""

import math
import operator
from typing import Any

import numpy

add, subtract, multiply, divide = operator.add, operator.sub, operator.mul, operator.truediv
negative, positive, absolute, abs = operator.neg, operator.pos, operator.abs, operator.abs
sqrt, exp, expm1, log, log2, log10, log1p = math.sqrt, math.exp, math.expm1, math.log, math.log2, math.log10, math.log1p
sin, cos, tan, arcsin, arccos, arctan, arctan2 = math.sin, math.cos, math.tan, math.asin, math.acos, math.atan, math.atan2
sinh, cosh, tanh, arcsinh, arccosh, arctanh = math.sinh, math.cosh, math.tanh, math.asinh, math.acosh, math.atanh
hypot, isnan, pi = math.hypot, math.isnan, math.pi


def square(x: float) -> float:
    return x * x


def reciprocal(x: float) -> float:
    return 1.0 / x


def cbrt(x: float) -> float:
    return float(numpy.cbrt(x))


def exp2(x: float) -> float:
    return math.pow(2.0, x)


def sign(x: float) -> float:
    return x if x != x else float((x > 0) - (x < 0))


def where(condition: bool, x: float, y: float) -> float:
    return x if condition else y


def maximum(x: float, y: float) -> float:
    return x if x != x or x > y else y


def minimum(x: float, y: float) -> float:
    return x if x != x or x < y else y


def fmax(x: float, y: float) -> float:
    return x if y != y or x > y else y


def fmin(x: float, y: float) -> float:
    return x if y != y or x < y else y


def zeros_like(x: float) -> float:
    return 0.0


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)
