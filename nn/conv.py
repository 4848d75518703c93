"""Convolution and pooling: the same function applied to every window of an image or a sequence.

`engine.windows` gives all windows as one view, so there is no loop over pixels.  A convolution makes each window a
column of a matrix; then it is one matrix product, like `Linear`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

import engine
from engine import Parameter

from . import init
from .init import Seed
from .module import Module

__all__ = ["AvgPool1d", "AvgPool2d", "Conv1d", "Conv2d", "MaxPool1d", "MaxPool2d"]

Size = int | tuple[int, ...]


class _Windowed(Module):
    """The base of convolutions and pools: windows over the last `dims` axes of an input (N, C, *)."""

    dims: int

    def _set_windows(self, kernel_size: Size, stride: Size, padding: Size, dilation: Size) -> None:
        self.kernel_size = self._each("kernel_size", kernel_size, 1)
        self.stride = self._each("stride", stride, 1)
        self.padding = self._each("padding", padding, 0)
        self.dilation = self._each("dilation", dilation, 1)

    def _each(self, name: str, size: Size, least: int) -> tuple[int, ...]:
        """A size as one integer for each of the `dims` axes; ValueError if it is not, or if one is below `least`."""
        sizes = tuple(size) if isinstance(size, Iterable) else (size,) * self.dims
        if len(sizes) != self.dims or any(not isinstance(n, (int, np.integer)) or n < least for n in sizes):
            raise ValueError(f"{type(self).__name__}: {name} must be an integer ≥ {least}, or {self.dims} of them, not {size!r}")
        return tuple(map(int, sizes))

    def _windows(self, x: Any, border: float = 0.0) -> Any:
        """All windows of an input (N, C, *) that is padded with `border`: (N, C, *out, *kernel_size)."""
        shape = np.shape(x)
        if len(shape) != self.dims + 2:
            raise ValueError(
                f"{self._title}: the input must have {self.dims + 2} axes, (N, C, {'H, W' if self.dims == 2 else 'L'}), not shape {shape}"
            )
        spans = tuple((n - 1) * d + 1 for n, d in zip(self.kernel_size, self.dilation, strict=True))
        if any(n + 2 * p < span for n, p, span in zip(shape[2:], self.padding, spans, strict=True)):
            raise ValueError(
                f"{self._title}: windows that span {spans} do not fit into an input of shape {shape} with padding {self.padding}"
            )
        if any(self.padding):
            x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in self.padding)), constant_values=border)
        return engine.windows(x, size=self.kernel_size, stride=self.stride, dilation=self.dilation)

    def _window_repr(self, stride: Any) -> str:
        """The options of the windows for a repr; `stride` is the default, which is left out."""

        def short(size: tuple[int, ...]) -> str:
            return str(size[0]) if len(set(size)) == 1 else str(size)

        parts = [short(self.kernel_size)]
        parts += [f"stride={short(self.stride)}"] if self.stride != stride else []
        parts += [f"padding={short(self.padding)}"] if any(self.padding) else []
        parts += [f"dilation={short(self.dilation)}"] if set(self.dilation) != {1} else []
        return ", ".join(parts)


# ── convolution ───────────────────────────────────────────────────────────────


class _Conv(_Windowed):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        generator: Seed = None,
    ):
        if min(counts := (in_channels, out_channels, groups)) < 1:
            raise ValueError(f"{type(self).__name__}: input channels, output channels and groups must be at least 1 each, not {counts}")
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{type(self).__name__}: {groups} groups do not divide {in_channels} input and {out_channels} output channels")
        self._set_windows(kernel_size, stride, padding, dilation)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        generator, bound = init.as_generator(generator), 1.0 / math.sqrt(math.prod(shape[1:]))
        self.weight = init.uniform_(Parameter(np.empty(shape)), -bound, bound, generator)
        self.bias = init.uniform_(Parameter(np.empty(out_channels)), -bound, bound, generator) if bias else None

    def forward(self, x: Any) -> Any:
        if np.ndim(x) == self.dims + 2 and np.shape(x)[1] != self.in_channels:
            raise ValueError(f"{self._title}: axis 1 of the input must have {self.in_channels} channels, not shape {np.shape(x)}")
        windows = self._windows(x)
        samples, _, *out = np.shape(windows)[: -self.dims]
        last = self.dims + 2
        order = (0, 1, *range(last, last + self.dims), *range(2, last))  # the positions in a window, then the windows
        columns = np.reshape(np.transpose(windows, order), (samples, self.groups, -1, math.prod(out)))
        weight = np.reshape(self.weight, (self.groups, self.out_channels // self.groups, -1))
        y = np.reshape(weight @ columns, (samples, self.out_channels, *out))
        return y if self.bias is None else y + np.reshape(self.bias, (-1, *(1,) * self.dims))

    def extra_repr(self) -> str:
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_channels}, {self.out_channels}, {self._window_repr((1,) * self.dims)}{groups}{bias}"


class Conv2d(_Conv):
    """y[n, o] = b[o] + Σ over channels c of x[n, c] ⋆ W[o, c], where ⋆ is the cross-correlation (W is not flipped).

    Shapes: x (N, in_channels, H, W), y (N, out_channels, H', W') with
    H' = ⌊(H + 2·padding - dilation·(kernel - 1) - 1) / stride⌋ + 1, and W' likewise;
    weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,).

    Args:
        kernel_size, stride, padding, dilation: an integer, or a pair (height, width).  Padding adds zeros on
            both sides; dilation is the distance between neighbouring elements of a window.
        groups: the channels are split into this many groups, each with its own filters.
        generator: a seed or a Generator; weight and bias start uniform in ±1/√(number of inputs of a filter).

    Raises:
        ValueError: a size is out of range, groups does not divide the channels, or the input has another shape.
    """

    dims = 2


class Conv1d(_Conv):
    """Conv2d along one axis.  Shapes: x (N, in_channels, L), weight (out_channels, in_channels / groups, kernel)."""

    dims = 1


# ── pooling ───────────────────────────────────────────────────────────────────


class _Pool(_Windowed):
    border = 0.0

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0):
        self._set_windows(kernel_size, kernel_size if stride is None else stride, padding, 1)
        if any(2 * p > n for p, n in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"{type(self).__name__}: padding {padding} is more than half of the window {kernel_size}; take a smaller one")

    def _by_position(self, x: Any) -> Any:
        """All windows as (positions in a window, N, C, *out): over the first axis, NumPy reduces fast."""
        windows = self._windows(x, self.border)
        shape = np.shape(windows)
        last = self.dims + 2
        order = (*range(last, last + self.dims), *range(last))
        return np.reshape(np.transpose(windows, order), (math.prod(self.kernel_size), *shape[:last]))

    def extra_repr(self) -> str:
        return self._window_repr(self.kernel_size)


class MaxPool2d(_Pool):
    """The largest number of each window, channel by channel; equal largest numbers share the gradient evenly.

    Shapes: x (N, C, H, W), y (N, C, H', W') with H' = ⌊(H + 2·padding - kernel) / stride⌋ + 1.

    Args:
        kernel_size, stride, padding: an integer, or a pair (height, width).  The stride is kernel_size by default.
            The padding is -inf, so it is never the largest.

    Raises:
        ValueError: a size is out of range, the padding is more than half of the window, or the input has another shape.
    """

    dims, border = 2, -np.inf

    def forward(self, x: Any) -> Any:
        return np.max(self._by_position(x), axis=0)


class MaxPool1d(MaxPool2d):
    """MaxPool2d along one axis.  Shapes: x (N, C, L), y (N, C, L')."""

    dims = 1


class AvgPool2d(_Pool):
    """The mean of each window, channel by channel; the zeros of the padding count.

    Shapes: x (N, C, H, W), y (N, C, H', W') with H' = ⌊(H + 2·padding - kernel) / stride⌋ + 1.

    Args:
        kernel_size, stride, padding: an integer, or a pair (height, width).  The stride is kernel_size by default.

    Raises:
        ValueError: a size is out of range, the padding is more than half of the window, or the input has another shape.
    """

    dims = 2

    def forward(self, x: Any) -> Any:
        return np.mean(self._by_position(x), axis=0)


class AvgPool1d(AvgPool2d):
    """AvgPool2d along one axis.  Shapes: x (N, C, L), y (N, C, L')."""

    dims = 1
