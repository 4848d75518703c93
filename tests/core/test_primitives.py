"""Every function of the engine, in every way of calling it: its value, its first and its second derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import engine
from engine import Value
from engine.primitives import COMPOSITES, TABLE
from tests.core.calls import Call
from tests.core.entries import BY_NAME, ENTRIES, Entry
from tests.core.numerical import along, close, inner

EPS = np.finfo(np.float64).eps

every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])


def parts(result: Any) -> list[Any]:
    """A result as a list; `split` gives several arrays."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def bare(thing: Any) -> Any:
    """The plain numbers of a Value, and anything else as it is."""
    return thing.data if isinstance(thing, Value) else thing


def seeds_for(result: Any, seed: int) -> list[Any]:
    """A cotangent for each part of a result."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, np.shape(bare(part))) for part in parts(result)]


def scalar_of(f: Callable[..., Any], params: dict[str, Any], seeds: list[Any]) -> Callable[..., Any]:
    """⟨f(·), seeds⟩: a scalar function whose gradient is the vjp of f at the seeds."""

    def total(*operands: Any) -> Any:
        out: Any = 0.0
        for part, seed in zip(parts(f(*operands, **params)), seeds, strict=True):
            out = out + np.sum(part * seed)
        return out

    return total


def directions_for(operands: Any, seed: int) -> tuple[Any, ...]:
    """A tangent for each operand."""
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(-1, 1, np.shape(operand))[()] for operand in operands)


def largest(arrays: Any) -> float:
    """The largest absolute value in several arrays."""
    return max(float(np.max(np.abs(array), initial=0.0)) for array in arrays)


def same(found: Any, expected: Any, ulps: int) -> None:
    """Equal numbers, shapes and dtypes, to so many units of the last place of numbers of order one."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if ulps:
        eps = np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=ulps * eps, atol=ulps * eps)
    else:
        np.testing.assert_array_equal(found, expected)


def allowed(entry: Entry, operands: Any) -> int:
    """The last bit where the array path is NumPy's own ufunc; the entry's allowance elsewhere."""
    made = TABLE.get(entry.name)
    arrays = any(isinstance(operand, np.ndarray) and operand.ndim for operand in operands)
    return 0 if arrays and made is not None and isinstance(made.forward, np.ufunc) else entry.ulps


def gradients(f: Callable[..., Any], call: Call, operands: Any, seed: int) -> tuple[list[Any], list[Any]]:
    """f's parts on fresh leaves, and the gradient of each leaf."""
    leaves = [Value(operand) for operand in operands]
    result = parts(f(*leaves, **call.params))
    assert all(isinstance(part, Value) for part in result)
    total: Any = 0.0
    for part, u in zip(result, seeds_for(result, seed), strict=True):
        total = total + np.sum(part * (u if part.dtype == np.float64 else u.astype(part.dtype)))
    if isinstance(total, Value):  # split at no place gives no part
        total.backward()
    for leaf in leaves:
        assert np.shape(leaf.grad) == leaf.shape
        assert np.asarray(leaf.grad).dtype == leaf.dtype
    return [part.data for part in result], [leaf.grad for leaf in leaves]


def test_the_table_of_tests_is_complete() -> None:
    """An entry that nobody tests here must say so by failing."""
    assert {entry.name for entry in ENTRIES} == set(TABLE) | set(COMPOSITES)


@every_entry
@settings(max_examples=10)
@given(data=st.data())
def test_value_and_gradient_in_every_form(entry: Entry, data: st.DataObject) -> None:
    """Through NumPy, the engine, operators and methods: NumPy's own value, and one and the same gradient."""
    call = data.draw(entry.calls)
    held = [Value(operand).data for operand in call.operands]  # in the layout in which a Value keeps them
    expected = parts(entry.oracle(*held, **call.params))
    first: list[Any] = []
    for form in entry.forms.values():
        values, slopes = gradients(form, call, call.operands, seed=1)
        assert len(values) == len(expected)
        for found, wanted in zip(values, expected, strict=True):
            same(found, wanted, allowed(entry, call.operands))
            assert np.ndim(found) or type(found) is float
        first = first or slopes
        for found, wanted in zip(slopes, first, strict=True):
            np.testing.assert_array_equal(found, wanted)


