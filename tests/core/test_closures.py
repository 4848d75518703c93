"""Derivatives of functions that hold Values of the caller, and modes inside and around a derivative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
from engine import Value, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp


def test_a_closure_over_a_value_stays_in_its_graph() -> None:
    """∂/∂x of w x² is 2 w x, a Value whose own gradient for w is 2 x."""
    w = Value(3.0)
    slope = grad(lambda x: w * x * x)(2.0)
    assert isinstance(slope, Value)
    assert slope.data == 12.0
    slope.backward()
    assert w.grad == 4.0
    value, slope = value_and_grad(lambda x: w * x * x)(2.0)
    assert isinstance(value, Value)
    w.zero_grad()
    (value + slope).backward()
    assert w.grad == 4.0 + 4.0


def test_values_as_arguments_stay_in_their_graph() -> None:
    """A penalty on a gradient: |∇f|² differentiated through ∇f."""
    x = Value([1.0, -2.0])
    penalty = np.sum(grad(lambda x: np.sum(x**3))(x * 2.0) ** 2)  # Σ (3 (2x)²)² = 144 x⁴
    penalty.backward()
    np.testing.assert_allclose(penalty.data, 144 * np.sum(x.data**4))
    np.testing.assert_allclose(x.grad, 576 * x.data**3)


def test_a_constant_value_as_argument_gives_plain_numbers() -> None:
    slope = grad(lambda x: x**2)(Value(3.0, requires_grad=False))
    assert slope == 6.0
    assert not isinstance(slope, Value)


@pytest.mark.parametrize("derive", ["jvp", "vjp", "jacobian", "hessian", "hvp"])
def test_every_derivative_stays_in_the_graph_of_a_closure(derive: str) -> None:
    w, x, t = Value(3.0), np.array([1.0, 2.0]), np.array([1.0, 1.0])
    f = lambda v: w * np.sum(v**3)  # noqa: E731
    result = {
        "jvp": lambda: jvp(f, (x,), (t,))[1],
        "vjp": lambda: np.sum(vjp(f, x)[1](1.0)),
        "jacobian": lambda: np.sum(jacobian(f)(x)),
        "hessian": lambda: np.sum(hessian(f)(x)),
        "hvp": lambda: np.sum(hvp(f, (x,), (t,))),
    }[derive]()
    assert isinstance(result, Value)
    expected = {"jvp": 15.0, "vjp": 15.0, "jacobian": 15.0, "hessian": 18.0, "hvp": 18.0}[derive]
    assert result.data == pytest.approx(3 * expected)
    result.backward()
    assert w.grad == pytest.approx(expected)


def test_a_cotangent_that_is_a_value_stays_in_its_graph() -> None:
    """uᵀ J is linear in u: its derivative along u is J."""
    u = Value([1.0, 2.0])
    _, pull = vjp(lambda v: v**2, np.array([3.0, 4.0]))
    np.sum(pull(u)).backward()
    np.testing.assert_array_equal(u.grad, [6.0, 8.0])
    t = Value([1.0, 2.0])
    np.sum(jvp(lambda v: v**2, (np.array([3.0, 4.0]),), (t,))[1]).backward()
    np.testing.assert_array_equal(t.grad, [6.0, 8.0])


def test_gradients_of_the_caller_are_left_alone() -> None:
    w, x = Value(3.0), Value(2.0)
    (w * x).backward()
    grad(lambda v: w * v * x)(5.0)
    hessian(lambda v: w * v**2 * x)(5.0)
    assert (w.grad, x.grad) == (2.0, 3.0)


def test_parameters_of_a_model_and_its_inputs() -> None:
    """A pass through Values for the weights, calculus for the input: both see the same graph."""
    rng = np.random.default_rng(1)
    w = Value(rng.normal(size=(3, 2)))
    x = rng.normal(size=3)
    out = grad(lambda v: np.sum(np.tanh(v @ w)))(x)
    np.sum(out**2).backward()
    step, first = 1e-6, w.data.copy()

    def sensitivity(weights: np.ndarray) -> float:
        return float(np.sum(grad(lambda v: np.sum(np.tanh(v @ weights)))(x) ** 2))

    bump = np.zeros_like(first)
    bump[1, 1] = step
    assert w.grad[1, 1] == pytest.approx((sensitivity(first + bump) - sensitivity(first - bump)) / (2 * step), rel=1e-5)


def test_no_grad_inside_a_differentiated_function() -> None:
    """What is computed inside no_grad is a constant of the function."""

    def f(x: Any) -> Any:
        with engine.no_grad():
            scale = x * 10
        return x * scale

    assert grad(f)(2.0) == 20.0


def test_calculus_inside_no_grad_gives_plain_derivatives() -> None:
    """A derivative asked for is computed, also where nothing else is recorded."""
    with engine.no_grad():
        assert grad(lambda x: x**2)(3.0) == 6.0


def test_float_of_a_traced_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="leave the graph"):
        grad(lambda x: math.sin(x))(1.0)
    with pytest.raises(TypeError, match="leave the graph"):
        grad(lambda x: np.sum(np.array([x, x])))(1.0)
