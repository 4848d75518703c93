"""What holds for every graph: shapes, sums, order, repetition, modes, changes behind the graph's back, memory."""

from __future__ import annotations

import contextlib
import copy
import gc
import math
import pickle
import random
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import AnomalyError, MutationError, Value, backprop
from engine.node import location, reachable
from engine.primitives import TABLE, Case

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


def test_no_grad_records_nothing() -> None:
    a = Value(2.0)
    with engine.no_grad():
        b = a * 3
        with engine.enable_grad():
            c = a * 4
    assert b.is_leaf
    assert not b.requires_grad
    assert b.data == 6.0
    c.backward()
    assert a.grad == 4.0
    assert (a * 5).requires_grad


def test_no_grad_decorates_and_survives_an_error() -> None:
    @engine.no_grad()
    def double(x: Value) -> Value:
        return x * 2

    a = Value(2.0)
    assert not double(a).requires_grad
    assert not double(double(a)).requires_grad
    with pytest.raises(RuntimeError), engine.no_grad():
        raise RuntimeError
    assert (a * 2).requires_grad


def test_no_grad_holds_for_its_own_thread() -> None:
    """One thread inside, another outside, at the same time; and many at once."""
    inside, done = threading.Event(), threading.Event()
    seen: dict[str, bool] = {}
    a = Value(2.0)

    def quiet() -> None:
        with engine.no_grad():
            inside.set()
            done.wait(5)
            seen["quiet"] = (a * 2).requires_grad

    thread = threading.Thread(target=quiet)
    thread.start()
    assert inside.wait(5)
    seen["loud"] = (a * 2).requires_grad
    done.set()
    thread.join()
    assert seen == {"quiet": False, "loud": True}

    wrong: list[int] = []

    def switch(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(300):
            recording = choose.random() < 0.5
            with engine.enable_grad() if recording else engine.no_grad():
                if (a * 2).requires_grad is not recording:
                    wrong.append(seed)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=switch, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong
    assert engine.modes.active == 0


# ── data changed between forward and backward ─────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        lambda v: setattr(v, "data", v.data * 2),
        lambda v: v.data.__setitem__(0, 9.0),
        lambda v: v.data.sort(),
        lambda v: np.multiply(v.data, 2, out=v.data),
        lambda v: v.data.fill(np.nan),
        lambda v: v.data[1:2].__isub__(1e-15),
    ],
    ids=["assigned", "element", "sort", "out", "fill", "a view"],
)
def test_a_changed_leaf_is_noticed(change: Callable[[Value], Any]) -> None:
    v = Value([3.0, -1.0, 0.0], label="weights")
    loss = (v * v).sum()
    change(v)
    with pytest.raises(MutationError, match=r"multiply.*'weights'.*test_backprop\.py:\d+"):
        loss.backward()
    assert not v.has_grad
    (v * v).sum().backward()  # a new forward pass sees the new numbers
    np.testing.assert_array_equal(v.grad, 2 * v.data)


def test_a_changed_scalar_is_noticed() -> None:
    a, b = Value(2.0, label="a"), Value(3.0)
    d = a * b
    a.data += 1.0
    with pytest.raises(MutationError, match="'a'"):
        d.backward()
    e = a * b
    e.backward()
    assert b.grad == 3.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.longdouble])
@pytest.mark.parametrize("write", ["trade places", "flip a row", "trade rows", "flip all"])
def test_writes_that_keep_the_sum_of_a_large_array_are_noticed(write: str, dtype: Any) -> None:
    a = Value(np.random.default_rng(0).normal(size=(1000, 100)).astype(dtype), label="a")
    loss = (a * a * a).sum()
    if write == "trade places":
        a.data[1, [2, 3]] = a.data[1, [3, 2]]
    elif write == "flip a row":
        a.data[1] *= -1
    elif write == "trade rows":
        a.data[[4, 5]] = a.data[[5, 4]]
    else:
        a.data *= -1
    with pytest.raises(MutationError, match="'a'"):
        loss.backward()


def test_data_that_was_only_read_is_not_a_change() -> None:
    v = Value([1.0, 2.0])
    loss = (v * v).sum()
    np.sum(v.data)
    v.data[0] = v.data[0]
    loss.backward()
    np.testing.assert_array_equal(v.grad, [2.0, 4.0])


