"""The rule table: what an entry holds, how a primitive is called, and which ones can be entered."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import engine
from engine import Value
from engine.primitives import COMPOSITES, DISPATCH, TABLE, Case, Kink, floats

POINTS = {"arccosh": 1.5}  # where a rule is smooth; 0.5 for the others
ON_NUMPY = {"ceil", "erf", "erfc", "floor", "gelu", "logaddexp", "round", "sinc", "trunc"}  # they have no faster version for Python floats


# ── entries ───────────────────────────────────────────────────────────────────


def test_an_entry_holds_what_it_was_given() -> None:
    kink, case = Kink("x = 0", "0", lambda x: abs(x)), Case(((2,),))
    rule = lambda g, out, x: g  # noqa: E731
    made = engine.primitive(
        "mine", lambda x: x, rule, symbol="m", elementwise=True, domain=[(0.0, 1.0)], kinks=[kink], cases=[case], sum_back=print, doc="x"
    )
    assert TABLE["mine"] is made
    assert (made.name, made.__name__, made.symbol, made.__doc__) == ("mine", "mine", "m", "x")
    assert (made.vjps, made.domain, made.kinks, made.cases) == ((rule,), ((0.0, 1.0),), (kink,), (case,))
    assert made.elementwise
    assert made.sum_back is print
    assert not made.variadic
    assert not made.built_in
    assert repr(made) == "<primitive mine>"


def test_what_an_entry_holds_if_nothing_is_said() -> None:
    made = engine.primitive("mine", lambda x, y: x, lambda g, out, x, y: g, None)
    assert (made.symbol, made.__doc__, made.domain) == ("mine", "", ((-np.inf, np.inf),) * 2)
    assert (made.kinks, made.cases, made.params, made.sum_back) == ((), (), (), None)
    assert not made.elementwise


def test_the_tables_own_entries_say_where_they_are_smooth() -> None:
    assert TABLE["log"].domain == ((0.0, np.inf),)
    assert TABLE["add"].domain == ((-np.inf, np.inf),) * 2
    assert [kink.where for kink in TABLE["relu"].kinks] == ["x = 0"]
    assert TABLE["relu"].__doc__


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_primitive_is_pickled_and_copied_by_its_name(name: str) -> None:
    """So that what holds one, such as a module with an activation, can be saved; it comes back as the same rule."""
    made = TABLE[name]
    assert pickle.loads(pickle.dumps(made)) is made
    assert copy.deepcopy([made])[0] is made
    assert copy.copy(made) is made


def test_the_rule_of_an_operand() -> None:
    """`vjp(argnum)` is called alike for every primitive, whatever the number of its operands."""
    assert TABLE["multiply"].vjp(0)(1.0, 6.0, 2.0, 3.0) == 3.0
    assert TABLE["multiply"].vjp(1)(1.0, 6.0, 2.0, 3.0) == 2.0
    first, second, g = np.ones(2), np.ones(3), np.arange(5.0)
    for argnum, part in ((0, [0.0, 1.0]), (1, [2.0, 3.0, 4.0])):
        np.testing.assert_array_equal(TABLE["concatenate"].vjp(argnum)(g, g, first, second, axis=0), part)


# ── calls ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [float, Value, lambda x: np.array([x, x]), lambda x: Value([x, x])])
def test_parameters_stand_behind_the_operands_or_have_names(kind: Any) -> None:
    x = kind(-2.0)
    for call, expected in (
        (engine.hardtanh(x), -1.0),
        (engine.hardtanh(x, -0.5), -0.5),
        (engine.hardtanh(x, -0.5, 0.5), -0.5),
        (engine.hardtanh(x, -0.5, max_val=0.5), -0.5),
        (engine.hardtanh(x, min_val=-3.0, max_val=-2.5), -2.5),
    ):
        assert type(call) is type(x)
        np.testing.assert_array_equal(call.data if isinstance(call, Value) else call, np.full(np.shape(x), expected))


@pytest.mark.parametrize("x", [2.0, Value(2.0), np.ones(2), Value([1.0, 2.0])])
def test_a_call_that_does_not_fit_is_told_what_fits(x: Any) -> None:
    for call, words in (
        (lambda: engine.multiply(x), r"multiply\(\) needs 2 operand\(s\), got 1"),
        (lambda: engine.tanh(), r"tanh\(\) needs 1 operand\(s\), got 0"),
        (lambda: engine.tanh(x, x), r"tanh\(\) takes 1 operand\(s\) and 0 parameter\(s\), got 2 arguments"),
        (lambda: engine.multiply(x, x, 1.0), r"multiply\(\) takes 2 operand\(s\) and 0 parameter\(s\), got 3 arguments"),
        (lambda: engine.hardtanh(x, -1.0, 1.0, 2.0), r"hardtanh\(\) takes 1 operand\(s\) and 2 parameter\(s\), got 4 arguments"),
        (lambda: engine.tanh(x, axis=0), r"tanh\(\) has no parameter 'axis' here; it takes none"),
        (lambda: engine.hardtanh(x, axis=0), r"hardtanh\(\) has no parameter 'axis' here; it takes min_val, max_val"),
    ):
        with pytest.raises(TypeError, match=words):
            call()


def test_a_primitive_without_a_source_in_python_takes_no_parameters() -> None:
    """NumPy's functions tell no names."""
    assert TABLE["exp"].params == ()
    assert TABLE["hardtanh"].params == ("min_val", "max_val")
    mine = engine.primitive("mine", lambda x, scale, *, shift=1.0: x * scale + shift, lambda g, out, x, scale, shift=1.0: g * scale)
    assert mine.params == ("scale", "shift")
    x = Value(2.0)
    for result in (mine(x, 3.0), mine(x, scale=3.0), mine(x, 3.0, shift=1.0)):
        x.zero_grad()
        result.backward()
        assert (result.data, x.grad) == (7.0, 3.0)


