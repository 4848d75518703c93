"""Numbers as a Value keeps them, and how a change of an array is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import engine
from engine import Value
from engine.arrays import as_stored, fingerprint

FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


# ── what is kept ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", [2.0, np.float64(2.0), np.array(2.0)])
def test_a_single_float64_is_kept_as_a_python_float(data: Any) -> None:
    assert type(as_stored(data)) is float
    assert type(Value(data).data) is float


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_a_single_number_of_another_size_is_kept_as_numpys(dtype: Any) -> None:
    for data in (dtype(2.0), np.array(2.0, dtype)):
        assert type(as_stored(data)) is dtype
        assert type(Value(data).data) is dtype


def test_an_array_of_a_result_is_kept_as_it_is() -> None:
    array = np.array([2.0])
    assert as_stored(array) is array


def test_a_result_may_come_as_an_array_without_axes() -> None:
    """From a primitive of the user's own, whose forward says np.array(...)."""
    boxed = engine.primitive("boxed", lambda x: np.array(2.0 * x), lambda g, out, x: 2.0 * g)
    y = boxed(Value(3.0))
    assert (type(y.data), y.data) == (float, 6.0)


@pytest.mark.parametrize("data", [2.0, 2, True, np.float64(2.0), [2.0, 3.0], [2, 3], np.array([True, False])])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_dtype_that_was_asked_for(data: Any, dtype: Any) -> None:
    value = Value(data, dtype=dtype)
    assert value.dtype == dtype
    np.testing.assert_array_equal(value.data, data)


# ── fingerprints ──────────────────────────────────────────────────────────────


@given(
    size=st.sampled_from([1, 2, 7, 1023, 1024, 1025, 1027, 1285, 2049]),
    dtype=st.sampled_from(FLOATS),
    change=st.sampled_from(["one number", "two trade places", "two change signs"]),
    first=st.integers(0, 10_000),
    step=st.integers(1, 10_000),
    seed=st.integers(0, 99),
)
def test_a_change_of_one_or_two_numbers_changes_the_fingerprint(
    size: int, dtype: Any, change: str, first: int, step: int, seed: int
) -> None:
    """Wherever they stand, in an array of any length and dtype."""
    array = np.random.default_rng(seed).permutation(1 + np.arange(size)).astype(dtype)  # no number twice, none 0
    i, j = first % size, (first + step) % size
    before, old = fingerprint(array), array.copy()
    if change == "one number":
        array[i] = np.nextafter(array[i], dtype(0))
    elif change == "two trade places":
        array[[i, j]] = array[[j, i]]
    else:
        array[[i, j]] *= -1
    assert (fingerprint(array) == before) == np.array_equal(array, old)


@given(array=hnp.arrays(np.float64, st.sampled_from([(3, 4), (40, 30), (2, 30, 40)]), elements=st.floats(-1, 1)))
def test_the_fingerprint_is_of_the_numbers_in_their_order_not_of_the_layout(array: np.ndarray) -> None:
    assert fingerprint(array) == fingerprint(np.asfortranarray(array)) == fingerprint(array[::-1].copy()[::-1])
