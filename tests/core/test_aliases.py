"""Arrays in the user's hands: each is fresh, read-only, or a write to it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import MutationError, Value

VIEWS: dict[str, Callable[[Any], Any]] = {
    "T": lambda x: np.transpose(x),
    "reshape": lambda x: np.reshape(x, (-1, 1)),
    "ravel": np.ravel,
    "slice": lambda x: x[1:],
    "reversed": lambda x: x[::-1],
    "broadcast": lambda x: np.broadcast_to(x, (2, *np.shape(x))),
    "expanded": lambda x: np.expand_dims(x, 0),
    "element": lambda x: x[None, ..., 0],
    "flip": np.flip,
    "copy": lambda x: x + 0.0,
}
ways = st.lists(st.sampled_from(list(VIEWS.values())), min_size=1, max_size=3)


def through(x: Any, steps: list[Callable[[Any], Any]]) -> Any:
    for step in steps:
        x = step(x)
    return x


@given(steps=ways, frozen=st.booleans())
def test_a_write_through_a_view_of_a_leaf_is_noticed(steps: list[Callable[[Any], Any]], frozen: bool) -> None:
    """The gradient of x is the constant that the forward pass saw, or there is an error."""
    constant = Value(np.arange(1.0, 10.0).reshape(3, 3), label="c", requires_grad=not frozen)
    seen = through(constant, steps)
    x = Value(np.ones(np.shape(seen)))
    loss = (seen * x).sum()
    before = seen.data.copy()
    constant.data[...] = 100.0
    if np.array_equal(seen.data, before) and frozen:
        loss.backward()
        np.testing.assert_array_equal(x.grad, before)
    else:
        with pytest.raises(MutationError):
            loss.backward()
        assert not x.has_grad


def test_a_frozen_weight_that_is_trained_before_the_backward_pass_is_noticed() -> None:
    """The order of a GAN: freeze the critic, the generator's forward pass, the critic's step, the backward pass."""
    weight, x = Value(np.ones((2, 3)), requires_grad=False), Value(np.ones((4, 3)))
    score = (x @ weight.T).sum()
    weight.data -= 0.1
    with pytest.raises(MutationError):
        score.backward()


@given(steps=ways)
def test_what_no_grad_gives_is_an_array_of_its_own(steps: list[Callable[[Any], Any]]) -> None:
    x = Value(np.arange(9.0).reshape(3, 3))
    with engine.no_grad():
        result = through(x, steps)
    before = result.data.copy()
    x.data[...] = -1.0
    np.testing.assert_array_equal(result.data, before)
    result.data[...] = 7.0
    assert np.all(x.data == -1.0)


def test_a_result_gives_read_only_arrays() -> None:
    x = Value([1.0, 2.0])
    y = x + 0.0
    z = y + 0.0
    z.sum().backward()
    for array in (y.data, z.data, y.grad, z.grad):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    x.grad[0] = 5.0  # a leaf's gradient is the user's: clipping writes to it
    assert x.grad.tolist() == [5.0, 1.0]
    y.grad = y.grad * 2
    assert (y.grad.tolist(), z.grad.tolist()) == ([2.0, 2.0], [1.0, 1.0])


def test_a_closure_adds_to_the_gradients_of_results_in_place() -> None:
    x = Value([1.0, 2.0])
    y = x * 3.0
    z = Value(y.data * 2.0, (y, y), "twice")

    def back() -> None:
        y.grad += z.grad
        y.grad[...] += z.grad

    z._backward = back
    z.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]
    assert type(y.grad) is type(x.grad) is np.ndarray


def derivatives(f: Callable[[Any], Any], x: Any) -> dict[str, Callable[[], Any]]:
    return {
        "vjp": lambda: engine.vjp(f, x)[0],
        "pull": lambda: engine.vjp(f, x)[1](np.ones(np.shape(f(x)))),
        "jvp": lambda: engine.jvp(f, [x], [np.ones_like(x)])[0],
        "jvp tangent": lambda: engine.jvp(f, [x], [np.ones_like(x)])[1],
        "jacobian": lambda: engine.jacobian(f)(x),
        "grad": lambda: engine.grad(lambda x: np.sum(f(x)))(x),
        "value_and_grad": lambda: engine.value_and_grad(lambda x: np.sum(f(x)))(x)[1],
        "hvp": lambda: engine.hvp(lambda x: np.sum(f(x)), [x], [np.ones_like(x)])[0],
        "hessian": lambda: engine.hessian(lambda x: np.sum(f(x)))(x),
    }


@pytest.mark.parametrize("name", derivatives(np.exp, np.ones(1)))
@pytest.mark.parametrize("f", [np.exp, lambda x: x, np.transpose, lambda x: x * x], ids=["exp", "x", "transpose", "square"])
def test_a_derivative_is_an_array_of_its_own(name: str, f: Callable[[Any], Any]) -> None:
    x = np.array([1.0, 2.0, 3.0])
    captured = Value([1.0, 1.0, 1.0], requires_grad=False)

    def with_constant(x: Any) -> Any:
        return f(x) * captured

    first = derivatives(with_constant, x)[name]()
    before = first.copy()
    first += 1.0
    np.testing.assert_array_equal(derivatives(with_constant, x)[name](), before)
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert captured.data.tolist() == [1.0, 1.0, 1.0]


def test_writing_to_the_value_does_not_change_the_vjp() -> None:
    w, y = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    residual, pull = engine.vjp(lambda w: w * w, w)
    residual -= y
    assert pull(residual).tolist() == (2 * w * (w * w - y)).tolist()
    constant = Value([3.0, 4.0], requires_grad=False)
    same, _ = engine.jvp(lambda x: constant * 1.0 if np.size(x) < 0 else constant, [w], [w])
    same += 1.0
    assert constant.data.tolist() == [3.0, 4.0]


@settings(max_examples=40)
@given(uses=st.integers(1, 4), passes=st.integers(1, 3), retain=st.booleans(), interior=st.booleans())
def test_a_rule_may_keep_the_array_that_it_returns(uses: int, passes: int, retain: bool, interior: bool) -> None:
    kept = np.full(3, 2.0)
    keeps = engine.primitive("keeps", lambda x: 2.0 * x, lambda g, out, x: kept)
    x = Value(np.ones(3))
    for _ in range(passes):
        start = x * 1.0 if interior else x
        total = keeps(start)
        for _ in range(uses - 1):
            total = total + keeps(start)
        total.sum().backward(retain_graph=retain)
    assert kept.tolist() == [2.0, 2.0, 2.0]
    assert x.grad.tolist() == [2.0 * uses * passes] * 3


def test_the_graph_keeps_the_parameters_that_a_rule_of_ones_own_was_given() -> None:
    weighted = engine.primitive("weighted", lambda x, by: x * by, lambda g, out, x, by: g * by)
    by, x = np.array([1.0, 2.0]), Value([1.0, 1.0])
    total = weighted(x, by).sum()
    by[0] = 100.0
    total.backward()
    assert x.grad.tolist() == [1.0, 2.0]


@given(st.lists(st.sampled_from(["write", "read a number", "read a part", "read by a list", "square"]), min_size=1, max_size=10))
def test_reads_of_an_array_in_the_users_hands_are_right_or_refused(steps: list[str]) -> None:
    """A write makes earlier results stale whose derivative needs the numbers; reading a number needs only its place."""
    x = Value(np.arange(2000.0))
    mine, total, expected, stale, fresh = x.data, Value(0.0), np.zeros(2000), False, False
    for step in steps:
        if step == "write":
            mine[3] += 1.0
            stale, fresh = stale or fresh, False
        elif step == "read a number":
            total, expected[3] = total + x[3], expected[3] + 1.0
        elif step == "read a part":
            total, fresh = total + x[2:5].sum(), True
            expected[2:5] += 1.0
        elif step == "read by a list":
            total = total + x[[3, 3]].sum()
            expected[3] += 2.0
        else:
            total, fresh = total + (x * x).sum(), True
            expected += 2.0 * mine
    assert total.data == pytest.approx(float(total.data))
    if stale:
        with pytest.raises(MutationError):
            total.backward()
    elif any(step.startswith(("read", "square")) for step in steps):
        total.backward()
        np.testing.assert_allclose(x.grad, expected)