@pytest.mark.parametrize("name", sorted(name for name, made in TABLE.items() if made.elementwise))
def test_on_python_floats_a_rule_is_a_function_of_python_floats(name: str) -> None:
    """No NumPy scalar comes up on the way, which would be ten times slower; and the answer is NumPy's."""
    made = TABLE[name]
    args = [POINTS.get(name, 0.5)] + [0.25] * (len(made.vjps) - 1)
    out = made.float_forward(*args)
    assert type(out) is float or name in ON_NUMPY
    assert out == pytest.approx(made.forward(*map(np.float64, args)), rel=1e-14)
    assert type(made(*args)) is float
    for fast, full in zip(made.float_vjps, made.vjps, strict=True):
        if full is not None:
            slope = fast(2.0, float(out), *args)
            assert type(slope) is float or name in ON_NUMPY
            assert slope == pytest.approx(full(np.float64(2.0), np.float64(out), *map(np.float64, args)), rel=1e-13)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: engine.log(-1.0), math.nan),
        (lambda: engine.divide(1.0, 0.0), math.inf),
        (lambda: engine.exp(1000.0), math.inf),
        (lambda: engine.power(-8.0, 0.5), math.nan),
        (lambda: engine.power(-8.0, 3.0), -512.0),
    ],
)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_where_python_has_no_answer_a_float_gets_numpys(call: Any, expected: float) -> None:
    assert type(call()) is float
    np.testing.assert_equal(call(), expected)


def test_a_function_of_floats_runs_once_and_on_floats() -> None:
    """Each step costs one call; NumPy is asked only where Python has no answer."""
    seen: list[Any] = []
    mine = engine.primitive("mine", lambda x: (seen.append(x), 2.0 * x)[1], lambda g, out, x: 2.0 * g, elementwise=True)
    assert mine(3.0) == 6.0
    assert mine(Value(3.0)).data == 6.0
    assert seen == [3.0, 3.0]
    assert {type(x) for x in seen} == {float}


@pytest.mark.parametrize("answer", [np.float64(3.0), np.float32(3.0), np.array(3.0), 3, True])
def test_a_rule_for_floats_may_answer_with_any_number(answer: Any) -> None:
    """The result is a Python float all the same, recorded or not."""
    mine = engine.primitive("mine", lambda x: answer, lambda g, out, x: g, elementwise=True)
    for result in (mine(2.0), mine(Value(2.0)).data):
        assert type(result) is float
        assert result == float(answer)


