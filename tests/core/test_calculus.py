"""Derivatives of functions: closed forms, nesting, structures of parameters, closures, dtypes."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from engine import Value, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

reals = st.floats(-2, 2)


vectors = hnp.arrays(float, st.integers(1, 4), elements=st.floats(-2, 2).map(lambda x: round(x, 3)))


def cubes(x: Any) -> Any:
    """Σ x³: gradient 3x², Hessian diag(6x)."""
    return np.sum(x**3)


# ── closed forms ──────────────────────────────────────────────────────────────


@given(x=reals)
def test_derivatives_of_tanh_to_the_third(x: float) -> None:
    t = math.tanh(x)
    first, second, third = grad(np.tanh), grad(grad(np.tanh)), grad(grad(grad(np.tanh)))
    assert first(x) == pytest.approx(1 - t * t, abs=1e-14)
    assert second(x) == pytest.approx(-2 * t * (1 - t * t), abs=1e-13)
    assert third(x) == pytest.approx((1 - t * t) * (6 * t * t - 2), abs=1e-13)
    assert type(first(x)) is type(second(x)) is type(third(x)) is float


@pytest.mark.parametrize("order", range(1, 7))
def test_a_polynomial_to_any_order(order: int) -> None:
    f: Any = lambda x: x**5  # noqa: E731
    for _ in range(order):
        f = grad(f)
    expected = math.perm(5, order) * 1.5 ** (5 - order) if order <= 5 else 0.0
    assert f(1.5) == pytest.approx(expected)


@given(x=vectors)
def test_gradient_jacobian_and_hessian_of_sums_of_cubes(x: np.ndarray) -> None:
    np.testing.assert_allclose(grad(cubes)(x), 3 * x**2, rtol=1e-14)
    np.testing.assert_allclose(hessian(cubes)(x), np.diag(6 * x), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(jacobian(lambda v: v**2)(x), np.diag(2 * x), rtol=1e-14)
    np.testing.assert_allclose(hvp(cubes, (x,), (np.ones_like(x),)), 6 * x, rtol=1e-14)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 4), m=st.integers(1, 4))
def test_a_quadratic_form(seed: int, n: int, m: int) -> None:
    """½ xᵀAx + bᵀx has gradient ½(A + Aᵀ)x + b and Hessian ½(A + Aᵀ); A x has Jacobian A."""
    rng = np.random.default_rng(seed)
    a, b, x, t = rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=n), rng.normal(size=n)
    f = lambda v: 0.5 * v @ a @ v + b @ v  # noqa: E731
    symmetric = (a + a.T) / 2
    np.testing.assert_allclose(grad(f)(x), symmetric @ x + b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian(f)(x), symmetric, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hvp(f, (x,), (t,)), symmetric @ t, rtol=1e-12, atol=1e-12)
    wide = rng.normal(size=(m, n))
    np.testing.assert_array_equal(jacobian(lambda v: wide @ v)(x), wide)
    value, pushed = jvp(lambda v: wide @ v, (x,), (t,))
    np.testing.assert_array_equal(value, wide @ x)
    np.testing.assert_allclose(pushed, wide @ t, rtol=1e-12, atol=1e-12)
    u = rng.normal(size=m)
    value, pull = vjp(lambda v: wide @ v, x)
    np.testing.assert_array_equal(value, wide @ x)
    np.testing.assert_allclose(pull(u), wide.T @ u, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pull(2 * u), 2 * wide.T @ u, rtol=1e-12, atol=1e-12)


def deep(x: Any, y: Any) -> Any:
    """A function of two arrays with everything in it."""
    h = np.tanh(np.outer(x, y) + np.sin(x)[:, None])
    return np.stack([np.sum(h * x[:, None]), np.prod(y) * np.sum(np.exp(-(x**2))), np.sum(h**2)])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_forward_reverse_and_matrix_agree(seed: int) -> None:
    """⟨u, J t⟩ = ⟨Jᵀ u, t⟩, and both are what the Jacobian says."""
    rng = np.random.default_rng(seed)
    x, y, tx, ty, u = (rng.normal(size=n) for n in (3, 2, 3, 2, 3))
    value, pushed = jvp(deep, (x, y), (tx, ty))
    np.testing.assert_allclose(value, deep(x, y), rtol=1e-14)
    jx, jy = jacobian(deep, (0, 1))(x, y)
    assert (jx.shape, jy.shape) == ((3, 3), (3, 2))
    np.testing.assert_allclose(pushed, jx @ tx + jy @ ty, rtol=1e-10, atol=1e-12)
    _, pull = vjp(deep, x, y)
    px, py = pull(u)
    np.testing.assert_allclose(px, u @ jx, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(py, u @ jy, rtol=1e-10, atol=1e-12)
    assert u @ pushed == pytest.approx(px @ tx + py @ ty, rel=1e-10, abs=1e-12)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_hessian_is_symmetric_and_the_jacobian_of_the_gradient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, t = rng.normal(size=3), rng.normal(size=2), rng.normal(size=3)
    f = lambda v: np.sum(np.tanh(deep(v, y)))  # noqa: E731
    matrix = hessian(f)(x)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(matrix, jacobian(grad(f))(x))
    np.testing.assert_allclose(hvp(f, (x,), (t,)), matrix @ t, rtol=1e-9, atol=1e-11)
    _, forward_over_reverse = jvp(grad(f), (x,), (t,))
    np.testing.assert_allclose(forward_over_reverse, matrix @ t, rtol=1e-9, atol=1e-11)
    reverse_over_forward = grad(lambda v: jvp(f, (v,), (t,))[1])(x)
    np.testing.assert_allclose(reverse_over_forward, matrix @ t, rtol=1e-9, atol=1e-11)
    step = 1e-6
    numerical = np.stack([(grad(f)(x + step * e) - grad(f)(x - step * e)) / (2 * step) for e in np.eye(3)])
    np.testing.assert_allclose(matrix, numerical, rtol=1e-5, atol=1e-6)


def test_a_taylor_polynomial_of_nested_pushes() -> None:
    """jvp inside jvp inside jvp: the derivatives of sin at 0.7 along 1."""
    x = 0.7
    first = lambda v: jvp(np.sin, (v,), (1.0,))[1]  # noqa: E731
    second = lambda v: jvp(first, (v,), (1.0,))[1]  # noqa: E731
    assert first(x) == pytest.approx(math.cos(x))
    assert second(x) == pytest.approx(-math.sin(x))
    assert jvp(second, (x,), (1.0,))[1] == pytest.approx(-math.cos(x))
    assert jvp(grad(np.sin), (x,), (2.0,))[1] == pytest.approx(-2 * math.sin(x))


# ── one derivative inside another: which variable is meant ────────────────────


def test_perturbations_are_not_confused() -> None:
    """d/dx [x · d/dy (x + y)] at 1: the inner derivative is 1, so the answer is 1, not 2."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert grad(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1])(1.0) == 1.0
    assert jvp(lambda x: x * grad(lambda y: x + y)(1.0), (1.0,), (1.0,))[1] == 1.0


