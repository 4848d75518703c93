"""The laws of kinks, one by one: on a declared kink, off it, and where one is not declared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine.primitives import Case, Kink, Primitive
from engine.prove import kinks
from engine.prove.points import Call

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # poles, and functions beyond their domain
ZERO = Kink("x = 0", "0", lambda x: x)


def entry(forward, *vjps, **options):
    return Primitive("f", forward, vjps, **options)


def bent(value, at_zero):
    """max(x, 0), with that number for the derivative at 0, where the entry says `value`."""
    kink = Kink("x = 0", value, lambda x: x)
    return entry(lambda x: np.maximum(x, 0.0), lambda g, out, x: g * np.where(x == 0, at_zero, x > 0), kinks=[kink])


def met_at(primitive, *args, **params):
    met = {}
    kinks.at_special_point(met, primitive, Call(args, params))
    return {kink.where: missing for kink, missing in met.items()}


def refused(law, *args):
    with pytest.raises(AssertionError) as caught:
        law(*args)
    return str(caught.value)


# ── at a special point ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "at_zero", "fine"),
    [
        ("0", 0.0, True),
        ("0", 1.0, False),
        ("0", 0.5, False),
        ("that from the left", 0.0, True),
        ("that from the left", 1.0, False),
        ("that from the right", 1.0, True),
        ("that from the right", 0.0, False),
        ("shared evenly", 0.5, True),
        ("shared evenly", 0.2, True),
        ("shared evenly", 0.0, False),
        ("shared evenly", 1.0, False),
        ("any number between", 0.0, True),
        ("any number between", 0.7, True),
        ("any number between", 1.0, True),
        ("any number between", 1.1, False),
        ("any number between", -0.1, False),
    ],
)
@pytest.mark.parametrize("x", [0.0, np.array([2.0, 0.0])])
def test_on_a_kink_the_rule_says_what_its_entry_says(value, at_zero, fine, x):
    primitive = bent(value, at_zero)
    if fine:
        assert met_at(primitive, x) == {"x = 0": True}
    else:
        expected = {"0": "0", "that from the left": "0", "that from the right": "1"}.get(value, "a number between")
        assert refused(met_at, primitive, x) == (
            f'on the kink "x = 0" the derivative for operand x is {at_zero:g}, from the left 0 and from the right 1; '
            f"by the entry it is {expected}"
        )


def test_a_convention_holds_to_a_thousandth_at_any_size():
    for scale in (1.0, 1e6):
        kink = Kink("x = 0", "that from the right", lambda x: x)
        for factor, fine in ((1.0, True), (1.0001, True), (1.01, False)):
            rule = entry(
                lambda x, scale=scale: scale * np.maximum(x, 0.0),
                lambda g, out, x, scale=scale, factor=factor: g * scale * np.where(x == 0, factor, x > 0),
                kinks=[kink],
            )
            if fine:
                assert met_at(rule, 0.0)
            else:
                assert "by the entry it is" in refused(met_at, rule, 0.0)


@pytest.mark.parametrize("slope", [3.0, -3.0])
def test_where_there_is_a_derivative_on_the_kink_the_rule_gives_it(slope):
    def rule(at_zero):
        return entry(
            lambda x: slope * x + x * np.absolute(x),
            lambda g, out, x: g * np.where(x == 0, at_zero, slope + 2 * np.absolute(x)),
            kinks=[Kink("x = 0", "0", lambda x: x)],
        )

    assert met_at(rule(slope), 0.0) == {"x = 0": True}
    for at_zero in (0.0, slope / 2, -slope, slope + 0.1):
        assert refused(met_at, rule(at_zero), 0.0).endswith(f"by the entry it is {slope + 2e-5:.6g}")


def test_on_two_kinks_at_once_either_convention_will_do():
    two = [Kink("x = 0", "0", lambda x, y: x), Kink("x = y", "that from the left", lambda x, y: x - y)]

    def rule(at_zero):
        return entry(
            lambda x, y: 2 * np.maximum(x, 0.0) - np.maximum(-x, 0.0) * 0.5,
            lambda g, out, x, y: g * np.where(x == 0, at_zero, np.where(x > 0, 2.0, 0.5)),
            None,
            kinks=two,
        )

    assert met_at(rule(0.0), 0.0, 0.0) == met_at(rule(0.5), 0.0, 0.0) == {"x = 0": True, "x = y": True}
    said = refused(met_at, rule(1.0), 0.0, 0.0)
    assert said.startswith('on the kink "x = 0" and "x = y" the derivative')
    assert said.endswith("by the entry it is 0 or 0.5")


@pytest.mark.parametrize(("x", "judged"), [(0.5, True), (-2e-3, True), (5e-4, False), (np.array([1.0, 5e-4]), False), (np.zeros(0), True)])
def test_off_the_kinks_the_rule_is_the_derivative_unless_a_step_would_reach_one(x, judged):
    wrong = entry(lambda x: np.absolute(x), lambda g, out, x: g * 1.5 * np.sign(x), kinks=[ZERO, Kink("x = 9", "0", lambda x: x - 9.0)])
    if judged and np.size(x):
        assert "wrong by a factor 1.5" in refused(met_at, wrong, x)
    else:
        assert met_at(wrong, x) == {}


@pytest.mark.parametrize("x", [0.3, 1e6, -1e6])
def test_a_kink_is_met_up_to_rounding_but_only_right_on_it_is_its_convention_asked_for(x):
    kink = Kink("x = c", "0", lambda y: y - x)
    rule = entry(lambda y: np.absolute(y - x), lambda g, out, y: g * np.sign(y - x), kinks=[kink])
    assert met_at(rule, x) == met_at(rule, float(np.nextafter(x, np.inf))) == {"x = c": True}
    assert met_at(rule, x + 1e-9 * (1 + abs(x))) == {}
    ones = entry(lambda y: np.absolute(y - x), lambda g, out, y: g * np.where(y >= x, 1.0, -1.0), kinks=[kink])
    assert met_at(ones, float(np.nextafter(x, np.inf))) == {"x = c": True}
    assert "by the entry it is 0" in refused(met_at, ones, x)


@pytest.mark.parametrize(
    ("forward", "slope", "missing"),
    [
        (lambda x: x**3 + x, lambda x: 3 * x**2 + 1, False),
        (lambda x: 2.0 * x, lambda x: 2.0 + 0 * x, False),
        (lambda x: np.exp(3 * x), lambda x: 3 * np.exp(3 * x), False),
        (lambda x: np.absolute(x - 1), lambda x: np.sign(x - 1), True),
        (lambda x: 5 + np.floor(x), lambda x: 0.0 * x, True),  # it jumps
        (lambda x: (x - 1) * np.absolute(x - 1), lambda x: 2 * np.absolute(x - 1), True),  # only its derivative has a kink
        (lambda x: x + 0.01 * np.maximum(x - 1, 0) ** 2, lambda x: 1 + 0.02 * np.maximum(x - 1, 0), True),
        (lambda x: x + (x - 1) ** 2 + 0.5 * (x - 1) * np.absolute(x - 1), lambda x: 1 + 2 * (x - 1) + np.absolute(x - 1), True),
    ],
)
def test_a_kink_is_one_where_the_derivative_is_missing_or_bends(forward, slope, missing):
    kink = Kink("x = 1", "any", lambda x: x - 1.0)
    rule = entry(forward, lambda g, out, x: g * slope(x), kinks=[kink])
    for x in (1.0, np.array([3.0, 1.0])):
        assert met_at(rule, x) == {"x = 1": missing}


def test_a_kink_once_met_stays_met():
    kink = Kink("x = 0 or 1", "0", lambda x: x * (x - 1.0))
    rule = entry(lambda x: np.absolute(x), lambda g, out, x: g * np.sign(x), kinks=[kink])
    for order in ((0.0, 1.0), (1.0, 0.0)):
        met = {}
        for x in order:
            kinks.at_special_point(met, rule, Call((x,)))
        assert met == {kink: True}


def test_the_end_of_a_domain_is_no_kink():
    kink = Kink("x = 1", "0", lambda x: x - 1.0)
    rule = entry(lambda x: np.arcsin(x), lambda g, out, x: g / np.sqrt(1 - x * x), kinks=[kink])
    assert met_at(rule, 1.0) == {"x = 1": False}


def test_an_operand_with_an_infinite_slope_does_not_hide_the_next_one():
    kink = Kink("y = 0", "0", lambda x, y: y)
    rule = entry(
        lambda x, y: np.sqrt(x) + np.absolute(y),
        lambda g, out, x, y: g * np.where(x > 0, 1.0, np.inf),
        lambda g, out, x, y: g * np.where(y == 0, 1.0, np.sign(y)),
        kinks=[kink],
    )
    assert "for operand y" in refused(met_at, rule, 0.0, 0.0)
    steep = entry(lambda x: np.absolute(x), lambda g, out, x: g * np.where(x > 1, np.inf, x >= 0), kinks=[ZERO])
    assert "by the entry it is 0" in refused(met_at, steep, np.array([5.0, 0.0]))


@pytest.mark.parametrize(("share", "fine"), [(1 / 2, True), (0.4, False), (1.0, False)])
@pytest.mark.parametrize("many", [True, False])
def test_the_shares_of_a_tie_add_up(share, fine, many):
    tie = Kink("a tie", "shared evenly", lambda x, y, **_: x[0] - x[1])

    def largest(x, y, *, twice=False):
        top = np.max(x)
        return np.array([top, 2 * top]) if twice else top

    def vjp(g, out, x, y, *, twice=False):
        weight = g[0] + 2 * g[1] if twice else g
        ties = x == np.max(x)
        return weight * np.where(ties, share if np.sum(ties) > 1 else 1.0, 0.0)

    rule = entry(largest, vjp, None, kinks=[tie], cases=[Case(((3,), ()), {"twice": many})])
    call = (np.array([3.0, 3.0, 1.0]), 7.0)
    whole = 3.0 if many else 1.0
    if fine:
        assert met_at(rule, *call, twice=many) == {"a tie": True}
    elif share < 1:
        assert f"the shares add up to {2 * share * whole:g}, the whole is {whole:g}" in refused(lambda: met_at(rule, *call, twice=many))
    else:
        assert refused(lambda: met_at(rule, *call, twice=many))


def test_numbers_that_are_no_arrays_stay_numbers():
    def forward(x):
        assert not isinstance(x, np.ndarray)
        return abs(x)

    rule = entry(forward, lambda g, out, x: g * np.sign(x), kinks=[ZERO])
    assert met_at(rule, 0.0) == {"x = 0": True}


# ── the declared kinks ────────────────────────────────────────────────────────


def test_each_declared_kink_is_met_and_is_one():
    rule = entry(lambda x: np.absolute(x), lambda g, out, x: g * np.sign(x), kinks=[ZERO])
    kinks.declared_kinks_were_met({ZERO: True}, rule)
    said = 'the rule of f is wrong: it declares the kink "x = 0", which '
    assert refused(kinks.declared_kinks_were_met, {}, rule) == said + "was not met at any point that was tried"
    assert refused(kinks.declared_kinks_were_met, {ZERO: False}, rule) == said + "has a derivative at every point of it that was tried"
    kinks.declared_kinks_were_met({}, entry(lambda x: x, lambda g, out, x: g))


def test_a_kink_has_no_inside():
    flat = Kink("|x| <= 1", "0", lambda x, y: np.maximum(np.absolute(x) - y + 0.5, 0.0))
    rule = entry(lambda x, y: x, lambda g, out, x, y: g, None, kinks=[flat])
    said = refused(kinks.declared_kinks_were_met, {flat: True}, rule)
    assert said == 'the rule of f is wrong: its kink "|x| <= 1" is an interval; the distance is 0 at the kink itself only'
    on_arrays = entry(lambda x, y: x, lambda g, out, x, y: g, None, kinks=[flat], cases=[Case(((2,), (2,)))])
    kinks.declared_kinks_were_met({flat: True}, on_arrays)
    first = Kink("the first number that is tried", "0", lambda x: x + 4.0)
    one_apart = Kink("x = 1 from the kink", "0", lambda x: 1.0 + 0.0 * x)
    for kink in (first, one_apart):
        kinks.declared_kinks_were_met({kink: True}, entry(lambda x: x, lambda g, out, x: g, kinks=[kink]))


# ── kinks that are not declared ───────────────────────────────────────────────


def search(forward, slope, **options):
    kinks.no_undeclared_kink(entry(forward, lambda g, out, x, **params: g * slope(x, **params), **options))


@settings(max_examples=12, derandomize=True, database=None)
@given(st.floats(-15.8, 15.8), st.sampled_from([0.05, 1.0, 40.0]), st.sampled_from([-1.0, 1.0]))
def test_a_kink_that_is_not_declared_is_found_where_it_is(c, jump, sign):
    with pytest.raises(AssertionError, match="there is a kink for operand x at x = ") as caught:
        search(lambda x: sign * jump * np.maximum(x - c, 0) + x, lambda x: sign * jump * (x > c) + 1.0)
    said = str(caught.value)
    assert float(said.partition("x = ")[2].split()[0]) == pytest.approx(c, abs=1e-4, rel=1e-4)
    assert f"(the derivative is 1 to its left, {1 + sign * jump:g} to its right)" in said
    assert 'kinks=[Kink("x = c", "0", lambda x: x - c)]' in said


def test_a_kink_on_a_curve_is_found():
    with pytest.raises(AssertionError, match=r"at x = 0\.37 "):
        search(lambda x: x * x + 0.1 * np.maximum(x - 0.37, 0), lambda x: 2 * x + 0.1 * (x > 0.37))


def test_a_kink_beside_a_declared_one_is_found():
    for c, jump in ((0.04, 3.0), (0.5, 1.0)):
        with pytest.raises(AssertionError, match=f"at x = {c:g} "):
            search(
                lambda x, c=c, jump=jump: np.absolute(x) + jump * np.maximum(x - c, 0),
                lambda x, c=c, jump=jump: np.sign(x) + jump * (x > c),
                kinks=[ZERO],
            )


@pytest.mark.parametrize(
    ("forward", "slope"),
    [
        (lambda x: np.tanh(8 * (x - 0.3)), lambda x: 8 / np.cosh(8 * (x - 0.3)) ** 2),
        (lambda x: np.tanh(200 * (x - 0.3)), lambda x: 200 / np.cosh(200 * (x - 0.3)) ** 2),
        (lambda x: np.log(np.absolute(x - 0.3)), lambda x: 1 / (x - 0.3)),  # a pole is no kink
        (lambda x: 1e3 * x, lambda x: 1e3 * np.sqrt(1 + x * x) / np.sqrt(1 + x * x)),  # nor is rounding
        (lambda x: np.sqrt(x), lambda x: 0.5 / np.sqrt(x)),  # not defined on the left
        (lambda x: np.exp(3 * x), lambda x: 3 * np.exp(3 * x)),
        (lambda x: np.sin(3 * x), lambda x: 3 * np.cos(3 * x)),
        (lambda x: np.absolute(x), np.sign),  # declared
    ],
)
def test_what_is_smooth_has_no_kink(forward, slope):
    with np.errstate(all="ignore"):
        search(forward, slope, kinks=[ZERO])


def test_a_kink_of_the_second_operand_and_of_a_parameter_is_found():
    def of_y(g, out, x, y):
        return g * (y > 0.3)

    rule = entry(lambda x, y: x + np.maximum(y - 0.3, 0), lambda g, out, x, y: g, of_y)
    assert "a kink for operand y at x = -1.04, y = 0.3 (" in refused(kinks.no_undeclared_kink, rule)
    alone = entry(lambda x, y: x + np.maximum(y - 0.3, 0), lambda g, out, x, y: g, None)
    kinks.no_undeclared_kink(alone)
    with pytest.raises(AssertionError, match=r"at x = 0\.25 "):
        search(lambda x, *, low=0.0: x + low * np.maximum(x - 0.25, 0), lambda x, *, low=0.0: 1.0 + low * (x > 0.25))


def test_a_primitive_that_takes_only_arrays_is_not_searched():
    search(lambda x: np.absolute(x), np.sign, cases=[Case(((2,),))])


def test_the_search_keeps_to_the_domain():
    def inside_only(x):
        if not 0.0 < float(x) < 1.0:
            raise ValueError(f"{x} is not in the domain")
        return x * x

    search(inside_only, lambda x: 2 * x, domain=[(0.0, 1.0)])
