"""The parts of a pass: one contribution in its operand's shape, arrays that rules hand on, nodes that get nothing, the oldest input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import engine
from engine import MutationError, Value, backprop, grad, jacobian, jvp, value_and_grad, vjp
from engine.backprop import gradients
from engine.node import reachable

DTYPES = st.sampled_from([np.float64, np.float32, np.float16])


# ── one contribution ──────────────────────────────────────────────────────────


@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), dtypes=st.tuples(DTYPES, DTYPES), record=st.booleans()
)
def test_what_broadcasting_copied_is_added_up(shapes: Any, dtypes: Any, record: bool) -> None:
    """Each element gets as much as there are copies of it, in the operand's own shape and dtype."""
    x, y = (Value(np.ones(shape, dtype)[()]) for shape, dtype in zip(shapes.input_shapes, dtypes, strict=True))
    out = x + y
    out.backward(np.ones(out.shape), create_graph=record)
    for operand in (x, y):
        found = operand.grad.data if record else operand.grad
        copies = np.bincount(np.broadcast_to(np.arange(operand.size).reshape(operand.shape), out.shape).ravel(), minlength=operand.size)
        np.testing.assert_array_equal(found, copies.reshape(operand.shape))
        assert np.shape(found) == operand.shape
        assert type(found) is type(operand.data)
        assert np.asarray(found).dtype == operand.dtype


@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 1), (3, 2)])
def test_a_rule_whose_result_no_broadcasting_can_have_made_is_named(shape: tuple[int, ...]) -> None:
    crooked = engine.primitive("crooked", lambda x: x * 2.0, lambda g, out, x: np.ones(shape))
    with pytest.raises(ValueError, match=r"vjp of crooked returned shape .*'w' .*\(3,\)"):
        crooked(Value(np.ones(3), label="w")).sum().backward()


@pytest.mark.parametrize("data", [2.0, np.float32(2.0), np.ones(2), np.ones(2, np.float32)])
def test_a_derivative_that_depends_on_nothing_is_a_constant(data: Any) -> None:
    """A rule may answer with plain numbers, also in a pass that is recorded."""
    double = engine.primitive("double", lambda x: 2.0 * x, lambda g, out, x: np.full(np.shape(x), 2.0))
    x = Value(data)
    double(x).sum().backward(create_graph=True)
    assert isinstance(x.grad, Value)
    assert not x.grad.requires_grad
    assert x.grad.dtype == x.dtype
    np.testing.assert_array_equal(x.grad.data, np.full(x.shape, 2.0))


@pytest.mark.parametrize("data", [3.0, np.float32(3.0), np.array([3.0, 4.0])])
@pytest.mark.parametrize("handed_on", ["operand", "result"])
def test_a_rule_may_hand_on_its_operand_or_its_result(data: Any, handed_on: str) -> None:
    """½x² has the derivative x, and eˣ has eˣ: no sum is made in the numbers that the rule was given."""
    rules = {
        "operand": (lambda x: x * x / 2, lambda g, out, x: x),
        "result": (lambda x: np.exp(x), lambda g, out, x: out),
    }
    rule = engine.primitive("rule", rules[handed_on][0], rules[handed_on][1])
    x = Value(data)
    y = rule(x)
    slope = np.array(x.data if handed_on == "operand" else y.data)
    (y + rule(x) + x).sum().backward()
    np.testing.assert_array_equal(x.grad, 2 * slope + 1)
    np.testing.assert_array_equal(x.data, data)
    np.testing.assert_array_equal(y.data, np.exp(data) if handed_on == "result" else np.square(data) / 2)


# ── arrays that rules hand on ─────────────────────────────────────────────────

# Rules whose contribution is the cotangent itself, or a view of it; and some that make a new array.
HANDS_ON = {
    "x + y": lambda x, y: x + y,
    "+x": lambda x, y: +x,
    "x - y": lambda x, y: x - y,
    "reversed": lambda x, y: x[::-1],
    "reshaped": lambda x, y: x.reshape(2, 2).T.reshape(4),
    "an element": lambda x, y: x[1] + y,
    "a part": lambda x, y: np.concatenate([x[:2], y[2:]]),
    "x * y": lambda x, y: x * y * 0.5,
}


@settings(max_examples=200)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(HANDS_ON)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_gradients_are_added_up_in_arrays_of_their_own(steps: list[tuple[str, int, int]]) -> None:
    """Wherever a rule hands on an array, what is added for one node is added for no other."""
    made = [Value([1.0, 2.0, 3.0, 4.0]), Value([0.5, -1.0, 2.0, 0.0])]
    for name, i, j in steps:
        made.append(HANDS_ON[name](made[i % len(made)], made[j % len(made)]))
    root = sum((2.0 + k) * value for k, value in enumerate(made)).sum()
    expected = gradients(root, 1.0)
    root.backward()
    for node in reachable([root]):
        np.testing.assert_allclose(node.grad, expected[node], rtol=1e-13, atol=1e-13)
    assert not np.shares_memory(made[0].grad, made[1].grad)


