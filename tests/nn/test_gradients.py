"""Clipping: PyTorch's numbers, and what a user relies on."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine import Value
from nn import optim

finite = st.floats(-10, 10, allow_subnormal=False)


def test_clipping_equals_pytorchs(reference):
    for case in reference["clip"]:
        params = [Value(p) for p in reference["start"]]
        for p, g in zip(params, reference["gradients"][0], strict=True):
            p.grad = g
        norm = optim.clip_grad_norm_(params, case["max_norm"], float(case["norm_type"]))
        assert norm == pytest.approx(case["norm"], rel=1e-13)
        for p, wanted in zip(params, case["gradients"], strict=True):
            np.testing.assert_allclose(p.grad, wanted, rtol=1e-12)


def test_gradients_with_a_graph_are_taken_as_numbers():
    p = Value([3.0])
    (p * p).sum().backward(create_graph=True)
    optim.clip_grad_norm_([p], 1.0)
    optim.SGD([p], lr=1.0).step()
    np.testing.assert_allclose(p.data, [2.0], rtol=1e-6)


@given(gradients=st.lists(st.one_of(finite, st.lists(finite, min_size=1, max_size=3)), min_size=1, max_size=4), limit=st.floats(0.01, 20))
def test_clipping_bounds_the_norm_and_keeps_the_direction(gradients, limit):
    params = [Value(np.zeros(np.shape(g))) for g in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    before = np.concatenate([np.ravel(p.grad) for p in params])
    norm = optim.clip_grad_norm_(params, limit)
    after = np.concatenate([np.ravel(p.grad) for p in params])
    assert norm == pytest.approx(np.linalg.norm(before))
    assert np.linalg.norm(after) <= limit * (1 + 1e-12)
    np.testing.assert_allclose(after * norm, before * np.linalg.norm(after), rtol=1e-9, atol=1e-9)
    if norm < limit - 1e-5:
        assert (after == before).all()


@given(gradients=st.lists(finite, min_size=1, max_size=4), limit=st.floats(0.01, 20))
def test_clipping_by_value_is_numpys_clip(gradients, limit):
    scalars, vector = [Value(0.0) for _ in gradients], Value(np.zeros(len(gradients)))
    vector.grad = gradients
    for p, g in zip(scalars, gradients, strict=True):
        p.grad = g
    optim.clip_grad_value_([*scalars, vector], limit)
    wanted = np.clip(gradients, -limit, limit)
    assert vector.grad.tolist() == [p.grad for p in scalars] == wanted.tolist()


def test_what_has_no_gradient_is_passed_over():
    reached, other = Value([3.0, 4.0]), Value([1.0])
    (reached * reached).sum().backward()
    assert optim.clip_grad_norm_([other, reached], 1.0) == pytest.approx(10.0)
    assert not other.has_grad
    for norm_type in (2.0, 1.0, math.inf):
        assert optim.clip_grad_norm_([other], 1.0, norm_type) == 0.0
    optim.clip_grad_value_([other, reached], 0.1)
    assert not other.has_grad


@pytest.mark.parametrize("clip", [optim.clip_grad_norm_, optim.clip_grad_value_])
def test_what_cannot_be_clipped_is_refused_and_nothing_changes(clip):
    good, bad = Value([3.0]), Value([1.0, 2.0], label="layers.0.weight")
    good.grad, bad.grad = 5.0, [0.0, math.nan]
    with pytest.raises(FloatingPointError, match=r"parameter 1, 'layers.0.weight' \(array of shape \(2,\)\), contains NaN"):
        clip([good, bad], 1.0)
    assert good.grad == 5.0
    with pytest.raises(TypeError, match=r"write \[p\]"):
        clip(good, 1.0)
    with pytest.raises(TypeError, match="parameter 1 is a float"):
        clip([good, 1.0], 1.0)


def test_clipping_writes_into_the_gradients_that_are_there():
    array, scalar = Value([3.0, -4.0]), Value(2.0)
    array.grad, scalar.grad = [3.0, -4.0], 2.0
    held = array.grad
    optim.clip_grad_value_([array, scalar], 3.0)
    assert array.grad is held
    assert held.tolist() == [3.0, -3.0]
    optim.clip_grad_norm_([array], 1.0)
    assert array.grad is held
    assert np.linalg.norm(held) == pytest.approx(1.0, rel=1e-5)
    assert scalar.grad == 2.0


def test_a_gradient_of_exactly_the_norm_is_scaled_as_in_pytorch():
    p = Value([3.0, 4.0])
    p.grad = [3.0, 4.0]
    optim.clip_grad_norm_([p], 5.0)
    np.testing.assert_allclose(p.grad, np.array([3.0, 4.0]) * 5.0 / (5.0 + 1e-6), rtol=1e-15)
