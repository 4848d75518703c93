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
from engine.prove.precision import EXTENDED


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
    assert laws.close([1.0], 1.0, 1.0) is False
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


# ── the operands' names ───────────────────────────────────────────────────────


def test_operands_are_called_as_in_the_vjp():
    def two(g, out, left, right, axis=None):
        return g

    def any_number(g, out, *args, argnum):
        return g

    name = laws.operand_names
    assert name(Primitive("f", np.add, [two, two]), 2) == ["left", "right"]
    assert name(Primitive("f", np.sin, [two]), 1) == ["left"]  # the parameters come after the operands
    assert name(Primitive("f", np.sin, [None]), 1) == ["x"]
    assert name(Primitive("f", np.add, [None, two]), 2) == ["x0", "x1"]
    assert name(Primitive("f", lambda *args: args[0], [any_number], variadic=True), 3) == ["x0", "x1", "x2"]
    assert name(Primitive("f", lambda *args: args[0], [two], variadic=True), 2) == ["x0", "x1"]
    leaves = laws.labelled_leaves(Primitive("f", np.add, [two, None]), Call((1.0, 2.0)))
    assert [(leaf.label, leaf.requires_grad) for leaf in leaves] == [("left", True), ("right", False)]


# ── derivatives ───────────────────────────────────────────────────────────────


def diagnosis(vjp, *args, forward=right):
    """What the law of the derivative says after the numbers, for x² or another function."""
    with np.errstate(all="ignore"):
        return refused(laws.derivative, Primitive("f", forward, [vjp, vjp][: len(args)]), *args)


def test_the_mistake_is_diagnosed():
    assert diagnosis(lambda g, out, x: -2.0 * g * x, 3.0).endswith(": the sign is wrong")
    assert diagnosis(lambda g, out, x: -2.00000001 * g * x, 3.0).endswith(": the sign is wrong")
    assert diagnosis(lambda g, out, x: -2.00001 * g * x, 3.0).endswith(": wrong by a factor -1.000005")
    assert diagnosis(lambda g, out, x: 0.0 * g * x, 3.0).endswith(": the derivative is missing")
    assert diagnosis(lambda g, out, x: g, 1.5, forward=np.floor).endswith("e-12")  # of 0 there is no factor
    said = diagnosis(lambda g, out, angle: 3.0 * g * angle, 3.0)
    assert said.startswith("for operand angle it says 9.0, the numerical derivative is 6.0 ±")


def test_the_element_farthest_off_is_named():
    said = diagnosis(lambda g, out, x: 2.0 * g * x * np.array([1.0, 1.01, 1.5]), TRIPLE)
    assert said.startswith("for operand x, element [2] it says ")
    assert said.endswith(": wrong by a factor 1.5")
    said = diagnosis(lambda g, out, x: 2.0 * g * x * np.array([[1.0], [1.5]]), np.array([[1.0], [2.0]]))
    assert said.startswith("for operand x, element [1, 0] it says ")


def test_the_elements_of_a_result_do_not_stand_in_for_one_another():
    """The gradient of the sum is right, that of a weighted sum is not; the message has the gradient of the latter."""
    said = diagnosis(lambda g, out, x: (g * 2.0 * x)[::-1], np.array([1.0, 1.0]))
    first, second = 1.5 + np.cos([1.0, 2.0])
    assert any(f"it says {said_by!r}, " in said for said_by in (float(2.0 * first), float(2.0 * second)))


def test_what_is_not_wrong_is_called_what_it_is():
    assert diagnosis(lambda g, out, x: g / np.asarray(x), 0.0, forward=np.log).endswith(
        ": domain (the function is -inf here); if it is not defined there, say so: domain=[(low, high)]"
    )
    again = iter(range(10**6))
    said = diagnosis(lambda g, out, x: 2.0 * g * x * (1.0 + next(again)), 3.0)
    assert said.endswith(": nondeterministic (two calls at the same point differ)")


def test_a_call_without_numbers_breaks_no_law():
    for law in (laws.derivative, laws.linear, laws.same_everywhere, laws.second):
        law(Primitive("f", right, [slope]), Call((np.zeros((2, 0)),)))


def test_an_undeclared_kink_is_no_derivative():
    absolute = Primitive("f", np.absolute, [lambda g, out, x: g * np.sign(x)])
    said = refused(laws.derivative, absolute, 0.0)
    assert said.startswith("there is a kink for operand x (-1 from the left, 1 from the right) that the entry does not declare; add it")
    parabolas = Primitive("f", lambda x: x * np.absolute(x), [lambda g, out, x: 2.0 * g * np.absolute(x)])
    laws.derivative(parabolas, Call((0.0,)))
    laws.second(parabolas, Call((0.0,)))  # a vjp may have kinks that the entry does not know


LOSING = 44132 * 2.0**-63  # where (1 + x) - 1 is exact in extended precision, and 2 % off in float64


