"""A Value among NumPy's functions: each gives a node of the graph, a plain answer, or an error that names it."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import Value
from engine.primitives import DISPATCH, PLAIN

UFUNCS = {name: f for name, f in vars(np).items() if isinstance(f, np.ufunc)}
FUNCTIONS = {
    f"{prefix}{name}": f
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft))
    for name, f in vars(module).items()
    if type(f).__name__ == "_ArrayFunctionDispatcher"
}


def vector() -> Value:
    """A leaf to call functions on."""
    return Value([0.1, 0.2, 0.4])


# ── no rule ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(name for name, f in UFUNCS.items() if f not in DISPATCH and f not in PLAIN))
def test_a_ufunc_without_a_rule_says_its_name(name: str) -> None:
    ufunc = UFUNCS[name]
    with pytest.raises(TypeError, match=f"np.{ufunc.__name__} has no rule"):
        ufunc(*[vector()] * ufunc.nin)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_function_of_numpy_leaves_the_graph_silently(name: str) -> None:
    """Whatever it is called with, a NumPy function gives Values, or is known to give plain data, or raises."""
    function = FUNCTIONS[name]
    square = Value([[2.0, 1.0], [0.5, 3.0]])
    for args in ((square,), (square, square), ([square, square],), (square, 1), (square, [0], 1.0)):
        result, error = outcome(function, args)
        if error is None:
            if function not in PLAIN and not (function is np.where and not isinstance(args[1], Value)):
                assert all(isinstance(r, Value) for r in result), f"np.{name} gave {result!r}"
        elif function not in DISPATCH and function not in PLAIN and outcome(function, plain(args))[1] is None:
            assert isinstance(error, TypeError), f"np.{name}: {error!r}"
            assert f"np.{name} has no rule" in str(error) or "leave the graph" in str(error)


def outcome(function: Any, args: Any) -> tuple[list[Any], Exception | None]:
    """The results of a call, or its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*args)
    except Exception as error:
        return [], error
    return (list(result) if isinstance(result, (list, tuple)) else [result]), None


def plain(args: Any) -> Any:
    """The arguments with arrays in the Values' place."""
    return [plain(arg) if isinstance(arg, list) else getattr(arg, "data", arg) for arg in args]


@pytest.mark.parametrize(
    "call",
    [
        lambda v: np.add.accumulate(v),
        lambda v: np.add.outer(v, v),
        lambda v: np.multiply.reduceat(v, [0, 1]),
        lambda v: np.add.at(v, [0], 1.0),
        lambda v: np.logaddexp.reduce(v),
    ],
)
def test_a_method_of_a_ufunc_without_a_rule_says_its_name(call: Callable[[Value], Any]) -> None:
    with pytest.raises(TypeError, match=r"np\.\w+\.(accumulate|outer|reduceat|at|reduce) has no rule"):
        call(vector())


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum])
def test_reduce_is_the_reduction(ufunc: np.ufunc) -> None:
    numbers = np.array([[1.0, 5.0, 2.0], [4.0, 3.0, 6.0]])
    for params in ({}, {"axis": 1}, {"axis": None}, {"keepdims": True}):
        result = ufunc.reduce(Value(numbers), **params)
        np.testing.assert_array_equal(result.data, ufunc.reduce(numbers, **params))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda v: np.sum(v, dtype=np.float32), "dtype"),
        (lambda v: np.sum(v, where=np.array([True, False, True])), "where"),
        (lambda v: np.max(v, initial=0.0), "initial"),
        (lambda v: np.exp(v, where=np.array([True, False, True])), "where"),
        (lambda v: np.sort(v, kind="heapsort"), "kind"),
        (lambda v: v.sum(0, False, 3), "sum"),
        (lambda v: engine.tanh(v, v), "tanh"),
        (lambda v: engine.multiply(v), "multiply"),
    ],
)
def test_a_parameter_without_a_rule_is_named(call: Callable[[Value], Any], word: str) -> None:
    with pytest.raises(TypeError, match=word):
        call(vector())


# ── nothing leaves the graph by accident ──────────────────────────────────────


def assign(target: np.ndarray, index: Any, value: Any) -> None:
    """target[index] = value, as an expression."""
    target[index] = value