@every_entry
@settings(max_examples=10)
@given(data=st.data())
def test_first_and_second_derivative_are_the_numerical_ones(entry: Entry, data: st.DataObject) -> None:
    """Along a random direction and against a random cotangent, at orders one and two."""
    call = data.draw(entry.calls)
    f = entry.forms["engine"]
    operands = tuple(np.array(operand)[()] for operand in call.operands)
    seeds = seeds_for(f(*operands, **call.params), seed=2)
    total = scalar_of(f, call.params, seeds)
    v, w = directions_for(operands, 3), directions_for(operands, 4)

    every = tuple(range(len(operands)))
    slopes = engine.grad(total, every)(*operands)
    assert close(inner(slopes, v), along(total, operands, v, h=0.02), scale=largest(slopes))

    curved = engine.hvp(total, operands, v)
    curved = curved if len(operands) > 1 else (curved,)
    for operand, part in zip(operands, curved, strict=True):
        assert np.shape(part) == np.shape(operand)
    bend = along(lambda *xs: inner(engine.grad(total, every)(*xs), w), operands, v, h=0.02)
    assert close(inner(curved, w), bend, scale=largest(curved))


@every_entry
@settings(max_examples=5)
@given(data=st.data())
def test_constants_among_the_operands(entry: Entry, data: st.DataObject) -> None:
    """One operand a Value, the others plain: the same value, and the same gradient for the one."""
    call = data.draw(entry.calls)
    values, slopes = gradients(entry.forms["engine"], call, call.operands, seed=5)
    kept = data.draw(st.integers(0, len(call.operands) - 1))
    for label, form in entry.forms.items():
        if label == "method" and kept:
            continue
        mixed = [Value(operand) if i == kept else operand for i, operand in enumerate(call.operands)]
        result = parts(form(*mixed, **call.params))
        total: Any = 0.0
        for found, wanted, u in zip(result, values, seeds_for(values, 5), strict=True):
            same(found.data, wanted, 4 * entry.ulps)
            total = total + np.sum(found * u)
        if isinstance(total, Value):
            total.backward()
        np.testing.assert_allclose(mixed[kept].grad, slopes[kept], rtol=64 * EPS, atol=64 * EPS)


@every_entry
@settings(max_examples=5)
@given(data=st.data())
def test_float32_stays_float32(entry: Entry, data: st.DataObject) -> None:
    """Values and gradients keep the dtype, and are those of float64 as nearly as float32 can tell."""
    call = data.draw(entry.calls)
    if entry.name == "astype":
        return
    narrow = [np.asarray(operand, np.float32)[()] for operand in call.operands]
    for form in entry.forms.values():
        values, slopes = gradients(form, call, narrow, seed=6)
        assert all(np.asarray(value).dtype == np.float32 for value in values)
        exact, exact_slopes = gradients(form, call, [np.asarray(n, np.float64) for n in narrow], seed=6)
        for found, wanted in zip(values + slopes, exact + exact_slopes, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)


ELEMENTWISE = [name for name, made in TABLE.items() if made.elementwise and name in BY_NAME and isinstance(made.forward, np.ufunc)]


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_ufuncs_answer_any_float_as_numpy_does(name: str, data: st.DataObject) -> None:
    """Zeros of both signs, subnormals, huge numbers, infinities, NaN: on a scalar and in an array.

    The scalar path is Python's `math`, so it is allowed a few units of the last place.
    """
    ufunc = TABLE[name].forward
    operands = data.draw(st.tuples(*[st.floats(width=64)] * ufunc.nin))
    with np.errstate(all="ignore"):
        expected = ufunc(*map(np.float64, operands))
        scalar = ufunc(*map(Value, operands)).data
        vector = ufunc(*[Value([operand]) for operand in operands]).data
    assert type(scalar) is float
    np.testing.assert_array_equal(vector, ufunc(*[np.array([operand]) for operand in operands]))
    np.testing.assert_allclose(scalar, expected, rtol=8 * EPS, atol=0 if abs(expected) > 1e-300 else 1e-320)
    if expected == 0 and name not in ("maximum", "minimum", "fmax", "fmin"):  # of 0 and -0 either is the larger
        assert math.copysign(1, scalar) == math.copysign(1, expected)


