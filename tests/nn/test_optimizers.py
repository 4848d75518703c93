"""Optimisers: PyTorch's numbers, and what a user relies on."""

import copy
import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import MutationError, Parameter, Value
from nn import optim

CLASSES = [optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AdamW]
finite = st.floats(-10, 10, allow_subnormal=False)
VARIANTS = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.5, "centered": True}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.AdamW, {"lr": 0.1}),
]


def arguments_of(arguments):
    return {name: tuple(setting) if isinstance(setting, list) else setting for name, setting in arguments.items()}


# ── PyTorch's numbers ─────────────────────────────────────────────────────────


def test_every_step_of_every_optimiser_equals_pytorchs(reference):
    for name, arguments, path in reference["optimisers"]:
        params = [Value(p) for p in reference["start"]]
        optimizer = getattr(optim, name)(params, **arguments_of(arguments))
        for row, expected in zip(reference["gradients"], path, strict=True):
            for p, g in zip(params, row, strict=True):
                p.grad = g
            optimizer.step()
            for p, wanted in zip(params, expected, strict=True):
                np.testing.assert_allclose(p.data, wanted, rtol=1e-12, atol=1e-13, err_msg=f"{name} {arguments}")


# ── what holds for all of them ────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "arguments"), VARIANTS)
@settings(deadline=None, max_examples=20)
@given(start=st.lists(finite, min_size=1, max_size=4), gradients=st.lists(st.lists(finite, min_size=4, max_size=4), min_size=1, max_size=5))
def test_scalars_one_by_one_learn_what_they_learn_as_a_vector(kind, arguments, start, gradients):
    scalars, vector = [Value(x) for x in start], Value(start)
    one, other = kind(scalars, **arguments), kind([vector], **arguments)
    for row in gradients:
        for p, g in zip(scalars, row, strict=False):
            p.grad = g
        vector.grad = row[: len(start)]
        one.step()
        other.step()
    np.testing.assert_allclose([p.data for p in scalars], vector.data, rtol=1e-10, atol=1e-10)
    assert all(type(p.data) is float for p in scalars)
    assert all(type(number) is float for s in one.state_dict()["state"] for name, number in s.items() if name != "t")


@pytest.mark.parametrize(("kind", "arguments"), VARIANTS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_are_updated_in_place_and_as_small_ones(kind, arguments, order):
    rng = np.random.default_rng(0)
    start = np.asarray(rng.normal(size=(300, 113)), order=order)
    large, rows = Value(start), [Value(row) for row in start]
    one, other = kind([large], **arguments), kind(rows, **arguments)
    array = large.data
    for _ in range(3):
        g = rng.normal(size=start.shape)
        large.grad = g
        for p, row in zip(rows, g, strict=True):
            p.grad = row
        one.step()
        other.step()
    assert large.data is array
    np.testing.assert_allclose(large.data, [p.data for p in rows], rtol=1e-12)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("start", [2.0, [3.0, -1.0]])
def test_minimises_a_bowl(kind, start):
    p = Value(start)
    optimizer = kind([p], lr=0.1)
    heights = []
    for _ in range(200):
        optimizer.zero_grad()
        height = ((p - 1.0) ** 2).sum()
        height.backward()
        optimizer.step()
        heights.append(height.item())
    assert heights[-1] < 0.1 * heights[0]


@pytest.mark.parametrize(("kind", "arguments"), VARIANTS)
def test_goes_on_from_its_state_to_the_bit(kind, arguments):
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(6, 3))

    def advance(optimizer, p, rows):
        for g in rows:
            p.grad = g
            optimizer.step()

    straight = Value([1.0, 2.0, 3.0])
    advance(kind([straight], **arguments), straight, gradients)
    p = Value([1.0, 2.0, 3.0])
    first = kind([p], **arguments)
    advance(first, p, gradients[:3])
    taken = first.state_dict()
    state = json.loads(json.dumps(first.state_dict(), default=lambda array: array.tolist()))  # it is plain data
    state["state"] = [{k: np.array(v) if k != "t" else v for k, v in s.items()} for s in state["state"]]
    q = Value(p.data)
    second = kind([q], lr=99.0)
    if set(second.memory) != set(first.memory):
        second = kind([q], **arguments | {"lr": 99.0})
    second.load_state_dict(state)
    advance(first, p, gradients[3:5])
    assert taken["state"][0]["t"] == 3
    assert all(np.array_equal(state["state"][0][name], number) for name, number in taken["state"][0].items())  # no view of its memory
    advance(second, q, gradients[3:])
    assert q.data.tobytes() == straight.data.tobytes()


@given(g=st.floats(1e-3, 1e3), start=st.sampled_from([1.0, [1.0, 2.0]]))
@settings(deadline=None, max_examples=30)
def test_a_variance_rounded_below_zero_counts_as_zero(g, start):
    p = Value(start)
    optimizer = optim.RMSprop([p], lr=1e-9, alpha=0.3, centered=True)
    for _ in range(40):  # a gradient that never changes has no variance
        p.grad = g
        optimizer.step()
        assert np.isfinite(p.data).all()
    assert p.dtype == np.float64


