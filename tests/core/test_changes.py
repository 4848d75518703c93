"""Data changed behind the graph's back: between the forward and the backward pass, by the user, and by a pass that fails."""

from __future__ import annotations

import contextlib
import itertools
import math
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import MutationError, Value
from engine.primitives import TABLE, Case


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
    with pytest.raises(MutationError, match=r"multiply.*'weights'.*test_changes\.py:\d+"):
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


@settings(max_examples=40)
@given(
    width=st.sampled_from([100, 256, 257, 514, 1028]),
    kind=st.sampled_from(["normal", "one-hot", "signs", "whole numbers"]),
    dtype=st.sampled_from([np.float64, np.float32, np.float16]),
    axis=st.integers(0, 1),
    data=st.data(),
)
def test_rows_or_columns_that_trade_places_are_noticed(width: int, kind: str, dtype: Any, axis: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(width)
    numbers = {
        "normal": rng.normal(size=(600, width)),
        "one-hot": np.eye(600, width),
        "signs": rng.choice([-1.0, 1.0], (600, width)),
        "whole numbers": rng.integers(0, 9, (600, width)),
    }[kind].astype(dtype)
    a = Value(numbers)
    i, j = data.draw(st.lists(st.integers(0, numbers.shape[axis] - 1), min_size=2, max_size=2))
    loss = (a * 1e-4).sum()
    order = np.arange(numbers.shape[axis])
    order[[i, j]] = order[[j, i]]
    a.data[...] = np.take(numbers, order, axis)
    if np.array_equal(a.data, numbers):
        loss.backward()
    else:
        with pytest.raises(MutationError):
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


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timer of its own for each process")
@pytest.mark.parametrize("data", [0.5, np.linspace(0.1, 0.9, 5)])
def test_an_interrupted_pass_counts_wholly_or_not_at_all(data: Any) -> None:
    """Ctrl-C at many moments of a pass, as from a timer."""
    leaves = [Value(data) for _ in range(40)]
    loss = sum((leaf * leaf).tanh() * other for leaf, other in itertools.pairwise(leaves)).sum()
    loss.backward()
    once, passes, interrupts = [np.array(leaf.grad) for leaf in leaves], 1, 0

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for microseconds in range(20, 1520, 5):
            started = leaves[0].grad
            try:
                signal.setitimer(signal.ITIMER_REAL, microseconds * 1e-6)
                loss.backward()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupts += 1
            passes += not np.array_equal(leaves[0].grad, started)
            for leaf, grad in zip(leaves, once, strict=True):
                np.testing.assert_allclose(leaf.grad, passes * grad, rtol=1e-12)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 20


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
