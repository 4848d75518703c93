"""Scaling and batches."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import nn
from engine import Value
from nn import Batches, normalise, standardise

tables = arrays(np.float64, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6), elements=st.floats(-1e3, 1e3, width=32))


@given(x=tables, axis=st.sampled_from([0, None, (0, 1)]))
def test_standardised_data_has_mean_0_and_deviation_1(x, axis):
    z = standardise(x, axis)(x)
    np.testing.assert_allclose(z.mean(axis), 0, atol=1e-6)
    varies = np.asarray(x.std(axis) > 1e-9 * np.maximum(1, abs(x).max(axis)))
    np.testing.assert_allclose(np.asarray(z.std(axis))[varies], 1, rtol=1e-6)


@given(x=tables, axis=st.sampled_from([0, None, (0, 1)]))
def test_normalised_data_spans_0_to_1(x, axis):
    z = normalise(x, axis)(x)
    assert z.min() >= 0
    assert z.max() <= 1 + 1e-12
    varies = np.asarray(np.ptp(x, axis) > 0)
    spans = np.asarray((z.min(axis) == 0) & (abs(z.max(axis) - 1) < 1e-12))
    assert (spans | ~varies).all()


@given(x=tables, maker=st.sampled_from([standardise, normalise]), axis=st.sampled_from([0, None]))
def test_the_inverse_gives_the_data_back(x, maker, axis):
    scale = maker(x, axis)
    np.testing.assert_allclose(scale.inverse(scale(x)), x, rtol=1e-9, atol=1e-9)
    one = scale(x[:1])  # the stored numbers serve other data, and Values
    np.testing.assert_array_equal(one, scale(x)[:1])
    np.testing.assert_array_equal(scale(Value(x)).data, scale(x))


def test_the_channels_of_pictures_are_scaled_one_by_one():
    x = np.random.default_rng(0).normal([[[[1.0]], [[10.0]], [[-5.0]]]], [[[[0.1]], [[3.0]], [[1.0]]]], size=(6, 3, 4, 5))
    channels = (0, 2, 3)
    z = normalise(x, channels)(x)
    np.testing.assert_allclose([z.min(channels), z.max(channels)], [[0.0] * 3, [1.0] * 3], atol=1e-12)
    z = standardise(x, channels)(x)
    np.testing.assert_allclose([z.mean(channels), z.std(channels)], [[0.0] * 3, [1.0] * 3], atol=1e-12)


def test_a_constant_column_is_only_shifted():
    x = np.column_stack([np.full(7, 0.1), np.arange(7.0)])
    for maker in (standardise, normalise):
        z = maker(x)(x)
        np.testing.assert_allclose(z[:, 0], 0, atol=1e-15)
        assert np.isfinite(z).all()


def test_a_column_of_zeros_stays_zero_in_every_precision():
    for dtype in (np.float64, np.float32):
        for maker in (standardise, normalise):
            z = maker(np.zeros((3, 2), dtype))(np.zeros((3, 2), dtype))
            assert z.dtype == dtype
            assert not z.any()


def test_the_scale_of_a_column_is_its_own_however_small_or_far_away():
    x = np.column_stack([[0.0, 1e-200, 2e-200], [1e6, 1e6 + 1, 1e6 + 2], [-3e200, 0.0, 1e200]])
    np.testing.assert_allclose(normalise(x)(x), [[0, 0, 0], [0.5, 0.5, 0.75], [1, 1, 1]], atol=1e-12)


@given(x=tables)
def test_the_stored_numbers_are_one_for_each_column_or_one_for_all(x):
    for maker in (standardise, normalise):
        scale = maker(x)
        assert scale.shift.shape == scale.scale.shape == x.shape[1:]
        whole = maker(x, None)
        assert whole.shift.shape == whole.scale.shape == ()
        other = maker(x, (0, 1))
        assert other.shift.shape == (1, 1, *x.shape[2:])
        np.testing.assert_array_equal(nn.Scaling(**scale.state_dict())(x), scale(x))
    with pytest.raises(AttributeError, match="shift"):
        scale.shift = 0.0


def test_dtypes_and_refusals():
    assert standardise(np.arange(6).reshape(3, 2))(np.arange(6).reshape(3, 2)).dtype == np.float64
    assert standardise(np.ones((3, 2), np.float32))(np.ones((3, 2), np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="nothing to take statistics of"):
        standardise(np.empty((0, 3)))
    with pytest.raises(ValueError, match="1 NaN or inf"):
        normalise([[1.0, np.nan]])


@given(rows=st.integers(1, 40), size=st.integers(1, 50), shuffle=st.booleans(), seed=st.integers(0, 5))
def test_an_epoch_is_every_row_once_with_its_target(rows, size, shuffle, seed):
    x = np.arange(rows) * 10.0
    batches = Batches(x, np.arange(rows), batch_size=size, shuffle=shuffle, seed=seed)
    epoch = list(batches)
    assert len(epoch) == len(batches)
    assert all(len(part) == size for part, _ in epoch[:-1])
    inputs, targets = (np.concatenate(column) for column in zip(*epoch, strict=True))
    np.testing.assert_array_equal(inputs, targets * 10.0)
    np.testing.assert_array_equal(np.sort(targets), np.arange(rows))
    if not shuffle:
        np.testing.assert_array_equal(targets, np.arange(rows))


def order(batches):
    return np.concatenate([rows for (rows,) in batches]).tolist()


def test_the_order_comes_from_the_seed_and_changes_every_epoch():
    rows = np.arange(100)
    one, same, other = (Batches(rows, seed=seed) for seed in (3, 3, 4))
    first = order(one)
    assert first == order(same) != order(other)
    assert order(one) != first
    nn.manual_seed(7)
    default = order(Batches(rows))
    nn.manual_seed(7)
    assert order(Batches(rows)) == default


def test_the_order_goes_on_from_its_state():
    one, other = Batches(np.arange(50), seed=1), Batches(np.arange(50), seed=2)
    order(one)
    other.load_state_dict(one.state_dict())
    assert order(other) == order(one)


def test_a_batch_has_32_rows_by_default_and_may_have_one():
    batches = Batches(np.arange(70), shuffle=False)
    assert [len(rows) for (rows,) in batches] == [32, 32, 6]
    assert len(batches) == 3
    assert [rows.tolist() for (rows,) in Batches(np.arange(2), batch_size=1, shuffle=False)] == [[0], [1]]
    assert [len(parts) for parts in Batches(*np.ones((3, 4)), batch_size=4)] == [3]


def test_what_makes_no_batches_is_refused():
    for given_arrays in ((), (np.float64(1.0),), (np.ones(2), 1.0)):
        with pytest.raises(ValueError, match=r"at least one row|have 2, 0 rows"):
            Batches(*given_arrays)
    with pytest.raises(ValueError, match="of equal length, and these have 3, 2 rows"):
        Batches(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="at least one row"):
        Batches(np.ones((0, 2)))
    with pytest.raises(ValueError, match="batch_size=0"):
        Batches(np.ones(3), batch_size=0)


def test_batches_without_a_seed_follow_manual_seed_whenever_they_were_made():
    rows = np.arange(20)
    early = nn.Batches(rows, batch_size=20)
    orders = []
    for batches in (early, early, nn.Batches(rows, batch_size=20)):
        nn.manual_seed(3)
        orders.append(next(iter(batches))[0].tolist())
    assert orders[0] == orders[1] == orders[2]
