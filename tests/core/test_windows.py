"""Strided windows and their adjoint, against their definition, element by element."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import Value
from engine.calculus import vjp


@st.composite
def cuts(draw):
    """An array and a way to cut its last axes into windows that fit."""
    k = draw(st.integers(1, 2))
    size = tuple(draw(st.integers(1, 3)) for _ in range(k))
    dilation = tuple(draw(st.integers(1, 2)) for _ in range(k))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(k))
    reach = [(n - 1) * d + 1 for n, d in zip(size, dilation, strict=True)]
    shape = (*draw(st.lists(st.integers(0, 2), max_size=2)), *(r + draw(st.integers(0, 4)) for r in reach))
    x = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=shape)
    return x, {"size": size, "stride": stride, "dilation": dilation}


@given(cuts())
def test_each_element_of_a_window_is_where_the_definition_says(cut):
    x, params = cut
    out, k = engine.windows(x, **params), len(params["size"])
    counts = out.shape[out.ndim - 2 * k : out.ndim - k]
    for place in itertools.product(*map(range, counts), *map(range, params["size"])):
        source = tuple(i * s + j * d for i, j, s, d in zip(place[:k], place[k:], params["stride"], params["dilation"], strict=True))
        np.testing.assert_array_equal(out[(..., *place)], x[(..., *source)])
    # and there is no room for one more window
    for n, count, s, size, d in zip(x.shape[-k:], counts, params["stride"], params["size"], params["dilation"], strict=True):
        assert count * s + (size - 1) * d >= n


@given(cuts())
def test_overlap_add_is_the_adjoint_of_windows_and_each_is_the_derivative_of_the_other(cut):
    x, params = cut
    out, pull = vjp(lambda x: engine.windows(x, **params), x)
    u = np.random.default_rng(0).normal(size=out.shape)
    added = engine.overlap_add(u, shape=x.shape, **params)
    np.testing.assert_allclose(np.vdot(out, u), np.vdot(x, added), atol=1e-12)
    np.testing.assert_array_equal(pull(u), added)
    back, pull_back = vjp(lambda u: engine.overlap_add(u, shape=x.shape, **params), u)
    np.testing.assert_array_equal(back, added)
    np.testing.assert_array_equal(pull_back(x), out)


def test_windows_copies_nothing_and_cannot_be_written_through():
    x = np.zeros((1000, 1000))
    view = engine.windows(x, size=(50, 50), stride=(1, 1), dilation=(1, 1))  # 18 GB if it were copied
    assert np.shares_memory(view, x)
    assert not view.flags.writeable


@pytest.mark.parametrize(("shape", "size"), [((3,), (4,)), ((2, 3), (3, 3)), ((3,), (2, 2))])
def test_windows_that_do_not_fit_are_refused_with_the_shapes(shape, size):
    one = (1,) * len(size)
    with pytest.raises(ValueError, match=r"windows.*fit"):
        engine.windows(Value(np.ones(shape)), size=size, stride=one, dilation=one)


def test_overlap_add_refuses_windows_of_another_cut():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(1, 2\)"):
        engine.overlap_add(Value(np.ones((1, 2))), shape=(4,), size=(2,), stride=(1,), dilation=(1,))
