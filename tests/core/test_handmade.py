"""Nodes made by hand, as in micrograd: a closure in the place of a rule."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Value


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