@pytest.mark.parametrize(
    "leak",
    [
        lambda v, s: np.array([s, s]),
        lambda v, s: np.array(v),
        lambda v, s: np.asarray(v),
        lambda v, s: np.array([v, v]),
        lambda v, s: np.asarray([s, 1.0], dtype=float),
        lambda v, s: np.full(3, s),
        lambda v, s: np.full_like(v, s),
        lambda v, s: np.full_like(np.zeros(3), s),
        lambda v, s: np.float64(s),
        lambda v, s: float(s),
        lambda v, s: int(s),
        lambda v, s: complex(s),
        lambda v, s: round(float(s)),
        lambda v, s: math.sin(s),
        lambda v, s: math.hypot(s, 1.0),
        lambda v, s: range(s),
        lambda v, s: [1, 2, 3][s],
        lambda v, s: np.arange(3)[s],
        lambda v, s: v[s],
        lambda v, s: v[v],
        lambda v, s: assign(np.zeros(3), 0, s),
        lambda v, s: assign(np.zeros(3), slice(None), v),
        lambda v, s: np.zeros(3).dot(v),
        lambda v, s: operator.iadd(np.zeros(3), v),
        lambda v, s: np.exp(v, out=np.zeros(3)),
        lambda v, s: np.add(np.zeros(3), np.ones(3), out=(v,)),
        lambda v, s: np.sum(v, out=np.zeros(())),
        lambda v, s: assign(v, 0, 1.0),
        lambda v, s: assign(s, (), 1.0),
        lambda v, s: np.copyto(np.zeros(3), v),
        lambda v, s: np.put(np.zeros(3), [0], s),
        lambda v, s: np.sum([s, s]),
        lambda v, s: np.max([s, s]),
        lambda v, s: Value([s, s]),
        lambda v, s: Value(s),
        lambda v, s: Value([[s], [1.0]]),
        lambda v, s: f"{s:.3q}",
    ],
)
def test_nothing_leaves_the_graph_silently(leak: Callable[[Value, Value], Any]) -> None:
    """Not into an array, not into a float, not by an assignment: an error instead of a lost gradient."""
    with pytest.raises((TypeError, ValueError)):
        leak(vector(), Value(2.0))


@pytest.mark.parametrize(
    ("leak", "remedy"),
    [
        (lambda v: np.array([v, v]), r"np\.stack"),
        (lambda v: Value([v, v]), r"np\.stack"),
        (lambda v: float(v), r"\.item\(\)"),
        (lambda v: assign(v, 0, 1.0), r"np\.where"),
        (lambda v: np.exp(v, out=np.zeros(3)), "out="),
    ],
)
def test_the_error_says_what_to_write_instead(leak: Callable[[Value], Any], remedy: str) -> None:
    value = vector()
    value.label = "weights"
    with pytest.raises(TypeError, match=remedy):
        leak(value)


def test_augmented_assignment_makes_a_new_node() -> None:
    """a += b rebinds the name: who held the old value still does."""
    a, b = Value([1.0, 2.0]), Value([10.0, 20.0])
    kept = a
    a += b
    a *= 2
    a -= 1
    a /= 4
    a **= 2
    assert a is not kept
    np.testing.assert_array_equal(kept.data, [1.0, 2.0])
    a.sum().backward()
    np.testing.assert_allclose(kept.grad, b.grad)
    np.testing.assert_allclose(kept.grad, 2 * (2 * (kept.data + b.data) - 1) / 4 * 2 / 4)


