"""Depth, memory and time: a million operations in a row, wide nodes, graphs that die when they are dropped."""

from __future__ import annotations

import gc
import time
import weakref
from typing import Any

import numpy as np
import pytest

import engine
from engine import Value
from engine.node import reachable


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
        values = sum(issubclass(type(o), Value) for o in gc.get_objects())
        for _ in range(5):
            for f in (engine.grad, engine.hessian, engine.jacobian, engine.value_and_grad):
                f(lambda v: np.sum(np.tanh(v) ** 2))(x)
        assert sum(issubclass(type(o), Value) for o in gc.get_objects()) == values
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
