"""Nodes made by hand, as in micrograd: a closure in the place of a rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import Value
from engine.backprop import gradients


def test_nodes_made_by_hand_among_the_engines_own() -> None:
    """Two operands, one operand twice, and more engine on top."""
    x, y = Value(2.0), Value(5.0)
    out = Value(x.data * y.data, (x, y), "*")

    def _backward() -> None:
        x.grad += y.data * out.grad
        y.grad += x.data * out.grad

    out._backward = _backward
    square = Value(out.data**2, (out, out), "sq")

    def _backward_square() -> None:
        out.grad += 2 * out.data * square.grad

    square._backward = _backward_square
    (square * 3 + x).backward()
    assert (x.grad, y.grad) == (3 * 2 * 10 * 5 + 1.0, 3 * 2 * 10 * 2.0)
    with pytest.raises(TypeError, match="_backward"):
        Value(1.0, (x,), "mystery").backward()
    with pytest.raises(AttributeError):
        (x * y)._backward = lambda: None


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_closure_may_add_to_an_arrays_gradient_in_place(by_hand: bool) -> None:
    x, y = Value([1.0, 2.0]), Value([3.0, 4.0])
    out = Value(x.data * y.data, (x, y), "*")

    def backward() -> None:
        x.grad += y.data * out.grad
        y.grad += x.data * out.grad

    out._backward = backward
    if by_hand:
        out.grad = [1.0, 1.0]
        out._backward()
    else:
        out.sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])
    np.testing.assert_array_equal(y.grad, [1.0, 2.0])


def product(x: Value, y: Value, *unused: Value) -> Value:
    """x · y by hand; the operands that are left stand there for nothing."""
    out = Value(x.data * y.data, (x, y, *unused), "*")

    def backward() -> None:
        x.grad += y.data * out.grad
        y.grad += x.data * out.grad

    out._backward = backward
    return out


@pytest.mark.parametrize("kind", [float, np.atleast_1d])
def test_only_what_takes_part_gets_a_gradient_of_a_closure(kind: Any) -> None:
    """Not a constant; and what the closure leaves alone gets zero."""
    x, constant, unused = Value(kind(2.0)), Value(kind(5.0), requires_grad=False), Value(kind(7.0))
    product(x, constant, unused).sum().backward()
    assert (x.grad, unused.grad) == (5.0, 0.0)
    assert not constant.has_grad
    assert type(x.grad) is type(x.data)


@pytest.mark.parametrize("kind", [float, np.atleast_1d])
def test_a_pass_through_a_closure_adds_to_earlier_gradients(kind: Any) -> None:
    x, y = Value(kind(2.0)), Value(kind(5.0))
    x.grad, y.grad = 100.0, 200.0
    product(x, y).sum().backward()
    assert (x.grad, y.grad) == (105.0, 202.0)


def test_a_closure_that_fails_leaves_the_gradients_as_they_were() -> None:
    x, y = Value(2.0), Value(5.0)
    x.grad = 100.0
    out = product(x, y)
    working = out._primitive.backward_closure

    def failing() -> None:
        working()
        raise KeyError

    out._backward = failing
    with pytest.raises(KeyError):
        (out * 3.0).backward()
    assert (x.grad, y.has_grad) == (100.0, False)


def test_the_definition_of_a_pass_holds_for_closures() -> None:
    x, y = Value(2.0), Value(5.0)
    root = product(x, y) * 3.0
    expected = gradients(root, 1.0)
    root.backward()
    assert (expected[x], expected[y]) == (x.grad, y.grad) == (15.0, 6.0)
