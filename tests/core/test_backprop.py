"""What holds for every graph: shapes, sums, order, repetition, and what takes part in a pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import Value, backprop
from engine.node import reachable

# ── random graphs ─────────────────────────────────────────────────────────────

# Smooth steps, each for two earlier results; all but the sums keep numbers near 1.
STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: np.sin(x) * y,
    "x / y": lambda x, y: x / (2.0 + y * y),
    "tanh x": lambda x, y: np.tanh(x),
    "sin x": lambda x, y: np.sin(x + 0.5),
    "x * x": lambda x, y: np.tanh(x * x),
    "3 x": lambda x, y: 3.0 * np.tanh(x),
    "row sum": lambda x, y: np.tanh(np.sum(x) + y),
    "turned": lambda x, y: x[..., ::-1] * 0.5 + y if np.ndim(x) else x + y,
}


@st.composite
def programs(draw: Any) -> tuple[list[Any], list[tuple[str, int, int]], list[int]]:
    """Leaves (scalars or vectors of 3), steps over what came before, and which results are the outputs."""
    kinds = draw(st.lists(st.sampled_from([(), (3,)]), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    leaves = [rng.uniform(-1, 1, kind)[()] for kind in kinds]
    steps = []
    for at in range(len(leaves), len(leaves) + draw(st.integers(1, 8))):
        steps.append((draw(st.sampled_from(sorted(STEPS))), draw(st.integers(0, at - 1)), draw(st.integers(0, at - 1))))
    last = len(leaves) + len(steps) - 1
    return leaves, steps, [last, draw(st.integers(0, last))]


def run(leaves: list[Any], steps: list[tuple[str, int, int]]) -> list[Any]:
    """Every result of a program, leaves first; on Values, floats, arrays, complex numbers."""
    results = list(leaves)
    for name, i, j in steps:
        results.append(STEPS[name](results[i], results[j]))
    return results


def total(results: list[Any], outputs: list[int], weight: float = 1.0) -> Any:
    """The scalar that is differentiated."""
    return weight * sum(np.sum(results[i]) for i in outputs)


def complex_step(leaves: list[Any], steps: Any, outputs: list[int]) -> list[Any]:
    """The gradient to the last digits, without the engine: Im f(x + ih) / h, which no subtraction spoils."""
    h = 1e-30
    gradients = []
    for k, leaf in enumerate(leaves):
        gradient = np.zeros(np.shape(leaf))
        for place in np.ndindex(np.shape(leaf)):
            bumped = [np.array(other, complex)[()] for other in leaves]
            bumped[k] = np.array(bumped[k])
            bumped[k][place] += 1j * h
            bumped[k] = bumped[k][()]
            gradient[place] = total(run(bumped, steps), outputs).imag / h
        gradients.append(gradient)
    return gradients


@settings(max_examples=150)
@given(program=programs())
def test_the_gradient_of_any_graph(program: Any) -> None:
    """Shared sub-expressions, broadcasting, several outputs: the derivative that the definition gives."""
    leaves, steps, outputs = program
    values = [Value(leaf) for leaf in leaves]
    results = run(values, steps)
    total(results, outputs).backward()
    for value, expected in zip(values, complex_step(leaves, steps, outputs), strict=True):
        np.testing.assert_allclose(value.grad, expected, rtol=1e-12, atol=1e-13)
    for result in results:
        assert np.shape(result.grad) == result.shape
        assert np.asarray(result.grad).dtype == result.dtype
        assert type(result.grad) is (np.ndarray if result.ndim else float)


@settings(max_examples=60)
@given(program=programs())
def test_each_gradient_is_the_sum_of_what_its_uses_contribute(program: Any) -> None:
    """For every node: grad = Σ over uses of upstream · local derivative."""
    leaves, steps, outputs = program
    values = [Value(leaf) for leaf in leaves]
    root = total(run(values, steps), outputs)
    root.backward()
    sums: dict[Value, Any] = {root: 1.0}
    for node in reversed(reachable([root])):
        if node.is_leaf:
            continue
        for operand, contribution in backprop.contributions(node, node.grad):
            sums[operand] = sums.get(operand, 0.0) + contribution
    for node, gradient in sums.items():
        np.testing.assert_allclose(node.grad, gradient, rtol=1e-12, atol=1e-15)


@settings(max_examples=60)
@given(program=programs(), a=st.floats(-4, 4), b=st.floats(-4, 4))
def test_the_pass_is_linear_in_its_seed(program: Any, a: float, b: float) -> None:
    """From seed a·u + b·v comes a times the gradient from u plus b times the one from v."""
    leaves, steps, _ = program

    def pulled(seed: Any) -> list[Any]:
        values = [Value(leaf) for leaf in leaves]
        root = run(values, steps)[-1]
        root.backward(seed)
        return [value.grad for value in values]

    shape = np.shape(run(leaves, steps)[-1])
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=shape)[()], rng.normal(size=shape)[()]
    for combined, from_u, from_v in zip(pulled(a * u + b * v), pulled(u), pulled(v), strict=True):
        np.testing.assert_allclose(combined, a * from_u + b * from_v, rtol=1e-9, atol=1e-9)


@settings(max_examples=60)
@given(program=programs())
def test_a_second_pass_doubles_leaves_and_nothing_else(program: Any) -> None:
    """Twice exactly, for interior nodes the last pass's gradient, and the same for every node after zero_grad."""
    leaves, steps, outputs = program
    values = [Value(leaf) for leaf in leaves]
    results = run(values, steps)
    root = total(results, outputs)
    root.backward()
    once = [np.copy(result.grad) for result in results]
    root.backward()
    for result, first in zip(results, once, strict=True):
        np.testing.assert_array_equal(result.grad, 2 * first if result.is_leaf else first)
    for value in values:
        value.zero_grad()
    root.backward()
    for result, first in zip(results, once, strict=True):
        np.testing.assert_array_equal(result.grad, first)


