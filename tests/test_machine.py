"""Backprop against its definition, under any sequence of what a user does to a graph.

∂root/∂v is the sum, over all paths from the root down to v, of the products of the local derivatives
along the path.  The model below walks every path, one by one; the engine must give the same whatever was
built, differentiated, reset, overwritten or detached before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

import engine
from engine import MutationError, Value

UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    # name: (the operation, its local derivative at plain data)
    "tanh": (np.tanh, lambda x: 1.0 - np.tanh(x) ** 2),
    "sin": (np.sin, lambda x: np.cos(x)),
    "relu": (engine.relu, lambda x: np.where(x > 0, 1.0, 0.0)),
    "negative": (np.negative, lambda x: -np.ones(np.shape(x))),
}
BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "add": (np.add, lambda x, y: np.ones(()), lambda x, y: np.ones(())),
    "subtract": (np.subtract, lambda x, y: np.ones(()), lambda x, y: -np.ones(())),
    "multiply": (np.multiply, lambda x, y: y, lambda x, y: x),
}


def fitted(part: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent in the shape of a scalar or of a vector."""
    return np.sum(part) if shape == () else np.broadcast_to(part, shape)


@dataclass(eq=False)
class Twin:
    """A Value beside what the definition says about it."""

    value: Value
    operands: tuple[Twin, ...] = ()
    locals: tuple[Any, ...] = ()  # one local derivative for each operand; None for a sum
    grad: Any = None
    wanted: bool = True  # whether gradients flow to it
    version: int = 0  # how often a leaf was overwritten
    used: tuple[int, ...] = field(default=())  # the operands' versions when this was computed

    def stale(self) -> bool:
        return any(o.version != version for o, version in zip(self.operands, self.used, strict=True))


def paths(root: Twin, seed: Any) -> tuple[dict[Twin, Any], bool]:
    """The gradient of everything below the root, path by path, and whether a path meets overwritten data."""
    total: dict[Twin, Any] = {}
    broken = False
    todo = [(root, seed)]
    while todo:
        twin, g = todo.pop()
        total[twin] = total.get(twin, 0.0) + g
        broken = broken or twin.stale()
        for operand, local in zip(twin.operands, twin.locals, strict=True):
            if operand.wanted:
                todo.append((operand, fitted(g if local is None else g * local, operand.value.shape)))
    return total, broken


numbers = st.integers(-12, 12).map(lambda k: k / 8.0)


class Backprop(RuleBasedStateMachine):
    twins = Bundle("twins")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Twin] = []

    def enter(self, value: Value, operands: tuple[Twin, ...] = (), locals: tuple[Any, ...] = ()) -> Twin:
        twin = Twin(value, operands, locals, wanted=value.requires_grad, used=tuple(o.version for o in operands))
        self.all.append(twin)
        return twin

    # ── build ──

    @rule(target=twins, x=numbers, requires_grad=st.sampled_from([True, True, True, False]))
    def scalar(self, x: float, requires_grad: bool) -> Twin:
        return self.enter(Value(x, requires_grad=requires_grad))

    @rule(target=twins, x=st.lists(numbers, min_size=3, max_size=3))
    def vector(self, x: list[float]) -> Twin:
        return self.enter(Value(x))

    @rule(target=twins, name=st.sampled_from(sorted(UNARY)), x=twins)
    def unary(self, name: str, x: Twin) -> Twin:
        operation, local = UNARY[name]
        return self.enter(operation(x.value), (x,), (local(x.value.data),))

    @rule(target=twins, name=st.sampled_from(sorted(BINARY)), x=twins, y=twins)
    def binary(self, name: str, x: Twin, y: Twin) -> Twin:
        operation, left, right = BINARY[name]
        data = x.value.data, y.value.data
        return self.enter(operation(x.value, y.value), (x, y), (np.copy(left(*data)), np.copy(right(*data))))

    @rule(target=twins, x=twins)
    def total(self, x: Twin) -> Twin:
        return self.enter(x.value.sum(), (x,), (None,))

    @rule(target=twins, x=twins)
    def detached(self, x: Twin) -> Twin:
        return self.enter(x.value.detach())

    @rule(target=twins, x=twins)
    def unrecorded(self, x: Twin) -> Twin:
        with engine.no_grad():
            return self.enter(x.value * 2.0)

    # ── differentiate ──

    @rule(root=twins, seed=numbers)
    def backward(self, root: Twin, seed: float) -> None:
        if not root.wanted:
            return
        gradient = np.full(root.value.shape, seed) if root.value.ndim else seed
        expected, broken = paths(root, gradient)
        if broken:
            with pytest.raises(MutationError, match="changed since"):
                root.value.backward(gradient)
            for twin in expected:
                if twin.operands:
                    twin.grad = "whatever the pass left"
            return
        root.value.backward(gradient)
        for twin, g in expected.items():
            twin.grad = g if twin.operands or twin.grad is None else twin.grad + g

    # ── reset and overwrite ──

    @rule(x=twins)
    def zero_grad(self, x: Twin) -> None:
        x.value.zero_grad()
        x.grad = None

    @rule(x=twins, by=numbers)
    def overwrite(self, x: Twin, by: float) -> None:
        if not x.operands:
            x.value.data = x.value.data + by
            x.version += 1

    @rule(x=twins, by=numbers.filter(bool))
    def overwrite_in_place(self, x: Twin, by: float) -> None:
        if not x.operands and x.value.ndim and x.value.is_leaf:
            x.value.data[1] += by
            x.version += 1

    # ── what must hold ──

    @invariant()
    def gradients_are_the_sums_over_all_paths(self) -> None:
        for twin in self.all:
            assert np.shape(twin.value.grad) == twin.value.shape
            if isinstance(twin.grad, str):
                continue
            expected = 0.0 if twin.grad is None else twin.grad
            np.testing.assert_allclose(twin.value.grad, np.broadcast_to(expected, twin.value.shape), rtol=1e-9, atol=1e-9)


TestBackprop = Backprop.TestCase
TestBackprop.settings = settings(max_examples=60, stateful_step_count=25, derandomize=True, database=None, deadline=None)
