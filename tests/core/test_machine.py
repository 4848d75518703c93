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
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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


UNKNOWN = object()  # the gradient of a result after a pass that was refused


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
recent = st.integers(0, 7)  # counts back from the newest: most of what is drawn hangs together
operations = st.lists(st.tuples(st.sampled_from([*BINARY, *UNARY, "sum"]), recent, recent), min_size=1, max_size=5)


class Backprop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.all: list[Twin] = []

    def enter(self, value: Value, operands: tuple[Twin, ...] = (), locals: tuple[Any, ...] = ()) -> None:
        used = tuple(operand.version for operand in operands)
        self.all.append(Twin(value, operands, locals, wanted=value.requires_grad, used=used))

    def pick(self, back: int) -> Twin:
        return self.all[-1 - back % len(self.all)]

    def leaf(self, back: int) -> Twin:
        leaves = [twin for twin in self.all if not twin.operands]
        return leaves[-1 - back % len(leaves)]

    # ── build ──

    @initialize(x=numbers, y=st.lists(numbers, min_size=3, max_size=3))
    def begin(self, x: float, y: list[float]) -> None:
        self.enter(Value(x))
        self.enter(Value(y))

    @rule(x=st.one_of(numbers, st.lists(numbers, min_size=3, max_size=3)), requires_grad=st.booleans())
    def new_leaf(self, x: Any, requires_grad: bool) -> None:
        self.enter(Value(x, requires_grad=requires_grad))

    @rule(steps=operations)
    def compute_only(self, steps: list[tuple[str, int, int]]) -> None:
        self.compute(steps)

    def compute(self, steps: list[tuple[str, int, int]]) -> None:
        for name, first, second in steps:
            x, y = self.pick(first), self.pick(second)
            data = x.value.data, y.value.data
            if name == "sum":
                self.enter(x.value.sum(), (x,), (None,))
            elif name in UNARY:
                operation, local = UNARY[name]
                self.enter(operation(x.value), (x,), (np.copy(local(data[0])),))
            else:
                operate, left, right = BINARY[name]
                self.enter(operate(x.value, y.value), (x, y), (np.copy(left(*data)), np.copy(right(*data))))

    @rule(back=recent)
    def detach(self, back: int) -> None:
        self.enter(self.pick(back).value.detach())

    @rule(back=recent)
    def unrecorded(self, back: int) -> None:
        with engine.no_grad():
            self.enter(self.pick(back).value * 2.0)

    # ── differentiate ──

    @rule(steps=operations, seed=numbers)
    def compute_and_backward(self, steps: list[tuple[str, int, int]], seed: float) -> None:
        self.compute(steps)
        self.differentiate(self.all[-1], seed)

    @rule(back=recent, seed=numbers)
    def backward(self, back: int, seed: float) -> None:
        self.differentiate(self.pick(back), seed)

    @rule(back=recent, by=numbers.filter(bool), seed=numbers, in_place=st.booleans())
    def overwrite_and_backward(self, back: int, by: float, seed: float, in_place: bool) -> None:
        (self.overwrite_in_place if in_place else self.overwrite)(back, by)
        self.differentiate(self.all[-1], seed)

    def differentiate(self, root: Twin, seed: float) -> None:
        if not root.wanted:
            return
        gradient = np.full(root.value.shape, seed) if root.value.ndim else seed
        expected, broken = paths(root, gradient)
        if broken:
            with pytest.raises(MutationError, match="changed since"):
                root.value.backward(gradient)
            for twin in expected:
                if twin.operands:
                    twin.grad = UNKNOWN
            return
        root.value.backward(gradient)
        for twin, g in expected.items():
            twin.grad = g if twin.operands or twin.grad is None else twin.grad + g

    # ── reset and overwrite ──

    @rule(back=recent, by=numbers.filter(bool), in_place=st.booleans())
    def overwrite_only(self, back: int, by: float, in_place: bool) -> None:
        (self.overwrite_in_place if in_place else self.overwrite)(back, by)

    @rule(back=recent)
    def zero_grad(self, back: int) -> None:
        twin = self.pick(back)
        twin.value.zero_grad()
        twin.grad = None

    def overwrite(self, back: int, by: float) -> None:
        twin = self.leaf(back)
        twin.value.data = twin.value.data + by
        twin.version += 1

    def overwrite_in_place(self, back: int, by: float) -> None:
        twin = self.leaf(back)
        if twin.value.ndim:
            twin.value.data[1] += by
            twin.version += 1

    # ── what must hold ──

    @invariant()
    def gradients_are_the_sums_over_all_paths(self) -> None:
        for twin in self.all:
            assert np.shape(twin.value.grad) == twin.value.shape
            if twin.grad is UNKNOWN:
                continue
            expected = 0.0 if twin.grad is None else twin.grad
            np.testing.assert_allclose(twin.value.grad, np.broadcast_to(expected, twin.value.shape), rtol=1e-9, atol=1e-9)


TestBackprop = Backprop.TestCase
TestBackprop.settings = settings(max_examples=100, stateful_step_count=20, derandomize=True, database=None, deadline=None)