def test_the_same_array_for_two_operands_and_one_of_them_gets_more() -> None:
    """`a + b` hands one array to both; what an older use then adds to a must not reach b."""
    for wrap in (lambda leaf: leaf, lambda leaf: leaf * 1.0):
        a, b = Value([1.0, 2.0]), Value([3.0, 4.0])
        x, y = wrap(a), wrap(b)
        older = x * 10.0
        both = x + y
        (both * 2.0 + older * 3.0).sum().backward()
        np.testing.assert_array_equal(a.grad, [32.0, 32.0])
        np.testing.assert_array_equal(b.grad, [2.0, 2.0])
        np.testing.assert_array_equal(both.grad, [2.0, 2.0])


def test_a_part_that_was_read_before_an_assignment_is_noticed() -> None:
    """Also where the gradient of the whole has begun with a use of the new numbers."""
    x = Value([1.0, 2.0, 3.0], label="x")
    part = x[0]
    x.data = np.array([4.0, 5.0, 6.0])
    loss = (x * x).sum() + part
    with pytest.raises(MutationError, match="'x'"):
        loss.backward()
    assert not x.has_grad


# ── nodes that get nothing ────────────────────────────────────────────────────


def test_an_operand_that_a_closure_passes_over_has_no_gradient() -> None:
    """A node made by hand may add to one of its operands only: the other's own operands get nothing."""
    a, b = Value(2.0), Value(2.0)
    used, passed_over = a * 2.0, b * 3.0
    out = Value(used.data, (used, passed_over), "first")

    def _backward() -> None:
        used.grad = used.grad + out.grad

    out._backward = _backward
    for retain in (True, False):
        out.backward(retain_graph=retain)
    assert a.grad == 4.0
    assert not passed_over.has_grad
    assert not b.has_grad


def test_a_node_made_by_hand_cannot_be_recorded() -> None:
    x = Value(2.0)
    out = Value(4.0, (x,), "square")
    out._backward = lambda: None
    with pytest.raises(TypeError, match=r"square was made by hand.*create_graph"):
        out.backward(create_graph=True)


# ── infinite slopes and modes ─────────────────────────────────────────────────


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_mode_without_detect_anomaly_checks_no_number() -> None:
    """A pass inside `no_grad` or `enable_grad` is a pass as any other: inf flows."""
    for mode in (engine.no_grad, engine.enable_grad):
        x = Value(0.0)
        y = np.sqrt(x)
        with mode():
            y.backward()
        assert x.grad == np.inf


# ── the oldest input ──────────────────────────────────────────────────────────


def test_the_derivative_of_the_argument_itself_is_one() -> None:
    for x in (3.0, np.float32(3.0)):
        value, slope = value_and_grad(lambda v: v)(x)
        assert (value, slope) == (3.0, 1.0)
        assert type(slope) is type(x)
        assert type(jacobian(lambda v: v)(x)) is type(x)
    np.testing.assert_array_equal(jacobian(lambda v: v)(np.ones(2)), np.eye(2))


def test_what_is_older_than_the_argument_is_left_alone() -> None:
    """A function may use results of the caller: they keep the gradients that a pass of the caller gave them."""
    w = Value([1.0, 2.0])
    scale = w * 2.0
    (scale * 3.0).sum().backward()
    uses = (lambda v: np.sum(scale), lambda v: np.sum(scale * v), lambda v: np.sum(v * scale * v * scale))
    for f, slope in zip(uses, (0.0, 6.0, 2 * (4 + 16) * 0.5), strict=True):
        assert np.sum(getattr(grad(f)(0.5), "data", grad(f)(0.5))) == slope
        jvp(f, (0.5,), (1.0,))
        vjp(f, 0.5)[1](1.0)
        jacobian(f)(0.5)
        np.testing.assert_array_equal(scale.grad, [3.0, 3.0])
        np.testing.assert_array_equal(w.grad, [6.0, 6.0])


def test_a_pass_for_some_leaves_reaches_them_and_nothing_older() -> None:
    """`inputs`: the oldest of them is still reached."""
    old = Value(2.0)
    made = old * 7.0
    first, second = Value(3.0), Value(5.0)
    root = made * first * second
    found = backprop.backprop(root, 1.0, inputs=[second, first])
    assert found == {first: 70.0, second: 42.0}
    assert not made.has_grad
    assert not old.has_grad
    assert backprop.backprop(made, 1.0, inputs=[first]) == {}
    assert backprop.backprop(first, 1.0, inputs=[first]) == {first: 1.0}
    assert backprop.backprop(root.detach(), 1.0) == {}
