"""The dtype of a result is NumPy's, whatever stands beside a Value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import Value

FLOATS = [np.float16, np.float32, np.float64]
NUMBERS = [np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, *FLOATS]
FUNCTIONS: list[Callable[[Any, Any], Any]] = [
    np.add,
    np.multiply,
    np.maximum,
    np.hypot,
    lambda x, y: y * x if isinstance(x, Value) or not isinstance(y, np.ndarray) else x * y,
    lambda x, y: np.where([True, False, True], x, y),
    lambda x, y: np.clip(x, None, y),
    lambda x, y: x / (y + np.int8(3)),
    lambda x, y: np.stack([x * y, x * y]),
]


@settings(max_examples=400)
@given(
    own=st.sampled_from(FLOATS),
    beside=st.sampled_from([int, float, bool, list, *NUMBERS]),
    shape=st.sampled_from([(), (3,), (2, 3), (1, 1)]),
    function=st.sampled_from(FUNCTIONS),
)
def test_promotion_is_numpys(own: Any, beside: Any, shape: tuple[int, ...], function: Callable[[Any, Any], Any]) -> None:
    x = np.array([0.5, 1.5, 2.5], own)
    y: Any = [1, 2, 3] if beside is list else beside(2) if not shape or beside in (int, float, bool) else np.full(shape, 2, beside)
    value = Value(x)
    result, expected = function(value, y), function(x, y)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.data, expected)
    result.sum().backward()
    assert value.grad.dtype == own


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_long_mean_does_not_lose_itself(dtype: Any) -> None:
    x = np.linspace(0.0, 2.0, 100_000).astype(dtype)
    assert np.mean(Value(x)).data == np.mean(x)