@pytest.mark.parametrize(
    "name", ["relu", "sigmoid", "softplus", "gelu", "silu", "elu", "selu", "softsign", "tanh", "hardtanh", "leaky_relu"]
)
@pytest.mark.parametrize("x", [-1e100, -1e4, -1000.0, -400.0, -40.0, 40.0, 400.0, 1000.0, 1e4, 1e100])
def test_activations_far_out(name: str, x: float) -> None:
    """No overflow, no NaN, neither in the value nor in the slope, on scalars and in arrays."""
    f = getattr(engine, name)
    scalar, vector = Value(x), Value([x])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        out, outs = f(scalar), f(vector)
        out.backward()
        outs.sum().backward()
    assert math.isfinite(out.data)
    assert out.data == pytest.approx(outs.data[0], rel=1e-15)
    assert math.isfinite(scalar.grad)
    assert scalar.grad == pytest.approx(vector.grad[0], rel=1e-15, abs=1e-300)
    if name not in ("elu", "selu"):
        straight = {"softsign": 0.0, "sigmoid": 0.0, "tanh": 0.0, "hardtanh": 0.0}.get(name, 1.0 if x > 0 else 0.0)
        assert scalar.grad == pytest.approx(0.01 if name == "leaky_relu" and x < 0 else straight, abs=1e-3)


def test_logsumexp_and_softmax_far_out() -> None:
    """The largest exponent is taken out before exp is."""
    with np.errstate(over="raise", invalid="raise"):
        x = Value([1000.0, 1000.0, -1000.0])
        engine.logsumexp(x).backward()
        np.testing.assert_allclose(x.grad, [0.5, 0.5, 0.0], rtol=1e-12)
        assert engine.logsumexp(x).data == pytest.approx(1000 + math.log(2))
        np.testing.assert_array_equal(engine.softmax(x).data, [0.5, 0.5, 0.0])
        assert engine.log_softmax(x).data[2] == pytest.approx(-2000 - math.log(2))
        assert engine.logaddexp(Value(1000.0), Value(1000.0)).data == pytest.approx(1000 + math.log(2))
    assert engine.logsumexp(Value([-np.inf, 0.0])).data == 0.0


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (engine.relu, 0.0, 0.0),
        (engine.absolute, 0.0, 0.0),
        (engine.hardtanh, 1.0, 0.0),
        (engine.hardtanh, -1.0, 0.0),
        (engine.sign, 0.0, 0.0),
        (engine.floor, 1.0, 0.0),
        (lambda x: engine.clip(x, -1.0, 1.0), 1.0, 0.0),
        (lambda x: engine.maximum(x, 2.0), 2.0, 0.5),
        (lambda x: engine.minimum(x, 2.0), 2.0, 0.5),
        (lambda x: engine.fmax(x, 2.0), 2.0, 0.5),
        (lambda x: engine.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: engine.leaky_relu(x, 0.25), 0.0, 0.25),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**0, 3.0, 0.0),
    ],
)
def test_conventions_at_kinks(f: Any, x: float, slope: float) -> None:
    """The documented derivative where there is none, for a scalar and in an array alike."""
    assert engine.grad(f)(x) == slope
    np.testing.assert_array_equal(engine.grad(lambda v: np.sum(f(v)))(np.array([x, x])), [slope, slope])


def test_ties_share_evenly() -> None:
    """Among equal extremes each gets the same part, and the parts add up to the whole."""
    x = Value([[3.0, 1.0, 3.0], [0.0, 0.0, 0.0]])
    np.max(x, axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0.5, 0, 0.5], [1 / 3] * 3])
    y = Value([2.0, 2.0, 5.0])
    np.min(y).backward()
    np.testing.assert_array_equal(y.grad, [0.5, 0.5, 0.0])


def test_no_higher_derivative_at_a_kink_is_made_up() -> None:
    for f, x in [
        (np.linalg.norm, np.zeros(2)),
        (lambda v: np.hypot(v[0], v[1]), np.zeros(2)),
        (lambda v: np.arctan2(v[0], v[1]), np.zeros(2)),
        (lambda v: np.sum(np.hypot(v[0], v[1])), np.zeros((2, 3))),
        (np.std, np.full(3, 2.0)),
        (lambda v: np.sum(np.std(v, axis=1)), np.full((2, 3), 2.0)),
    ]:
        assert not engine.grad(f)(x).any()
        assert not engine.hessian(f)(x).any()
        assert not engine.jacobian(engine.hessian(f))(x).any()
    for name in ("hypot", "arctan2"):
        assert engine.grad(engine.grad(lambda a: getattr(np, name)(a, 0.0)))(0.0) == 0.0  # noqa: B023


