"""How far a rule may be off before it is called wrong, at a jump, at a kink, where the function is noisy, and in its own dtype."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import check
from engine.primitives import Primitive
from engine.prove.precision import EXTENDED
from tests.prove import verdicts


def rule(function, slope):
    """A function with that derivative, as a primitive that has no kinks."""
    made = Primitive("f", function, [lambda g, out, x: g * slope])
    return lambda x: made(x)


STEEP = lambda x: 20 * x + np.floor(x)  # noqa: E731
UP = lambda x: x + np.floor(x)  # noqa: E731  # at 2 it jumps up on the left; the derivative from the right is 1
DOWN = lambda x: x - np.floor(x)  # noqa: E731
UP_AFTER = lambda x: x + np.ceil(x)  # noqa: E731  # at 2 it jumps up on the right; the derivative from the left is 1


@pytest.mark.parametrize(
    ("function", "slope", "verdict"),
    [
        (UP, 1.0, "kink"),
        (UP, 1.5, "kink"),  # between the one-sided derivatives, 1 and +inf
        (UP, 0.9, "wrong"),
        (DOWN, 1.0, "kink"),
        (DOWN, 0.5, "kink"),  # between -inf and 1
        (DOWN, 1.1, "wrong"),
        (UP_AFTER, 1.0, "kink"),
        (UP_AFTER, 2.0, "kink"),
        (UP_AFTER, 0.9, "wrong"),
        (STEEP, 20.0, "kink"),
        (STEEP, 22.0, "kink"),
        (STEEP, 19.0, "wrong"),
    ],
)
@pytest.mark.parametrize("x", [2.0, 2000.0, 2.0**-10])
def test_at_a_jump_the_derivative_lies_on_the_side_of_the_jump(function, slope, verdict, x):
    scale = x / 2
    report = check(rule(lambda x: scale * function(x / scale), slope), x)
    assert verdicts(report) == [verdict]
    assert report.worst.numerical == pytest.approx(20.0 if function is STEEP else 1.0)
    assert report.worst.note == f"jumps on the {'right' if function is UP_AFTER else 'left'}"


@pytest.mark.parametrize(
    ("slope", "atol", "verdict"),
    [
        (0.0, 0, "kink"),
        (1.0, 0, "kink"),
        (1.01, 0, "wrong"),
        (-0.01, 0, "wrong"),
        (1.01, 0.1, "kink"),
        (-0.01, 0.1, "kink"),
        (1.2, 0.1, "wrong"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_at_a_kink_the_derivative_lies_between_those_of_the_sides(slope, atol, verdict, scale):
    f = rule(lambda x: scale * np.maximum(x, 0.0), scale * slope)
    assert verdicts(check(f, 0.0, atol=atol * scale)) == [verdict]


def test_a_kink_is_named_and_both_sides_told():
    report = check(lambda x: engine.relu(x - 1.0) + x, 1.0)
    assert report.worst.note == "relu lies on its kink, x = 0: 1 from the left, 2 from the right"


@pytest.mark.parametrize(("slope", "verdict"), [(-0.5, "wrong"), (0.0, "kink"), (1.0, "kink"), (1.5, "wrong")])
def test_a_single_kink_does_not_excuse_a_rule_beyond_its_sides(slope, verdict):
    kink = engine.primitives.Kink("x = 0", "by convention", lambda x: x)
    f = Primitive("f", lambda x: np.maximum(x, 0.0), [lambda g, out, x: g * np.where(x == 0, slope, x > 0)], kinks=[kink])
    assert verdicts(check(lambda x: f(x), 0.0)) == [verdict]
    assert verdicts(check(lambda x: f(x) + np.sin(x), 0.0)) == [verdict]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(("slope", "verdict"), [(1.0, "kink"), (0.99, "kink"), (1.01, "kink"), (0.9, "wrong"), (1.1, "wrong")])
def test_at_a_kink_that_the_function_does_not_show_a_convention_may_be_off_by_a_hundredth(slope, verdict, scale):
    kink = engine.primitives.Kink("x = 0", "by convention", lambda x: x)
    f = Primitive("f", lambda x: scale * x, [lambda g, out, x: g * scale * np.where(x == 0, slope, 1.0)], kinks=[kink])
    assert verdicts(check(lambda x: f(x), 0.0)) == [verdict]


@pytest.mark.parametrize(
    ("function", "x", "note"),
    [
        (np.arcsin, 1.0, "defined only to the left"),
        (np.sqrt, 0.0, "defined only to the right"),
        (np.log, 0.0, "the function is -inf here"),
        (lambda x: np.where(x == 1.0, 1.0, np.sqrt(-((x - 1.0) ** 2))), 1.0, "not finite on either side"),
    ],
)
def test_at_the_end_of_its_domain_it_is_said_where_a_function_is_defined(function, x, note):
    report = check(function, x)
    assert verdicts(report) == ["domain"]
    assert report.worst.note == note


def noisy(noise, factor, scale=1.0):
    """|x|² times a scale, with that much rounding error in each value, and a rule that is off by a factor."""
    offset = scale * noise / np.finfo(EXTENDED).eps
    f = Primitive("f", lambda x: (scale * np.absolute(x) ** 2 + offset) - offset, [lambda g, out, x: g * 2 * x * scale * factor])
    return check(lambda x: f(x), 1.0)


def test_noise_blurs_what_is_right_and_what_is_wrong():
    """Within 8 estimated errors a rule is right, beyond four times that it is wrong, and between them nobody knows."""
    report = noisy(1e-10, 1.0)
    error = report.worst.error / 16  # relative to the derivative, 2
    assert verdicts(report) == ["right"]
    assert 1e-10 < error < 1e-7
    assert verdicts(noisy(1e-10, 1 + 4 * error)) == ["right"]
    assert verdicts(noisy(1e-10, 1 + 16 * error)) == ["imprecise"]
    assert noisy(1e-10, 1 + 16 * error).worst.note == "the function is too noisy here to decide"
    assert verdicts(noisy(1e-10, 1 + 64 * error)) == ["wrong"]
    assert verdicts(noisy(1e-10, 2.0)) == ["wrong"]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_noise_that_leaves_two_digits_of_the_slope_leaves_it_right(scale):
    assert verdicts(noisy(1e-6, 1.0, scale)) == ["right"]
    assert "right" not in verdicts(noisy(1e-6, 1.1, scale))


@pytest.mark.parametrize("factor", [1.0, 2.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_function_that_is_mostly_noise_convicts_nobody(factor, scale):
    assert verdicts(noisy(1e-4, factor, scale)) == ["imprecise"]


@pytest.mark.parametrize("factor", [1.0, 1.5, -1.0])
def test_a_function_that_oscillates_within_the_smallest_step_convicts_nobody(factor):
    def wave(x):
        return np.exp(np.absolute(x))

    f = Primitive("f", lambda x: np.sin(wave(x)), [lambda g, out, x: g * np.cos(wave(x)) * wave(x) * factor])
    assert verdicts(check(lambda x: f(x), 30.0)) == ["imprecise"]


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (1 + 1e-4, "wrong"), (1.1, "wrong"), (-1.0, "wrong")])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
def test_a_wrong_rule_below_a_large_constant(factor, verdict, offset):
    """The constant is noise to the difference, but not so much that a wrong rule could hide in it."""
    f = Primitive("f", lambda x: np.sin(x) + offset, [lambda g, out, x: g * np.cos(x) * factor])
    assert verdicts(check(lambda x: f(x), 0.7)) == [verdict]


@pytest.mark.parametrize(
    ("dtype", "offset", "verdict"), [(np.float32, 1e6, "imprecise"), (np.float32, 1e2, "right"), (np.float64, 1e6, "right")]
)
def test_a_formula_that_loses_its_digits_in_its_own_dtype(dtype, offset, verdict):
    f = Primitive("f", lambda x: x * x / 2, [lambda g, out, x: g * ((x + offset) - offset)])
    for x in (1.3, 1.2812, 2.03):
        report = check(lambda x: f(x), dtype(x))
        assert verdicts(report) == [verdict]
        assert ("loses its digits" in report.worst.note) == (verdict == "imprecise")


def test_digits_are_counted_from_the_derivative_where_the_function_is_0():
    """An error of 0.03 is nothing beside a derivative of 1300."""
    f = Primitive("f", lambda x: x * x / 2 - 845_000, [lambda g, out, x: g * ((x + 1e6) - 1e6)])
    assert verdicts(check(lambda x: f(x), np.float32(1300.01))) == ["right"]


@pytest.mark.parametrize(("slope", "verdict"), [(-0.5, "wrong"), (0.5, "kink"), (1.5, "wrong")])
def test_at_a_kink_of_many_outputs_each_combination_is_judged_by_its_own_sides(slope, verdict):
    weights = np.linspace(0.5, 1.5, 1200)
    kink = engine.primitives.Kink("x = 0", "by convention", lambda x: x)
    f = Primitive("f", lambda x: np.maximum(x, 0.0), [lambda g, out, x: g * np.where(x == 0, slope, x > 0)], kinks=[kink])
    assert set(verdicts(check(lambda x: f(x) * weights, 0.0))) == {verdict}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (-1.0, "wrong"), (1.5, "wrong"), (0.0, "wrong")])
@pytest.mark.parametrize("x", [0.7, 3.0, 20.0])
def test_a_rule_is_judged_in_the_dtype_that_it_is_used_in(dtype, factor, verdict, x):
    """Its mistake shows only there: in float64 and in extended precision the rule is right."""
    f = Primitive("f", lambda x: x * x, [lambda g, out, x: 2 * g * x * (factor if np.asarray(x).dtype == dtype else 1.0)])
    report = check(lambda x: f(x), np.array([x, -x], dtype))
    assert {e.verdict for e in report.elements if e.numerical} == {verdict}
    assert check(lambda x: f(x), np.array([x, -x]))
    if verdict == "wrong":
        assert "wrong in this one" in report.worst.note


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "right"), (1.5, "wrong")])
def test_so_it_is_at_any_scale(scale, factor, verdict):
    scale = np.float32(scale)
    f = Primitive(
        "f", lambda x: scale * x * x, [lambda g, out, x: 2 * g * scale * x * (factor if np.asarray(x).dtype == np.float32 else 1.0)]
    )
    assert verdicts(check(lambda x: f(x), np.float32(0.7))) == [verdict]


@pytest.mark.parametrize("x", [4.0, 6.0, 9.0, 25.0])
@pytest.mark.parametrize("function", [engine.erf, np.tanh, engine.sigmoid, np.expm1])
def test_where_a_function_saturates_its_derivative_is_zero_beside_its_range(function, x):
    assert check(function, x)
    assert check(function, -x)


HIDDEN = "the difference is 0 beside the range of the function"
extended = pytest.mark.skipif(EXTENDED is np.float64, reason="below these differences float64 sees nothing")


@extended
@pytest.mark.parametrize("x", [30.0, 0.03])
@pytest.mark.parametrize("centre", [0.0, 50.0, 80.0, -25.0])  # the step of tanh lies within the size of x, or within twice that
@pytest.mark.parametrize(("off", "verdict"), [(100, "right"), (800, "right"), (-800, "right"), (6000, "wrong")])
def test_a_slope_that_is_0_beside_the_range_of_the_function_is_0(x, centre, off, verdict):
    """A thousand roundings of the steepest secant: here 2, but no more than the largest number at hand, over the size of x."""
    scale = x / 30.0
    rounding = min(2.0, max(1.0, x)) / (32 * 2.0 ** np.round(np.log2(scale))) * np.finfo(np.float64).eps
    element = check(rule(lambda t: np.tanh(t / scale - centre), off * rounding), x).worst
    assert element.verdict == verdict
    if verdict == "right":
        assert element.note == HIDDEN
        assert element.error == pytest.approx(1000 * rounding, rel=1e-4, abs=0.0)


@extended
@pytest.mark.parametrize(
    ("base", "off", "verdict"),
    [(5e3, 200, "right"), (5e3, -800, "right"), (2e4, 50, "right"), (2e4, -50, "right"), (2e4, 100, "wrong"), (2e4, -200, "wrong")],
)
def test_of_a_slope_that_is_not_0_only_its_last_digits_hide_in_the_range(base, off, verdict):
    rounding = 2.0 / 32 * np.finfo(np.float64).eps
    element = check(rule(lambda x: np.tanh(x) + base * rounding * x, (base + off) * rounding), 30.0).worst
    assert element.verdict == verdict
    assert (element.note == HIDDEN) == (verdict == "right")


@extended
def test_the_range_reaches_as_far_as_the_largest_input():
    """The first number, 1, is as far from the step as the second one is large."""
    rounding = 2.0 / 32 * np.finfo(np.float64).eps
    f = Primitive("f", lambda x: np.tanh(x[0] - 20.0), [lambda g, out, x: g * np.array([500 * rounding, 0.0])])
    assert verdicts(check(lambda x: f(x), np.array([1.0, 32.0]))) == ["right", "right"]
    assert "right" not in verdicts(check(lambda x: f(x), np.array([1.0, 1.0])))[:1]


@pytest.mark.parametrize(("side", "note"), [(1.0, "defined only to the right"), (-1.0, "defined only to the left")])
def test_at_the_end_of_a_domain_the_derivative_on_the_one_side_is_told(side, note):
    element = check(rule(lambda x: np.where(side * x >= 0, 3.0 * x + x * x, np.nan), 3.0), 0.0).worst
    assert (element.verdict, element.note) == ("domain", note)
    assert element.numerical == pytest.approx(3.0, rel=1e-9)
    assert element.error < 1e-9
    assert check(rule(lambda x: np.where(side * x >= 0, 0.0, np.nan), 3.0), 0.0).worst.numerical == 0.0
    steep = check(rule(lambda x: np.sqrt(side * x), 3.0), 0.0).worst  # no number comes close to its slope there
    assert np.isnan([steep.numerical, steep.error]).all()


@extended
@pytest.mark.parametrize(("x", "hidden"), [(0.03, False), (0.4, True)])
def test_the_range_of_a_small_input_is_sought_no_farther_than_it_is_large(x, hidden):
    f = rule(lambda x: np.tanh(1e3 * (x - 0.5)), 100 * np.finfo(np.float64).eps)
    assert bool(check(f, x)) == hidden


@extended
def test_where_a_function_is_not_defined_it_has_no_range():
    assert verdicts(check(rule(lambda x: np.where(np.absolute(x - 30.0) < 20.0, 0.0 * x, np.nan), 1e-18), 30.0)) == ["wrong"]


@extended
@pytest.mark.parametrize(("off", "verdict"), [(100, "right"), (-800, "right"), (6000, "wrong")])
def test_the_range_around_zero_is_sought_within_1(off, verdict):
    rounding = np.finfo(np.float64).eps
    f = rule(lambda x: np.tanh(60.0 * x - 30.0), off * rounding)
    assert verdicts(check(lambda x, nothing: f(x) + np.sum(nothing), 0.0, np.zeros(0))) == [verdict]


def test_a_point_apart_from_both_sides_is_a_kink():
    report = check(lambda x: np.sign(x) + 2.0, 0.0)
    assert verdicts(report) == ["kink"]
    assert report.worst.note == "sign lies on its kink, x = 0; right on either side"


def test_a_kink_where_the_program_takes_another_branch():
    report = check(lambda x: engine.relu(x) if x <= 0 else engine.relu(x) * engine.relu(x + 1.0), 0.0)
    assert verdicts(report) == ["kink"]
    assert report.worst.note == "0 from the left, 1 from the right"  # the two graphs cannot be compared


def test_a_kink_that_the_output_does_not_depend_on_is_none():
    assert verdicts(check(lambda x: 0.0 * engine.relu(x), 0.0)) == ["right"]
    assert verdicts(check(lambda x: x + engine.relu(x) - engine.relu(x), 0.0)) == ["kink"]
    rng = np.random.default_rng(0)
    assert verdicts(check(lambda x: x + engine.relu(x) * rng.random() + rng.random(), 0.0)) == ["nondeterministic"]


@pytest.mark.parametrize("apart", [1e-3, 1e-6])
def test_a_kink_nearby_does_not_excuse_a_wrong_rule(apart):
    sine = Primitive("sine", np.sin, [lambda g, out, x: g * np.cos(x) * 1.01])
    assert verdicts(check(lambda x: sine(x) + engine.relu(x - 1.0 - apart), 1.0)) == ["wrong"]
    assert verdicts(check(lambda x: np.sin(x) + engine.relu(x - 1.0 - apart), 1.0)) == ["right"]
