"""Whoever holds the array of a leaf may write to it, at any time, and by any way: that is noticed, or it does no harm."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import MutationError, Value
from engine.arrays import fingerprint, to_update
from nn import optim

HOLD: dict[str, Any] = {  # what a user can keep of an array, and write through later
    "the array": lambda data: data,
    "a view": lambda data: data[1:],
    "a view of a view": lambda data: data.reshape(-1, 1)[::-1],
    "a memoryview": lambda data: np.asarray(memoryview(data)),
    "a dict": lambda data: {"data": data},
    "a closure": lambda data: lambda: data,
    "a weak reference": weakref.ref,
    "an iterator": np.nditer,
}


def array_of(held: Any) -> Any:
    held = held["data"] if isinstance(held, dict) else held() if callable(held) else held
    return held.operands[0] if isinstance(held, np.nditer) else held


STEPS = ["use", "use", "read", "write", "decrease", "assign", "step", "release", *HOLD]


@settings(max_examples=400)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=2, max_size=14), size=st.sampled_from([3, 2000]), copied=st.booleans())
def test_a_write_is_noticed_whoever_made_it(steps: list[str], size: int, copied: bool) -> None:
    x = Value(np.linspace(-1.0, 1.0, size), label="x")
    held: list[Any] = []
    total, used, changed = Value(0.0), 0, False
    for step in steps:
        if step == "use":
            total = total + ((x * x).sum() if copied else x.reshape(size, 1).square().sum())
            used += 1
        elif step == "read":
            assert x.data.shape == (size,)
        elif step == "release":
            held.clear()
        elif step in HOLD:
            held.append(HOLD[step](x.data))
        else:
            if step == "write" and held and (array := array_of(held[-1])) is not None:
                array[...] += 0.25
                array = None
            elif step == "assign":
                x.data = np.array(x.data) + 0.5
                held.clear()  # they hold an array that is no longer x's
            elif step == "step":
                x.grad = np.ones(size)
                optim.SGD([x], lr=0.125).step()
                x.zero_grad()
            else:
                x.data -= 0.25
            changed = changed or used > 0
    if not used:
        return
    if changed:
        with pytest.raises(MutationError, match="'x'"):
            total.backward()
    else:
        total.backward()
        np.testing.assert_allclose(x.grad, 2.0 * used * x.data)
    y = Value(np.array(x.data))
    x.zero_grad()
    for leaf in (x, y):
        (leaf * leaf * leaf).sum().backward()
    np.testing.assert_array_equal(x.grad, y.grad)


@pytest.mark.parametrize("read", [lambda x: x.data, lambda x: x.data.sum(), lambda x: setattr(x, "data", x.data), to_update])
def test_an_array_that_only_the_leaf_holds_needs_no_fingerprint(read: Any) -> None:
    x = Value(np.ones(5000))
    read(x)
    (x * 2.0).sum().backward()
    assert x._fingerprint is None


def test_an_array_that_the_user_holds_keeps_its_fingerprint() -> None:
    x = Value(np.ones(5000))
    mine = x.data
    for _ in range(3):
        (x * 2.0).sum().backward()
        assert x._fingerprint == fingerprint(mine)


def test_an_update_that_breaks_off_counts_as_a_change() -> None:
    class Breaks(optim.Optimizer):
        def update(self, p: Any, g: Any, s: Any) -> Any:
            p[0] = 7.0
            raise KeyboardInterrupt

    x = Value([1.0, 2.0], label="x")
    y = (x * x).sum()
    x.grad = np.ones(2)
    with pytest.raises(KeyboardInterrupt):
        Breaks([x]).step()
    with pytest.raises(MutationError, match="'x'"):
        y.backward()
