"""Numerical against analytic derivatives: right ones pass, wrong ones are found, at any size of the error and of the input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import engine
from engine import check
from engine.primitives import Primitive
from engine.prove.derivatives import FIRST_STEP
from engine.prove.precision import EXTENDED
from tests.prove import verdicts, wrong_by

extended = pytest.mark.skipif(EXTENDED is np.float64, reason="the numbers are those of extended precision")

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


def with_slope(function, slope):
    """A function whose rule gives a slope, whatever its own is."""
    made = Primitive("f", function, [lambda g, out, x: g * slope])
    return lambda x: made(x)


@pytest.mark.parametrize(("slope", "verdict"), [(0.0, "right"), (1.0, "wrong"), (-1e-30, "wrong")])
@pytest.mark.parametrize("x", [0.0, 1.0, -1e5])
def test_a_function_that_is_0_has_no_slope(slope, verdict, x):
    assert verdicts(check(with_slope(lambda x: 0.0 * x, slope), x)) == [verdict]


@pytest.mark.parametrize(
    ("option", "verdict"), [({}, "wrong"), ({"atol": 0.005}, "wrong"), ({"atol": 0.02}, "right"), ({"rtol": 0.02}, "right")]
)
def test_a_difference_within_what_is_allowed_is_right(option, verdict):
    assert verdicts(check(with_slope(np.sin, 0.99), 0.0, **option)) == [verdict]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_slope_that_cancels_is_0_at_any_scale(scale):
    assert check(lambda x: scale * np.sum(engine.softmax(x)), np.array([0.3, -1.0, 2.0]))


# ── functions that deceive the first steps ────────────────────────────────────

PERIOD = FIRST_STEP / 64  # each of the first steps is a multiple of it


def rippled(ripple, slope, scale=1.0, period=PERIOD, noise=0.0, x=1.0):
    """x with a ripple that a multiple of its period does not see: the slope looks like 1 and is 1 + ripple; times a scale."""
    pitch, offset = 2 * np.pi / period, noise / np.finfo(EXTENDED).eps
    f = with_slope(lambda t: (scale * (t + ripple * np.sin(pitch * (t - x)) / pitch) + offset) - offset, scale * slope)
    return check(f, x).worst


@extended
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(
    ("ripple", "slope", "verdict"),
    [
        (1.0, 2.0, "right"),
        (1.0, 3.0, "imprecise"),
        (0.2, 2.0, "imprecise"),
        (0.05, 2.0, "wrong"),  # the ripple is too small to explain it
        (0.15, -1.0, "wrong"),
        (0.3, -1.0, "imprecise"),
        (0.05, 1e6, "wrong"),
        (0.5, 1e6, "imprecise"),
    ],
)
def test_a_period_of_the_step_convicts_nobody(scale, ripple, slope, verdict):
    element = rippled(ripple, slope, scale)
    assert element.verdict == verdict
    assert element.numerical == pytest.approx(scale * (1.0 + ripple if verdict == "right" else 1.0), rel=1e-9)
    assert element.note == ("the numerical derivative depends on the step" if verdict == "imprecise" else "")


@extended
@pytest.mark.parametrize("slope", [2.0, 3.0])
@pytest.mark.parametrize("noise", [1e-7, 1e-6, 1e-5])
def test_a_ripple_that_noise_hides_from_the_smallest_steps_convicts_nobody(noise, slope):
    assert rippled(1.0, slope, noise=noise).verdict == "imprecise"


@extended
@pytest.mark.parametrize("x", [1 / 16, 1.0, 16.0])
@pytest.mark.parametrize(("slope", "verdict"), [(2.0, "right"), (4.0, "wrong"), (1.0, "wrong")])
def test_steps_larger_than_the_first_acquit_nobody(x, slope, verdict):
    """They see the ripple no more, but they reach farther than what is judged."""
    assert rippled(1.0, slope, period=FIRST_STEP * x, x=x).verdict == verdict


@extended
@pytest.mark.parametrize(("slope", "verdict"), [(0.0, "right"), (0.5, "imprecise")])
def test_a_staircase_that_looks_like_a_slope(slope, verdict):
    f = with_slope(lambda x: np.floor((x - 1.0) / PERIOD + 0.5) * PERIOD + 1.0, slope)
    assert verdicts(check(f, 1.0)) == [verdict]


@extended
@pytest.mark.parametrize("slope", [0.0, 2.0, 3.0])
def test_kinks_that_the_steps_pass_over_convict_nobody(slope):
    def saw(x):  # steps that are flat for two thirds, and steep for one; at 1 its slopes are 0 and 3
        phase = np.mod(x - 1.0, PERIOD)
        return np.minimum(3.0 * phase, PERIOD) + PERIOD * np.floor((x - 1.0) / PERIOD)

    assert verdicts(check(with_slope(saw, slope), 1.0)) == ["imprecise"]


@extended
@pytest.mark.parametrize(("noise", "factor", "verdict"), [(1e-9, 1.0, "right"), (1e-9, 1.001, "imprecise"), (1e-5, 1.0, "imprecise")])
def test_the_slope_of_a_fast_oscillation_is_that_of_the_steps_that_resolve_it(noise, factor, verdict):
    """The long steps see small differences, with errors smaller than those of the short steps, which are right."""
    offset = noise / np.finfo(EXTENDED).eps
    element = check(with_slope(lambda x: (np.sin(1e9 * (x - 1.0)) + offset) - offset, 1e9 * factor), 1.0).worst
    assert element.verdict == verdict
    assert element.numerical == pytest.approx(1e9, rel=1e-3)


# ── what the rule's own rounding explains ─────────────────────────────────────


@pytest.mark.parametrize(("off", "verdict"), [(0.0, "right"), (1e-11, "right"), (-1e-11, "right"), (3e-11, "wrong"), (-1e-3, "wrong")])
def test_a_gradient_by_hand_has_the_digits_of_its_numbers(off, verdict):
    """Beside a function value of 1000 float64 has no more than these."""
    assert verdicts(check(lambda x: x + 1e3, 1.0, grad=lambda x: np.float64(1.0 + off))) == [verdict]


@pytest.mark.parametrize(("off", "verdict"), [(4e-12, "right"), (-4e-12, "right"), (2e-11, "wrong"), (-1e-6, "wrong")])
def test_a_gradient_by_hand_may_be_off_by_what_a_rounding_of_its_input_changes(off, verdict):
    assert verdicts(check(lambda x: np.sin(1e3 * x) / 1e3, 1.0, grad=lambda x: np.float64(np.cos(1e3 * x) + off))) == [verdict]
