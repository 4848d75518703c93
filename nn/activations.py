"""Activation functions as Modules, for use in a Sequential.

Each applies the function of the engine with the same name; input and output have the same shape.
"""

from __future__ import annotations

from typing import Any

import engine

from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Hardtanh",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


class ReLU(Module):
    """max(0, x), element by element."""

    def forward(self, x: Any) -> Any:
        return engine.relu(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), element by element."""

    def forward(self, x: Any) -> Any:
        return engine.sigmoid(x)


class Tanh(Module):
    """tanh x, element by element."""

    def forward(self, x: Any) -> Any:
        return engine.tanh(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope · x (Maas et al. 2013)."""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return engine.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        return f"{self.negative_slope:g}"


class ELU(Module):
    """x where x > 0, else alpha · (eˣ - 1) (Clevert et al. 2015)."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return engine.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        return f"{self.alpha:g}"


class SELU(Module):
    """elu, scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017)."""

    def forward(self, x: Any) -> Any:
        return engine.selu(x)


class GELU(Module):
    """x · Φ(x), with Φ the normal distribution function (Hendrycks & Gimpel 2016); approximate="tanh" is the form in GPT-2."""

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return engine.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return "" if self.approximate == "none" else f"approximate={self.approximate!r}"


class SiLU(Module):
    """x · sigmoid(x)."""

    def forward(self, x: Any) -> Any:
        return engine.silu(x)


class Softplus(Module):
    """ln(1 + eˣ), a smooth form of relu."""

    def forward(self, x: Any) -> Any:
        return engine.softplus(x)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, x: Any) -> Any:
        return engine.softsign(x)


class Hardtanh(Module):
    """x limited to [min_val, max_val].

    Raises:
        ValueError: min_val is not below max_val.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0):
        if min_val >= max_val:
            raise ValueError(f"Hardtanh needs min_val < max_val, not {min_val:g} and {max_val:g}")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Any:
        return engine.hardtanh(x, min_val=self.min_val, max_val=self.max_val)

    def extra_repr(self) -> str:
        return f"{self.min_val:g}, {self.max_val:g}"


class Softmax(Module):
    """exp(x) / Σ exp(x) along the axis dim."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return engine.softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """ln softmax(x) along the axis dim."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return engine.log_softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