@pytest.mark.parametrize("size", [2, 100, 2000, 100_000])
@pytest.mark.parametrize("change", ["tiny", "nan", "swap"])
def test_a_changed_constant_never_gives_a_wrong_gradient(size: int, change: str) -> None:
    """An array among the operands is kept as it was, or the change is noticed."""
    x = np.random.default_rng(0).normal(size=size)
    if change == "nan":
        x[0] = np.nan
    v, before = Value(np.ones(size)), x.copy()
    loss = (v * x).sum()
    x[1] = {"tiny": np.nextafter(x[1], 10), "nan": 1e-300, "swap": x[0]}[change]
    if change == "swap":
        x[0] = before[1]
    with contextlib.suppress(MutationError):
        loss.backward()
        np.testing.assert_array_equal(v.grad, before)


def test_indices_and_conditions_are_kept_as_they_were() -> None:
    v, index, mask = Value([1.0, 2.0, 3.0]), np.array([0, 1]), np.array([True, False, True])
    loss = v[index].sum() + np.where(mask, v, 0.0).sum() * 10 + v[mask].sum() * 100
    index[:] = 2
    mask[:] = ~mask
    loss.backward()
    np.testing.assert_array_equal(v.grad, [111.0, 1.0, 110.0])


def test_the_users_array_is_the_users() -> None:
    """A Value keeps a copy: later changes of the array are no changes of the Value."""
    x = np.array([1.0, 2.0])
    v = Value(x)
    loss = (v * v).sum()
    x[0] = 100.0
    loss.backward()
    np.testing.assert_array_equal(v.grad, [2.0, 4.0])


def test_results_are_read_only() -> None:
    y = Value([1.0, 2.0]) * 2
    with pytest.raises(ValueError, match="read-only"):
        y.data[0] = 5.0


def test_an_assigned_result_is_noticed_by_its_users_and_by_itself() -> None:
    a = Value(2.0)
    b = a * 3
    c = b * b
    b.data = 7.0
    with pytest.raises(MutationError):
        c.backward()
    with pytest.raises(MutationError, match="multiply"):
        (b * 2).backward()


def test_training_steps_change_leaves_between_passes() -> None:
    """The usual loop: forward, backward, step, zero; no false alarm, and the right answer."""
    rng = np.random.default_rng(0)
    x, true = rng.normal(size=(20, 3)), np.array([1.0, -2.0, 0.5])
    w, b = Value(np.zeros(3)), Value(0.0)
    for _ in range(200):
        loss = np.mean((x @ w + b - (x @ true + 1.0)) ** 2)
        loss.backward()
        for p in (w, b):
            p.data -= 0.2 * p.grad
            p.zero_grad()
    np.testing.assert_allclose(w.data, true, atol=1e-6)
    assert b.data == pytest.approx(1.0, abs=1e-6)


def test_a_failed_pass_leaves_gradients_as_they_were() -> None:
    def broken(g: Any, out: Any, x: Any) -> Any:
        raise ZeroDivisionError("broken")

    breaking = engine.primitive("breaking", lambda x: x * 1.0, broken)
    a = Value([2.0])
    (a * 3).sum().backward()
    loss = (breaking(a) + a).sum()
    with pytest.raises(ZeroDivisionError):
        loss.backward()
    np.testing.assert_array_equal(a.grad, [3.0])
    (a * 3).sum().backward()
    np.testing.assert_array_equal(a.grad, [6.0])


# ── NaN and inf ───────────────────────────────────────────────────────────────


def here() -> int:
    """The caller's line number."""
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize("data", [-1.0, np.array([1.0, -1.0])])
def test_detect_anomaly_names_the_first_bad_node_forward(data: Any) -> None:
    x = Value(data, label="x")
    with engine.detect_anomaly():
        y = x * 2
        with pytest.raises(AnomalyError, match=rf"NaN in the forward of log at .*test_backprop\.py:{here() + 1}\b"):
            np.log(y)
        with pytest.raises(AnomalyError, match=r"inf in the forward of divide .*'x'"):
            x / 0.0
    assert np.isnan(np.log(x).data).any()