def test_the_inner_derivative_depends_on_the_outer_variable() -> None:
    """d/dx [d/dy x²y³ at y = x] = d/dx 3x⁴ = 12x³."""
    assert grad(lambda x: grad(lambda y: x**2 * y**3)(x))(2.0) == 12 * 8.0
    assert grad(lambda x: grad(lambda y: x**2 * y**3)(5.0))(2.0) == 4 * 75.0
    assert jvp(lambda x: grad(lambda y: x**2 * y**3)(x), (2.0,), (1.0,))[1] == 12 * 8.0
    triple = grad(lambda x: grad(lambda y: grad(lambda z: x * y**2 * z**3)(y))(x))
    # d/dz = 3xy²z² at z = y: 3xy⁴; d/dy = 12xy³ at y = x: 12x⁴; d/dx = 48x³
    assert triple(1.5) == pytest.approx(48 * 1.5**3)


def test_a_function_that_returns_its_derivative_unused() -> None:
    assert grad(lambda x: (grad(np.sin)(x), x * 2)[1])(3.0) == 2.0
    assert grad(lambda x: grad(lambda y: y * 3)(x))(3.0) == 0.0


def test_gradient_descent_inside_a_gradient() -> None:
    """The derivative of what two steps of descent reach, with respect to the step size."""

    def reached(rate: Any) -> Any:
        x: Any = 1.0
        for _ in range(2):
            x = x - rate * grad(lambda v: v**2)(x)
        return x  # (1 - 2·rate)²

    assert reached(0.1) == pytest.approx(0.64)
    assert grad(reached)(0.1) == pytest.approx(-4 * 0.8)
    assert grad(grad(reached))(0.1) == pytest.approx(8.0)


