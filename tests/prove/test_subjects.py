"""What is differentiated: the arguments of a function, and gradients written by hand, by PyTorch and by JAX."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import engine
from engine import Value, check
from engine.prove.subjects import subject
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


@pytest.mark.parametrize(
    ("argnums", "names"), [(1, "y"), (np.int64(0), "x"), ([2], "z"), ((0, 1), "xy"), (-1, "z"), ([-3, -1], "xz"), (None, "xyz")]
)
def test_argnums_chooses(argnums, names):
    report = check(lambda x, y, z: x * y * z, 1.0, 2.0, 3.0, argnums=argnums)
    assert [e.input for e in report.elements] == list(names)
    assert [e.analytic for e in report.elements] == [{"x": 6.0, "y": 3.0, "z": 2.0}[name] for name in names]


def test_arguments_without_numbers_are_handed_through_as_they_are():
    table, seen = [1, 2], []

    def f(x, table):
        seen.append(table)
        return x * len(table)

    assert check(f, 2.0, table)
    assert all(each is table for each in seen)


def test_parameters_without_names_are_numbered():
    def f(*xs, scale=2.0):
        return xs[0] * xs[-1] * scale

    assert [e.input for e in check(f, 1.0).elements] == ["x"]
    assert [e.input for e in check(f, 1.0, 3.0).elements] == ["x0", "x1"]
    assert [e.input for e in check(lambda first, *rest: first * rest[1], 1.0, 3.0, 4.0).elements] == ["first", "x1", "x2"]
    assert [e.input for e in check(np.add, 1.0, 3.0).elements] == ["x1", "x2"]


def test_a_function_that_writes_to_its_arguments_does_not_change_the_point():
    def spoil(x, y):
        x *= 2.0
        y += 1.0
        return np.sum(x * y)

    leaves = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    for grad in (None, lambda x, y: (2 * (y + 1), 2 * x)):
        given = subject(spoil, leaves, grad, None, None)
        for evaluate in (given.complex_evaluate, given.evaluate):
            own = [leaf.astype(complex) if evaluate == given.complex_evaluate else leaf.copy() for leaf in leaves]
            if grad is None and evaluate == given.evaluate:
                continue  # Values do not let it
            assert evaluate(own) == 28.0
            np.testing.assert_array_equal(own, leaves)


def test_numbers_reach_the_function_in_the_form_in_which_they_were_given():
    kinds = []

    def f(x, y, z):
        kinds.append((type(x), type(y), np.shape(z)))
        return float(x) * float(y) * z[0]

    by_hand = subject(f, [2.0, np.float32(3.0), np.ones(1)], lambda x, y, z: (y, x, x * y), None, None)
    by_hand.evaluate(by_hand.leaves)
    by_hand.complex_evaluate(by_hand.leaves)
    assert kinds == [(float, np.float32, (1,)), (np.float64, np.float32, (1,))]


def test_the_complex_step_is_left_out_where_the_function_warns_or_fails():
    def warns(x):
        warnings.warn("complex numbers lose their imaginary part", RuntimeWarning, stacklevel=1)
        return x

    def fails(x):
        raise KeyError(x)

    for f in (warns, fails):
        assert subject(f, [1.0], np.cos, None, None).complex_evaluate([np.array(1j)]) is None
    assert subject(np.sin, [1.0], np.cos, None, None).complex_evaluate([np.array(1j)]) == np.sin(1j)


def test_the_nodes_that_have_kinks_and_how_far_they_are():
    def f(x, y):
        return engine.relu(x - 1.0) + np.maximum(y, 3.0), np.clip(y, 0.0, 2.0)

    given = subject(f, [1.0, np.array([3.0, 2.0])], None, None, None)
    found = {node.name: node for node in given.kinks(given.leaves)}
    assert list(found["relu"].near.ravel()) == [True]
    assert list(found["maximum"].near) == [True, False]
    assert [abs(d) for d in found["maximum"].distance] == [0.0, 1.0]
    assert __file__.rpartition("/")[2] in found["relu"].place
    moved = {node.name: node.near.ravel().tolist() for node in given.kinks([np.array(1.0 + 1e-12), np.array([3.0 + 4e-15, np.inf])])}
    assert moved["relu"] == [False]
    assert moved["maximum"] == [True, False]  # within rounding of 3, beside an infinite number
    assert subject(np.sin, [1.0], np.cos, None, None).kinks([np.array(1.0)]) == []


def test_the_rounding_of_a_sum_counts_what_cancels():
    """To first order: Σ |∂out/∂node · node| over the nodes that are computed."""
    given = subject(lambda x: (x + 1e6) - 1e6, [3.0], None, None, None)
    np.testing.assert_array_equal(given.rounding(np.eye(1)), [1e6 + 3.0 + 3.0])
    inner = Value(3.0) * 2.0  # a node of the caller's graph, with a gradient of its own
    inner.backward()
    np.testing.assert_array_equal(subject(lambda x: x * inner, [5.0], None, None, None).rounding(np.eye(1)), [30.0])
    two = subject(lambda x: (2.0 * x, -5.0 * x, 7.0), [3.0], None, None, None)
    np.testing.assert_array_equal(two.rounding(np.eye(3)), [6.0, 15.0, 0.0])
    np.testing.assert_array_equal(two.rounding(np.array([[2.0, -1.0, 1.0]])), [12.0 + 15.0])
    np.testing.assert_array_equal(subject(np.sin, [1.0], np.cos, None, None).rounding(np.eye(2)), [0.0, 0.0])


def test_the_rows_of_a_jacobian_are_combined():
    given = subject(lambda x, y: (x * y, 2.0 * x[0], 4.0), [np.array([1.0, 2.0]), 3.0], None, None, None)
    rows, connected = given.vjp(np.array([[1.0, 10.0, 100.0, 5.0], [0.0, 0.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(rows[0], [[203.0, 30.0], [2.0, 0.0]])
    np.testing.assert_array_equal(rows[1], [[21.0], [0.0]])
    assert connected == [True, True]
    constant = subject(lambda x, y: y.data * 2.0 + 0.0 * y, [np.array([1.0]), 3.0], None, None, None)
    assert constant.vjp(np.eye(1))[1] == [False, True]


def test_the_second_derivative_is_that_of_one_output_or_of_a_mixture():
    assert [e.analytic for e in check(lambda x: x**3, 2.0, order=2).elements] == [12.0, 12.0]
    named = [e.name for e in check(lambda angle, w: np.sin(angle) * w, 0.5, 2.0, order=2).elements[2:]]
    assert sorted(named) == ["∂²f/∂angle/∂angle", "∂²f/∂angle/∂w", "∂²f/∂w/∂angle", "∂²f/∂w/∂w"]
    several = check(lambda x: (x**3, -(x**2)), np.array([1.0, 2.0]), order=2)
    assert several
    second = np.array([e.analytic for e in several.elements[-4:]]).reshape(2, 2)
    assert second[0, 1] == second[1, 0] == 0.0
    assert len(set(np.abs(np.diag(second) / [6.0, 12.0]).tolist())) == 2  # each output has a weight of its own


def test_a_gradient_that_changes_its_shape_is_refused():
    calls = []

    def f(x):
        calls.append(x)
        return x * x if len(calls) < 2 else np.stack([x, x])

    with pytest.raises(ValueError, match="changed its shape to"):
        check(f, 1.0, order=2)


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
    with pytest.raises(ValueError, match=r"shape \(3,\), but x has \(3,\) and f has 6 outputs, so grad gives the Jacobian"):
        check(lambda x: np.stack([x, x]), np.ones(3), grad=np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(3, 2\), but x has \(2, 3\)"):
        check(lambda x: np.sum(x), np.ones((2, 3)), grad=np.ones((3, 2)))
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
    two, one = torch.ones(2, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    assert verdicts(check(lambda x, unused: torch.sum(x * x), two, one)) == ["right"] * 3
    assert verdicts(check(lambda x, n: torch.sum(x**n), two, torch.tensor(2))) == ["right"] * 2  # an integer is handed through


def test_jax():
    jax = pytest.importorskip("jax")
    sine = jax.custom_vjp(jax.numpy.sin)
    sine.defvjp(lambda x: (jax.numpy.sin(x), x), lambda x, g: (g * jax.numpy.cos(x) * (1 + 1e-8),))
    x = jax.numpy.array([0.3, 1.0, -2.0])
    assert check(jax.numpy.sin, x)
    assert check(sine, x).counts == {"right": 6, "wrong": 3}
    assert check(lambda p: p["w"] @ p["x"], {"w": jax.numpy.ones((2, 3)), "x": x})
    scaled = check(lambda x, n: x * n, jax.numpy.array(2.0), jax.numpy.array(3))
    assert [(e.input, e.analytic) for e in scaled.elements] == [("x", 3.0)]  # integers are handed through