def test_detect_anomaly_names_the_first_bad_node_backward() -> None:
    x = Value(0.0, label="x")
    with engine.detect_anomaly():
        line = here() + 1
        y = np.sqrt(x)
        with pytest.raises(AnomalyError, match=rf"inf in the backward of sqrt at .*test_backprop\.py:{line}\b.*'x'"):
            (y * 2).backward()


def test_without_detect_anomaly_nan_flows_as_in_numpy() -> None:
    x = Value([-1.0, 4.0])
    with np.errstate(all="ignore"):
        np.sqrt(x).sum().backward()
    assert np.isnan(x.grad[0])
    assert x.grad[1] == 0.25


# ── depth, memory, time ───────────────────────────────────────────────────────


def test_hundreds_of_thousands_of_operations_in_a_row() -> None:
    """Built, differentiated and deleted without recursion."""
    n = 400_000
    leaf = Value(1.0)
    y = leaf
    for _ in range(n // 2):
        y = y * 1.0
        y = y + leaf
    y.backward()
    assert leaf.grad == 1 + n // 2
    del y
    assert (leaf * 2).data == 2.0


def test_a_deep_graph_of_arrays_and_its_second_derivative() -> None:
    n = 3000
    x = Value([0.5, 2.0])
    y = x
    for _ in range(n):
        y = y * 1.0 + 0.0
    (y * y).sum().backward(create_graph=True)
    x.grad.sum().backward()
    np.testing.assert_allclose(x.grad.data if isinstance(x.grad, Value) else x.grad, [2.0 + 1.0, 2.0 + 4.0])


def test_a_wide_node() -> None:
    values = [Value(float(i)) for i in range(1000)]
    np.stack(values).sum().backward()
    assert all(v.grad == 1.0 for v in values)


@pytest.mark.parametrize("data", [0.5, np.full(4, 0.5)], ids=["scalar", "vector"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_dropped_graph_dies_by_reference_count(data: Any, create_graph: bool) -> None:
    """No cycle holds it: with the collector off every node is gone when the last name is."""
    gc.collect()
    gc.disable()
    try:
        x = Value(data)
        loss = np.sum(np.tanh(x * x + x) ** 2)
        watched = [weakref.ref(node) for node in reachable([loss]) if node is not x]
        loss.backward(create_graph=create_graph)
        del loss
        x.zero_grad()
        assert [node() for node in watched] == [None] * len(watched)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_calculus_leaves_no_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        x = np.array([0.5, -1.0])
        for f in (engine.grad, engine.hessian, engine.jacobian, engine.value_and_grad):
            f(lambda v: np.sum(np.tanh(v) ** 2))(x)
        engine.jvp(np.tanh, (x,), (x,))
        engine.hvp(lambda v: np.sum(np.tanh(v) ** 2), (x,), (x,))
        gc.collect()
        before = len(gc.get_objects())
        values = sum(isinstance(o, Value) for o in gc.get_objects())
        for _ in range(5):
            for f in (engine.grad, engine.hessian, engine.jacobian, engine.value_and_grad):
                f(lambda v: np.sum(np.tanh(v) ** 2))(x)
        assert sum(isinstance(o, Value) for o in gc.get_objects()) == values
        assert len(gc.get_objects()) - before < 500
    finally:
        gc.enable()


def test_a_freed_graph_says_so() -> None:
    """retain_graph=False drops each node as it goes; a second pass is told."""
    x = Value([1.0, 2.0])
    y = x * x
    loss = y.sum()
    loss.backward(retain_graph=False)
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])
    assert not y.has_grad
    np.testing.assert_array_equal(y.data, [1.0, 4.0])
    with pytest.raises(RuntimeError, match=r"freed|retain_graph"):
        loss.backward()


def test_a_freeing_pass_holds_little_memory() -> None:
    """Each node's array is let go as soon as its gradient was passed on."""
    import tracemalloc

    def peak(**mode: bool) -> int:
        x = Value(np.ones(50_000))
        y = x
        for _ in range(20):
            y = np.tanh(y)
        loss = y.sum()
        del y
        tracemalloc.start()
        loss.backward(**mode)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(retain_graph=False) < 5 * 50_000 * 8
    assert peak() > 15 * 50_000 * 8


def test_order_is_by_age_and_not_by_recursion() -> None:
    """A diamond in which a depth-first walk from the left meets the shared node too early."""
    a = Value(2.0)
    b = a * 3
    c = b * a
    (b + c * b).backward()  # 3a + 9a³
    assert a.grad == 3 + 27 * 4


# ── places, copies ────────────────────────────────────────────────────────────


def test_every_way_of_making_a_node_remembers_its_line() -> None:
    x, v = Value(2.0), Value([1.0, 2.0])
    makers = [
        lambda: x * x,
        lambda: 2 * x,
        lambda: x.tanh(),
        lambda: np.exp(x),
        lambda: engine.sigmoid(x),
        lambda: v[0],
        lambda: np.stack([x, x]),
        lambda: v.sum(),
        lambda: np.concatenate([v, v]),
        lambda: np.linalg.norm(v),
        lambda: np.clip(v, 0, 1),
        lambda: v @ v,
        lambda: -v,
        lambda: [1.0, 2.0] * v,
        lambda: np.trace(np.outer(v, v)),
        lambda: sum([x, x]),
    ]
    for maker in makers:
        line = maker.__code__.co_firstlineno
        assert re.search(rf"test_backprop\.py:{line}$", location(maker())), line


def test_leaves_can_be_copied_and_pickled() -> None:
    for value in (Value(2.0, label="a"), Value(np.float32([1, 2]), label="b", requires_grad=False)):
        value.grad = 3.0
        for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert twin is not value
            np.testing.assert_array_equal(twin.data, value.data)
            assert (twin.label, twin.dtype, twin.requires_grad) == (value.label, value.dtype, value.requires_grad)
    a = Value([1.0])
    b = copy.deepcopy(a)
    b.data[0] = 5.0
    assert a.data[0] == 1.0
    with pytest.raises(TypeError, match="detach"):
        copy.deepcopy(a * 2)


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


def test_a_pass_grows_linearly() -> None:
    """Twice the graph, about twice the time: no pass over all nodes for each node (a loose bound, so that a busy
    machine passes)."""

    def spend(n: int) -> float:
        x = Value(1.0)
        y = x
        for _ in range(n):
            y = y * 1.0 + x
        start = time.perf_counter()
        y.backward()
        return time.perf_counter() - start

    spend(2000)
    small, large = min(spend(2000) for _ in range(3)), min(spend(32_000) for _ in range(3))
    assert large < 16 * 6 * small


def test_a_rule_may_return_its_operand_as_it_is():
    """Nothing is added to the operand's own numbers, though the rule hands them out as a gradient."""
    product = engine.primitive(
        "product", lambda x, y: np.dot(x, y), lambda g, out, x, y: y if g == 1 else g * y, lambda g, out, x, y: g * x
    )
    x, y = Value([1.0, 2.0]), Value([3.0, 4.0])
    (product(x, y) + product(x, y)).backward()
    assert x.grad.tolist() == [6.0, 8.0]
    assert y.data.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_tables_own_rules_return_arrays_of_their_own(name):
    made = TABLE[name]
    for case in made.cases or [Case(((3,),) * len(made.vjps))]:
        args = [np.linspace(0.2, 0.8, math.prod(s)).reshape(s) if s else 0.5 for s in case.shapes]
        if made.domain[0][0] >= 1:
            args = [a + 1.0 for a in args]
        out = np.asarray(made.forward(*args, **case.params))
        for argnum in range(len(args)):
            back = made.vjp(argnum)(np.ones_like(out), out, *args, **case.params)
            assert not any(back is given for given in (out, *args))


@pytest.mark.parametrize("moment", range(1, 120, 3))
def test_an_interrupt_leaves_the_leaves_as_they_were(moment):
    w, x = Value([[1.0, 2.0]], label="w"), Value(3.0, label="x")
    loss = ((w * x).tanh() * x + (x * x * x.sigmoid())).sum()
    loss.backward()
    before, passed = [w.grad.copy(), x.grad], 0

    def interrupt(frame, event, arg):
        nonlocal passed
        if event == "line" and frame.f_code.co_filename.endswith(("backprop.py", "fast.py")):
            passed += 1
            if passed == moment:
                raise KeyboardInterrupt
        return interrupt

    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            loss.backward()
    finally:
        sys.settrace(None)
    assert np.array_equal(w.grad, before[0])
    assert x.grad == before[1]
    loss.backward()
    assert np.array_equal(w.grad, 2 * before[0])
    assert x.grad == 2 * before[1]