def test_norm_and_std_of_nothing_to_measure() -> None:
    """A zero vector has no direction, equal numbers have no spread: gradient 0, not NaN."""
    x = Value(np.zeros(3))
    np.linalg.norm(x).backward()
    np.testing.assert_array_equal(x.grad, np.zeros(3))
    y = Value(np.ones(3))
    np.std(y).backward()
    np.testing.assert_array_equal(y.grad, np.zeros(3))


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_with_zeros_among_the_factors(zeros: int) -> None:
    """No division by a factor: each element's slope is the product of the others, at both orders."""
    numbers = np.array([2.0, -3.0, 0.5])
    numbers[:zeros] = 0.0
    others = [np.prod(np.delete(numbers, i)) for i in range(3)]
    np.testing.assert_array_equal(engine.grad(np.prod)(numbers), others)
    twice = engine.hessian(np.prod)(numbers)
    for i in range(3):
        for j in range(3):
            assert twice[i, j] == (0.0 if i == j else np.prod(np.delete(numbers, [i, j])))
    running = engine.jacobian(np.cumprod)(numbers)
    assert running[2].tolist() == others
    assert running[0].tolist() == [1.0, 0.0, 0.0]


@settings(max_examples=40)
@given(shape=hnp.array_shapes(min_dims=1, max_dims=2, max_side=4), data=st.data())
def test_getitem_adds_up_repeated_elements(shape: tuple[int, ...], data: st.DataObject) -> None:
    """An element taken n times gets n times the gradient."""
    rows = data.draw(hnp.arrays(int, st.integers(0, 8), elements=st.integers(-shape[0], shape[0] - 1)))
    x = Value(np.ones(shape))
    x[rows].sum().backward()
    counts = np.bincount(rows % shape[0], minlength=shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    np.testing.assert_array_equal(x.grad, np.broadcast_to(counts, shape))


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_power_of_either_operand() -> None:
    """x**y with a Value in the base, in the exponent, in both, and in neither."""
    x, y = Value(2.0), Value(3.0)
    (x**y).backward()
    assert (x.grad, y.grad) == (12.0, pytest.approx(8 * math.log(2)))
    y.zero_grad()
    (2**y).backward()
    assert y.grad == pytest.approx(8 * math.log(2))
    base = Value(-2.0)
    (base**3).backward()
    assert base.grad == 12.0
    assert math.isnan((Value(-8.0) ** (1 / 3)).data)


def test_dunder_pow_with_three_arguments_is_refused() -> None:
    """pow(x, y, z) is integer arithmetic."""
    with pytest.raises(TypeError):
        pow(Value(2.0), 3, 5)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["relu", "add", "concatenate"])
def test_a_name_of_the_engine_cannot_be_taken(name: str) -> None:
    """A rule under a built-in's name would hold for some of its ways to be called, and not for others."""
    with pytest.raises(ValueError, match=f"my_{name}"):
        engine.primitive(name, lambda x: x * 1.0, lambda g, out, x: 2.0 * g)
    assert TABLE["relu"].vjps[0](1.0, 2.0, 2.0) == 1.0


@pytest.mark.parametrize(
    "entry", [{"forward": np.tanh}, {"forward": lambda x: x, "numpy": np.var}, {"forward": lambda x: x, "numpy": (np.sum, np.tanh)}]
)
def test_numpys_functions_keep_their_rules(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"np\.(tanh|var|sum) already means"):
        engine.primitive("mine", entry.pop("forward"), lambda g, out, x: g, **entry)
    x = Value(0.5)
    np.tanh(x).backward()
    assert x.grad == 1 - np.tanh(0.5) ** 2
    assert "mine" not in TABLE


def test_ones_own_rule_can_be_entered_again_and_give_a_meaning_to_a_function_of_numpy() -> None:
    for slope in (2.0, 3.0):
        engine.primitive("mine", np.spacing, lambda g, out, x, slope=slope: slope * g)
        x = Value(0.5)
        np.spacing(x).backward()
        assert x.grad == slope


@pytest.mark.parametrize("dtype", [int, bool, complex, np.int8, "uint16", object, str])
def test_numbers_without_a_derivative_do_not_enter_the_graph(dtype: Any) -> None:
    for cast in (lambda x: x.astype(dtype), lambda x: engine.astype(x, dtype), lambda x: engine.astype(x, dtype=dtype)):
        with pytest.raises(TypeError, match=r"have no derivative; take \.data\.astype"):
            cast(Value([1.5, 2.5], label="x"))
