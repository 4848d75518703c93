"""The dtype of what a layer adds by itself (masks, first states, targets): that of its input, so float32 stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import Value

__all__ = ["as_float_type", "float_type"]


def float_type(x: Any) -> Any:
    """The floating dtype of an array or a Value; float64 for anything else."""
    dtype = getattr(x, "dtype", None)
    return dtype if dtype is not None and dtype.kind == "f" else np.dtype(np.float64)


def as_float_type(constant: Any, x: Any) -> Any:
    """A constant of a layer or of a loss in the floating dtype of x; a Value stays as it is."""
    return constant if isinstance(constant, Value) else np.asarray(constant).astype(float_type(x))[()]