def test_plain_arrays_go_to_numpy() -> None:
    """Without a Value among its operands a primitive is the function of arrays that it stands for."""
    x = np.array([0.5, 1.0])
    for arrays in ([x], [x, x, x]):
        np.testing.assert_array_equal(TABLE["concatenate"](*arrays, axis=0), np.concatenate(arrays))
        np.testing.assert_array_equal(TABLE["stack"](*arrays, axis=1), np.stack(arrays, axis=1))
    assert type(engine.tanh(x)) is np.ndarray
    np.testing.assert_array_equal(engine.tanh(x), np.tanh(x))
    np.testing.assert_array_equal(engine.multiply(2.0, x), 2 * x)
    assert engine.sum(3.0) == 3.0


# ── entering ──────────────────────────────────────────────────────────────────


def test_an_operand_without_a_rule_is_told_so() -> None:
    """None says that an operand has no derivative; to say nothing is a mistake."""
    with pytest.raises(TypeError, match="primitive 'mine' needs one vjp per operand"):
        engine.primitive("mine", lambda x: x)
    assert "mine" not in TABLE


def test_a_function_of_ones_own_gets_a_rule_for_values() -> None:
    """`numpy` may be one function or several; a ufunc given as `forward` counts by itself, and works element by element."""
    one = engine.primitive("one", lambda x: x * 1.0, lambda g, out, x: 10.0 * g, numpy=np.median)
    several = engine.primitive("several", lambda x: x * 1.0, lambda g, out, x: 20.0 * g, numpy=(np.nanmedian, np.ptp))
    ufunc = engine.primitive("ufunc", np.spacing, lambda g, out, x: 30.0 * g)
    assert {DISPATCH[np.median]} == {one}
    for function, slope in ((np.median, 10.0), (np.nanmedian, 20.0), (np.ptp, 20.0), (np.spacing, 30.0)):
        x = Value(2.0)
        function(x).backward()
        assert x.grad == slope
    assert ufunc.elementwise
    assert not one.elementwise
    assert not several.elementwise
    assert not engine.primitive("whole", np.heaviside, lambda g, out, x, y: g, None, elementwise=False).elementwise


def test_one_function_of_ones_own_may_replace_another() -> None:
    for name, slope in (("first", 2.0), ("second", 3.0), ("second", 4.0)):
        engine.primitive(name, lambda x: x * 1.0, lambda g, out, x, slope=slope: slope * g, numpy=np.median)
        x = Value(1.0)
        np.median(x).backward()
        assert x.grad == slope


def test_a_composite_stands_for_numpys_function() -> None:
    """A function made of primitives: its name is the engine's, and it keeps NumPy's calls for itself."""

    @engine.primitives.table.composite(np.median, np.ptp)
    def middle(x: Any) -> Any:
        return engine.sum(x) / 2.0

    assert COMPOSITES["middle"] is middle
    for function in (np.median, np.ptp):
        x = Value([1.0, 3.0])
        function(x).backward()
        np.testing.assert_array_equal(x.grad, [0.5, 0.5])
    with pytest.raises(ValueError, match="my_middle"):
        engine.primitive("middle", lambda x: x, lambda g, out, x: g)
    with pytest.raises(ValueError, match=r"np\.median already means the engine's 'middle'"):
        engine.primitive("mine", lambda x: x, lambda g, out, x: g, numpy=np.median)


# ── NumPy's names on Python floats ────────────────────────────────────────────

NUMBERS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -3.0, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("name", ["square", "reciprocal", "cbrt", "exp2", "sign", "zeros_like"])
@pytest.mark.parametrize("x", NUMBERS)
def test_a_name_for_one_float_means_numpys_function(name: str, x: float) -> None:
    if name == "reciprocal" and x == 0:
        return  # Python raises, and the caller asks NumPy
    found = getattr(floats, name)(x)
    assert type(found) is float
    np.testing.assert_allclose(found, getattr(np, name)(np.float64(x)), rtol=1e-15)


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "arctan2", "hypot"])
@pytest.mark.parametrize("x", NUMBERS)
@pytest.mark.parametrize("y", NUMBERS)
def test_a_name_for_two_floats_means_numpys_function(name: str, x: float, y: float) -> None:
    found = getattr(floats, name)(x, y)
    assert type(found) is float
    np.testing.assert_allclose(found, getattr(np, name)(np.float64(x), np.float64(y)), rtol=1e-15)


def test_a_choice_between_floats_and_a_name_that_only_numpy_has() -> None:
    assert (floats.where(True, 1.0, 2.0), floats.where(False, 1.0, 2.0)) == (1.0, 2.0)
    assert floats.heaviside is np.heaviside
