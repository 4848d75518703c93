"""What is differentiated: the arguments of a function, and gradients written by hand, by PyTorch and by JAX."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import Value, check
from tests.prove import verdicts

# ── arguments ─────────────────────────────────────────────────────────────────


def test_structures_are_named_by_parameter_key_and_label():
    report = check(lambda params, x: params["w"][0] * x, {"w": [2.0, Value(1.0, label="spare")]}, Value(3.0, label="bias"))
    assert [e.input for e in report.elements] == ["params['w'][0]", "spare", "bias"]
    assert [e.input for e in check(np.multiply, 1.0, 2.0, names=["left", "right"]).elements] == ["left", "right"]
    assert [e.name for e in check(lambda m: np.transpose(m), np.ones((1, 2))).elements][:2] == ["∂f[0, 0]/∂m[0, 0]", "∂f[1, 0]/∂m[0, 0]"]


def test_integers_and_constants_are_handed_through():
    report = check(lambda x, n, c: np.sum(x) ** n * c, np.ones(2), 2, Value(3.0, requires_grad=False))
    assert [e.input for e in report.elements] == ["x", "x"]
    with pytest.raises(TypeError, match="nothing to check"):
        check(lambda n: n, 3)


def test_argnums_chooses():
    assert {e.input for e in check(lambda x, y: x * y, 1.0, 2.0, argnums=1).elements} == {"y"}


def test_inputs_and_graph_are_left_alone():
    x, v = np.array([1.0, 2.0]), Value([1.0, 2.0])
    v.grad = 7.0

    def spoil(x, v):
        x += 1
        return np.sum(x**2 * v)

    assert check(spoil, x, v, grad=lambda x, v: (2 * (x + 1) * v, (x + 1) ** 2))
    assert check(lambda v: np.sum(v**2), v)
    np.testing.assert_array_equal(x, [1.0, 2.0])
    np.testing.assert_array_equal(v.data, [1.0, 2.0])
    np.testing.assert_array_equal(v.grad, [7.0, 7.0])


def test_functions_that_differentiate_inside():
    inner = Value(3.0) * 2.0  # a node of the caller's graph
    inner.backward()
    before = inner.grad
    assert check(lambda x: engine.grad(lambda y: y**3 * inner.data)(x) * inner, 2.0)
    assert check(lambda x: (x + 1e25) * inner - 1e25 * inner, 2.0).counts == {"imprecise": 1}
    assert inner.grad == before


def test_empty_input():
    report = check(np.sum, np.zeros((0, 2)))
    assert report
    assert report.elements == []


def test_errors_of_the_function_come_through():
    with pytest.raises(ValueError, match="matmul"):
        check(np.matmul, np.ones(2), np.ones(3))


# ── gradients of others ───────────────────────────────────────────────────────


def test_a_gradient_by_hand():
    x, w = np.array([1.0, 2.0, 3.0]), np.array([[0.5, -1.0, 2.0], [1.0, 0.0, 1.0]])

    def loss(x, w):
        return np.sum((w @ x) ** 2)

    def by_hand(x, w):
        return 2 * w.T @ (w @ x), 2 * np.outer(w @ x, x)

    assert check(loss, x, w, grad=by_hand)
    assert check(loss, x, w, grad=by_hand(x, w))
    assert check(lambda x: x**2, x, grad=lambda x: np.diag(2 * x))  # the Jacobian
    report = check(loss, x, w, grad=lambda x, w: (by_hand(x, w)[0], by_hand(x, w)[1].T.reshape(2, 3)))
    assert not report
    assert {e.input for e in report.failures} == {"w"}


def test_a_gradient_by_hand_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(2,\), but x has \(3,\)"):
        check(lambda x: np.sum(x), np.ones(3), grad=np.ones(2))
    with pytest.raises(ValueError, match="1 array\\(s\\) for 2 inputs"):
        check(lambda x, y: x * y, 1.0, 2.0, grad=lambda x, y: y)


def test_pytorch():
    torch = pytest.importorskip("torch")

    class Sine(torch.autograd.Function):
        factor = 1.0

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        def backward(ctx, g):
            return g * torch.cos(ctx.saved_tensors[0]) * Sine.factor

    x = torch.tensor([0.3, 1.0, -2.0], dtype=torch.float64)
    assert check(Sine.apply, x, names=["x"])
    Sine.factor = 1 + 1e-8
    assert check(Sine.apply, x, names=["x"]).counts == {"right": 6, "wrong": 3}
    assert check(torch.tanh, torch.tensor([0.5, 1.0]))  # float32
    assert verdicts(check(torch.relu, torch.tensor(0.0, dtype=torch.float64))) == ["kink"]
    assert verdicts(check(lambda x: torch.sum(x.detach() * 2), torch.ones(1, dtype=torch.float64))) == ["disconnected"]


def test_jax():
    jax = pytest.importorskip("jax")
    sine = jax.custom_vjp(jax.numpy.sin)
    sine.defvjp(lambda x: (jax.numpy.sin(x), x), lambda x, g: (g * jax.numpy.cos(x) * (1 + 1e-8),))
    x = jax.numpy.array([0.3, 1.0, -2.0])
    assert check(jax.numpy.sin, x)
    assert check(sine, x).counts == {"right": 6, "wrong": 3}
    assert check(lambda p: p["w"] @ p["x"], {"w": jax.numpy.ones((2, 3)), "x": x})
