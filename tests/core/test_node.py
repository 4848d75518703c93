"""What a node remembers: its order, its place in the source, its label; how an error calls it; and copies of leaves."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import Parameter, Value
from engine.node import age, describe, location, operands, reachable

# ── order ─────────────────────────────────────────────────────────────────────


def test_order_is_by_age_and_not_by_recursion() -> None:
    """A diamond in which a depth-first walk from the left meets the shared node too early."""
    a = Value(2.0)
    b = a * 3
    c = b * a
    (b + c * b).backward()  # 3a + 9a³
    assert a.grad == 3 + 27 * 4


def below(roots: list[Value]) -> set[Value]:
    """The roots and all that they depend on: the definition, which walks every path."""
    return {node for root in roots for node in (root, *below([o for o in operands(root) if isinstance(o, Value)]))}


@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=7),
    picked=st.lists(st.integers(0, 3), max_size=3),
    assigned=st.sets(st.integers(0, 5), max_size=3),
)
def test_reachable_is_every_node_below_once_and_operands_stand_before_their_users(steps: Any, picked: Any, assigned: Any) -> None:
    """Also after a training step, where an assigned leaf is younger than the nodes that used it."""
    made = [Value(1.0), Value(2.0), Value(3.0)]
    for i, j in steps:
        x, y = made[-1 - i % len(made)], made[-1 - j % len(made)]
        made.append([x + y, x * 3.0, np.where(np.array(True), x, y)][(i + j) % 3])
    roots = [made[-1 - k] for k in picked]
    for k in assigned:
        made[k].data = 5.0
    order = reachable(roots)
    assert len(order) == len(set(order))
    assert set(order) == below(roots)
    place = {node: at for at, node in enumerate(order)}
    assert all(place[o] < place[node] for node in order for o in operands(node) if isinstance(o, Value))
    if not assigned:
        assert order == sorted(order, key=age)


# ── place ─────────────────────────────────────────────────────────────────────


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


def test_each_node_of_a_longer_function_has_its_own_line() -> None:
    """A node made on several lines is blamed on the first of them."""

    def lines() -> list[Value]:
        x = Value(2.0)
        return [
            x * x,
            x.tanh(),
            (
                x
                +
                Value(1.0)
            ),
            -x,
        ]  # fmt: skip

    first = lines.__code__.co_firstlineno
    assert [int(location(node).rpartition(":")[2]) - first for node in lines()] == [3, 4, 6, 10]


def test_the_first_node_of_a_program_has_its_line_too() -> None:
    code = "import numpy as np, engine, engine.node as n\nx = engine.Value(2.0)\nprint(n.location(np.exp(x)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "<string>:3\n"


def test_a_leaf_has_no_place_in_the_source() -> None:
    assert location(Value(1.0)) == "an unknown place"


# ── name ──────────────────────────────────────────────────────────────────────


@given(st.lists(st.text(max_size=3), min_size=1, max_size=20))
def test_each_value_keeps_its_own_label(labels: list[str]) -> None:
    values = [Value(1.0, label=label) for label in labels]
    for value in values[::2]:
        value.label = value.label + "!"
    expected = [label + "!" if i % 2 == 0 else label for i, label in enumerate(labels)]
    assert [value.label for value in values] == expected
    values[0].label = ""
    assert values[0].label == ""
    del values
    assert [Value(1.0).label for _ in range(50)] == [""] * 50  # none is left behind for the next at the same place


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Value(2.0), "an unlabelled scalar"),
        (Value(2.0, label="a"), "'a' (scalar)"),
        (Value([1.0, 2.0]), "an unlabelled array of shape (2,)"),
        (Value([[1.0, 2.0]], label="w"), "'w' (array of shape (1, 2))"),
        (3.0, "a constant scalar"),
        (np.ones(3), "a constant array of shape (3,)"),
    ],
)
def test_how_an_error_calls_a_value(thing: Any, words: str) -> None:
    assert describe(thing) == words


# ── copies ────────────────────────────────────────────────────────────────────


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
