"""The points at which a rule is tried: where they lie, which shapes and parameters they have, and what is left out."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine.primitives import Case, Kink, Primitive
from engine.prove import points
from engine.prove.points import Call

fixed = settings(max_examples=60, derandomize=True, database=None)
INF = math.inf
REAL, POSITIVE = (-INF, INF), (0.0, INF)
ZERO = Kink("x = 0", "0", lambda x: x)
TIE = Kink("x = y", "evenly", lambda x, y: x - y)


def entry(forward=np.positive, arity=1, **options):
    """A primitive of which only the entry matters."""
    return Primitive("entry", forward, [lambda g, *_: g] * arity, **options)


def shapes(calls):
    return [tuple(np.shape(arg) for arg in call.args) for call in calls]


def ordinary(primitive):
    return list(points.ordinary_calls(primitive, np.random.default_rng(0)))


def numbers(calls):
    return [call.args for call in calls]


# ── domain and kinks ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (REAL, (-4.0, 4.0)),
        (POSITIVE, (0.1, 4.0)),
        ((-INF, 1.0), (-4.0, 0.9)),
        ((0.0, 1.0), (0.05, 0.95)),
        ((-1.0, 9.0), (-0.9, 4.0)),
        ((50.0, INF), (50.1, 58.1)),
        ((50.0, 51.0), (50.05, 50.95)),
        ((-INF, -50.0), (-58.1, -50.1)),
        ((-51.0, -50.0), (-50.95, -50.05)),
        ((3.9, INF), (4.0, 12.0)),  # its interval must not shrink to a point
        ((-INF, -3.9), (-12.0, -4.0)),
    ],
)
def test_the_interval_of_an_operand(domain, expected):
    assert points.interval(entry(domain=[domain]), 0) == pytest.approx(expected)
    assert points.interval(entry(arity=2, domain=[REAL, domain]), 1) == pytest.approx(expected)
    assert points.interval(entry(variadic=True, domain=[domain]), 5) == pytest.approx(expected)


@fixed
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 9))
def test_operands_that_stay_are_distinct_and_lie_in_the_domain(low, length, arity):
    primitive = entry(arity=arity, domain=[(low, low + length)] * arity)
    stay = points.fixed_operands(primitive)
    assert len(set(stay)) == len(stay) == arity
    assert all(low < x < low + length for x in stay)


@fixed
@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=4))
def test_a_domain_is_open(args):
    within = points.inside(entry(variadic=True, domain=[(0.0, 1.0)]), args)
    assert bool(within) == all(0.0 < x < 1.0 for x in args)
    one_by_one = points.inside(entry(arity=2, domain=[(0.0, 1.0), REAL]), [np.array(args), np.array([[1.0], [9.0]])])
    np.testing.assert_array_equal(one_by_one, np.tile([0.0 < x < 1.0 for x in args], (2, 1)))


def test_a_domain_of_the_operands_is_not_asked_of_parameters():
    assert points.inside(entry(domain=[(0.0, 1.0)]), (0.5, 7.0))


@fixed
@given(st.lists(st.sampled_from([-2.0, -0.5, 0.04, 0.06, 0.5, 2.0]), min_size=1, max_size=3), st.sampled_from([0.5, 1.0]))
def test_clear_of_kinks_means_that_every_number_keeps_the_margin(numbers, margin):
    primitive = entry(kinks=[ZERO, Kink("x = 7", "0", lambda x: x - 7.0)])
    assert points.clear_of_kinks(primitive, (np.array(numbers),), {}, margin) == all(abs(x) >= margin for x in numbers)
    assert points.clear_of_kinks(primitive, (np.array(numbers),), {}) == (0.04 not in numbers)


def test_which_primitives_take_numbers():
    case = [Case(((2,),))]
    assert points.takes_numbers(entry())
    assert points.takes_numbers(entry(elementwise=True, cases=case))
    assert points.takes_numbers(entry(elementwise=True, variadic=True))
    assert not points.takes_numbers(entry(cases=case))
    assert not points.takes_numbers(entry(variadic=True))


# ── parameters ────────────────────────────────────────────────────────────────


def test_parameters_that_no_case_sets_are_tried_beside_their_default():
    def forward(x, axis=0, sharp=False, *, power=2, scale=2.0, offset=0.0, named=1, word="no"):
        raise AssertionError  # only its signature is read

    primitive = entry(forward, cases=[Case(((2,),), {"named": 3}), Case(((2,),))])
    single = [{"axis": -1}, {"axis": 1}, {"sharp": True}, {"power": 3}, {"scale": 3.0}, {"offset": 0.5}]
    together = {"axis": -1, "sharp": True, "power": 3, "scale": 3.0, "offset": 0.5}
    assert points.parameter_sets(primitive) == [{}, {"named": 3}, *single, together]


def test_a_single_parameter_is_tried_once():
    assert points.parameter_sets(entry(lambda x, sharp=True: x)) == [{}, {"sharp": False}]
    assert points.parameter_sets(entry(lambda x, *, dim=1: x)) == [{}, {"dim": -1}, {"dim": 0}]
    assert points.parameter_sets(entry(lambda x, axis=None: x)) == [{}, {"axis": -1}, {"axis": 0}, {"axis": 1}]
    two = [{}, {"a": 2}, {"b": 3}, {"a": 2, "b": 3}]
    assert points.parameter_sets(entry(lambda x, a=1, b=2: x)) == two


def test_operands_and_what_a_ufunc_takes_are_no_parameters():
    assert points.parameter_sets(entry(lambda x, y=1.0: x, arity=2)) == [{}]
    assert points.parameter_sets(entry(np.sin)) == [{}]
    assert points.parameter_sets(entry(lambda *xs, axis=0: xs, variadic=True)) == [{}, {"axis": -1}, {"axis": 1}]


# ── ordinary points ───────────────────────────────────────────────────────────


def test_the_shapes_of_one_operand():
    expected = [(), (), (1,), (2, 3), (2, 3), (2, 2, 3), (150,)]
    for primitive in (entry(), entry(elementwise=True)):
        calls = ordinary(primitive)
        assert shapes(calls) == [(shape,) for shape in expected]
        np.testing.assert_array_equal(calls[4].args[0], np.flip(calls[3].args[0]))  # the same numbers in another order


def test_the_shapes_of_two_operands_broadcast():
    expected = [
        ((), ()), ((), ()), ((1,), (1,)), ((2,), ()), ((), (2,)), ((3, 1), (2,)), ((2,), (3, 1)),
        ((3, 1), (3, 3)), ((3, 3), (3, 1)), ((2, 3), (2, 3)), ((2, 2, 3), (2, 2, 3)), ((150,), (150,)),
    ]  # fmt: skip
    calls = ordinary(entry(np.add, arity=2, elementwise=True))
    assert sorted(shapes(calls)) == sorted(expected)
    sizes = [sum(map(np.size, args)) for args in numbers(calls)]
    assert sizes == sorted(sizes)


def test_the_shapes_of_any_number_of_operands():
    calls = ordinary(entry(lambda *xs: sum(xs), variadic=True))
    assert {((),) * 6, ((2,),) * 6} <= set(shapes(calls))
    assert ((),) * 6 not in shapes(ordinary(entry(lambda x: x)))
    joined = entry(lambda *xs: np.concatenate(xs), variadic=True, cases=[Case(((3,), (2,))), Case(((4,),) * 6), Case(((4,),) * 7)])
    assert shapes(ordinary(joined)) == [((3,), (2,)), ((3,), *((2,),) * 5), ((4,),) * 6, ((4,),) * 7]


def test_a_case_is_tried_with_more_axes_and_with_other_parameters():
    def total(x, *, axis=-1, twice=False):
        return np.sum(x, axis=axis)

    vector = entry(total, cases=[Case(((3,),), {"axis": -1})])
    assert shapes(ordinary(vector)) == [((3,),), ((3,),), ((2, 2, 3),)]
    assert [call.params for call in ordinary(vector)] == [{"axis": -1}, {"axis": -1, "twice": True}, {"axis": -1}]
    matrix = entry(lambda x: np.sum(x), cases=[Case(((3, 2),))])
    assert shapes(ordinary(matrix)) == [((3, 2),), ((3, 2),), ((2, 3, 2),)]
    number, cube, two = Case(((),)), Case(((2, 2, 2),)), Case(((2,), (3,)))
    assert shapes(ordinary(entry(lambda x: x, cases=[number, cube]))) == [((),), ((),), ((2, 2, 2),)]
    assert shapes(ordinary(entry(np.outer, arity=2, cases=[two]))) == [((2,), (3,))]


def test_an_elementwise_primitive_is_tried_with_other_parameters():
    calls = ordinary(entry(lambda x, *, slope=2.0: slope * x, elementwise=True))
    assert [np.shape(call.args[0]) for call in calls if call.params == {"slope": 3.0}] == [(2, 3)]


def test_what_an_entry_does_not_promise_is_only_tried():
    def no_cubes(x):
        if np.ndim(x) == 3:
            raise ValueError("no cubes")
        return x if np.size(x) < 100 else x * np.inf

    assert shapes(ordinary(entry(no_cubes))) == [((),), ((),), ((1,),), ((2, 3),), ((2, 3),)]

    def nowhere(x):
        raise ValueError("nowhere")

    assert shapes(ordinary(entry(nowhere))) == [((),), ((),), ((1,),), ((2, 3),), ((2, 3),)]  # what is promised is a matter of the proof


@pytest.mark.parametrize("domain", [REAL, (0.0, 1.0), (0.0, 0.001), (50.0, 50.5), (-3.0, 30.0)])
def test_ordinary_numbers_are_distinct_short_inside_and_off_the_kinks(domain):
    middle = sum(points.interval(entry(domain=[domain]), 0)) / 2
    margin = points.MARGIN / 2
    kink = Kink("the middle", "0", lambda x, y: np.minimum(np.absolute(x - middle), np.absolute(y - middle)) + (domain[1] < 1e2) * margin)
    for call in ordinary(entry(np.add, arity=2, domain=[domain] * 2, kinks=[kink])):
        every = np.concatenate([np.ravel(arg) for arg in call.args])
        assert len(set(every.tolist())) == every.size
        assert 0.0 not in every
        assert points.inside(entry(domain=[domain]), [every]).all()
        assert np.all(kink.distance(*call.args) >= margin)
        if every.size < 20 and domain == REAL:
            np.testing.assert_array_equal(every, np.round(every, 1))  # a failure shows short numbers


@pytest.mark.parametrize("count", [59, 79, 80, 90, 100, 799, 940, 9_500])
def test_there_are_numbers_enough_for_large_cases(count):
    (args,) = numbers(ordinary(entry(lambda x: np.sum(x), cases=[Case(((1, 1, count),))])))
    assert len(set(args[0].ravel().tolist())) == count


def test_numbers_that_no_draw_keeps_off_the_kinks_are_left_out():
    everywhere = Kink("everywhere", "0", lambda x: 0.0 * x)
    assert ordinary(entry(kinks=[everywhere])) == []
    only_sorted = Kink("unsorted", "0", lambda x: np.min(np.diff(np.ravel(x)), initial=1.0) > 0)
    drawn = ordinary(entry(cases=[Case(((1, 3),))], kinks=[only_sorted]))
    assert all(np.all(np.diff(call.args[0]) > 0) for call in drawn)
    assert shapes(drawn)[0] == ((1, 3),)
    assert shapes(drawn).count(((1, 3),)) == 1  # turned around it is not sorted


# ── single numbers ────────────────────────────────────────────────────────────


def test_scattered_numbers_reach_from_tiny_to_large_on_both_sides():
    drawn = [x for (x,) in numbers(points.scattered_calls(entry()))]
    assert sorted(drawn) == sorted(-x for x in drawn)
    sizes = sorted({abs(x) for x in drawn})
    assert (sizes[0], sizes[-1]) == (1e-10, 800.0)
    assert max(b / a for a, b in pairwise(sizes)) < 1001
    assert max(b / a for a, b in pairwise(sizes) if a > 0.1) <= 4
    near_kinks = [call.args[0] for call in points.scattered_calls(entry(kinks=[ZERO]))]
    assert near_kinks == drawn  # a thousandth of a number's own size is margin enough


def test_scattered_pairs_differ_and_keep_off_the_kinks():
    pairs = numbers(points.scattered_calls(entry(np.add, arity=2)))
    assert len(set(pairs)) == len(pairs) == 32
    assert all(x != y for x, y in pairs)
    assert len({abs(x) for x, _ in pairs}) == len({abs(y) for _, y in pairs}) == 16
    assert {(x > 0, y > 0) for x, y in pairs} == {(True, True), (False, False), (True, False), (False, True)}
    assert len(list(points.scattered_calls(entry(np.add, arity=2, domain=[POSITIVE] * 2)))) >= 8
    beside = Kink("nowhere far", "0", lambda x: np.where(np.absolute(x) < 1.0, 0.5e-3 * x, 1.5e-3))
    assert {abs(x) for (x,) in numbers(points.scattered_calls(entry(kinks=[beside])))} == {x for x in points.SIZES if x > 1}


def test_scattered_numbers_lie_in_the_domain_and_have_a_finite_result():
    drawn = numbers(points.scattered_calls(entry(np.sqrt, domain=[(0.4, INF)])))
    assert drawn == [(x,) for x in points.SIZES if x > 0.4]
    with np.errstate(all="ignore"):
        everywhere = [x for (x,) in numbers(points.scattered_calls(entry()))]
        assert [x for (x,) in numbers(points.scattered_calls(entry(np.exp)))] == [x for x in everywhere if x < 709]
    assert not list(points.scattered_calls(entry(cases=[Case(((2,),))])))


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, TypeError, IndexError, OverflowError])
def test_a_call_that_raises_has_no_finite_result(error):
    def picky(x):
        if np.any(np.asarray(x) < 0):
            raise error("no")
        return x

    assert numbers(points.scattered_calls(entry(picky))) == [(x,) for x in points.SIZES]


# ── bands ─────────────────────────────────────────────────────────────────────


def bands(k, calls):
    """The numbers of operand k, by the call in which that operand is an array."""
    return [np.asarray(call.args[k]) for call in calls if np.ndim(call.args[k])]


@pytest.mark.parametrize("arity", [1, 2, 3])
def test_bands_lie_close_and_leave_no_gap(arity):
    primitive = entry(lambda *xs: sum(xs), arity=arity)
    calls = list(points.banded_calls(primitive))
    stay = points.fixed_operands(primitive)
    for k in range(arity):
        found = bands(k, calls)
        assert len(found) == len(points.BANDS) - 1
        for band in found:
            size = np.sort(band[band > 0])
            np.testing.assert_allclose(np.sort(-band[band < 0]), size)
            assert len(size) == 31
            assert size[-1] / size[0] <= 1001
        reach = np.sort(np.abs(np.concatenate(found)))
        assert reach[0] == pytest.approx(1e-10)
        assert 900 < reach[-1] < 1000
        assert np.max(reach[1:] / reach[:-1]) < 1.3
    for call in calls:
        assert len(call.args) == arity
        assert sum(map(np.ndim, call.args)) == 1
        assert all(np.ndim(arg) or arg == stay[j] for j, arg in enumerate(call.args))


def test_a_band_is_what_is_left_in_the_domain_and_off_the_kinks():
    for band in bands(0, points.banded_calls(entry(np.log, domain=[POSITIVE]))):
        assert np.all(band > 0)
    assert bands(0, points.banded_calls(entry(domain=[(2000.0, INF)]))) == []
    assert len(bands(0, points.banded_calls(entry(kinks=[ZERO])))) == len(points.BANDS) - 1  # each clear of 0, beside its own size
    bent = Kink("x = 50", "0", lambda x: x - 50.0)
    every = np.concatenate(bands(0, points.banded_calls(entry(kinks=[bent]))))
    everywhere = np.concatenate(bands(0, points.banded_calls(entry())))
    np.testing.assert_array_equal(every, everywhere[np.abs(everywhere - 50.0) >= 1e-3])
    near = Kink("always 0.003 away", "0", lambda x: 0.003 + 0.0 * x)
    assert len(bands(0, points.banded_calls(entry(kinks=[near])))) == len(points.BANDS) - 1
    with np.errstate(all="ignore"):
        large = np.concatenate(bands(0, points.banded_calls(entry(np.exp))))
    assert np.max(large) < 709.8 < 900 < -np.min(large)


def test_a_band_that_has_no_finite_result_as_an_array_is_left_out():
    def alone(x):
        if np.ndim(x):
            raise TypeError("numbers only")
        return x

    assert not list(points.banded_calls(entry(alone)))


@pytest.mark.parametrize("size", [1e-6, 800.0])
def test_cases_get_very_small_and_very_large_numbers_of_both_signs(size):
    primitive = entry(lambda x, y, *, sign=1.0: x @ y, arity=2, cases=[Case(((2, 3), (3,)), {"sign": -1.0})])
    calls = list(points.banded_calls(primitive))
    assert shapes(calls) == [((2, 3), (3,))] * 2
    assert all(call.params == {"sign": -1.0} for call in calls)
    for arg in calls[size > 1].args:
        assert {-1.0, 1.0} == set(np.sign(arg).ravel())
        assert len(set(np.abs(arg).ravel())) == arg.size
        assert np.all((np.abs(arg) > 0.9 * size) & (np.abs(arg) < 1.2 * size))


def test_cases_get_such_numbers_only_where_they_fit():
    case = [Case(((3,),))]
    assert not list(points.banded_calls(entry(cases=case, domain=[POSITIVE])))
    with np.errstate(all="ignore"):
        assert len(list(points.banded_calls(entry(np.exp, cases=case)))) == 1
    assert len(list(points.banded_calls(entry(cases=case, kinks=[Kink("x = 0", "0", lambda x: 0.01 * x)])))) == 2
    assert not list(points.banded_calls(entry(cases=case, kinks=[Kink("everywhere", "0", lambda x: 0.5e-3 * x)])))


# ── special points and limits ─────────────────────────────────────────────────


def test_special_numbers_and_ties():
    assert numbers(points.special_calls(entry())) == [(0.0,), (1.0,), (-1.0,), (0.5,), (-0.5,), (2.0,), (-2.0,)]
    pairs = numbers(points.special_calls(entry(np.add, arity=2)))
    assert sorted(pairs) == sorted((x, y) for x in (0.0, 1.0, -1.0) for y in (0.0, 1.0, -1.0))
    assert numbers(points.special_calls(entry(np.sqrt, domain=[POSITIVE]))) == [(1.0,), (0.5,), (2.0,)]
    with np.errstate(all="ignore"):
        assert numbers(points.special_calls(entry(lambda x: 1.0 / np.asarray(x)))) == numbers(points.special_calls(entry()))[1:]


@pytest.mark.parametrize("c", [0.3, -7.25, 15.9])
def test_special_numbers_lie_on_the_declared_kinks(c):
    kink = Kink("x = c", "0", lambda x: x - c)
    assert (c,) in numbers(points.special_calls(entry(kinks=[kink])))
    pair = Kink("x = y + c", "0", lambda x, y: x - y - c)
    found = numbers(points.special_calls(entry(np.add, arity=2, kinks=[pair, Kink("x = 7", "0", lambda x, y: x - 7.0)])))
    assert {y for x, y in found if x == pytest.approx(y + c)} >= {0.0, 1.0, -1.0}
    assert {(7.0, y) for y in (0.0, 1.0, -1.0)} <= set(found)


def test_kinks_that_depend_on_a_parameter_are_met_with_each():
    def forward(x, *, low=1.0):
        return np.maximum(x, low)

    kink = Kink("x = low", "0", lambda x, low=1.0: x - low)
    found = {(call.args[0], call.params.get("low")) for call in points.special_calls(entry(forward, kinks=[kink]))}
    assert {(1.0, None), (1.5, 1.5)} <= found


def test_a_distance_that_is_infinite_somewhere_is_of_use_elsewhere():
    pole = Kink("1/x = 3", "0", lambda x: np.divide(1.0, x) - 3.0)
    with np.errstate(all="ignore"):
        found = [x for (x,) in numbers(points.special_calls(entry(kinks=[pole])))]
    assert found[:7] == list(points.SPECIAL)
    assert any(x == pytest.approx(1 / 3) for x in found)


@pytest.mark.parametrize("c", [2.0, 7.0, 0.3])
def test_a_kink_that_no_number_lies_on_is_met_beside_it(c):
    kink = Kink("x² = c", "0", lambda x: np.square(x) - c)
    found = {x for (x,) in numbers(points.special_calls(entry(kinks=[kink])))}
    for root in (math.sqrt(c), -math.sqrt(c)):
        assert min(abs(x - root) for x in found) <= 4 * np.spacing(abs(root))


@pytest.mark.parametrize("arity", [2, 3])
def test_a_kink_between_operands_is_met_by_each_of_them(arity):
    kink = Kink("their product is 2", "0", lambda *xs: math.prod(xs) - 2.0)
    primitive = entry(lambda *xs: sum(xs), arity=arity, kinks=[kink])
    stay = points.fixed_operands(primitive)
    beside = [args for args in numbers(points.special_calls(primitive)) if abs(kink.distance(*args)) < 1e-12]
    for k in range(arity):
        moved = [args for args in beside if all(x == y for j, (x, y) in enumerate(zip(args, stay, strict=True)) if j != k)]
        assert len(moved) == 1
        assert len(moved[0]) == arity


def test_the_ties_of_a_case():
    largest = entry(lambda x, *, axis=0: np.max(x, axis=axis), cases=[Case(((2, 2),), {"axis": 0}), Case(((),))])
    calls = list(points.special_calls(largest))
    matrices = [call for call in calls if call.params]
    assert {np.shape(call.args[0]) for call in matrices} == {(2, 2)}
    assert any(len(set(call.args[0].ravel())) == 2 for call in matrices)
    assert any(np.all(call.args[0] == 0.0) for call in matrices)
    assert all(type(call.args[0]) is float for call in calls if not call.params)
    assert {call.args[0] for call in calls if not call.params} == {0.0, 1.0, -1.0}
    above = entry(lambda x: np.sqrt(x), cases=[Case(((2,),))], domain=[POSITIVE])
    assert [call.args[0].tolist() for call in points.special_calls(above)] == [[1.0, 1.0], [1.0, 2.0]]
    nowhere = entry(lambda x: x + np.inf, cases=[Case(((2,),))])
    assert not list(points.special_calls(nowhere))


def test_limits_are_empty_arrays_and_one_nan_at_a_time():
    calls = list(points.limit_calls(entry(np.add, arity=2)))
    assert shapes(calls) == [((0,), (0,)), ((2, 0), (2, 0)), ((), ()), ((), ())]
    assert [tuple(map(math.isnan, args)) for args in numbers(calls[2:])] == [(True, False), (False, True)]
    three = numbers(points.limit_calls(entry(np.add, arity=3)))[2:]
    assert all(len({x for x in args if x == x}) == 2 for args in three)  # beside the NaN no tie
    assert not list(points.limit_calls(entry(cases=[Case(((2,),))])))


def test_the_points_of_an_engine_function_lie_in_its_domain():
    for primitive in (engine.logaddexp, engine.arcsin, engine.relu):
        for calls in (points.scattered_calls, points.banded_calls, points.special_calls):
            with np.errstate(all="ignore"):
                found = list(calls(primitive))
            assert found
            assert all(np.all(points.inside(primitive, call.args)) for call in found)
            assert all(isinstance(call, Call) for call in found)
