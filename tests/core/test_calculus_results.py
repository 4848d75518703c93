"""What comes back from a derivative: plain numbers of the argument's type, or Values that stay in the caller's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import Value, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

# Each gives f at x (or None) and a derivative of f there, along or against ones.
DERIVATIVES: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "value_and_grad": lambda f, x: value_and_grad(lambda v: np.sum(f(v)))(x),
    "grad": lambda f, x: (None, grad(lambda v: np.sum(f(v)))(x)),
    "jacobian": lambda f, x: (None, jacobian(f)(x)),
    "hessian": lambda f, x: (None, hessian(lambda v: np.sum(f(v)))(x)),
    "hvp": lambda f, x: (None, hvp(lambda v: np.sum(f(v)), (x,), (ones(x),))),
    "jvp": lambda f, x: jvp(f, (x,), (ones(x),)),
    "vjp": lambda f, x: pulled(f, x),
}
every_derivative = pytest.mark.parametrize("derive", DERIVATIVES.values(), ids=DERIVATIVES)


def ones(x: Any) -> Any:
    return np.ones(np.shape(x), getattr(x, "dtype", float))[()]


def pulled(f: Any, x: Any) -> tuple[Any, Any]:
    value, pull = vjp(f, x)
    return value, pull(ones(x))


# ── plain numbers ─────────────────────────────────────────────────────────────


@every_derivative
@pytest.mark.parametrize("x", [0.5, np.float32(0.5), np.ones(2), np.ones(2, np.float32)])
@pytest.mark.parametrize("f", [np.tanh, lambda v: v, lambda v: v * 2.0], ids=["tanh", "itself", "doubled"])
def test_a_number_has_derivatives_of_its_own_type(derive: Any, f: Any, x: Any) -> None:
    """float for float, float32 for float32, an array for an array."""
    value, derivative = derive(f, x)
    for found in (derivative,) if value is None else (value, derivative):
        single = float if np.asarray(x).dtype == np.float64 else np.float32
        assert type(found) is (np.ndarray if np.ndim(found) else single)
        assert np.asarray(found).dtype == np.asarray(x).dtype


@pytest.mark.parametrize("x", [0.5, np.float32(0.5)])
def test_inside_a_derivative_too_a_result_has_a_gradient_of_its_own_type(x: Any) -> None:
    """The nodes of the function, kept by the user to be read after the pass."""
    kept: list[Value] = []

    def f(v: Value) -> Value:
        inner = np.tanh(v * 2.0)
        kept[:] = [inner, inner * v]
        return kept[1]

    for derive in (grad, jacobian):
        derive(f)(x)
        for node, slope in zip(kept, (x, 1.0), strict=True):
            assert type(node.grad) is type(x)
            assert node.grad == slope


def test_float32_has_the_derivatives_of_float64() -> None:
    x = np.float32(3.0)
    assert jvp(lambda v: v**2, (x,), (np.float32(2.0),)) == (9.0, 12.0)
    assert pulled(lambda v: v**2, x) == (9.0, 6.0)
    assert hvp(lambda v: v**3, (x,), (np.float32(1.0),)) == 18.0


def test_a_product_with_the_hessian_has_a_part_for_each_primal() -> None:
    assert hvp(lambda x, y: x * x * y, (2.0, 3.0), (1.0, 0.0)) == (6.0, 4.0)


@pytest.mark.parametrize("cotangent", [1.0, 1, np.float64(1.0), Value(1.0, requires_grad=False)])
@pytest.mark.parametrize("x", [3.0, np.float32(3.0)])
def test_a_constant_cotangent_of_any_type_gives_a_plain_number(x: Any, cotangent: Any) -> None:
    _, pull = vjp(lambda v: v, x)
    assert pull(cotangent) == 1.0
    assert type(pull(cotangent)) is type(x)


def test_no_arguments_to_differentiate() -> None:
    """An empty structure has an empty derivative, also where the function uses Values of its own."""
    for derive in (grad, jacobian):
        assert derive(lambda p: Value(2.0) * 3.0)([]) == []
    assert grad(lambda p, x: x * 2, ({}, 1)[1:])({}, 3.0) == (2.0,)
    value, pull = vjp(lambda p: Value(2.0) * 3.0, {})
    assert (value, pull(1.0)) == (6.0, {})


def test_a_derivative_with_a_tangent_of_another_shape_is_refused() -> None:
    """Also one that broadcasting would fit to the primal."""
    for derive in (jvp, hvp):
        for primal, tangent in ((np.ones(3), 1.0), (np.ones(3), np.ones(1)), (np.ones((2, 3)), np.ones(3)), (1.0, np.ones(3))):
            with pytest.raises(ValueError, match="a tangent has the shape of its primal"):
                derive(np.sum, (primal,), (tangent,))


# ── Values ────────────────────────────────────────────────────────────────────


@every_derivative
@pytest.mark.parametrize("held", ["in a closure", "as the argument"])
@pytest.mark.parametrize("data", [3.0, np.array([3.0, 4.0])])
def test_value_and_derivative_stay_in_the_callers_graph(derive: Any, held: str, data: Any) -> None:
    """Both are Values there, and a pass from either reaches what the caller holds: ∂(c x³)/∂x or ∂/∂c, as in numbers."""
    w = Value(data)
    f, x = (lambda v: w * v**3, np.full(np.shape(data), 2.0)[()]) if held == "in a closure" else (lambda v: v**4, w * 1.0)
    results = derive(f, x)
    for k, result in enumerate(results):
        if result is None:
            continue
        assert isinstance(result, Value)
        w.zero_grad()
        np.sum(result).backward()

        def moved(by: float, k: int = k) -> Any:
            at = np.asarray(data + by)[()]
            function = (lambda v: at * v**3, x) if held == "in a closure" else (lambda v: v**4, at)
            return np.sum(derive(*function)[k])

        step = 1e-5
        np.testing.assert_allclose(np.sum(w.grad), (moved(step) - moved(-step)) / (2 * step), rtol=1e-7)


def test_a_pull_may_be_repeated_and_the_result_used_afterwards() -> None:
    """Each cotangent gives its answer, and value and answers all stay in the graph of the argument."""
    x = Value([1.0, 2.0])
    value, pull = vjp(lambda v: v**3, x)
    first, second = pull(np.array([1.0, 1.0])), pull(np.array([0.0, 2.0]))
    np.testing.assert_array_equal(first.data, [3.0, 12.0])
    np.testing.assert_array_equal(second.data, [0.0, 24.0])
    for result, slope in ((value, [3.0, 12.0]), (first, [6.0, 12.0]), (second, [0.0, 24.0])):
        x.zero_grad()
        np.sum(result).backward()
        np.testing.assert_array_equal(x.grad, slope)


def test_a_value_without_a_pull_stays_in_the_graph() -> None:
    x = Value(2.0)
    vjp(lambda v: v**3, x)[0].backward()
    assert x.grad == 12.0


def test_a_pull_that_fails_may_be_repeated() -> None:
    """A wrong cotangent is refused; the next one is answered, in the same graph."""
    x = Value([1.0, 2.0])
    _, pull = vjp(lambda v: v**3, x)
    for wrong in (np.ones(3), 1.0):
        with pytest.raises(ValueError, match=r"cotangent has shape .*the function's result \(2,\)"):
            pull(wrong)
    np.sum(pull(np.ones(2))).backward()
    np.testing.assert_array_equal(x.grad, [6.0, 12.0])


@every_derivative
def test_inside_no_grad_a_derivative_is_plain(derive: Any) -> None:
    """Of a Value, with a closure over a Value: numbers, the same as outside."""
    w, x = Value(3.0), Value(2.0)
    outside = [getattr(result, "data", None) for result in derive(lambda v: w * v**3, x)]
    with engine.no_grad():
        inside = derive(lambda v: w * v**3, x)
    assert list(inside) == outside
    assert not any(isinstance(result, Value) for result in inside)


def test_a_constant_in_a_closure_does_not_hold_a_derivative_in_a_graph() -> None:
    k = Value(3.0, requires_grad=False)
    assert type(grad(lambda v: k * v**3)(2.0)) is float
    assert type(jvp(lambda v: k * v**3, (2.0,), (Value(1.0, requires_grad=False),))[1]) is float


def test_the_argument_keeps_its_label() -> None:
    """In the function an argument has the label that the caller gave it, so that messages and pictures name it."""
    seen: list[str] = []
    grad(lambda v: (seen.append(v.label), v * 2)[1])(Value(1.0, label="speed"))
    assert seen == ["speed"]


@pytest.mark.parametrize("argnums", [3, -4, (0, 3), (-4,)])
def test_an_argument_that_is_not_there_is_named(argnums: Any) -> None:
    wrong = 3 if argnums in (3, (0, 3)) else -4
    for derive in (grad, jacobian):
        with pytest.raises(TypeError, match=rf"argnums={wrong}, but only 3 positional"):
            derive(lambda x, y, z: x * y * z, argnums)(1.0, 2.0, 3.0)
    assert grad(lambda x, y, z: x * y * z, (-3, 2))(1.0, 2.0, 3.0) == (6.0, 2.0)


NESTED = {
    "grad": lambda f, x: grad(f)(x),
    "jacobian": lambda f, x: jacobian(f)(x),
    "vjp": lambda f, x: vjp(f, x)[1](1.0),
    "jvp": lambda f, x: jvp(f, (x,), (1.0,))[1],
    "hessian": lambda f, x: hessian(f)(x),
}


@pytest.mark.parametrize("inner", NESTED)
@pytest.mark.parametrize("outer", NESTED)
@pytest.mark.parametrize("used", ["x in the closure", "x not used"])
def test_plain_numbers_in_a_nested_derivative_give_plain_numbers(outer: str, inner: str, used: str) -> None:
    """d/dx [x³ · d/dy sin(y)·x at 0.7], and an update loop stays as small as it was."""

    def f(x: Any) -> Any:
        return x**3 * NESTED[inner](lambda y: np.sin(y) * (x if used == "x in the closure" else 1.0), 0.7)

    power = 4 if used == "x in the closure" else 3
    slope = -np.sin(0.7) if inner == "hessian" else np.cos(0.7)
    x = 0.5
    for _ in range(3):
        found = NESTED[outer](f, x)
        assert not isinstance(found, Value)
        times = power * (power - 1) * x ** (power - 2) if outer == "hessian" else power * x ** (power - 1)
        assert found == pytest.approx(slope * times, rel=1e-12)
        x = x - 0.01 * found
