"""The fast path says nothing new: each written-out step against the plain definition that it stands for."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import MutationError, Value, no_grad
from engine.backprop import gradients
from engine.node import location, operands, reachable
from engine.strategies import programs
from engine.value import record

FAST = {name: method for name, method in vars(Value).items() if hasattr(getattr(method, "__wrapped__", None), "rule")}
BINARY = sorted(name for name, method in FAST.items() if len(method.__wrapped__.rule[0].vjps) == 2)
UNARY = sorted(FAST.keys() - set(BINARY) - {"astype"})  # astype needs a parameter
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -8.0, 1e200, 1000.0, np.inf, np.nan]
NUMBERS = st.one_of(st.sampled_from(SPECIAL), st.floats(-4, 4))


@st.composite
def data(draw: Any) -> Any:
    """A float, a NumPy float of another size, or an array."""
    number = draw(NUMBERS)
    kind = draw(st.sampled_from(["float", "float32", "array", "matrix", "array32"]))
    if kind == "float":
        return number
    if kind == "float32":
        return np.float32(number)
    values = np.array([number, draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)])
    return values.reshape(2, 2) if kind == "matrix" else values[:2].astype(np.float32) if kind == "array32" else values[:2]


@st.composite
def others(draw: Any) -> Any:
    """What can stand on the other side of an operator."""
    number = draw(data())
    kind = draw(st.sampled_from(["Value", "constant", "result", "watched", "plain", "float64", "int", "bool", "list", "text", "None"]))
    if kind == "plain":
        return number
    if kind == "float64":
        return np.float64(draw(NUMBERS))
    if kind in ("int", "bool", "list", "text", "None"):
        return {"int": 3, "bool": True, "list": [1.0, 2.0], "text": "2", "None": None}[kind]
    value = Value(number, requires_grad=kind != "constant")
    if kind == "watched":
        value.data  # noqa: B018  # from here on the user could write to it
    return value * 1.0 if kind == "result" else value


def test_what_scalar_graphs_live_on_has_a_fast_method() -> None:
    assert {"__add__", "__sub__", "__mul__", "__truediv__", "__pow__", "__matmul__", "__rmul__", "__rsub__"} <= set(BINARY)
    assert {"__neg__", "tanh", "exp", "log", "relu", "sigmoid", "sqrt", "sum"} <= set(UNARY)


def outcome(call: Any, *args: Any) -> Any:
    """All that a user can tell of a result: numbers, type, history, place; or the error."""
    with np.errstate(all="ignore"):
        try:
            node = call(*args)
        except Exception as error:
            return type(error), str(error)
    if node is NotImplemented:
        return node
    stored = [o if isinstance(o, (float, Value)) else None for o in operands(node)]
    made = [o if any(o is arg for arg in args) or isinstance(o, float) else (o.requires_grad, repr(o._data)) for o in stored]
    history = (node._primitive, list(map(repr, made)), node._params, node.requires_grad, node.is_leaf, node.label, node.has_grad)
    return type(node), type(node._data), node.dtype, node.shape, np.array(node._data).tobytes(), history


def defined(name: str) -> Any:
    """The method of that name by its definition: `record`, without anything written out."""
    plain = FAST[name].__wrapped__
    primitive, place = plain.rule

    def call(*args: Any) -> Any:
        if plain(*args) is NotImplemented:
            return NotImplemented
        return record(primitive, args[::-1] if place else args, {}, written_out=False)

    return call


def same(x: Any, y: Any) -> bool:
    return np.array_equal(np.asarray(x), np.asarray(y), equal_nan=True) and np.asarray(x).dtype == np.asarray(y).dtype


@settings(max_examples=400)
@given(name=st.sampled_from(BINARY), x=others().filter(lambda x: isinstance(x, Value)), y=others(), recording=st.booleans())
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_an_operator_does_what_record_does(name: str, x: Value, y: Any, recording: bool) -> None:
    """Whatever stands on the other side, in every mode."""
    found = []
    for method in (getattr(Value, name), defined(name)):
        if recording:
            found.append(outcome(method, x, y))
        else:
            with no_grad():
                found.append(outcome(method, x, y))
    assert repr(found[0]) == repr(found[1])


with np.errstate(over="ignore"):
    SINGLE = np.float32(SPECIAL)
EVERY_KIND = [
    *SPECIAL,
    *np.linspace(-4.0, 4.0, 33).tolist(),
    *SINGLE,
    *[np.array(SPECIAL), np.array([[0.5, 1.0], [-0.5, 2.0]]), SINGLE, np.ones((2, 0)), np.array([0.5])],
]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_method_does_what_record_does(name: str) -> None:
    """For single numbers and arrays, leaves and results, in every mode."""
    fast = getattr(Value, name)
    for data in EVERY_KIND:
        watched = Value(data)
        watched.data  # noqa: B018  # from here on the user could write to it
        for x in (Value(data), Value(data, requires_grad=False), Value(data) * 1.0, watched):
            assert repr(outcome(fast, x)) == repr(outcome(defined(name), x))
        with no_grad():
            assert repr(outcome(fast, watched)) == repr(outcome(defined(name), watched))


SPELLINGS: dict[str, Any] = {
    "left": lambda x: x * 2.0,
    "right": lambda x: 2.0 * x,
    "an integer": lambda x: 2 - x,
    "NumPy's number": lambda x: np.float64(2.0) / x,
    "method": lambda x: x.tanh(),
    "NumPy's function": lambda x: np.tanh(x),
    "the engine's function": lambda x: engine.tanh(x),
    "NumPy's function of two": lambda x: np.multiply(2.0, x),
    "reduction": lambda x: np.sum(x),
    "with a parameter": lambda x: np.sum(x, axis=None),
    "a composite": lambda x: np.ravel(x),
    "index": lambda x: x[...],
    "matrix product": lambda x: np.ones(2) @ x if x.ndim else x * 1.0,
    "transposed": lambda x: x.T,
}


@pytest.mark.parametrize("data", [0.5, [0.5, -1.5]])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_node_knows_the_line_that_made_it_however_it_is_spelled(spelling: str, data: Any) -> None:
    use = SPELLINGS[spelling]
    with no_grad():
        free = use(Value(data))
    assert location(use(Value(data))) == location(free) == f"{use.__code__.co_filename}:{use.__code__.co_firstlineno}"


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(name for name, rule in engine.TABLE.items() if any(rule.fast))), x=others(), y=others())
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_function_of_the_table_does_what_record_does(name: str, x: Any, y: Any) -> None:
    primitive = engine.TABLE[name]
    args = (x, y)[: len(primitive.vjps)]
    if not any(isinstance(arg, Value) for arg in args):
        args = (Value(1.5), *args[1:])
    by_definition = lambda *args: record(primitive, args, {}, written_out=False)  # noqa: E731
    assert repr(outcome(primitive, *args)) == repr(outcome(by_definition, *args))


def test_products_of_vectors_are_single_numbers() -> None:
    for dtype in (np.float64, np.float32):
        x = Value(np.array([1.0, 2.0], dtype))
        assert outcome(Value.__matmul__, x, x) == outcome(Value.__matmul__.__wrapped__, x, x)


@pytest.mark.parametrize(("x", "y"), [(-8.0, 0.5), (0.0, -1.0), (1e200, 2.0), (-1.0, np.inf)])
def test_where_python_has_no_answer_numpy_has(x: float, y: float) -> None:
    with np.errstate(all="ignore"):
        assert same((Value(x) ** Value(y)).data, float(np.float64(x) ** np.float64(y)))


def test_inside_no_grad_no_method_records() -> None:
    x = Value(0.5)
    with no_grad():
        made = [getattr(x, name)() for name in UNARY] + [getattr(x, name)(x) for name in BINARY if "matmul" not in name]
    assert all(value.is_leaf and not value.requires_grad for value in made)


@settings(max_examples=150)
@given(program=programs(), retain=st.booleans())
def test_a_pass_gives_what_its_definition_gives(program: Any, retain: bool) -> None:
    """Array sums may differ in their last digits: the pass adds them up in place."""
    root = program.total(*map(Value, program.inputs))
    seed = 1.0 if type(root._data) is float else root.dtype.type(1)
    expected = gradients(root, seed)
    nodes = reachable([root])
    root.backward(retain_graph=retain)
    for node in nodes:
        if node.requires_grad and (node.is_leaf or retain):
            assert node.has_grad == (node in expected)
            if node in expected:
                np.testing.assert_allclose(node.grad, expected[node], rtol=1e-12, atol=1e-15)


@settings(max_examples=100)
@given(
    numbers=st.lists(st.floats(-2, 2), min_size=2, max_size=5),
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), max_size=12),
)
def test_on_single_numbers_the_pass_agrees_to_the_last_digit(numbers: list[float], steps: list[tuple[int, int]]) -> None:
    made: list[Any] = [Value(number) for number in numbers]
    for kind, at in steps:
        x, y = made[at % len(made)], made[(at * 7 + 3) % len(made)]
        made.append([x + y, x - y, x * y, (x * y).tanh(), x.relu() + 2.0, x / (y * y + 1.0)][kind])
    root = made[-1] + made[len(made) // 2] * made[-1]
    expected = gradients(root, 1.0)
    root.backward()
    for node, grad in expected.items():
        assert same(node.grad, grad)


# ── what a pass leaves to its definition ───────────────────────────────────────


@pytest.mark.parametrize("use", [lambda x: x.tanh(), lambda x: x * 3.0, lambda x: 3.0 - x, lambda x: x * x])
def test_a_leaf_that_was_frozen_after_the_forward_pass_gets_no_gradient(use: Any) -> None:
    x = Value(0.5)
    y = use(x)
    x.requires_grad_(False)
    y.backward()
    assert not x.has_grad


@pytest.mark.parametrize("number", [1, np.float64(1), np.float32(1), np.array(1.0)])
@pytest.mark.parametrize("result", [False, True])
def test_a_rule_of_ones_own_may_return_any_number(number: Any, result: bool) -> None:
    one = engine.primitive("own_of_one", lambda x: x * 1.0, lambda g, out, x: number, elementwise=True)
    rule = lambda g, out, x, y: number  # noqa: E731
    two = engine.primitive("own_of_two", lambda x, y: x * y, rule, rule, elementwise=True)
    for use in (one, lambda x: two(x, 2.0), lambda x: two(2.0, x)):
        x = Value(2.0)
        y = x * 1.0 if result else x
        use(y).backward()
        assert (type(y.grad), y.grad) == (float, 1.0)
        assert (type(x.grad), x.grad) == (float, 1.0)


@pytest.mark.parametrize("place", [0, 1])
def test_an_operand_without_a_rule_is_named_and_passed_over_where_it_needs_none(place: int) -> None:
    rules: list[Any] = [lambda g, out, x, y: g * 3.0] * 2
    rules[place] = None
    own = engine.primitive("half_ruled", lambda x, y: x * y, *rules, elementwise=True)
    x, n = Value(2.0), Value(3.0, label="n")
    operands = (n, x) if place == 0 else (x, n)
    with pytest.raises(TypeError, match=f"half_ruled has no derivative.*operand {place}.*'n'"):
        own(*operands).backward()
    n.requires_grad_(False)
    own(*operands).backward()
    assert (x.grad, n.has_grad) == (3.0, False)


# ── a changed leaf is noticed, and a new forward pass is right ─────────────────

USES = {
    "method": lambda x: x.tanh(),
    "sign": lambda x: -x,
    "left": lambda x: x * 3.0,
    "left of a Value": lambda x: x * Value(2.0),
    "right": lambda x: Value(2.0) * x,
    "right of a number": lambda x: 3.0 - x,
    "twice": lambda x: x * x,
    "a primitive with parameters": lambda x: np.sum(x, axis=None) if x.ndim else np.clip(x, -1.0, 1.0),
    "one of three": lambda x: np.where(np.array(True), x, Value(1.0)),
}
CHANGES = {
    "a scalar, assigned": (0.5, lambda x: setattr(x, "data", 0.25)),
    "a scalar, decreased": (0.5, lambda x: setattr(x, "data", x.data - 0.25)),
    "an array, assigned": ([0.5, -0.75], lambda x: setattr(x, "data", np.array([0.25, 0.5]))),
    "an array, in place": ([0.5, -0.75], lambda x: operator.setitem(x.data, 0, 0.25)),
    "an array, decreased in place": ([0.5, -0.75], lambda x: setattr(x, "data", operator.isub(x.data, 0.25))),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("use", USES)
def test_a_changed_leaf_is_noticed_and_a_new_forward_pass_is_right(use: str, change: str) -> None:
    data, write = CHANGES[change]
    x = Value(data, label="x")
    x.data  # noqa: B018  # handed out, as to an optimiser
    old = USES[use](x).sum()
    write(x)
    with pytest.raises(MutationError, match="'x'"):
        old.backward()
    assert not x.has_grad
    USES[use](x).sum().backward()
    fresh = Value(np.array(x.data) if x.ndim else x.data)
    USES[use](fresh).sum().backward()
    np.testing.assert_array_equal(x.grad, fresh.grad)


@pytest.mark.parametrize("use", USES)
def test_a_leaf_that_is_written_between_two_uses_is_noticed(use: str) -> None:
    """The second use sees the new numbers; the first one's are gone."""
    x = Value([0.5, -0.75], label="x")
    x.data  # noqa: B018
    first = USES[use](x).sum()
    x.data[0] = 0.25
    both = first + USES[use](x).sum()
    with pytest.raises(MutationError, match="'x'"):
        both.backward()
