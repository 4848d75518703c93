"""What a node remembers: its order, its place in the source; and copies of leaves."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest

import engine
from engine import Value
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
