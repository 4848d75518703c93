"""Modes of recording: no_grad, enable_grad and detect_anomaly, in one thread and in several."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import AnomalyError, Value, modes
from engine.modes import is_grad_enabled


def run_at_once(tasks: list[Callable[[], None]], switch_interval: float) -> None:
    """Each task in a thread of its own; Python changes between them every so many seconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(switch_interval)
    try:
        threads = [threading.Thread(target=task) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)


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

    run_at_once([partial(switch, seed) for seed in range(6)], switch_interval=1e-5)
    assert not wrong
    assert modes.active == 0


def here() -> int:
    """The caller's line number."""
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize("data", [-1.0, np.array([1.0, -1.0])])
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_detect_anomaly_names_the_first_bad_node_forward(data: Any) -> None:
    x = Value(data, label="x")
    with engine.detect_anomaly():
        y = x * 2
        with pytest.raises(AnomalyError, match=rf"NaN in the forward of log at .*test_modes\.py:{here() + 1}\b"):
            np.log(y)
        with pytest.raises(AnomalyError, match=r"inf in the forward of divide .*'x'"):
            x / 0.0
    assert np.isnan(np.log(x).data).any()


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_detect_anomaly_names_the_first_bad_node_backward() -> None:
    x = Value(0.0, label="x")
    with engine.detect_anomaly():
        line = here() + 1
        y = np.sqrt(x)
        with pytest.raises(AnomalyError, match=rf"inf in the backward of sqrt at .*test_modes\.py:{line}\b.*'x'"):
            (y * 2).backward()


def test_without_detect_anomaly_nan_flows_as_in_numpy() -> None:
    x = Value([-1.0, 4.0])
    with np.errstate(all="ignore"):
        np.sqrt(x).sum().backward()
    assert np.isnan(x.grad[0])
    assert x.grad[1] == 0.25


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_mode_that_was_left_holds_no_more() -> None:
    """Also in a context that was copied inside it, as that of an asyncio task which goes on afterwards."""
    with engine.no_grad(), engine.detect_anomaly():
        context = copy_context()
        assert not context.run(engine.modes.is_grad_enabled)
        assert context.run(engine.modes.is_anomaly_enabled)
    assert context.run(engine.modes.is_grad_enabled)
    assert not context.run(engine.modes.is_anomaly_enabled)
    x = Value(0.0)
    context.run(lambda: np.sqrt(x).backward())
    assert x.grad == np.inf


@pytest.mark.parametrize("data", [0.5, np.linspace(0.1, 0.9, 5)])
@pytest.mark.parametrize("share", ["a leaf", "an interior node"])
def test_threads_that_share_nodes_lose_no_gradient(share: str, data: Any) -> None:
    """Each thread builds a graph of its own on what is shared, and passes back through both."""
    w, threads, passes = Value(data), 4, 15
    shared = (w * w).tanh() if share == "an interior node" else w

    def graph() -> Value:
        y = shared
        for _ in range(30):
            y = y * 1.01 + shared * w
        return y.sum()

    graph().backward()
    once = np.array(w.grad)
    w.zero_grad()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(passes):
                graph().backward()
        except BaseException as error:
            failed.append(error)

    run_at_once([work] * threads, switch_interval=1e-6)
    assert not failed
    np.testing.assert_allclose(w.grad, threads * passes * once, rtol=1e-12)


# ── generators and coroutines ─────────────────────────────────────────────────


def test_no_grad_decorates_a_generator_but_not_its_caller() -> None:
    @engine.no_grad()
    def doubled(x: Value) -> Iterator[Value]:
        given = yield x * 2
        try:
            given = yield given * 2
        except ValueError:
            yield x * 3
        return x * 4  # the value of `yield from`

    x = Value(2.0)
    steps = doubled(x)
    found = [next(steps)]
    assert (x * 2).requires_grad  # between the steps the caller's own mode holds
    found += [steps.send(x), steps.throw(ValueError())]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert [v.data for v in (*found, end.value.value)] == [4.0, 4.0, 6.0, 8.0]
    assert not any(v.requires_grad for v in (*found, end.value.value))
    assert is_grad_enabled()


def test_a_generator_that_is_closed_cleans_up_within_its_mode() -> None:
    seen = []

    @engine.no_grad()
    def steps() -> Iterator[None]:
        try:
            yield
        finally:
            seen.append(is_grad_enabled())

    begun = steps()
    next(begun)
    begun.close()
    assert seen == [False]
    assert is_grad_enabled()


def test_no_grad_decorates_a_coroutine_but_not_its_neighbours() -> None:
    @engine.no_grad()
    async def quiet(x: Value) -> Value:
        await asyncio.sleep(0)
        return x * 2

    async def loud(x: Value) -> Value:
        await asyncio.sleep(0)
        return x * 2

    async def both(x: Value) -> list[Value]:
        return await asyncio.gather(quiet(x), loud(x), quiet(x))

    assert [v.requires_grad for v in asyncio.run(both(Value(1.0)))] == [False, True, False]
    assert inspect.iscoroutinefunction(quiet)


def test_an_asynchronous_generator_is_refused() -> None:
    with pytest.raises(TypeError, match="asynchronous generator steps"):

        @engine.no_grad()
        async def steps() -> Any:
            yield 1


@given(st.lists(st.integers(0, 3), max_size=20))
def test_generators_may_end_their_contexts_in_any_order(order: list[int]) -> None:
    """When all are closed, recording is on; until then the context opened last decides."""

    def inside(mode: Any) -> Iterator[None]:
        with mode():
            yield

    kinds = [engine.no_grad, engine.enable_grad, engine.no_grad, engine.enable_grad]
    running: dict[int, Iterator[None]] = {}
    for number in order:
        if number in running:
            with pytest.raises(StopIteration):
                next(running.pop(number))
        else:
            running[number] = inside(kinds[number])
            next(running[number])
        assert is_grad_enabled() == (not running or kinds[list(running)[-1]] is engine.enable_grad)
    for generator in running.values():
        generator.close()  # type: ignore[attr-defined]
    assert is_grad_enabled()
    assert modes.active == 0


def test_a_thread_inside_no_grad_leaves_the_others_alone() -> None:
    inside, done = threading.Event(), threading.Event()

    def idle() -> None:
        with engine.no_grad():
            inside.set()
            done.wait(60)

    thread = threading.Thread(target=idle)
    thread.start()
    assert inside.wait(60)
    try:
        x, a = Value(3.0), Value(np.array([1.0, 2.0]))
        y = (x * x + 1.0).tanh() + (a * x).sum()
        assert y.requires_grad
        y.backward()
        np.testing.assert_allclose(a.grad, [3.0, 3.0])
        with engine.no_grad():
            assert not (x * x).requires_grad
        assert (x * x).requires_grad
    finally:
        done.set()
        thread.join(60)


@given(st.lists(st.sampled_from(["no_grad", "enable_grad", "detect_anomaly"]), max_size=4), st.floats(0.1, 3.0))
def test_operators_give_the_same_numbers_in_every_mode(names: list[str], number: float) -> None:
    def values(x: Any) -> list[Any]:
        return [x + 2.0, 2.0 - x, x * x, x / 3, x**2, -x, x.tanh(), x.exp(), x.log(), abs(x), x * np.array([1.0, 2.0])]

    plain = [v.data for v in values(Value(number))]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(getattr(engine, name)())
        recorded = is_grad_enabled()
        found = values(Value(number))
    for one, two in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one.data, two)
        assert type(one.data) is type(two)
        assert one.requires_grad is recorded
        assert one.is_leaf is not recorded
        assert bool(one.operands) is recorded
