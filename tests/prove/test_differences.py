"""Numerical derivatives: right within the error they state, from few evaluations, and from each side where the sides differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine.prove.differences import LEVELS, Tableau, estimate

EPS = float(np.finfo(float).eps)
STEPS = st.sampled_from([0.37, 0.047, 2.0**-9])
SIZES = st.floats(0.1, 10.0)


def differentiated(f, step=0.05, converged=1e-11, size=None):
    """The estimate for f at 0, and how often f was evaluated beside 0."""
    places = []

    def phi(t):
        places.append(t)
        return np.atleast_1d(np.asarray(f(t), float))

    with np.errstate(all="ignore"):
        here = np.atleast_1d(np.asarray(f(0.0), float))
        found = estimate(phi, here, np.abs(here) if size is None else np.full(here.shape, size), step, EPS, converged)
    return found, len(places)


@settings(max_examples=50, derandomize=True, database=None)
@given(order=st.sampled_from([1, 2]), coefficients=st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=4))
def test_powers_of_the_step_are_removed_one_by_one(order, coefficients):
    tableau = Tableau(order)
    for level in range(len(coefficients) + 1):
        h = 0.5 / 2.0**level
        tableau.add(np.array([sum(c * h ** (order * k) for k, c in enumerate(coefficients))]), np.zeros(1))
    assert tableau.value == pytest.approx(coefficients[0], abs=1e-13)
    assert abs(tableau.value[0] - coefficients[0]) <= tableau.error[0] + 1e-13


def test_one_quantity_alone_has_no_error_estimate():
    tableau = Tableau(2)
    tableau.add(np.array([3.0]), np.zeros(1))
    assert tableau.value == 3.0
    assert tableau.error == np.inf


@settings(max_examples=50, derandomize=True, database=None)
@given(first=st.floats(-2.0, 2.0), second=st.floats(-2.0, 2.0), noise=st.floats(0.0, 0.1))
def test_the_error_is_the_distance_to_where_an_entry_came_from(first, second, noise):
    tableau = Tableau(1)
    for quantity in (first, second):
        tableau.add(np.array([quantity]), np.array([noise]))
    limit = 2.0 * second - first
    assert tableau.value == pytest.approx(limit, abs=1e-12)
    # It lies as far from the second as that from the first, and twice as far from the first.
    assert tableau.error == pytest.approx(2.0 * abs(second - first) + noise, abs=1e-12)


def test_what_moves_away_from_its_limit_has_a_large_error():
    """Entries that agreed by accident, because the first steps were multiples of a period."""
    tableau = Tableau(2)
    for quantity in (1.0, 1.0, 1.0):
        tableau.add(np.array([quantity]), np.array([1e-9]))
    assert tableau.error[0] < 1e-8
    tableau.add(np.array([5.0]), np.array([1e-9]))
    assert tableau.value == 1.0
    assert tableau.error == 4.0
    tableau.add(np.array([2.0]), np.array([1e-9]))  # nearer again: what is known by now stays
    assert tableau.error == 4.0


def test_rounding_is_no_divergence():
    for moved, error in ((7e-3, 1e-3), (9e-3, 9e-3)):
        tableau = Tableau(2)
        for quantity in (1.0, 1.0, 1.0, 1.0 + moved):
            tableau.add(np.array([quantity]), np.array([1e-3]))
        assert tableau.value == 1.0
        assert tableau.error == pytest.approx(error)


def test_a_quantity_may_move_by_as_much_as_it_did():
    tableau = Tableau(1)
    for quantity in (0.0, 1.0, 1.0, 1.0):
        tableau.add(np.array([quantity]), np.zeros(1))
    assert (tableau.value, tableau.error) == (1.0, 0.0)
    tableau.add(np.array([1.0 + 2**-30]), np.zeros(1))
    assert tableau.error == 2**-30
    tableau.add(np.array([1.0 + 2.5 * 2**-30]), np.zeros(1))  # by more than twice as much is too far
    assert (tableau.value, tableau.error) == (1.0, 2.5 * 2**-30)


SMOOTH = {
    "exp": (np.exp, 1.0),
    "sin": (lambda t: np.sin(t + 0.7), np.cos(0.7)),
    "logistic": (lambda t: 1.0 / (1.0 + np.exp(-3.0 * t)), 0.75),
    "cubic": (lambda t: 4.0 + 2.0 * t - t**2 + 7.0 * t**3, 2.0),
}


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=25, derandomize=True, database=None)
@given(step=STEPS, size=SIZES)
def test_a_smooth_function(name, step, size):
    f, slope = SMOOTH[name]
    found, _ = differentiated(lambda t: size * f(t), step, size=size)
    assert abs(found.slope[0] - size * slope) <= 2.0 * found.error[0]
    assert found.error[0] < 1e-8 * size
    assert abs(found.left[0] - size * slope) <= 2.0 * found.left_error[0] < 1e-5 * size
    assert abs(found.right[0] - size * slope) <= 2.0 * found.right_error[0] < 1e-5 * size
    assert found.finite.all()


def test_no_more_evaluations_than_are_needed():
    found, few = differentiated(np.exp)
    assert few == 8  # four steps, to both sides
    assert differentiated(lambda t: 3.0 * t, size=0.0)[1] == 8
    assert differentiated(lambda t: 0.0)[1] == 8
    assert differentiated(lambda t: 1e6 * np.exp(t), size=1e6)[1] == 8
    assert differentiated(lambda t: 1e-6 * np.tanh(t / 0.02), size=1e-6)[1] > 8
    assert differentiated(np.exp, converged=0.0)[1] == 2 * LEVELS
    assert differentiated(lambda t: np.where(t > 0, np.nan, t))[1] == 8  # no step is small enough
    steep = differentiated(lambda t: [np.exp(t), np.tanh(t / 0.02)], step=0.05)
    assert steep[1] > 8  # one output is not yet precise enough
    assert found.error[0] <= 1e-11 * found.scale[0]


def test_the_error_of_a_constant_is_that_of_rounding():
    h = 2.0**-5
    found, _ = differentiated(lambda t: 0.0 * t, step=h, size=1e6)
    assert found.slope == found.scale == 0.0
    assert found.error == 2.0 * EPS * 1e6 / (h / 2.0)  # the first two steps are enough, and smaller ones only worse
    assert found.left_error == found.right_error == 2.0 * found.error


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounding_is_relative_to_the_largest_value_near_by(sign):
    found, _ = differentiated(lambda t: np.where(sign * t > 0, 1e6, -1e6 * (t == 0)), step=0.5, size=1.0)
    quiet, _ = differentiated(lambda t: 0.0 * t, step=0.5, size=1.0)
    assert (found.left_error > 1e5 * quiet.left_error).all()
    assert (found.right_error > 1e5 * quiet.right_error).all()


@settings(max_examples=50, derandomize=True, database=None)
@given(left=st.floats(-5.0, 5.0), right=st.floats(-5.0, 5.0), curvature=st.floats(-2.0, 2.0), step=STEPS)
def test_both_sides_of_a_kink(left, right, curvature, step):
    found, _ = differentiated(lambda t: (right if t > 0 else left) * t + curvature * t * t, step, size=1.0)
    size = abs(left) + abs(right) + abs(curvature) + 1.0
    assert found.left == pytest.approx(left, abs=1e-9 * size)
    assert found.right == pytest.approx(right, abs=1e-9 * size)
    assert abs(found.right - found.left - (right - left)) <= found.gap_error + 1e-12
    assert found.gap_error == found.left_error + found.right_error
    assert found.error >= 0.0
    # Between the two, and by no more precise than they allow.
    assert found.slope == pytest.approx((left + right) / 2, abs=1e-9 * size)
    assert found.scale == pytest.approx(max(abs(left), abs(right)), abs=step * 2.0)


def test_where_the_second_derivative_jumps():
    found, evaluations = differentiated(lambda t: t * abs(t) + 3.0 * t, size=1.0)
    assert abs(found.slope[0] - 3.0) <= found.error[0] < 1e-9
    assert evaluations == 2 * LEVELS  # the central difference alone does not converge
    bent, _ = differentiated(lambda t: t * abs(t) + 3.0 * t + 1e-6 * abs(t), size=1.0)
    assert bent.slope == pytest.approx(3.0, abs=1e-9)
    assert bent.error == pytest.approx(bent.left_error + bent.right_error + 1e-6, rel=1e-6)  # to either side of the mean


def test_a_derivative_of_zero_has_the_size_of_the_steepest_secant():
    found, _ = differentiated(lambda t: [np.cos(t), 5.0 * t, abs(t)], size=1.0)
    assert found.typical == pytest.approx([found.scale[0], 5.0, 1.0])
    assert 0.0 < found.typical[0] < 0.05
    assert found._replace(slope=-9.0 * np.ones(3)).typical.tolist() == [9.0, 9.0, 9.0]


def test_a_step_that_is_a_multiple_of_the_period():
    period = 0.05 / 8.0  # of the first four steps: a line, they say
    found, _ = differentiated(lambda t: np.sin(2.0 * np.pi * t / period) + t, converged=0.0, size=1.0)
    assert found.error[0] > 0.05 * found.typical[0]


@pytest.mark.parametrize(("f", "finite"), [(np.sqrt, False), (lambda t: np.sqrt(-t), False), (np.exp, True), (lambda t: np.nan + t, False)])
def test_where_the_function_ends(f, finite):
    found, _ = differentiated(f, size=1.0)
    assert found.finite.tolist() == [finite]


@settings(max_examples=25, derandomize=True, database=None)
@given(step=STEPS, size=SIZES)
def test_outputs_do_not_depend_on_one_another(step, size):
    parts = [np.exp, abs, lambda t: np.tanh(t / 0.02), lambda t: size * t * abs(t)]
    together, _ = differentiated(lambda t: [f(t) for f in parts], step, converged=0.0, size=size)
    for j, f in enumerate(parts):
        alone, _ = differentiated(f, step, converged=0.0, size=size)
        for name in alone._fields:
            np.testing.assert_array_equal(getattr(together, name)[j], getattr(alone, name)[0], err_msg=name)