def test_the_state_holds_what_the_update_needs_and_no_more():
    for kind, arguments, names in [
        (optim.SGD, {}, []),
        (optim.SGD, {"momentum": 0.5}, ["b"]),
        (optim.Adagrad, {}, ["v"]),
        (optim.RMSprop, {}, ["v"]),
        (optim.RMSprop, {"centered": True}, ["v", "m"]),
        (optim.RMSprop, {"momentum": 0.5}, ["v", "b"]),
        (optim.AdamW, {}, ["m", "v"]),
    ]:
        p = Value([1.0])
        optimizer = kind([p], **arguments)
        p.grad = [1.0]
        optimizer.step()
        assert list(optimizer.state_dict()["state"][0]) == ["t", *names]


def test_float32_stays_float32():
    for shape in ((3,), ()):
        p = Value(np.ones(shape, np.float32))
        optimizer = optim.Adam([p])
        p.grad = np.ones(shape, np.float32)
        optimizer.step()
        assert p.dtype == np.float32
        assert all(np.asarray(optimizer.state_dict()["state"][0][name]).dtype == np.float32 for name in "mv")


def test_a_parameter_without_a_gradient_stays():
    p, q, frozen = Parameter([1.0]), Parameter([1.0]), Value([1.0], requires_grad=False)
    optimizer = optim.AdamW([p, q, frozen])
    (p * frozen).sum().backward()
    optimizer.step()
    assert p.data != 1.0
    assert (q.data, frozen.data) == (1.0, 1.0)
    assert optimizer.state_dict()["state"][1:] == [None, None]


def test_zero_grad_forgets():
    p = Value([1.0])
    optimizer = optim.SGD([p], lr=1)
    (p * 2.0).sum().backward()
    optimizer.zero_grad()
    assert not p.has_grad


def test_backward_after_a_step_is_refused():
    p = Value([1.0, 2.0])
    loss = (p * p).sum()
    loss.backward()
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(MutationError):
        loss.backward()


@pytest.mark.parametrize(("number", "kind"), [(math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "inf")])
def test_a_gradient_that_is_not_finite_is_named_and_nothing_moves(number, kind):
    good, bad, scalar = Parameter([1.0]), Parameter([1.0, 2.0], label="layers.0.weight"), Parameter(3.0)
    good.grad, bad.grad = 1.0, [0.0, number]
    with pytest.raises(FloatingPointError, match=rf"parameter 1, 'layers.0.weight' \(array of shape \(2,\)\), contains {kind}"):
        optim.Adam([good, bad]).step()
    scalar.grad = number
    with pytest.raises(FloatingPointError, match=rf"parameter 1, an unlabelled scalar, contains {kind}"):
        optim.Adam([good, scalar]).step()
    assert (good.data, good.grad, scalar.data) == (1.0, 1.0, 3.0)


