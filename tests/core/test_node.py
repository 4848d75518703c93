"""What a node remembers: its order, its place in the source; and copies of leaves."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import engine
from engine import Parameter, Value
from engine.node import location


def test_order_is_by_age_and_not_by_recursion() -> None:
    """A diamond in which a depth-first walk from the left meets the shared node too early."""
    a = Value(2.0)
    b = a * 3
    c = b * a
    (b + c * b).backward()  # 3a + 9a³
    assert a.grad == 3 + 27 * 4


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
        assert re.search(rf"test_node\.py:{line}$", location(maker())), line


class Named(Value):
    """A subclass with a constructor and an attribute of its own."""

    def __init__(self, name: str, data: Any):
        super().__init__(data)
        self.name = name


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda value: pickle.loads(pickle.dumps(value))}


@pytest.mark.parametrize("twin_of", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "value",
    [Value(2.0, label="a"), Value(np.float32([1, 2]), label="b", requires_grad=False), Parameter([[1.0]]), Named("n", [1.0, 2.0])],
    ids=["scalar", "constant", "Parameter", "subclass"],
)
@pytest.mark.parametrize("grad", [None, 3.0])
def test_a_copy_of_a_leaf_is_equal_and_shares_nothing(value: Value, twin_of: Any, grad: float | None) -> None:
    value.grad = grad
    twin = twin_of(value)
    assert type(twin) is type(value)
    np.testing.assert_array_equal(twin.data, value.data)
    assert (twin.label, twin.dtype, twin.requires_grad, twin.has_grad) == (value.label, value.dtype, value.requires_grad, value.has_grad)
    np.testing.assert_array_equal(twin.grad, value.grad)
    assert getattr(twin, "name", None) == getattr(value, "name", None)
    if value.ndim:
        assert not np.shares_memory(twin.data, value.data)
        assert grad is None or not np.shares_memory(twin.grad, value.grad)
    twin.data = twin.data + 1.0
    twin.grad = 7.0
    assert not np.array_equal(value.data, twin.data)
    assert not np.array_equal(value.grad, twin.grad)


@pytest.mark.parametrize("twin_of", COPIES.values(), ids=COPIES)
def test_a_result_is_not_copied_without_its_graph(twin_of: Any) -> None:
    with pytest.raises(TypeError, match="detach"):
        twin_of(Value([1.0], label="a") * 2)