@settings(max_examples=60)
@given(program=programs())
def test_the_order_of_passes_does_not_matter(program: Any) -> None:
    """Two outputs one after the other, in either order, or their sum at once."""
    leaves, steps, outputs = program
    gradients = []
    for order in (outputs, outputs[::-1]):
        values = [Value(leaf) for leaf in leaves]
        results = run(values, steps)
        for i in order:
            np.sum(results[i]).backward()
        gradients.append([value.grad for value in values])
    values = [Value(leaf) for leaf in leaves]
    total(run(values, steps), outputs).backward()
    gradients.append([value.grad for value in values])
    for first, second, together in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(first, together, rtol=1e-12, atol=1e-14)


@settings(max_examples=40)
@given(program=programs())
def test_the_modes_of_a_pass_agree(program: Any) -> None:
    """Plain, recorded, freeing, under detect_anomaly: the same gradients."""
    leaves, steps, outputs = program
    found = []
    for mode in ({}, {"create_graph": True}, {"retain_graph": False}, {"anomaly": True}):
        values = [Value(leaf) for leaf in leaves]
        root = total(run(values, steps), outputs)
        if mode.pop("anomaly", False):
            with engine.detect_anomaly():
                root.backward()
        else:
            root.backward(**mode)
        found.append([value.grad.data if isinstance(value.grad, Value) else value.grad for value in values])
    for plain, *others in zip(*found, strict=True):
        for other in others:
            np.testing.assert_allclose(other, plain, rtol=1e-13, atol=1e-15)


@settings(max_examples=40)
@given(program=programs())
def test_the_gradient_of_a_gradient_of_any_graph(program: Any) -> None:
    """create_graph, then a pass over the gradient: the complex step of the first pass."""
    leaves, steps, outputs = program
    values = [Value(leaf) for leaf in leaves]
    total(run(values, steps), outputs).backward(create_graph=True)
    firsts = [value.grad for value in values]
    assert all(isinstance(first, Value) or not np.any(first) for first in firsts)
    for value in values:
        value.zero_grad()
    slope = sum(np.sum(first * first) for first in firsts)
    if isinstance(slope, Value) and slope.requires_grad:
        slope.backward()
    step = 1e-5
    for k, leaf in enumerate(leaves):
        for place in np.ndindex(np.shape(leaf)):
            bumped = []
            for sign in (1, -1):
                moved = [np.array(other) for other in leaves]
                moved[k][place] += sign * step
                gradient = complex_step([m[()] for m in moved], steps, outputs)
                bumped.append(sum(np.sum(np.square(g)) for g in gradient))
            expected = (bumped[0] - bumped[1]) / (2 * step)
            assert np.asarray(values[k].grad)[place] == pytest.approx(expected, rel=1e-5, abs=1e-5)


# ── gradients of leaves and nodes ─────────────────────────────────────────────


def test_a_value_used_twice_gets_both_contributions() -> None:
    a = Value(3.0)
    (a + a).backward()
    assert a.grad == 2.0
    b = Value(3.0)
    (b * b * b).backward()
    assert b.grad == 27.0


def test_micrograds_fault_is_not_ours() -> None:
    """Interior gradients start afresh at each pass, so that a leaf's doubles and does not triple."""
    a = Value(2.0)
    d = 2 * a * a
    d.backward()
    assert a.grad == 8.0
    d.backward()
    assert a.grad == 16.0