@pytest.mark.parametrize(
    ("refused", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "SGD needs parameters, and the list is empty"),
        (lambda: optim.SGD(Value(1.0)), TypeError, r"write \[p\]"),
        (lambda: optim.SGD([1.0]), TypeError, "parameter 0 is a float"),
        (lambda: optim.SGD([Value(1.0) * 2.0]), ValueError, r"result of '\*'; an optimiser can learn leaves only"),
        (lambda: optim.SGD([Value(1.0)], lr=-1.0), ValueError, "lr=-1.0 is out of range"),
        (lambda: optim.SGD([Value(1.0)], lr=math.nan), ValueError, "out of range"),
        (lambda: optim.SGD([Value(1.0)], nesterov=True), ValueError, "needs momentum > 0"),
        (lambda: optim.SGD([Value(1.0)], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "dampening=0"),
        (lambda: optim.Adam([Value(1.0)], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda: optim.SGD([Value(1.0)] * 2), ValueError, "listed twice"),
    ],
)
def test_what_cannot_work_is_refused_at_once(refused, error, message):
    with pytest.raises(error, match=message):
        refused()


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    p = Value([1.0, 2.0])
    optimizer = optim.Adam([p], lr=0.5)
    p.grad = [1.0, 1.0]
    optimizer.step()
    state = optimizer.state_dict()
    for other in (optim.SGD([Value([1.0, 2.0])]), optim.Adam([Value([1.0])]), optim.Adam([Value([1.0, 2.0]), Value(1.0)])):
        before = other.state_dict()
        with pytest.raises(ValueError, match=r"the state"):
            other.load_state_dict(state)
        assert other.state_dict() == before


def test_a_loaded_state_is_a_copy():
    p, q = Value([1.0, 2.0]), Value([1.0, 2.0])
    first, second = optim.Adam([p]), optim.Adam([q])
    p.grad = [1.0, -1.0]
    first.step()
    state = first.state_dict()
    kept = json.dumps(state, default=np.ndarray.tolist)
    second.load_state_dict(state)
    q.grad = [3.0, 3.0]
    second.step()
    assert json.dumps(state, default=np.ndarray.tolist) == kept
    assert json.dumps(first.state_dict(), default=np.ndarray.tolist) == kept


def test_an_optimiser_of_ones_own_is_its_update():
    class Sign(optim.Optimizer):
        memory = ("count",)

        def update(self, p, g, s):
            s.count += 1.0
            p -= self.lr * np.sign(g) * s.count
            return p

    p = Value([1.0, -2.0])
    optimizer = Sign([p], lr=0.5)
    for _ in range(2):
        p.grad = [3.0, -4.0]
        optimizer.step()
    assert p.data.tolist() == [-0.5, -0.5]
    assert repr(optimizer) == "Sign(lr=0.5)"
    plain = optim.Optimizer([p], lr=1.0)
    with pytest.raises(NotImplementedError, match=r"Optimizer needs an update\(p, g, s\)"):
        plain.step()


def test_a_state_brings_its_settings():
    saved = optim.AdamW([Value(1.0)], lr=0.25, betas=(0.5, 0.75), eps=1e-3, weight_decay=0.125).state_dict()
    fresh = optim.AdamW([Value(1.0)])
    fresh.load_state_dict(saved)
    assert (fresh.lr, fresh.betas, fresh.eps, fresh.weight_decay) == (0.25, (0.5, 0.75), 1e-3, 0.125)
    assert repr(fresh) == "AdamW(lr=0.25, betas=(0.5, 0.75), eps=0.001, weight_decay=0.125)"


@pytest.mark.parametrize("settings", [{"lr": 0.0}, {"lr": 0.0, "betas": (0.0, 0.0), "eps": 0.0}])
def test_the_least_settings_are_allowed(settings):
    p = Value([1.0, -2.0])
    optimizer = optim.Adam([p], **settings)
    p.grad = [1.0, 1.0]
    optimizer.step()
    assert p.data.tolist() == [1.0, -2.0]


def test_thousands_of_scalars_take_milliseconds():
    params = [Value(1.0) for _ in range(5000)]
    optimizer = optim.Adam(params)
    best = math.inf
    for _ in range(3):
        for p in params:
            p.grad = 0.5
        start = time.perf_counter()
        optimizer.step()
        best = min(best, time.perf_counter() - start)
    assert best < 0.15


# ── settings that change, and updates of one's own ────────────────────────────


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([optim.SGD, optim.RMSprop]), st.integers(0, 3), st.booleans(), st.integers(0, 2**16))
def test_a_setting_may_change_between_steps_or_come_from_a_loaded_state(kind, steps, loaded, seed):
    """Momentum that is switched on later acts as in an optimiser that had it from then on."""
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((steps + 4, 3))
    p, q = Value(np.ones(3)), Value(np.ones(3))
    late, early = kind([p], lr=0.1), kind([q], lr=0.1, momentum=0.9)

    def step(value, optimizer, g):
        value.grad = g
        optimizer.step()

    for g in gradients[:steps]:
        step(p, late, g)
    q.data = p.data.copy()
    if loaded:
        late.load_state_dict(early.state_dict())
    else:
        late.momentum = 0.9
        if kind is optim.RMSprop and steps:
            early.state[0] = copy.deepcopy(late.state[0])
            early.state[0].b = np.zeros(3)
    for g in gradients[steps:]:
        step(p, late, g)
        step(q, early, g)
    np.testing.assert_array_equal(p.data, q.data)
    assert "momentum=0.9" in repr(late)


class Returned(optim.Optimizer):
    """An update that returns new arrays, and looks at the whole gradient."""

    memory = ("m",)

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

    def update(self, p, g, s):
        s.m = 0.9 * s.m + g
        return p - self.lr * s.m / np.sqrt(np.sum(g * g))


@pytest.mark.parametrize("shape", [(3,), (200, 100), (40_000,), (1, 40_000), (3, 100, 100)])
def test_an_update_of_ones_own_sees_whole_arrays_and_may_return_new_ones(shape):
    p, expected, m = Value(np.ones(shape)), np.ones(shape), np.zeros(shape)
    optimizer = Returned([p])
    for seed in range(3):
        g = np.random.default_rng(seed).standard_normal(shape)
        p.grad = g
        optimizer.step()
        m = 0.9 * m + g
        expected = expected - 0.1 * m / np.sqrt(np.sum(g * g))
    np.testing.assert_allclose(p.data, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_a_large_array_is_updated_as_its_rows_are(kind):
    options = {"momentum": 0.9} if kind in (optim.SGD, optim.RMSprop) else {}
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((300, 100)), rng.standard_normal((3, 300, 100))
    whole, rows = Value(start), [Value(row) for row in start]
    one, many = kind([whole], lr=0.1, **options), kind(rows, lr=0.1, **options)
    for g in gradients:
        whole.grad = g
        for row, part in zip(rows, g, strict=True):
            row.grad = part
        one.step()
        many.step()
    np.testing.assert_array_equal(whole.data, [row.data for row in rows])
