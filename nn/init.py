"""How weights start: uniform and normal draws, with the spread of Xavier and of He.

A layer's output is a sum of fan_in products, so its variance is fan_in · var(w) · mean(x²).  Weights that
are too large make activations grow from layer to layer, weights that are too small make them vanish:

    Xavier/Glorot:  var(w) = gain² · 2 / (fan_in + fan_out)    keeps forward and backward variance, on average
    He/Kaiming:     var(w) = gain² / fan_in                    keeps the forward variance; gain √2 for relu

Every function fills a Parameter and returns it.  `generator` is a seed or a NumPy Generator; where it is
None, the one that `manual_seed` set is used.
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
    """Start the generator that layers use where they are given none, and return it."""
    global _default
    _default = np.random.default_rng(seed)
    return _default


def as_generator(generator: Seed = None) -> np.random.Generator:
    """A Generator from a seed, a Generator, or None for the one that `manual_seed` set."""
    if generator is None:
        return _default
    return generator if isinstance(generator, np.random.Generator) else np.random.default_rng(generator)


# ── plain fillings ────────────────────────────────────────────────────────────


def constant_(parameter: Any, val: float) -> Any:
    """Every element val; a small positive bias (0.1) lets every relu start alive."""
    parameter.data = np.full(parameter.shape, val, parameter.dtype)
    return parameter


def zeros_(parameter: Any) -> Any:
    """Every element 0."""
    return constant_(parameter, 0.0)


def ones_(parameter: Any) -> Any:
    """Every element 1."""
    return constant_(parameter, 1.0)


def uniform_(parameter: Any, a: float = 0.0, b: float = 1.0, generator: Seed = None) -> Any:
    """Uniform between a and b."""
    parameter.data = as_generator(generator).uniform(a, b, parameter.shape).astype(parameter.dtype)
    return parameter


def normal_(parameter: Any, mean: float = 0.0, std: float = 1.0, generator: Seed = None) -> Any:
    """Normal with this mean and standard deviation."""
    parameter.data = as_generator(generator).normal(mean, std, parameter.shape).astype(parameter.dtype)
    return parameter


# ── Xavier and He ─────────────────────────────────────────────────────────────

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to make up for what an activation takes away.

    1 for linear and sigmoid, 5/3 for tanh, √2 for relu (it loses half), √(2 / (1 + slope²)) for
    leaky_relu with `param` as its slope (0.01), 3/4 for selu.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are {', '.join([*_GAINS, 'leaky_relu'])}; or pass gain=")
    return _GAINS[nonlinearity]


def _fans(parameter: Any) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel): how many products enter an output, and leave an input."""
    shape = parameter.shape
    if len(shape) < 2:
        raise ValueError(f"a weight of shape {shape} has no fan-in and fan-out; it needs two axes (out, in) at least")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def xavier_uniform_(parameter: Any, gain: float = 1.0, generator: Seed = None) -> Any:
    """Uniform in ±gain · √(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16)."""
    bound = gain * math.sqrt(6.0 / sum(_fans(parameter)))
    return uniform_(parameter, -bound, bound, generator)


def xavier_normal_(parameter: Any, gain: float = 1.0, generator: Seed = None) -> Any:
    """Normal with standard deviation gain · √(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    return normal_(parameter, 0.0, gain * math.sqrt(2.0 / sum(_fans(parameter))), generator)


def _kaiming_std(parameter: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(parameter)[mode == "fan_out"])


def kaiming_uniform_(parameter: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Seed = None) -> Any:
    """Uniform in ±gain · √(3 / fan) (He et al. 2015, equation 10); a is leaky_relu's slope, 0 meaning relu."""
    bound = math.sqrt(3.0) * _kaiming_std(parameter, a, mode, nonlinearity)
    return uniform_(parameter, -bound, bound, generator)


def kaiming_normal_(parameter: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Seed = None) -> Any:
    """Normal with standard deviation gain / √fan (He et al. 2015); a is leaky_relu's slope, 0 meaning relu."""
    return normal_(parameter, 0.0, _kaiming_std(parameter, a, mode, nonlinearity), generator)