def test_jacobian_of_a_jacobian() -> None:
    x = np.array([1.0, 2.0])
    third = jacobian(jacobian(lambda v: v**3))(x)
    assert third.shape == (2, 2, 2)
    for i in range(2):
        assert third[i, i, i] == 6 * x[i]
    assert np.count_nonzero(third) == 2
    assert jacobian(hessian(cubes))(x)[1, 1, 1] == 6.0


# ── arguments and structures ──────────────────────────────────────────────────


def test_argnums() -> None:
    f = lambda x, y, z: x * y**2 + z  # noqa: E731
    assert grad(f)(2.0, 3.0, 1.0) == 9.0
    assert grad(f, 1)(2.0, 3.0, 1.0) == 12.0
    assert grad(f, -1)(2.0, 3.0, 1.0) == 1.0
    assert grad(f, (0, 1))(2.0, 3.0, 1.0) == (9.0, 12.0)
    assert grad(f, [1])(2.0, 3.0, 1.0) == (12.0,)
    assert grad(f, argnums=np.int64(1))(2.0, 3.0, 1.0) == 12.0
    assert value_and_grad(f, (2, 0))(2.0, 3.0, 1.0) == (19.0, (1.0, 9.0))
    assert hessian(f, 1)(2.0, 3.0, 1.0) == 4.0
    with pytest.raises(TypeError, match="argnums=3"):
        grad(f, 3)(2.0, 3.0, 1.0)


def test_keyword_arguments_are_passed_on() -> None:
    f = lambda x, *, power: x**power  # noqa: E731
    assert grad(f)(2.0, power=3) == 12.0
    assert jacobian(f)(2.0, power=3) == 12.0


Layer = namedtuple("Layer", ["weight", "bias"])


def test_parameters_in_lists_tuples_and_dicts() -> None:
    """The gradient has the structure of the argument, namedtuples and nesting included."""

    def loss(params: Any, x: Any) -> Any:
        h = x
        for layer in params["layers"]:
            h = np.tanh(h @ layer.weight + layer.bias)
        return np.sum(h * params["scale"][0]) + params["scale"][1]

    rng = np.random.default_rng(0)
    params = {
        "layers": [Layer(rng.normal(size=(2, 3)), np.zeros(3)), Layer(rng.normal(size=(3, 1)), 0.5)],
        "scale": (2.0, 1.0),
    }
    x = rng.normal(size=(4, 2))
    value, gradient = value_and_grad(loss)(params, x)
    assert value == pytest.approx(loss(params, x))
    assert list(gradient) == ["layers", "scale"]
    assert type(gradient["layers"]) is list
    assert type(gradient["layers"][0]) is Layer
    assert gradient["layers"][0].weight.shape == (2, 3)
    assert type(gradient["layers"][1].bias) is float
    assert type(gradient["scale"]) is tuple
    assert gradient["scale"][1] == 1.0
    step = 1e-6
    moved = {**params, "scale": (2.0 + step, 1.0)}
    assert gradient["scale"][0] == pytest.approx((loss(moved, x) - value) / step, rel=1e-5)
    weights, inputs = grad(loss, (0, 1))(params, x)
    assert inputs.shape == x.shape
    np.testing.assert_array_equal(weights["layers"][0].weight, gradient["layers"][0].weight)