@pytest.mark.skipif(EXTENDED is np.float64, reason="without extended precision nobody knows what was lost")
def test_lost_digits_count_from_a_billionth_of_the_largest_derivative():
    def parabola(size, other):
        return Primitive(
            "f",
            lambda x, y: size * x * x / 2.0 + other * y,
            [lambda g, out, x, y: size * g * ((1.0 + x) - 1.0), lambda g, out, x, y: other * g],
        )

    laws.derivative(parabola(1.0, 1e-3), Call((LOSING, 0.0)))
    laws.derivative(parabola(1e6, 1.0), Call((LOSING, 0.0)))
    assert "imprecise (the formula is right, but loses" in refused(laws.derivative, parabola(1e6, 1e-3), LOSING, 0.0)


def test_a_noisy_function_speaks_against_no_derivative_within_its_noise():
    def noisy(factor):
        return Primitive("f", lambda x: np.sin(x) + 1e-5 * np.sin(1e15 * x), [lambda g, out, x: factor * g * np.cos(x)])

    laws.derivative(noisy(1.0), Call((1.0,)))
    laws.derivative(noisy(1.02), Call((1.57,)))  # where the slope is smaller than the noise
    assert "imprecise (the function is too noisy here to decide)" in refused(laws.derivative, noisy(1.1), 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_mistake_in_a_small_dtype(dtype):
    def rule(factor):
        return Primitive("f", right, [lambda g, out, x: 2.0 * g * x * (factor if x.dtype == dtype else 1.0)])

    laws.in_small_dtypes(rule(1.0), Call((TRIPLE,)))
    said = refused(laws.in_small_dtypes, rule(1.5), TRIPLE)
    assert said.startswith(f"on {np.dtype(dtype)} operands it says ∂f[0]/∂x[0] = 3, not 2, ∂f[1]/∂x[1] = -6, not -4 (")  # two suffice
    with np.errstate(over="ignore"):
        laws.in_small_dtypes(rule(1.5 if dtype == np.float16 else 1.0), Call((300.0,)))  # its square is no float16


def test_what_is_lost_in_a_small_dtype_is_no_mistake():
    def losing(g, out, x):
        return g * ((1 + x) - 1) if x.dtype == np.float32 else g * x  # 2 % off in float32

    laws.in_small_dtypes(Primitive("f", lambda x: x * x / 2, [losing]), Call((LOSING * 2.0**29,)))


def test_a_mistake_of_the_formula_is_one_in_a_small_dtype_too():
    rule = Primitive("f", lambda x: x * x * (x.dtype != np.float16), [lambda g, out, angle: 2.2 * g * angle])
    assert refused(laws.in_small_dtypes, rule, 1.5).endswith("it says ∂f/∂angle = 3.3, not 3 (wrong)")


@pytest.mark.parametrize(("law", "words"), [(laws.second, "differentiated again,"), (laws.third, "differentiated twice,")])
def test_the_vjp_is_differentiated_by_its_cotangent_too(law, words):
    deaf = Primitive("f", right, [lambda g, out, x: 2.0 * engine.stop_gradient(g) * x])
    for x in (0.7, TRIPLE):
        said = refused(law, deaf, x)
        assert said.startswith("for operand g")
        assert f"its vjp, {words} says 0.0" in said
        law(Primitive("f", right, [slope]), Call((x,)))
    by_one = Primitive("f", lambda x, y: x * y, [lambda g, out, x, y: g * engine.stop_gradient(y), lambda g, out, x, y: g * x])
    assert refused(law, by_one, 0.7, 0.3).startswith(f"for operand y its vjp, {words} says")
    fixed = Primitive("f", lambda x, y: x * y, [None, lambda g, out, x, y: g * x])
    law(fixed, Call((0.7, 0.3)))
    laws.in_small_dtypes(fixed, Call((0.7, 0.3)))


@pytest.mark.parametrize("x", [0.7, TRIPLE])
def test_the_third_derivative_of_arrays(x):
    flat = Primitive("s", np.sin, [lambda g, out, x: g * np.cos(engine.stop_gradient(x))])
    rule = Primitive("f", lambda x: -np.cos(x), [lambda g, out, x: g * flat(x)])
    laws.second(rule, Call((x,)))
    assert "differentiated twice" in refused(laws.third, rule, x)


# ── the same everywhere ───────────────────────────────────────────────────────


def test_recorded_the_result_is_the_same():
    calls = iter(range(1000))
    drifting = Primitive("f", lambda x: x * x * (1.0 + 1e-12 * next(calls)), [slope])
    assert refused(laws.same_everywhere, drifting, TRIPLE).startswith("recorded on Values the result is np.array([1.")


def test_nothing_is_written_to():
    def writing(into):
        def vjp(g, out, x):
            given = {"g": g, "out": out, "x": x}[into]
            if isinstance(given, np.ndarray) and given.flags.writeable and given.ndim:
                kept = given.copy()
                given *= 2.0
                return 2.0 * x * g if into == "out" else 2.0 * kept * (x if into == "g" else g)
            return 2.0 * g * x

        return Primitive("f", right, [vjp])

    for into in ("g", "x"):
        assert refused(laws.same_everywhere, writing(into), TRIPLE).startswith("it writes into what it is given: np.array([")

    refused(laws.same_everywhere, writing("out"), TRIPLE)

    def over_itself(x):
        x[...] = x
        return x * x

    said = refused(laws.same_everywhere, Primitive("f", over_itself, [slope]), TRIPLE)
    assert said.startswith("it writes into its operands: ")
    assert "read-only" in said


def test_what_a_rule_raises_in_one_layout_is_its_own_error():
    def choosy(x):
        if isinstance(x, np.ndarray) and x.strides[-1:] < (0,):
            raise ValueError("backwards")
        return x * x

    with pytest.raises(ValueError, match="backwards"):
        laws.same_everywhere(Primitive("f", choosy, [slope]), Call((TRIPLE,)))


def test_float32_gives_float32_unless_a_parameter_says_otherwise():
    double = Primitive("f", lambda x, dtype=None: np.float64(2.0) * np.asarray(x), [lambda g, out, x, dtype=None: 2.0 * g])
    assert refused(laws.same_everywhere, double, TRIPLE) == "on float32 the result is float64"
    laws.same_everywhere(double, Call((TRIPLE,), {"dtype": np.float64}))


@pytest.mark.parametrize("x", [np.array([0.1, 0.7]), np.array([0.1, np.nan, np.inf]), 0.3, np.zeros((2, 0))])
def test_rounding_in_float32_is_no_difference(x):
    with np.errstate(all="ignore"):
        laws.same_everywhere(Primitive("f", lambda x: np.exp(np.sin(x)), [lambda g, out, x: g * out * np.cos(x)]), Call((x,)))


def test_the_ends_of_float32_are_no_difference():
    with np.errstate(all="ignore"):
        laws.same_everywhere(Primitive("f", right, [slope]), Call((np.array([3.1e-22, 4.7e-23]),)))
        laws.same_everywhere(Primitive("f", right, [slope]), Call((np.array([1e19, 3e20]),)))


def test_a_tiny_result_is_compared_like_any_other_in_float64():
    off = Primitive("f", lambda x: x * x * (1.0 + 0.5 * (isinstance(x, np.ndarray) and x.strides[-1:] < (0,))), [slope])
    assert refused(laws.same_everywhere, off, TRIPLE * 1e-25).startswith("on non-contiguous operands the result is np.array([1.5")


def test_operands_that_broadcast_and_operands_without_a_derivative():
    sums = Primitive("f", lambda x, y: x * y, [lambda g, out, x, y: g * y, lambda g, out, x, y: g * x])
    laws.same_everywhere(sums, Call((TRIPLE, np.array([[2.0], [5.0]]))))
    masked = Primitive("f", lambda x, y: x * (y > 0), [lambda g, out, x, y: g * (y > 0), None])
    for law in (laws.same_everywhere, laws.same_at_zeros, laws.linear):
        law(masked, Call((0.0, 1.0)))
        law(masked, Call((TRIPLE, np.array([0.0, 1.0, 2.0]))))


def test_a_negative_zero_that_only_a_float_is():
    signed = Primitive("f", right, [lambda g, out, x: 2.0 * g * x + g * (type(x) is float and np.copysign(1.0, x) < 0)])
    assert refused(laws.same_at_zeros, signed, 0.0).startswith("at -0.0 the gradient of operand 0 is ")
    laws.same_at_zeros(Primitive("f", right, [slope]), Call((0.0,)))


def test_a_nan_that_reaches_the_result_is_no_concern():
    product = Primitive("f", lambda x, y: x * y, [lambda g, out, x, y: g * y, lambda g, out, x, y: g * x])
    laws.beside_nan(product, Call((0.3, np.nan)))


def test_a_nan_that_becomes_a_number():
    def fill(x, number):
        return np.where(np.isnan(x), number, x)

    laws.beside_nan(Primitive("fill", lambda x: fill(x, 0.0), [lambda g, out, x: g * ~np.isnan(x)]), Call((np.nan,)))
    leaking = Primitive("fill", lambda x: fill(x, 0.0), [lambda g, out, x: g])
    assert refused(laws.beside_nan, leaking, np.nan) == "operand x is NaN and not part of the result, yet its gradient is 1.0"


@pytest.mark.parametrize("symbol", ["+", "<", '"', "a\nb", "{x}"])
def test_any_symbol_can_be_drawn(symbol):
    laws.readable(Primitive("<less>", right, [slope], symbol=symbol), Call((1.0,)))
