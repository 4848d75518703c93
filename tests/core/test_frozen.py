"""Leaves that are frozen and set free again: a graph gives a gradient to a leaf that was free when it was recorded, and is free now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import Value

KINDS = {"scalar": 2.0, "array": np.array([2.0, -1.0]), "float32": np.array([2.0, -1.0], np.float32)}


def by_hand(x: Value, y: Value) -> Value:
    out = Value(x.data * y.data, (x, y), "by hand")

    def _backward() -> None:
        x.grad = x.grad + out.grad * y.data
        y.grad = y.grad + out.grad * x.data

    out._backward = _backward
    return out


USES = {"operator": lambda x, y: x * y, "ufunc": np.multiply, "of three": lambda x, y: np.stack([x * y, y * x])[0], "by hand": by_hand}
CHANGES = st.lists(st.sampled_from(["freeze", "free", "use"]), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", USES)
@given(changes=CHANGES, starts_free=st.booleans(), by_assignment=st.booleans(), create_graph=st.booleans())
def test_a_gradient_needs_a_leaf_that_was_free_then_and_is_free_now(
    kind: str, use: str, changes: list[str], starts_free: bool, by_assignment: bool, create_graph: bool
) -> None:
    x, y = Value(KINDS[kind], requires_grad=starts_free), Value(KINDS[kind])
    total, expected, free = y * 0.0, 0.0, starts_free
    for change in changes:
        if change == "use":
            total = total + USES[use](x, y)
            expected += free * KINDS[kind]
        else:
            free = change == "free"
            if by_assignment:
                x.requires_grad = free
            else:
                assert x.requires_grad_(free) is x
    np.sum(total).backward(create_graph=create_graph and use != "by hand")
    assert x.requires_grad is free
    got: Any = x.grad if free else 0.0
    np.testing.assert_allclose(np.asarray(getattr(got, "data", got)), np.asarray(expected * free))
    np.testing.assert_allclose(np.asarray(getattr(y.grad, "data", y.grad)), KINDS[kind] * changes.count("use"))


def test_a_result_cannot_be_frozen() -> None:
    y = Value(2.0) * 3.0
    for freeze in (lambda: y.requires_grad_(False), lambda: setattr(y, "requires_grad", False)):
        with pytest.raises(ValueError, match=r"only a leaf.*multiply made.*use detach"):
            freeze()


def test_reading_many_parts_of_a_leaf_that_was_frozen_before() -> None:
    x = Value(np.arange(4.0), requires_grad=False)
    before = x[0] * Value(1.0)
    x.requires_grad = True
    total = before + sum(x[i] * float(i) for i in range(4))
    total.backward()
    np.testing.assert_array_equal(x.grad, [0.0, 1.0, 2.0, 3.0])


def test_the_gan_order_of_pytorch() -> None:
    """Freeze D, run G, thaw D, and go back: G learns, D does not."""
    g, d = Value(np.ones(3)), Value(np.full(3, 2.0))
    d.requires_grad_(False)
    loss = engine.softplus(-(g * d).sum())
    d.requires_grad_(True)
    loss.backward()
    assert np.all(g.grad != 0)
    assert not d.has_grad
