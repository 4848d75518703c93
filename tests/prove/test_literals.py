"""Data in messages is Python source that makes the data again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from engine.prove.literals import literal

DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int32, bool]
ARRAYS = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
SIMPLE = st.floats() | st.integers() | st.booleans() | st.none() | st.text(max_size=3)


def assert_made_again(data):
    text = literal(data)
    assert "\n" not in text
    again = eval(text, {"np": np})
    np.testing.assert_array_equal(again, data, strict=isinstance(data, np.ndarray))
    assert type(again) is (type(data.item()) if isinstance(data, np.generic) else type(data))


@settings(max_examples=80, derandomize=True, database=None)
@given(ARRAYS | SIMPLE | st.lists(SIMPLE, max_size=3).map(tuple) | st.sampled_from([np.float64(0.1), np.float32(-np.inf), np.int64(3)]))
def test_data_is_written_as_code_that_makes_it_again(data):
    assert_made_again(data)


@pytest.mark.parametrize("data", [np.linspace(0.0, 1.0, 1500), np.ones((7, 300)), np.arange(1200)])
def test_every_number_of_a_long_array_is_written(data):
    assert_made_again(data)


@pytest.mark.parametrize("data", [..., np.float32, float, (..., np.int64, None)])
def test_parameters_that_are_no_numbers(data):
    assert eval(literal(data), {"np": np}) == data


def test_numbers_are_written_as_a_reader_would():
    assert literal(np.float64(2.5)) == "2.5"
    assert literal(np.array([1.0, -np.inf])) == "np.array([1.0, -np.inf])"
    assert literal((np.nan,)) == "(np.nan,)"
    with np.printoptions(precision=2):
        assert literal(np.array([0.1234567])) == "np.array([0.1234567])"