@pytest.mark.parametrize(
    "data", [1j, [1j], "a", ["a"], None, object(), {"a": 1}, [[1.0], [1.0, 2.0]], np.array([None]), np.datetime64("2020")]
)
def test_data_that_is_not_real_is_refused(data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Value(data)


def test_complex_parameters_are_refused_in_operations() -> None:
    with pytest.raises(TypeError, match="complex"):
        Value(1.0) * np.array([1j])
    with pytest.raises(TypeError):
        Value(1.0) * 1j


# ── operators with every kind of neighbour ────────────────────────────────────

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
NEIGHBOURS: list[Any] = [
    3,
    True,
    2.5,
    np.float64(2.5),
    np.float32(2.5),
    np.int64(3),
    np.bool_(True),
    np.array(2.5),
    np.array([1.0, 2.0, 3.0]),
    np.array([1, 2, 3]),
    np.array([[1.0], [2.0]]),
    np.array([True, False, True]),
    np.float32([1, 2, 3]),
]


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda n: f"{type(n).__name__}-{np.asarray(n).dtype}-{np.shape(n)}")
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("data", [1.5, np.array([0.5, 1.5, 2.5])], ids=["scalar", "vector"])
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_operators_take_numbers_and_arrays_on_either_side(op: Any, neighbour: Any, data: Any) -> None:
    """A Value comes out, with NumPy's numbers, from left and right."""
    floats = np.asarray(neighbour, np.asarray(neighbour).dtype if np.asarray(neighbour).dtype.kind == "f" else float)
    for left, right, expected in ((Value(data), neighbour, op(data, floats)), (neighbour, Value(data), op(floats, data))):
        with np.errstate(all="ignore"):
            result = op(left, right)
        assert isinstance(result, Value)
        np.testing.assert_allclose(result.data, expected, rtol=1e-15)
        assert result.shape == np.shape(expected)


def test_matmul_with_plain_matrices_on_either_side() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    for result in (Value(a) @ b, a @ Value(b), Value(a) @ Value(b), np.matmul(a, Value(b))):
        assert isinstance(result, Value)
        np.testing.assert_array_equal(result.data, a @ b)
    for result in (Value(b) @ [1, 2, 3], [1, 2, 3] @ Value(b)):
        assert result.data == 8.0


def test_a_list_is_an_array_of_numbers() -> None:
    assert (Value([1.0, 2.0]) - [1, 2]).data.tolist() == [0.0, 0.0]
    assert ([1, 2] * Value([1.0, 2.0])).data.tolist() == [1.0, 4.0]


class Foreign:
    """A class of someone else that knows what to do with a Value."""

    __array_ufunc__ = None

    def __radd__(self, other: Any) -> str:
        return "theirs"


def test_foreign_classes_get_their_turn() -> None:
    assert Value(1.0) + Foreign() == "theirs"
    for stranger in ("a", None, object(), {}):
        with pytest.raises(TypeError):
            Value(1.0) + stranger
        with pytest.raises(TypeError):
            stranger * Value([1.0])  # type: ignore[operator]


def test_integers_become_float64_and_float32_stays() -> None:
    assert Value(3).data == 3.0
    assert type(Value(3).data) is float
    assert type(Value(np.float64(3)).data) is float
    assert type(Value(np.array(3.0)).data) is float
    assert Value([1, 2]).dtype == Value([True, False]).dtype == np.float64
    assert Value(np.float32(1.5)).dtype == np.float32
    assert (Value(np.float32([1.5])) * 2 + 1).dtype == np.float32
    assert (Value(np.float32([1.5])) * Value([2.0])).dtype == np.float64
    assert (2.0 * Value(np.float32(1.5))).dtype == np.float32
    assert Value([1.0, 2.0], dtype=np.float32).dtype == np.float32


def test_mixed_precision_gives_each_operand_its_own_dtype_back() -> None:
    narrow, wide = Value(np.float32([1.5, 2.5])), Value([2.0, 3.0])
    (narrow * wide).sum().backward()
    assert narrow.grad.dtype == np.float32
    assert wide.grad.dtype == np.float64


# ── plain answers ─────────────────────────────────────────────────────────────