def test_the_gradient_before_any_pass_is_zero_of_the_right_shape() -> None:
    for data in (1.0, np.ones(3), np.ones((2, 0)), np.float32(1.0), np.ones(2, np.float32)):
        v = Value(data)
        assert not v.has_grad
        assert np.shape(v.grad) == v.shape
        assert np.asarray(v.grad).dtype == v.dtype
        assert not np.any(v.grad)
        v.data -= 0.1 * v.grad
        np.testing.assert_array_equal(v.data, data)
        assert not v.has_grad  # reading changes nothing


def test_what_would_be_written_to_no_gradient_is_refused() -> None:
    v = Value([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        v.grad[0] = 5.0
    v.grad = 5.0 + v.grad
    np.testing.assert_array_equal(v.grad, [5.0, 5.0])


def test_zero_grad_forgets() -> None:
    a = Value([1.0, 2.0])
    (a * a).sum().backward()
    assert a.has_grad
    a.zero_grad()
    assert not a.has_grad
    np.testing.assert_array_equal(a.grad, [0.0, 0.0])


def test_the_gradient_can_be_assigned() -> None:
    """As in the lecture: o.grad = 1.0, and p.grad = 0 for a whole tensor."""
    a = Value([1.0, 2.0])
    a.grad = 0
    np.testing.assert_array_equal(a.grad, [0.0, 0.0])
    a.grad = [3.0, 4.0]
    a.grad += 1
    np.testing.assert_array_equal(a.grad, [4.0, 5.0])
    a.grad = None
    assert not a.has_grad
    with pytest.raises(ValueError, match="shape"):
        a.grad = [1.0, 2.0, 3.0]


def test_gradients_of_different_leaves_share_no_memory() -> None:
    """`a + b` hands the same array to both; writing into one gradient must not change the other."""
    a, b, c = Value([1.0, 2.0]), Value([3.0, 4.0]), Value([[1.0], [2.0]])
    (a + b + np.reshape(c, 2)).backward(np.array([1.0, 1.0]))
    a.grad *= 5
    c.grad[0, 0] = 9.0
    np.testing.assert_array_equal(a.grad, [5.0, 5.0])
    np.testing.assert_array_equal(b.grad, [1.0, 1.0])


def test_the_seed_is_copied() -> None:
    a, seed = Value([1.0, 2.0]), np.array([1.0, 1.0])
    (+a).backward(seed)
    a.backward(seed)
    seed[:] = 7.0
    np.testing.assert_array_equal(a.grad, [2.0, 2.0])


def test_backward_of_a_leaf() -> None:
    a = Value(3.0)
    a.backward()
    a.backward()
    assert a.grad == 2.0


def test_a_non_scalar_needs_a_seed() -> None:
    a = Value([1.0, 2.0], label="w")
    with pytest.raises(ValueError, match=r"\.sum\(\)\.backward\(\)"):
        (a * 2).backward()
    with pytest.raises(ValueError, match=r"shape.*\(3,\)"):
        (a * 2).backward(np.ones(3))
    (a * 2).backward(Value([1.0, 0.5]))
    np.testing.assert_array_equal(a.grad, [2.0, 1.0])


def test_an_array_of_one_element_is_not_a_scalar() -> None:
    with pytest.raises(ValueError, match="backward"):
        (Value([3.0]) * 2).backward()


# ── what takes part ───────────────────────────────────────────────────────────


def test_constants_take_no_gradient() -> None:
    a, k = Value(2.0), Value(3.0, requires_grad=False)
    (a * k).backward()
    assert a.grad == 3.0
    assert not k.has_grad
    assert not (k * 2).requires_grad
    with pytest.raises(ValueError, match="requires a gradient"):
        (k * 2).backward()
    k.requires_grad_()
    (a * k).backward()
    assert k.grad == 2.0
    with pytest.raises(ValueError, match="only a leaf"):
        (a * k).requires_grad_(False)


def test_detach_and_stop_gradient_hold_the_numbers() -> None:
    a = Value(3.0, label="a")
    (a * a.detach()).backward()
    assert a.grad == 3.0
    assert a.detach().label == "a"
    assert engine.grad(lambda x: x * engine.stop_gradient(x))(3.0) == 3.0
    assert engine.stop_gradient(2.0) == 2.0
    b = Value([1.0, 2.0])
    b.detach().data[0] = 5.0
    np.testing.assert_array_equal(b.data, [1.0, 2.0])


def test_threads_build_and_differentiate_their_own_graphs() -> None:
    """Graphs with no shared leaf don't disturb each other."""
    found: dict[int, float] = {}

    def work(k: int) -> None:
        x = Value(float(k))
        y = x
        for _ in range(200):
            y = y * 1.0 + x * 0.01
        y.backward()
        found[k] = x.grad

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: pytest.approx(3.0) for k in range(6)}