def test_structures_in_jvp_vjp_jacobian_and_hvp() -> None:
    f = lambda p: p["a"] ** 2 * p["b"]  # noqa: E731
    point, direction = {"a": 3.0, "b": np.array([1.0, 2.0])}, {"a": 1.0, "b": np.array([0.0, 1.0])}
    value, pushed = jvp(f, (point,), (direction,))
    np.testing.assert_array_equal(value, [9.0, 18.0])
    np.testing.assert_array_equal(pushed, [6.0, 12.0 + 9.0])
    matrix = jacobian(f)(point)
    np.testing.assert_array_equal(matrix["a"], [6.0, 12.0])
    np.testing.assert_array_equal(matrix["b"], np.diag([9.0, 9.0]))
    _, pull = vjp(f, point)
    pulled = pull(np.array([1.0, 1.0]))
    assert pulled["a"] == 18.0
    bent = hvp(lambda p: np.sum(f(p)), (point,), (direction,))
    assert bent["a"] == 2 * 3.0 + 6.0 * 1.0
    np.testing.assert_array_equal(bent["b"], [6.0, 6.0])


def test_the_hessian_of_a_structure_comes_in_blocks() -> None:
    blocks = hessian(lambda p: p["a"] * np.sum(p["b"] ** 2))({"a": 2.0, "b": np.array([3.0, 5.0])})
    assert blocks["a"]["a"] == 0.0
    np.testing.assert_allclose(blocks["a"]["b"], [6.0, 10.0])
    np.testing.assert_allclose(blocks["b"]["a"], [6.0, 10.0])
    np.testing.assert_allclose(blocks["b"]["b"], [[4.0, 0.0], [0.0, 4.0]])
    assert hessian(lambda x, y: x * y * y, argnums=(0, 1))(2.0, 3.0) == ((0.0, 6.0), (6.0, 4.0))


