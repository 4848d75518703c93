"""Numerical against analytic derivatives: right ones pass, wrong ones are found, at any size of the error and of the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from engine import check
from tests.prove import verdicts, wrong_by

FACTORS = st.tuples(st.sampled_from([1e-8, 1e-7, 1e-5, 1e-2, 1.0]), st.sampled_from([1.0, -1.0])).map(lambda pair: 1 + pair[0] * pair[1])


@settings(max_examples=40, derandomize=True, database=None)
@given(st.floats(-50, 50).filter(lambda x: abs(x) > 1e-3), st.lists(st.integers(-5, 5), min_size=1, max_size=6), FACTORS)
def test_polynomials(x, coefficients, factor):
    """Right polynomials pass; a factor on the slope never does, where there is a slope to be wrong about."""

    def value(x):
        return sum(c * x**k for k, c in enumerate(coefficients))

    def slope(x):
        return sum(k * c * x ** (k - 1) for k, c in enumerate(coefficients) if k) + 0.0 * x

    assert check(value, x, grad=slope)
    steep = abs(slope(x)) * abs(x) > 1e-3 * sum(abs(c * x**k) for k, c in enumerate(coefficients))
    if steep:
        assert verdicts(check(value, x, grad=lambda x: slope(x) * factor)) == ["wrong"]


SMOOTH = [(np.sin, np.cos), (np.tanh, lambda x: 1 / np.cosh(x) ** 2), (np.exp, np.exp), (np.arctan, lambda x: 1 / (1 + x * x))]


@settings(max_examples=60, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from(SMOOTH), min_size=1, max_size=4),
    st.floats(-1.5, 1.5).filter(lambda x: abs(x) > 1e-3),
    FACTORS,
    st.integers(0, 3),
)
def test_compositions(parts, x, factor, place):
    """Chains of smooth functions pass; with one rule off by a factor, wherever it stands, they don't."""
    assume(sum(function is np.exp for function, _ in parts) < 3)  # or it overflows

    def chain(functions):
        def f(x):
            for function in functions:
                x = function(x)
            return x

        return f

    assert check(chain([function for function, _ in parts]), x)
    function, slope = parts[place % len(parts)]
    broken = [function for function, _ in parts]
    broken[place % len(parts)] = wrong_by(function, slope, factor)
    report = check(chain(broken), x)
    if abs(report.worst.numerical) > 1e-6:
        assert verdicts(report) == ["wrong"], report


@pytest.mark.parametrize("d", [1e-8, -1e-8, 1e-9])
@pytest.mark.parametrize("x", [1e-8, 0.3, 1.0, 77.7, 1e6])
def test_a_small_error_at_any_size_of_input(x, d):
    assert verdicts(check(wrong_by(np.sqrt, lambda x: 0.5 / np.sqrt(x), 1 + d), x)) == ["wrong"]
