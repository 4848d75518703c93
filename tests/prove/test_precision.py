"""The precision of a check: dtypes, noise, combinations of many outputs, and the complex step where there is no extended precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import check
from engine.primitives import Primitive
from engine.prove.derivatives import FIRST_STEP
from engine.prove.precision import DOUBLE, EXTENDED, SAFETY, Point, Thresholds, nearest_power_of_two
from engine.prove.subjects import subject
from tests.prove import verdicts, wrong_by

extended = pytest.mark.skipif(EXTENDED is np.float64, reason="the machine has no extended precision")


def point(f, *args, grad=None, cotangents=None):
    with np.errstate(all="ignore"):
        return Point(subject(f, args, grad, None, None), np.random.default_rng(0), FIRST_STEP, 0.0, 0.0, cotangents)


# ── what a check says ─────────────────────────────────────────────────────────


def test_float32_is_judged_by_its_formula():
    x = np.array([0.3, 20.0], np.float32)
    assert check(np.sin, x)
    assert not check(wrong_by(np.sin, np.cos, 1 + 1e-8), x)


@pytest.mark.parametrize("x", [0.3, 5.0])
def test_without_extended_precision_the_complex_step_is_as_sharp(x, monkeypatch):
    monkeypatch.setattr("engine.prove.precision.EXTENDED", np.float64)
    f = lambda x: np.exp(np.sin(x)) / x  # noqa: E731
    slope = lambda x: np.exp(np.sin(x)) * (np.cos(x) / x - 1 / x**2)  # noqa: E731
    assert check(f, x, grad=slope)
    assert not check(f, x, grad=lambda x: slope(x) * (1 + 1e-10))
    assert verdicts(check(np.abs, x, grad=np.sign)) == ["right"]  # |x| of a complex number is another function
    assert verdicts(check(engine.relu, 0.0)) == ["kink"]


def test_an_error_that_cancels_in_the_sum_of_the_outputs_is_found():
    shuffled = Primitive("shuffled", np.square, [lambda g, out, x: g[::-1] * 2 * x])  # Σ of each column of the Jacobian is right
    report = check(lambda x: shuffled(x), np.array([1.0, 2.0]))
    assert report.counts == {"wrong": 4}


def test_an_error_in_one_of_many_outputs_is_found():
    x = np.linspace(1.0, 2.0, 1500)
    spot = np.where(np.arange(1500) == 777, 1 + 1e-6, 1.0)
    assert check(np.exp, x[:2], mode="projections")
    assert not check(wrong_by(np.exp, lambda x: np.exp(x) * spot, 1.0), x, directions=1)


def test_an_output_that_is_no_number_leaves_the_others_alone():
    assert verdicts(check(lambda x: (x, x * np.inf, x * np.nan), 2.0)) == ["right", "domain", "domain"]
    assert point(lambda x: (x, x * np.inf), 2.0).magnitude[0] == pytest.approx(2.0, rel=10.0)


def test_a_function_may_return_integers():
    assert verdicts(check(lambda x: int(x), 2.5, grad=0.0)) == ["right"]


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_largest_and_the_smallest_numbers_have_a_derivative(size):
    sine = lambda x: size * math.sin(x)  # noqa: E731  # in float64, whatever x is
    assert verdicts(check(sine, 0.5, grad=lambda x: size * math.cos(x))) == ["right"]
    assert verdicts(check(sine, 0.5, grad=lambda x: 1.01 * size * math.cos(x))) == ["wrong"]


# ── thresholds ────────────────────────────────────────────────────────────────


@given(st.floats(1e-20, 1e-3))
def test_thresholds_ascend(eps):
    limits = Thresholds.at(eps)
    assert eps < limits.converged < limits.accepts < limits.rejects
    assert limits.converged == max(1e-11, eps**0.75)
    assert limits.rejects < 1000 * limits.converged
    assert limits.usable >= 1e-6


def test_the_thresholds_of_float32_and_float64():
    assert Thresholds.at(DOUBLE).usable == 1e-6
    single = Thresholds.at(2.0**-23)
    assert 5e-6 < single.converged < 1e-5
    assert 5e-4 < single.rejects < single.usable < 1e-3


# ── lines ─────────────────────────────────────────────────────────────────────


@given(st.floats(1e-300, 1e300))
def test_the_nearest_power_of_two(h):
    power = nearest_power_of_two(h)
    assert math.frexp(power)[0] == 0.5
    assert 2**-0.51 < power / h < 2**0.51


@pytest.mark.parametrize("h", [math.inf, math.nan])
def test_no_length_is_a_length_of_one(h):
    assert nearest_power_of_two(h) == 1.0


def test_an_element_moves_by_its_own_size_and_a_zero_by_that_of_the_largest():
    here = point(lambda x, y: x[0] * y, np.array([0.0, -3.2, 1000.0]), 0.0)
    lines = [here.axis(0, i) for i in range(3)]
    assert [line.length for line in lines] == [1024.0, 4.0, 1024.0]
    assert [line.direction.tolist() for line in lines] == np.eye(3).tolist()
    assert here.axis(1, 0).length == 1.0
    moved = here.moved(lines[1], 0.5)
    assert moved[0].tolist() == [0.0, -2.7, 1000.0] if here.dtype == np.float64 else np.allclose(moved[0], [0.0, -2.7, 1000.0])
    assert here.leaves[0][1] == -3.2


def test_a_random_direction_moves_each_element_by_its_own_size():
    here = point(lambda x, y, z: np.sum(x) + np.sum(y) + np.sum(z), np.array([1.0, -3.2, 0.0, 1000.0] * 20), np.zeros(3), np.zeros(0))
    line = here.random_line(0)
    assert (line.leaf, line.length, line.direction.dtype) == (0, 1.0, here.dtype)
    assert np.abs(line.direction).tolist() == [1.0, 4.0, 1024.0, 1024.0] * 20
    assert {-1.0, 1.0} == set(np.sign(line.direction).tolist())
    assert np.abs(here.random_line(1).direction).tolist() == [1.0] * 3
    assert here.random_line(2).direction.size == 0
    tiny = point(lambda x: np.sum(x), np.array([0.0, 2.0**-40]))
    assert np.abs(tiny.random_line(0).direction).tolist() == [2.0**-40] * 2


# ── which outputs are compared ────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outputs", "inputs", "combined"),
    [(1, 1, False), (1000, 1, False), (1001, 1, True), (8, 150_000, False), (9, 150_000, True), (9, 100, False)],
)
def test_many_outputs_are_combined(outputs, inputs, combined):
    here = point(
        lambda x: np.full(outputs, x[0]), np.ones(inputs), grad=lambda x: np.broadcast_to(np.eye(1, inputs), (outputs, inputs)).copy()
    )
    assert here.combined is combined
    count = 8 if combined else outputs
    assert here.cotangents.shape == (count, outputs)
    assert here.labels() == ([f"u{k}" for k in range(1, 9)] if combined else [f"[{j}]" for j in range(outputs)] if outputs > 1 else ["[0]"])
    assert here.here.shape == (count,)
    np.testing.assert_allclose(here.here, here.cotangents @ np.ones(outputs))
    size = np.abs(here.cotangents) @ np.ones(outputs)
    assert (here.magnitude > 0.999 * size).all()
    assert (here.magnitude < 2.0 * size).all()
    np.testing.assert_allclose(here.analytic[0][:, 0], here.cotangents @ np.ones(outputs))


def test_the_same_combinations_at_a_neighbour():
    chosen = np.random.default_rng(1).standard_normal((8, 1500))
    here = point(lambda x: x * x, np.linspace(1.0, 2.0, 1500), cotangents=chosen)
    assert here.cotangents is chosen
    np.testing.assert_allclose(here.here, chosen @ np.linspace(1.0, 2.0, 1500) ** 2, rtol=1e-12)


# ── the working precision ─────────────────────────────────────────────────────


@extended
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_rule_of_the_engine_is_evaluated_in_extended_precision(dtype):
    here = point(np.sin, np.array([0.3, 0.7], dtype))
    assert here.dtype == here.exact[0].dtype == here.here.dtype == EXTENDED
    assert here.analytic[0].dtype == dtype
    assert here.widened
    assert here.eps == float(np.finfo(EXTENDED).eps)
    assert here.own_eps == float(np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.diag(here.exact[0]), np.cos(np.array([0.3, 0.7], dtype).astype(EXTENDED)))
    np.testing.assert_array_equal(here.rule_rounding[0], np.abs(here.analytic[0] - here.exact[0]))


def test_what_is_computed_in_float64_is_taken_for_float64():
    here = point(lambda x: math.sin(x), 0.3, grad=lambda x: math.cos(x))
    assert here.dtype == here.here.dtype == np.float64
    assert here.eps == DOUBLE
    assert not here.widened
    single = point(lambda x: math.sin(x), np.float32(0.3), grad=lambda x: np.asarray(math.cos(x)))
    assert single.dtype == np.float64  # wider than float32 at least


@extended
def test_a_gradient_in_float64_of_a_function_in_extended_precision():
    here = point(np.exp, 20.0, grad=lambda x: math.exp(x))
    assert here.dtype == EXTENDED
    assert not here.widened
    assert here.exact[0].dtype == np.float64
    assert 4 * DOUBLE < here.rule_rounding[0] / math.exp(20.0) < 400 * DOUBLE  # those of a neighbour


def test_too_many_numbers_stay_in_float64():
    few, many = (point(lambda x: np.sum(x), np.ones(n, np.float32)) for n in (100_000, 100_001))
    assert (few.dtype, many.dtype) == (EXTENDED, np.float64)
    assert many.widened
    assert point(lambda x: np.sum(x), np.ones(100_001)).dtype == np.float64


@extended
def test_a_function_that_is_another_one_in_a_wider_dtype_stays_in_its_own():
    another = Primitive("another", lambda x: x * x * (1.0 + 0.1 * (x.dtype == EXTENDED)), [lambda g, out, x: 2.0 * g * x])
    assert point(lambda x: another(x), np.array([0.3])).dtype == np.float64
    assert point(lambda x: another(x), np.array([0.3], np.float32)).dtype == np.float64
    assert point(lambda x: another(x), np.array([1e-6])).dtype == np.float64
    near = Primitive("near", lambda x: x * x * (1.0 + 0.001 * (x.dtype == EXTENDED)), [lambda g, out, x: 2.0 * g * x])
    assert point(lambda x: near(x), np.array([0.3])).dtype == EXTENDED  # that much is rounding, in float16


@extended
def test_what_underflows_or_is_no_number_is_no_other_function():
    assert point(lambda x: x * x, np.array([1e-170, 1.0])).dtype == EXTENDED
    assert point(lambda x: x * np.array([1.0, np.nan]), np.array([1.0, 1.0])).dtype == EXTENDED


@pytest.mark.parametrize("error", [TypeError, ValueError, ArithmeticError, RuntimeError])
def test_a_function_that_takes_no_wider_dtype(error):
    def choosy(x):
        if np.asarray(x).dtype == np.longdouble:
            raise error("not for me")
        return x * x

    rule = Primitive("choosy", choosy, [lambda g, out, x: 2.0 * g * x])
    here = point(lambda x: rule(x), np.array([0.3], np.float32))
    assert here.dtype == (np.float64 if EXTENDED is not np.float64 else EXTENDED)
    assert here.widened


def test_the_precision_of_the_outputs_counts():
    rounded = point(lambda x: np.float32(x), 0.3, grad=1.0)
    assert rounded.eps == float(np.finfo(np.float32).eps)
    assert point(lambda x: 3, 0.3, grad=0.0).eps == DOUBLE


def test_where_the_function_raises_it_is_no_number():
    here = point(lambda x: np.stack([math.sqrt(x), 1 / (float(x) - 2.0)]), 1.0, grad=np.array([0.5, -1.0]))
    assert np.isnan(here.at(here.axis(0, 0), -2.0)).tolist() == [True, True]
    assert np.isnan(here.at(here.axis(0, 0), 1.0)).tolist() == [True, True]
    np.testing.assert_allclose(here.at(here.axis(0, 0), 3.0), [2.0, 0.5])


# ── noise ─────────────────────────────────────────────────────────────────────


def rough(x):
    """Numbers between -1 and 1 without a pattern."""
    return np.sin(1e17 * x) * np.cos(3e16 * x)


@pytest.mark.parametrize("amplitude", [1e-4, 1e-10])
def test_the_noise_is_measured_for_each_output_by_itself(amplitude):
    here = point(lambda x: np.stack([np.exp(x[0]), np.exp(x[0]) + amplitude * rough(x[0]), 2.0 * x[0]]), np.array([0.7]))
    noise = here.eps * here.magnitude
    assert 0.1 * amplitude < noise[1] < 10 * amplitude
    np.testing.assert_allclose(noise[[0, 2]], 8 * here.eps, atol=8 * here.eps)
    assert (here.magnitude >= np.abs(here.here)).all()


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_noise_on_one_side_only_is_none(side):
    here = point(lambda x: x + 1e-4 * rough(x) * (side * (x - 1.0) > 0), 1.0)
    assert here.magnitude < 100.0


def test_a_smooth_function_has_no_noise_beside_its_kink():
    assert point(lambda x: engine.relu(x - 1.0) + 3.0 * x * x, 1.0).magnitude < 30.0


@pytest.mark.parametrize("digits", [1e-7, 1e-10])
def test_the_noise_of_a_staircase_is_seen_from_farther_away(digits):
    here = point(lambda x: digits * np.round(x / digits) + x * 1e-30, 1.0, grad=1.0)
    assert here.eps * here.magnitude > 0.01 * digits


def test_a_constant_may_be_no_more_precise_than_float64():
    here = point(lambda x: 3.0 + 0.0 * x, 1.0)
    assert here.eps * here.magnitude == pytest.approx(3.0 * DOUBLE, abs=0.0)
    both = point(lambda x: np.stack([3.0 + 0.0 * x[0], x[0]]), np.array([1.0]))
    assert both.eps * both.magnitude[1] < 100 * both.eps


def test_numbers_that_cancel_make_noise():
    here = point(lambda x: (x + 1e10) - 1e10, 1.0)
    assert 1e8 < here.magnitude < 1e12
    assert 1e9 < here.rounding_of_outputs / here.eps < 1e11


def test_a_function_that_exists_at_one_place_only_has_no_noise():
    here = point(lambda x: x + np.where(x == 1.0, 0.0, np.nan), 1.0)
    assert here.magnitude == 1.0


# ── what is random, large, or on a kink ───────────────────────────────────────


def test_which_outputs_are_random():
    again = iter(range(1000))
    assert point(lambda x: (x, x * next(again)), 1.0).random.tolist() == [False, True]
    assert point(lambda x: (x, x * np.nan), 1.0).random.tolist() == [False, False]
    noisy = Primitive("noisy", np.square, [lambda g, out, x: g * 2 * x * (1 + next(again))])
    here = point(lambda x, y: (x * y, noisy(y)), 1.0, 2.0)
    assert here.random.tolist() == [False, True]
    assert here.dtype == np.float64


def test_the_largest_derivative_is_a_number():
    with np.errstate(all="ignore"):
        here = point(lambda x, y: np.sum(x), np.array([1.0, 2.0, 3.0]), np.zeros(0), grad=(np.array([0.25, -0.5, np.inf]), np.zeros(0)))
    assert here.largest == [0.5, 0.0]


def test_kinks_near_the_point():
    assert point(lambda x: engine.relu(x), 1.0).kink_nodes == []
    assert [node.name for node in point(lambda x: engine.relu(x) + engine.relu(x - 1.0), 0.0).kink_nodes] == ["relu", "relu"]


# ── the complex step ──────────────────────────────────────────────────────────


@pytest.fixture
def no_extended_precision(monkeypatch):
    monkeypatch.setattr("engine.prove.precision.EXTENDED", np.float64)


def sharpened(f, x, shrink=2.0**-24):
    """The estimate from steps so short that rounding spoils the real difference."""
    here = point(f, x, grad=1.0)
    with np.errstate(all="ignore"):
        return here, here.estimate(here.axis(0, 0), FIRST_STEP * here.axis(0, 0).length * shrink)


ANALYTIC = {
    "exp(sin x)/x": (lambda x: np.exp(np.sin(x)) / x, lambda x: np.exp(np.sin(x)) * (np.cos(x) / x - 1 / x**2)),
    "exp 3x": (lambda x: np.exp(3.0 * x), lambda x: 3.0 * np.exp(3.0 * x)),
    "x^50": (lambda x: x**50, lambda x: 50.0 * x**49),
    "log": (lambda x: np.log(x), lambda x: 1.0 / x),
}


@pytest.mark.parametrize("name", ANALYTIC)
@settings(max_examples=30, derandomize=True, database=None)
@given(
    x=st.floats(0.2, 2.0),
    shrink=st.sampled_from([1.0, 2.0**-12, 2.0**-24]),
    unit=st.sampled_from([1.0, 1e6, 1e-6]),
    size=st.sampled_from([1.0, 1e8, 1e-8]),
)
def test_the_complex_step_is_right_to_the_last_digits(name, x, shrink, unit, size):
    f, slope = ANALYTIC[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.prove.precision.EXTENDED", np.float64)
        _, found = sharpened(lambda x: size * f(x / unit), unit * x, shrink)
    exact = size * slope(x) / unit
    assert abs(found.slope[0] - exact) <= SAFETY * found.error[0]
    assert DOUBLE * abs(exact) < found.error[0]
    if abs(f(x)) > 1e-2:
        assert found.error[0] < 1e-11 * found.typical[0]


@pytest.mark.parametrize("size", [1.0, 1e-6, 1e6])
def test_what_cancels_in_the_function_cancels_in_the_complex_step(size, no_extended_precision):
    _, found = sharpened(lambda x: size * ((1e6 + 1.0) * np.sin(x) - 1e6 * np.sin(x)), 0.7)
    assert abs(found.slope[0] - size * np.cos(0.7)) <= SAFETY * found.error[0]
    assert found.error[0] > 1e-12 * size


def test_a_function_that_is_not_analytic_keeps_the_real_difference(no_extended_precision):
    for f in (lambda x: np.exp(np.sin(np.conj(x))) / np.conj(x), lambda x: np.exp(np.sin(np.abs(x))) / x):
        _, found = sharpened(f, 0.3)
        exact = np.exp(np.sin(0.3)) * (np.cos(0.3) / 0.3 - 1 / 0.09)
        assert abs(found.slope[0] - exact) <= SAFETY * found.error[0]
        assert found.error[0] < 1e-4


def test_agreement_within_a_large_error_proves_nothing(no_extended_precision):
    def other(x):
        return 1.001 * np.sin(x) if np.iscomplexobj(x) else np.sin(x) + 0.001 * np.sin(1e4 * x)

    _, found = sharpened(other, 0.7, shrink=1.0)
    assert abs(found.slope[0] - np.cos(0.7) - 10.0 * np.cos(7000.0)) <= SAFETY * found.error[0]


@pytest.mark.parametrize("f", [lambda x: math.exp(math.sin(x)) / x, lambda x: abs(np.exp(np.sin(x)) / x)])
def test_what_takes_no_complex_numbers_is_asked_once(f, no_extended_precision):
    asked = []

    def counted(x):
        if np.iscomplexobj(x):
            asked.append(x)
        return f(x)

    here, found = sharpened(counted, 0.3)
    again = here.estimate(here.axis(0, 0), FIRST_STEP * here.axis(0, 0).length * 2.0**-24)
    assert len(asked) == 1
    assert found.error == again.error > 1e-9