@settings(max_examples=50)
@given(x=st.lists(st.floats(-3, 3), min_size=3, max_size=3), y=st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_comparisons_are_those_of_the_data(x: list[float], y: list[float]) -> None:
    a, b, u, v = Value(x), Value(y), np.array(x), np.array(y)
    for op in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for left, right in ((a, b), (a, v), (u, b), (a, y[0]), (x[0], b)):
            plain = [thing.data if isinstance(thing, Value) else thing for thing in (left, right)]
            answer = op(left, right)
            assert type(answer) is np.ndarray
            np.testing.assert_array_equal(answer, op(*plain))
    assert type(Value(x[0]) < y[0]) is bool
    assert (np.greater(a, b) == (u > v)).all()
    assert np.argmax(a) == a.argmax() == np.argmax(u)
    assert np.argsort(a, kind="stable").tolist() == np.argsort(u, kind="stable").tolist()
    assert np.isnan(a).tolist() == [False] * 3
    assert np.allclose(a, u)
    assert np.array_equal(a, u)
    assert np.shape(a) == (3,)
    assert np.zeros_like(a).tolist() == [0.0] * 3
    assert not isinstance(np.ones_like(a), Value)


def test_values_are_hashed_by_identity_and_compared_by_number() -> None:
    a, b = Value(1.0), Value(1.0)
    assert a == b
    assert a == 1
    assert len({a, b}) == 2
    assert {a: "first"}[a] == "first"


def test_truth_and_order() -> None:
    """Python's max, min and sorted choose Values by their numbers, and keep them in the graph."""
    values = [Value(2.0), Value(-1.0), Value(3.0)]
    assert max(values) is values[2]
    assert min(values) is values[1]
    assert sorted(values) == [values[1], values[0], values[2]]
    assert bool(Value(2.0))
    assert not Value(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Value([1.0, 2.0]))


# ── containers ────────────────────────────────────────────────────────────────


def test_iteration_unpacking_and_length() -> None:
    x = Value([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    assert len(x) == 2
    (first[0] * second[1]).backward()
    np.testing.assert_array_equal(x.grad, [[4.0, 0.0], [0.0, 1.0]])
    with pytest.raises(TypeError):
        len(Value(1.0))
    with pytest.raises(TypeError):
        iter(Value(1.0))
    assert [float(v.data) for v in Value([1.0, 2.0])] == [1.0, 2.0]


def test_sum_of_a_list_of_values() -> None:
    """Python's sum starts from the integer 0."""
    values = [Value(1.0), Value(2.0), Value(3.0)]
    total = sum(values)
    total.backward()
    assert total.data == 6.0
    assert [v.grad for v in values] == [1.0] * 3


def test_indexing_a_scalar_with_nothing() -> None:
    x = Value(2.0)
    for index in ((), Ellipsis, None, (None, None)):
        x.zero_grad()
        y = x[index]
        assert y.shape == np.float64(2.0)[index].shape
        y.sum().backward()
        assert x.grad == 1.0


@pytest.mark.parametrize("index", [5, (0, 0), slice(0, 1, 0), [7], np.array([True, False]), "a", 1.5])
def test_a_wrong_index_names_the_operand(index: Any) -> None:
    x = vector()
    x.label = "weights"
    with pytest.raises((IndexError, ValueError, TypeError)):
        x[index]


def test_an_error_of_numpy_names_operation_labels_and_shapes() -> None:
    w, x = Value(np.ones((2, 3)), label="w"), Value(np.ones((2, 3)), label="x")
    with pytest.raises(ValueError, match=r"(?s)matmul.*'w'.*\(2, 3\).*'x'"):
        w @ x
    with pytest.raises(ValueError, match=r"(?s)add.*'w'.*\(2,\)"):
        w + Value(np.ones(2), label="b")


def test_the_dtype_and_shape_a_value_tells() -> None:
    x = Value(np.ones((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3), 2, 6, np.float32)
    assert (Value(1.0).shape, Value(1.0).ndim, Value(1.0).size, Value(1.0).dtype) == ((), 0, 1, np.float64)
    assert x.T.shape == (3, 2)
    assert Value(np.ones((4, 2, 3))).mT.shape == (4, 3, 2)
    assert Value([[2.0]]).item() == 2.0
    assert Value([1.0, 2.0]).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="single element"):
        Value([1.0, 2.0]).item()


def test_numpy_gives_a_copy() -> None:
    x = vector()
    taken = x.numpy()
    taken[0] = 9.0
    assert x.data[0] == 0.1


def test_repr_and_format() -> None:
    assert repr(Value(2.0)) == "Value(data=2.0, grad=0.0)"
    assert f"{Value(2.0):.3f}" == "2.000"
    assert repr(Value([1.0, 2.0])) == "Value(data=[1., 2.], grad=0.0)"
