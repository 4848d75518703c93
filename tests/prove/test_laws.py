"""Each law of a rule by itself: a primitive that breaks it, at one call, and the words that say so."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import strategies as st

import engine
from engine import assert_rule, differentiable
from engine.primitives import Case, Kink, Primitive
from engine.prove import laws
from engine.prove.points import Call


def on_floats(one, two):
    """One thing for a Python float, another for anything else."""
    return lambda *args: (one if all(type(arg) is float for arg in args[-1:]) else two)(*args)


def refused(law, primitive, *args, **params):
    with pytest.raises(AssertionError) as caught:
        law(primitive, Call(args, params))
    return str(caught.value)


def right(x):
    return x * x


def slope(g, out, x):
    return 2.0 * g * x


TRIPLE = np.array([1.0, -2.0, 3.0])


def test_results_on_floats_are_those_on_arrays():
    rule = Primitive("f", on_floats(lambda x: x * x + 1e-9, right), [slope], elementwise=True)
    assert "on Python floats ['x'] = [1.0] the result is 1.000000001, on arrays 1.0" in refused(laws.same_on_floats, rule, TRIPLE)
    rule = Primitive("f", on_floats(lambda x: int(x * x), right), [slope], elementwise=True)
    laws.same_on_floats(rule, Call((TRIPLE,)))  # an integer becomes a float


def test_gradients_on_floats_are_those_on_arrays():
    def vjp(g, out, x):
        return 2.0 * g * x * (1.0 + 1e-9 * isinstance(x, np.float64 | float) * (type(g) is float))

    rule = Primitive("f", right, [vjp], elementwise=True)
    assert "the gradient of operand 0 is 2.000000002, on arrays 2.0" in refused(laws.same_on_floats, rule, TRIPLE)
    laws.same_on_floats(Primitive("f", right, [vjp]), Call((TRIPLE,)))  # only an elementwise rule has to


def test_a_nan_that_does_not_count_gets_no_gradient():
    def of_x(g, out, x, y):
        return g * ((x >= y) | (y != y))

    spreading = Primitive("f", np.fmax, [of_x, lambda g, out, x, y: g * ~(x >= y)])
    assert "operand y is NaN and not part of the result, yet its gradient is" in refused(laws.beside_nan, spreading, 0.3, np.nan)
    deaf = Primitive("f", np.fmax, [of_x, lambda g, out, x, y: g * (y >= x)])
    laws.beside_nan(deaf, Call((0.3, np.nan)))
    lost = Primitive("f", np.fmax, [lambda g, out, x, y: g * (x >= y), lambda g, out, x, y: g * (y >= x)])
    assert "beside a NaN it says" in refused(laws.beside_nan, lost, 0.3, np.nan)


def test_numbers_are_compared_beside_the_largest():
    assert laws.close([1e8, 1.0], [1e8, 1.5], 1e-8)
    assert not laws.close([1e8, 1.0], [1e8, 3.5], 1e-8)
    assert not laws.close([1e-8, 2e-8], [1e-8, 3e-8], 1e-2)
    assert laws.close([1.0, np.inf, np.nan], [1.0, np.inf, np.nan], 0.0)
    assert not laws.close([1.0], 1.0, 1.0)
    assert laws.close(1e-40, 3e-40, 1e-3, floor=1e-37)


@pytest.mark.parametrize("where", ["a result", "a gradient", "a rule that reads the last call"])
def test_a_later_call_changes_nothing(where):
    kept = np.zeros(3)

    def remember(x):
        kept[...] = x
        return x * x if where != "a result" else np.multiply(kept, kept, out=kept)

    def vjp(g, out, x):
        if isinstance(g, engine.Value) or isinstance(x, engine.Value):
            return 2.0 * g * x
        if where == "a gradient":
            kept[...] = 2.0 * g * x
            return kept
        return 2.0 * g * (kept if where.startswith("a rule") else x)

    said = refused(lambda p, call: laws.same_later(Call((TRIPLE + 1.0,)), p, call), Primitive("f", remember, [vjp]), TRIPLE)
    assert {"a result": "its result", "a gradient": "the gradient of operand 0"}.get(where, "it may depend only on its arguments") in said


def test_a_negative_zero_is_zero_where_the_function_says_so():
    signed = Primitive("f", lambda x: np.sin(x), [lambda g, out, x: g * np.cos(x) * np.where(np.signbit(x) & (x == 0), 2.0, 1.0)])
    assert "at -0.0 the gradient of operand 0 is 2.0, at 0.0 it is 1.0" in refused(laws.same_at_zeros, signed, 0.0)
    assert "at -0.0" in refused(laws.same_at_zeros, signed, np.array([1.0, 0.0]))
    laws.same_at_zeros(signed, Call((1.0,)))
    laws.same_at_zeros(
        Primitive("f", lambda x: np.copysign(1.0, x) + x, [lambda g, out, x: g * np.where(np.signbit(x), 2.0, 1.0)]), Call((0.0,))
    )


@pytest.mark.parametrize(("law", "times"), [(laws.second, 1), (laws.third, 2)])
def test_the_derivatives_of_the_vjp(law, times):
    sine = Primitive("s", lambda x: np.sin(x), [lambda g, out, x: 1.1 * g * np.cos(x)])
    cosine = sine if times == 1 else Primitive("c", lambda x: np.cos(x), [lambda g, out, x: -g * sine(x)])
    first = Primitive("f", lambda x: -np.cos(x), [lambda g, out, x: g * sine(x)]) if times == 1 else None
    rule = first or Primitive("f", lambda x: np.sin(x), [lambda g, out, x: g * cosine(x)])
    assert "wrong by a factor 1.1" in refused(law, rule, 0.7)
    laws.derivative(rule, Call((0.7,)))


def test_a_rule_that_cannot_be_shown_is_refused():
    class Shy:
        def __repr__(self):
            raise RuntimeError("no words for this")

    rule = Primitive("f", lambda x, how=None: x * x, [lambda g, out, x, how=None: 2.0 * g * x], cases=[Case(((2,),), {"how": Shy()})])
    with pytest.raises((AssertionError, RuntimeError), match="no words for this"):
        assert_rule(rule)


@pytest.mark.parametrize("low", [2.5, 10.0, 0.7])
def test_the_smallest_input_lies_in_the_domain_and_off_the_kinks(low):
    rule = Primitive("f", lambda x: np.sqrt(x - low), [lambda g, out, x: g / out], domain=[(low, np.inf)])
    with pytest.raises(AssertionError) as caught:
        assert_rule(rule)
    line = next(line for line in str(caught.value).splitlines() if line.startswith("smallest input"))
    assert float(line.partition("f(")[2].rstrip(")")) > low
    kinked = Primitive(
        "f", lambda x: np.absolute(x - 1.0), [lambda g, out, x: 2 * g * np.sign(x - 1.0)], kinks=[Kink("1", "0", lambda x: x - 1.0)]
    )
    with pytest.raises(AssertionError, match=r"smallest input:  f\((?!1\.0)"):
        assert_rule(kinked)


def test_a_kink_that_no_number_lies_on():
    kink = Kink("x² = 2", "0", lambda x: x * x - 2.0)
    assert_rule(Primitive("f", lambda x: np.absolute(x * x - 2), [lambda g, out, x: g * 2 * x * np.sign(x * x - 2)], kinks=[kink]))
    with pytest.raises(AssertionError, match='"x² = 2", which has a derivative at every point'):
        assert_rule(Primitive("f", lambda x: x * x, [slope], kinks=[kink]))
    far = Kink("x = 50", "0", lambda x: np.absolute(x) + 50.0)
    with pytest.raises(AssertionError, match='"x = 50", which was not met'):
        assert_rule(Primitive("f", lambda x: x * x, [slope], kinks=[far]))


def test_a_slow_function_is_no_failure():
    @differentiable(x=st.just(1.0), examples=1)
    def slow(x):
        time.sleep(0.03)
        return np.sin(x)

    slow()


def test_linear_to_a_billionth_and_nothing_from_nothing():
    laws.linear(Primitive("f", right, [slope]), Call((TRIPLE,)))
    bent = Primitive("f", right, [lambda g, out, x: 2.0 * g * x * (1.0 + 1e-6 * g)])
    assert "vjp(2g - 3h) is" in refused(laws.linear, bent, TRIPLE)
    large = Primitive("f", right, [lambda g, out, x: 2.0 * x * np.clip(g, -100.0, 100.0)])
    assert "vjp(1e+09 g) is" in refused(laws.linear, large, TRIPLE)
    small = Primitive("f", right, [lambda g, out, x: 2.0 * x * np.where(np.absolute(g) < 1e-6, 0.0, g)])
    assert "vjp(1e-09 g) is" in refused(laws.linear, small, TRIPLE)
    never = Primitive("f", right, [lambda g, out, x: 2.0 * g * x / np.where(g == 0, 0.0, 1.0)])
    with np.errstate(all="ignore"):
        assert "vjp(0) is" in refused(laws.linear, never, TRIPLE)


@pytest.mark.parametrize("where", ["result", "gradient"])
@pytest.mark.parametrize(
    ("layout", "is_it"),
    [
        ("read-only", lambda x: not x.flags.writeable),
        ("non-contiguous", lambda x: x.ndim and not (x.flags.c_contiguous or x.flags.f_contiguous)),
        ("Fortran-ordered", lambda x: x.ndim > 1 and x.flags.f_contiguous and not x.flags.c_contiguous),
        ("float32", lambda x: x.dtype == np.float32),
    ],
)
def test_a_small_difference_in_one_layout(layout, is_it, where):
    def off(x, size):
        return 1.0 + size * bool(isinstance(x, np.ndarray) and is_it(x))

    size = 1e-2 if layout == "float32" else 1e-10
    rule = Primitive(
        "f",
        lambda x: x * x * np.asarray(off(x, size if where == "result" else 0.0)).astype(getattr(x, "dtype", float)),
        [lambda g, out, x: 2.0 * g * x * off(x, size if where == "gradient" else 0.0)],
    )
    said = refused(laws.same_everywhere, rule, np.arange(1.0, 7.0).reshape(2, 3))
    assert f"on {layout} operands the {where}" in said
    if layout == "float32":
        laws.same_everywhere(rule, Call((np.arange(1.0, 7.0).reshape(2, 3),)), far_out=True)
