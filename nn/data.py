"""Data: scaling, and batches.

scale = standardise(x_train)                         # mean and deviation of the training set
train = Batches(scale(x_train), y_train, batch_size=32, seed=0)
test = Batches(scale(x_test), y_test, shuffle=False)  # the same mean, the same deviation
for x, y in train: ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .init import Seed, as_generator

__all__ = ["Batches", "Scaling", "normalise", "standardise"]

Axis = int | tuple[int, ...] | None


@dataclass(frozen=True)
class Scaling:
    """The map z = (x - shift) / scale with fixed numbers, and its inverse, for arrays and Values (examples, *).

    Attributes:
        shift, scale: arrays that broadcast against one example.
    """

    shift: np.ndarray[Any, Any]
    scale: np.ndarray[Any, Any]

    def __call__(self, x: Any) -> Any:
        return (x - self.shift) / self.scale

    def inverse(self, z: Any) -> Any:
        """x = z · scale + shift."""
        return z * self.scale + self.shift

    def state_dict(self) -> dict[str, Any]:
        """The two arrays, for a checkpoint; `Scaling(**state)` makes the map again."""
        return {"shift": self.shift, "scale": self.scale}


def standardise(x: Any, axis: Axis = 0) -> Scaling:
    """The scaling that gives x mean 0 and standard deviation 1.

    Args:
        x: the training data, with the examples along axis 0.  (Statistics of the test set would leak its answers.)
        axis: the axes to take the statistics over: 0 for each column by itself, None for one mean and deviation.

    The standard deviation of a constant column is 0; such a column is shifted and not scaled.

    Raises:
        ValueError: x is empty, or contains a NaN or an inf.
    """
    x = _examples(x)
    return _scaling(x.mean(axis, keepdims=True), x.std(axis, keepdims=True), axis)


def normalise(x: Any, axis: Axis = 0) -> Scaling:
    """The scaling that maps the range of x to [0, 1]; arguments, constant columns and errors as for `standardise`."""
    x = _examples(x)
    low, high = x.min(axis, keepdims=True), x.max(axis, keepdims=True)
    return _scaling(low, high - low, axis)


def _examples(x: Any) -> np.ndarray[Any, Any]:
    """The data as an array of floats; ValueError if it is empty or not finite."""
    x = np.asarray(x)
    if not x.size:
        raise ValueError(f"the data has shape {x.shape}, so there is nothing to take statistics of")
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"the data contains {np.count_nonzero(~np.isfinite(x))} NaN or inf; replace or drop them before scaling")
    return x


def _scaling(shift: Any, scale: Any, axis: Axis) -> Scaling:
    """The Scaling with these numbers, which still have the axes that the statistics were taken over."""
    # The mean of a constant column is rounded, so its deviation may be 1e-17 instead of 0.
    constant = scale <= 1e-12 * np.maximum(np.abs(shift), np.finfo(scale.dtype).tiny)
    drop = tuple(range(shift.ndim)) if axis is None else 0 if axis == 0 else ()  # other leading axes broadcast
    return Scaling(np.squeeze(shift, drop), np.squeeze(np.where(constant, 1, scale).astype(scale.dtype), drop))


class Batches:
    """Arrays of equal length in batches of rows: each iteration is one epoch, in a new random order.

    Args:
        arrays: the inputs, the targets, and any other array with one row per example.
        batch_size: the number of rows in a batch; the last batch may have fewer.
        shuffle: whether every epoch has a new random order; False keeps the given order.
        seed: a seed or a NumPy Generator for the order; None for the generator of `nn.manual_seed`.

    Raises:
        ValueError: the lengths differ, there are no rows, or batch_size is below 1.
    """

    def __init__(self, *arrays: Any, batch_size: int = 32, shuffle: bool = True, seed: Seed = None):
        self.arrays = tuple(map(np.asarray, arrays))
        lengths = [len(array) if array.ndim else 0 for array in self.arrays]
        if not lengths or not lengths[0]:
            raise ValueError("Batches needs arrays with at least one row")
        if len(set(lengths)) > 1:
            raise ValueError(f"Batches needs arrays of equal length, and these have {', '.join(map(str, lengths))} rows")
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: a batch must have at least one row")
        self.rows, self.batch_size, self.shuffle = lengths[0], batch_size, shuffle
        self._generator = None if seed is None else as_generator(seed)

    @property
    def generator(self) -> np.random.Generator:
        """The generator of the order: its own, or that of `nn.manual_seed`."""
        return as_generator(self._generator)

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
        order = self.generator.permutation(self.rows) if self.shuffle else np.arange(self.rows)
        for start in range(0, self.rows, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield tuple(array[rows] for array in self.arrays)

    def state_dict(self) -> dict[str, Any]:
        """The state of the generator, which gives the orders of the next epochs."""
        return {"generator": self.generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the orders that followed when `state_dict` was called."""
        self.generator.bit_generator.state = state["generator"]
