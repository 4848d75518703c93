"""Initialisation: the first values of the weights, uniform or normal, with the variance of Xavier or of He.

An output of a layer is a sum of fan_in products, so its variance is fan_in · var(w) · mean(x²).  If the weights
are too large, the activations grow from layer to layer; if they are too small, the activations vanish:

    Xavier/Glorot:  var(w) = gain² · 2 / (fan_in + fan_out)    a compromise between forward and backward variance
    He/Kaiming:     var(w) = gain² / fan_in                    keeps the forward variance; gain √2 for relu

Every function fills a Parameter, in its own shape and dtype, and returns it.  `generator` is a seed or a NumPy
Generator; if it is None, the generator of `manual_seed` is used.

Sources: Glorot & Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html; He et al. 2015,
https://arxiv.org/abs/1502.01852.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = [
    "as_generator",
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "manual_seed",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Seed = int | np.random.Generator | None

_default = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the generator that layers use by default, and return it."""
    global _default
    _default = np.random.default_rng(seed)
    return _default


def as_generator(generator: Seed = None) -> np.random.Generator:
    """A NumPy Generator: from a seed, the given one, or for None the one of `manual_seed`."""
    if generator is None:
        return _default
    return generator if isinstance(generator, np.random.Generator) else np.random.default_rng(generator)


# ── constant, uniform, normal ─────────────────────────────────────────────────


def constant_(parameter: Any, val: float) -> Any:
    """Set every element to val.  With a small positive bias, such as 0.1, most relus are active at the start."""
    parameter.data = np.full(parameter.shape, val, parameter.dtype)
    return parameter


def zeros_(parameter: Any) -> Any:
    """Set every element to 0."""
    return constant_(parameter, 0.0)


def ones_(parameter: Any) -> Any:
    """Set every element to 1."""
    return constant_(parameter, 1.0)


def uniform_(parameter: Any, a: float = 0.0, b: float = 1.0, generator: Seed = None) -> Any:
    """Draw every element uniformly from [a, b)."""
    parameter.data = as_generator(generator).uniform(a, b, parameter.shape).astype(parameter.dtype)
    return parameter


def normal_(parameter: Any, mean: float = 0.0, std: float = 1.0, generator: Seed = None) -> Any:
    """Draw every element from the normal distribution with this mean and standard deviation."""
    parameter.data = as_generator(generator).normal(mean, std, parameter.shape).astype(parameter.dtype)
    return parameter


# ── Xavier and He ─────────────────────────────────────────────────────────────

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation of the weights that balances the effect of an activation function.

    1 for linear, convolutions and sigmoid, 5/3 for tanh, √2 for relu (it halves the mean square), 3/4 for selu,
    and √(2 / (1 + slope²)) for leaky_relu, with the slope in `param` (0.01 by default).

    Raises:
        ValueError: no gain is known for the function.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are {', '.join([*_GAINS, 'leaky_relu'])}; or pass gain=")
    return _GAINS[nonlinearity]


def _fans(parameter: Any) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel): the number of weights of one output, and of one input."""
    shape = parameter.shape
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {shape} has no fan-in and fan-out; it needs at least two axes, (out, in)")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def xavier_uniform_(parameter: Any, gain: float = 1.0, generator: Seed = None) -> Any:
    """Uniform in ±gain · √(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16)."""
    bound = gain * math.sqrt(6.0 / sum(_fans(parameter)))
    return uniform_(parameter, -bound, bound, generator)


def xavier_normal_(parameter: Any, gain: float = 1.0, generator: Seed = None) -> Any:
    """Normal with standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    return normal_(parameter, 0.0, gain * math.sqrt(2.0 / sum(_fans(parameter))), generator)


def _kaiming_std(parameter: Any, a: float, mode: str, nonlinearity: str) -> float:
    """gain / √fan."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(parameter)[mode == "fan_out"])


def kaiming_uniform_(parameter: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Seed = None) -> Any:
    """Uniform in ±gain · √(3 / fan) (He et al. 2015, equation 10); a is the slope of leaky_relu; 0 is relu."""
    bound = math.sqrt(3.0) * _kaiming_std(parameter, a, mode, nonlinearity)
    return uniform_(parameter, -bound, bound, generator)


def kaiming_normal_(parameter: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Seed = None) -> Any:
    """Normal with standard deviation gain / √fan (He et al. 2015); a is the slope of leaky_relu; 0 is relu."""
    return normal_(parameter, 0.0, _kaiming_std(parameter, a, mode, nonlinearity), generator)
