"""Data as Python source: what a message prints can be copied and run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["literal"]


def literal(data: Any) -> str:
    """Data as Python source that makes it again, with NumPy as np."""
    if isinstance(data, np.ndarray):
        implied = data.dtype == np.float64 or (data.size and data.dtype in (np.int64, bool))  # of no numbers NumPy makes float64
        dtype = "" if implied else f", dtype=np.{data.dtype}"
        if not data.size:
            return f"np.zeros({data.shape}{dtype})"
        numbers = np.array2string(data, threshold=data.size, separator=", ", formatter={"float": lambda x: literal(float(x))})
        return f"np.array({' '.join(numbers.split())}{dtype})"
    if isinstance(data, tuple):
        return f"({', '.join(map(literal, data))}{',' * (len(data) == 1)})"
    if isinstance(data, np.generic):
        return literal(data.item())
    if isinstance(data, float) and not math.isfinite(data):
        return f"np.{data}" if data != -math.inf else "-np.inf"  # their repr is no Python
    if isinstance(data, type):
        return f"np.{data.__name__}" if data.__module__ == "numpy" else data.__name__
    return repr(data)