def test_the_jacobian_of_a_structured_result_has_its_structure() -> None:
    parts = jacobian(lambda x: {"sum": np.sum(x), "both": [2 * x, 7.0]})(np.array([1.0, 2.0]))
    np.testing.assert_allclose(parts["sum"], [1.0, 1.0])
    np.testing.assert_allclose(parts["both"][0], [[2.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(parts["both"][1], [0.0, 0.0])


def test_the_tangents_of_a_dict_are_found_by_their_keys() -> None:
    def f(p: Any) -> Any:
        return p["a"] * p["b"] ** 2

    primals, tangents = {"a": 2.0, "b": 3.0}, {"b": 1.0, "a": 0.0}
    assert jvp(f, (primals,), (tangents,)) == (18.0, 12.0)
    assert hvp(f, (primals,), (tangents,)) == {"a": 6.0, "b": 4.0}
    for wrong in ({"b": 1.0}, [1.0, 2.0], 1.0, [1.0]):
        with pytest.raises(TypeError, match="structure of the primals"):
            jvp(f, (primals,), (wrong,))


@pytest.mark.parametrize("result", [None, "a"])
@pytest.mark.parametrize("derive", ["grad", "jvp", "vjp", "jacobian"])
def test_a_result_without_numbers_is_no_derivative_of_zero(derive: str, result: Any) -> None:
    call = {
        "grad": lambda f: grad(f)(2.0),
        "jvp": lambda f: jvp(f, (2.0,), (1.0,)),
        "vjp": lambda f: vjp(f, 2.0),
        "jacobian": lambda f: jacobian(f)(2.0),
    }[derive]
    with pytest.raises(TypeError, match=f"{derive}: the function returned {type(result).__name__}"):
        call(lambda x: result)


def test_empty_structures_and_arrays() -> None:
    assert grad(lambda p: 1.0)([]) == []
    assert grad(lambda p, x: x * 2, (0, 1))({}, 3.0) == ({}, 2.0)
    assert grad(lambda x: np.sum(x))(np.zeros((0, 3))).shape == (0, 3)
    assert jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)
    assert hessian(lambda x: np.sum(x**2))(np.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("x", [2, 2.0, np.float64(2), np.int32(2), np.array(2.0)])
def test_numbers_of_every_kind(x: Any) -> None:
    assert grad(lambda v: v**3)(x) == 12.0


def test_a_function_that_ignores_its_argument() -> None:
    assert grad(lambda x: 3.0)(2.0) == 0.0
    np.testing.assert_array_equal(grad(lambda x: 3.0)(np.ones(2)), [0.0, 0.0])
    np.testing.assert_array_equal(jacobian(lambda x: np.ones(3))(np.ones(2)), np.zeros((3, 2)))
    assert jvp(lambda x: 5.0, (2.0,), (1.0,)) == (5.0, 0.0)
    value, pull = vjp(lambda x: 5.0, 2.0)
    assert (value, pull(1.0)) == (5.0, 0.0)
    assert grad(lambda x, y: y**2, (0, 1))(1.0, 3.0) == (0.0, 6.0)
    np.testing.assert_array_equal(hessian(lambda x: np.sum(3 * x))(np.ones(2)), np.zeros((2, 2)))
    np.testing.assert_array_equal(hvp(lambda x: np.sum(3 * x), (np.ones(2),), (np.ones(2),)), [0.0, 0.0])


def test_a_result_that_is_not_a_scalar_is_refused() -> None:
    with pytest.raises(ValueError, match="scalar"):
        grad(lambda x: x * 2)(np.ones(3))
    with pytest.raises(ValueError, match="scalar"):
        hessian(lambda x: x * 2)(np.ones(3))


def test_tangents_and_cotangents_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        jvp(np.sin, (np.ones(3),), (np.ones(2),))
    for derive in (jvp, hvp):
        with pytest.raises(TypeError, match="1 primals but 0 tangents"):
            derive(np.sum, (np.ones(3),), ())
    with pytest.raises(ValueError, match="shape"):
        vjp(np.sin, np.ones(3))[1](np.ones(2))


# ── dtypes ────────────────────────────────────────────────────────────────────


def test_float32_in_float32_out() -> None:
    x = np.array([1.0, 2.0], np.float32)
    value, gradient = value_and_grad(lambda v: np.sum(np.tanh(v) * v))(x)
    assert value.dtype == gradient.dtype == np.float32
    assert hessian(cubes)(x).dtype == np.float32
    assert jacobian(lambda v: v**2)(x).dtype == np.float32
    assert hvp(cubes, (x,), (x,)).dtype == np.float32
    value, pushed = jvp(np.tanh, (x,), (x,))
    assert value.dtype == pushed.dtype == np.float32
    np.testing.assert_allclose(gradient, grad(lambda v: np.sum(np.tanh(v) * v))(x.astype(float)), rtol=1e-5)
    assert grad(lambda v: v**2)(np.float32(3.0)).dtype == np.float32


def test_integers_are_taken_as_float64() -> None:
    assert grad(cubes)(np.array([1, 2])).dtype == np.float64
    assert jvp(lambda v: v**2, (3,), (1,)) == (9.0, 6.0)


def test_the_wrapped_function_keeps_its_name() -> None:
    assert grad(cubes).__name__ == "cubes"
    assert "Hessian" in (jacobian(cubes).__doc__ or "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("f", [lambda x: 1.0, lambda x: Value(2.0) * 3.0], ids=["a number", "a Value"])
def test_a_derivative_of_zero_has_the_dtype_and_shape_of_its_input(f: Any, shape: Any, dtype: Any) -> None:
    x = np.ones(shape, dtype)[()]
    derivatives = [grad(f)(x), vjp(f, x)[1](1.0), jacobian(f)(x)]
    for derivative in derivatives:
        assert np.shape(derivative) == shape
        assert np.asarray(derivative).dtype == dtype
        assert not np.any(derivative)


@pytest.mark.parametrize("argnums", [(0, 0), (0, 1, -2), [1, 1]])
@pytest.mark.parametrize("derivative", [grad, value_and_grad, jacobian, hessian])
def test_an_argument_is_named_once(derivative: Any, argnums: Any) -> None:
    with pytest.raises(ValueError, match="names an argument twice"):
        derivative(lambda x, y: x * y, argnums)(1.0, 2.0)
