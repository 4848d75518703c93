"""Normalisation: scale numbers to mean 0 and variance 1, or to a root mean square of 1; then apply a learned scale.

`LayerNorm` and `RMSNorm` normalise each sample by itself, `BatchNorm1d` and `BatchNorm2d` each channel over the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import engine
from engine import Parameter, Value

from ._dtypes import as_float_type
from .module import Module

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm", "RMSNorm"]


class _OverLastAxes(Module):
    """The base of `LayerNorm` and `RMSNorm`: the axes that are normalised, and the learned scale."""

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None, elementwise_affine: bool):
        self.normalized_shape = tuple(map(int, np.atleast_1d(np.asarray(normalized_shape))))
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape)) if elementwise_affine else None

    def _axes(self, x: Any) -> tuple[int, ...]:
        """The axes of x to normalise over; ValueError if their lengths are not `normalized_shape`."""
        shape, wanted = np.shape(x), self.normalized_shape
        if shape[max(0, len(shape) - len(wanted)) :] != wanted:
            raise ValueError(f"{self._title}: the last axes of the input must have shape {wanted}; the input has {shape}")
        return tuple(range(-len(wanted), 0))

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.normalized_shape)) + ("" if self.weight is not None else ", elementwise_affine=False")


class LayerNorm(_OverLastAxes):
    """y = (x - mean) / √(variance + eps) · weight + bias, over the last axes (Ba et al. 2016).

    Shapes: x and y (*, *normalized_shape), weight and bias normalized_shape.

    Args:
        elementwise_affine: whether there are a weight and a bias.
        bias: whether there is a bias.
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True):
        super().__init__(normalized_shape, eps, elementwise_affine)
        self.bias = Parameter(np.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        y = engine.standardize(x, axis=self._axes(x), eps=self.eps)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


class RMSNorm(_OverLastAxes):
    """y = x / √(mean(x²) + eps) · weight, over the last axes (Zhang & Sennrich 2019).

    Shapes: x and y (*, *normalized_shape), weight normalized_shape.

    Args:
        eps: by default the machine epsilon of the dtype of x.
        elementwise_affine: whether there is a weight.
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True):
        super().__init__(normalized_shape, eps, elementwise_affine)

    def forward(self, x: Any) -> Any:
        axes = self._axes(x)
        eps = float(np.finfo(getattr(x, "dtype", np.float64)).eps) if self.eps is None else self.eps
        y = engine.rms_normalize(x, axis=axes, eps=eps)
        return y if self.weight is None else y * self.weight


class _BatchNorm(Module):
    """The base of `BatchNorm1d` and `BatchNorm2d`."""

    axes_of_input: tuple[int, ...]
    layout: str

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, track_running_stats: bool = True):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.ones(num_features)) if affine else None
        self.bias = Parameter(np.zeros(num_features)) if affine else None
        if track_running_stats:
            self.register_buffer("running_mean", np.zeros(num_features))
            self.register_buffer("running_var", np.ones(num_features))
            self.register_buffer("num_batches_tracked", np.array(0))

    def forward(self, x: Any) -> Any:
        shape = np.shape(x)
        if len(shape) not in self.axes_of_input or shape[1] != self.num_features:
            raise ValueError(f"{self._title}: the input must have shape {self.layout} with {self.num_features} channels, not {shape}")
        axes, along = (0, *range(2, len(shape))), (1, -1, *(1,) * (len(shape) - 2))
        if self.training or not self.track_running_stats:
            count = int(np.prod([shape[a] for a in axes]))
            if self.training and count < 2:
                raise ValueError(f"{self._title}: a batch of shape {shape} has one number per channel, so no variance; call eval() first")
            y = engine.standardize(x, axis=axes, eps=self.eps)
            if self.training and self.track_running_stats:
                self._update_running(x.data if isinstance(x, Value) else x, axes)
        else:
            mean, deviation = self.running_mean.reshape(along), np.sqrt(self.running_var + self.eps).reshape(along)
            y = (x - as_float_type(mean, x)) / as_float_type(deviation, x)
        if self.weight is None or self.bias is None:
            return y
        return y * np.reshape(self.weight, along) + np.reshape(self.bias, along)

    def _update_running(self, x: Any, axes: tuple[int, ...]) -> None:
        """running ← (1 - momentum) · running + momentum · statistic of the batch."""
        self.running_mean = (1.0 - self.momentum) * self.running_mean + self.momentum * np.mean(x, axis=axes)
        self.running_var = (1.0 - self.momentum) * self.running_var + self.momentum * np.var(x, axis=axes, ddof=1)
        self.num_batches_tracked = self.num_batches_tracked + 1

    running_mean: np.ndarray[Any, Any]
    running_var: np.ndarray[Any, Any]
    num_batches_tracked: Any

    def extra_repr(self) -> str:
        return f"{self.num_features}"


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / √(variance + eps) · weight + bias, for each channel (Ioffe & Szegedy 2015).

    In training, mean and variance are those of the batch, over N, H and W, and the running ones are updated:
    running ← (1 - momentum) · running + momentum · that of the batch, with the unbiased variance.  After
    `eval()`, the running ones are used.

    Shapes: x and y (N, num_features, H, W); weight, bias, running_mean and running_var (num_features,).

    Args:
        affine: whether there are a weight and a bias.
        track_running_stats: whether there are running statistics; without them, those of the batch are used always.

    Raises:
        ValueError: the input has another shape; or, in training, one number per channel.
    """

    axes_of_input, layout = (4,), "(N, C, H, W)"


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` for inputs (N, num_features) or (N, num_features, L)."""

    axes_of_input, layout = (2, 3), "(N, C) or (N, C, L)"
