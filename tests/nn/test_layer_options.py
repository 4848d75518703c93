"""The options of layers: their defaults, what they look like in a repr, the first weights, and the limits of each."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

import nn
from engine import Value

# ── reprs ─────────────────────────────────────────────────────────────────────

REPRS = [
    (lambda: nn.Linear(2, 3), "Linear(2, 3) · 9 parameters"),
    (lambda: nn.Linear(2, 3, bias=False), "Linear(2, 3, bias=False) · 6 parameters"),
    (nn.Flatten, "Flatten()"),
    (lambda: nn.Flatten(0, 1), "Flatten(0, 1)"),
    (lambda: nn.Embedding(5, 2), "Embedding(5, 2) · 10 parameters"),
    (lambda: nn.Dropout(0.25), "Dropout(0.25)"),
    (nn.Dropout, "Dropout(0.5)"),
    (lambda: nn.Conv2d(2, 4, 3), "Conv2d(2, 4, 3) · 76 parameters"),
    (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1), "Conv2d(2, 4, 3, stride=2, padding=1) · 76 parameters"),
    (
        lambda: nn.Conv2d(4, 6, (3, 2), (1, 2), (2, 1), (2, 1), groups=2, bias=False),
        "Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2, bias=False) · 72 parameters",
    ),
    (lambda: nn.Conv1d(2, 4, 3, dilation=2), "Conv1d(2, 4, 3, dilation=2) · 28 parameters"),
    (lambda: nn.MaxPool2d(2), "MaxPool2d(2)"),
    (lambda: nn.MaxPool2d(2, stride=2), "MaxPool2d(2)"),
    (lambda: nn.MaxPool2d(3, stride=(1, 2), padding=1), "MaxPool2d(3, stride=(1, 2), padding=1)"),
    (lambda: nn.AvgPool1d(3, stride=2), "AvgPool1d(3, stride=2)"),
    (lambda: nn.LayerNorm((3, 4)), "LayerNorm(3, 4) · 24 parameters"),
    (lambda: nn.LayerNorm(4, bias=False), "LayerNorm(4) · 4 parameters"),
    (lambda: nn.LayerNorm(4, elementwise_affine=False), "LayerNorm(4, elementwise_affine=False)"),
    (lambda: nn.RMSNorm(4), "RMSNorm(4) · 4 parameters"),
    (lambda: nn.BatchNorm1d(3), "BatchNorm1d(3) · 6 parameters"),
    (lambda: nn.BatchNorm2d(3, affine=False), "BatchNorm2d(3)"),
    (lambda: nn.RNNCell(3, 4, bias=False), "RNNCell(3, 4, bias=False) · 28 parameters"),
    (lambda: nn.LSTM(3, 4), "LSTM(3, 4) · 144 parameters"),
    (lambda: nn.GRU(3, 4, 2, False, True), "GRU(3, 4, bias=False, num_layers=2, batch_first=True) · 180 parameters"),
    (lambda: nn.LeakyReLU(0.2), "LeakyReLU(0.2)"),
    (lambda: nn.ELU(0.5), "ELU(0.5)"),
    (nn.GELU, "GELU()"),
    (lambda: nn.GELU("tanh"), "GELU(approximate='tanh')"),
    (nn.Hardtanh, "Hardtanh(-1, 1)"),
    (nn.Softmax, "Softmax(dim=-1)"),
    (lambda: nn.LogSoftmax(0), "LogSoftmax(dim=0)"),
]


@pytest.mark.parametrize(("build", "text"), REPRS)
def test_a_repr_shows_the_options_that_are_not_the_default(build, text):
    assert repr(build()) == text


def test_the_repr_of_attention_shows_its_heads_and_options():
    assert repr(nn.MultiHeadAttention(6, 2)).splitlines()[0] == "MultiHeadAttention(6, 2) · 168 parameters"
    causal = nn.MultiHeadAttention(6, 2, bias=False, is_causal=True)
    assert repr(causal).splitlines()[0] == "MultiHeadAttention(6, 2, bias=False, is_causal=True) · 144 parameters"


# ── defaults ──────────────────────────────────────────────────────────────────

X = np.random.default_rng(0).normal(size=(4, 3)) * 3.0

DEFAULTS = [
    (nn.LeakyReLU(), lambda x: np.where(x > 0, x, 0.01 * x)),
    (nn.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
    (nn.Hardtanh(), lambda x: np.clip(x, -1, 1)),
    (nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
    (nn.LogSoftmax(), lambda x: x - np.log(np.exp(x).sum(axis=1, keepdims=True))),
    (nn.GELU(), lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
]


@pytest.mark.parametrize(("layer", "formula"), DEFAULTS)
def test_activations_by_default_are_their_formulas(layer, formula):
    np.testing.assert_allclose(layer(Value(X)).data, formula(X), rtol=1e-12)


@given(scale=st.floats(1e-9, 1e3), dtype=st.sampled_from([np.float64, np.float32]))
def test_rms_norm_by_default_adds_the_epsilon_of_its_inputs_dtype(scale, dtype):
    x = (X * scale).astype(dtype)
    wanted = x / np.sqrt(np.mean(x.astype(np.float64) ** 2, axis=1, keepdims=True) + np.finfo(dtype).eps)
    layer = nn.RMSNorm(3, elementwise_affine=False)
    np.testing.assert_allclose(layer(Value(x)).data, wanted, rtol=1e-5 if dtype is np.float32 else 1e-12)


def test_batch_norm_without_its_own_weights_or_statistics():
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    assert not list(layer.parameters()) + list(layer.named_buffers())
    wanted = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
    np.testing.assert_allclose(layer(X), wanted, rtol=1e-12)
    np.testing.assert_allclose(layer.eval()(X), wanted, rtol=1e-12)  # there is nothing else to use
    np.testing.assert_allclose(layer.eval()(X[:1]), 0.0)
    tracking = nn.BatchNorm1d(3)
    np.testing.assert_allclose(tracking(X[:2]).data, [np.sign(X[0] - X[1]), np.sign(X[1] - X[0])], rtol=0.01)  # two are enough
    tracking.eval()(X)
    assert tracking.num_batches_tracked == 1


def test_a_transformer_block_is_four_times_as_wide_inside_and_drops_in_both_parts():
    block = nn.TransformerBlock(4, 2, generator=0)
    assert (block.linear1.out_features, block.linear2.in_features) == (16, 16)
    assert nn.TransformerBlock(4, 2, 7).linear1.out_features == 7
    dropping = nn.TransformerBlock(4, 2, dropout=1.0, generator=0)
    x = X[:, [0, 1, 2, 0]]
    np.testing.assert_array_equal(dropping(x).data, x)  # nothing is left of either part
    assert not np.allclose(dropping.eval()(x).data, x)
    np.testing.assert_array_equal(dropping(x).data, block(x).data)
    mask = ~np.tri(4, dtype=bool)  # True hides, as in PyTorch's modules
    causal = nn.TransformerBlock(4, 2, is_causal=True, generator=0)
    np.testing.assert_array_equal(block(x, mask).data, causal(x).data)


# ── the first weights ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (nn.Linear(64, 50, generator=0), 1 / 8),
        (nn.Conv2d(32, 40, (3, 2), groups=2, generator=0), 1 / math.sqrt(16 * 6)),
        (nn.Conv1d(25, 40, 4, generator=0), 1 / 10),
        (nn.LSTM(5, 25, generator=0), 1 / 5),
        (nn.GRUCell(50, 16, generator=0), 1 / 4),
    ],
)
def test_weights_and_biases_start_uniform_within_their_bound(layer, bound):
    for _, parameter in layer.named_parameters():
        assert 0.75 * bound < abs(parameter.data).max() <= bound
        assert parameter.data.min() < -0.5 * bound
        assert parameter.data.max() > 0.5 * bound


def test_attention_starts_xavier_uniform_with_biases_of_zero():
    layer = nn.MultiHeadAttention(32, 4, generator=0)
    bound = math.sqrt(6 / (32 + 96))
    assert 0.98 * bound < abs(layer.in_proj_weight.data).max() <= bound
    assert not layer.in_proj_bias.data.any()
    assert not layer.out_proj.bias.data.any()
    assert nn.MultiHeadAttention(4, 2, bias=False).out_proj.bias is None


def test_an_embedding_starts_normal():
    weight = nn.Embedding(200, 300, generator=0).weight.data
    assert abs(weight.mean()) < 0.02
    assert abs(weight.std() - 1) < 0.02


# ── limits ────────────────────────────────────────────────────────────────────


def test_the_smallest_sizes_work():
    one = np.ones((1, 1))
    assert nn.Linear(1, 1)(one).shape == (1, 1)
    assert nn.RNN(1, 1)(one)[0].shape == (1, 1)
    assert nn.LSTM(1, 1, num_layers=1)(one)[1][1].shape == (1, 1)
    assert nn.MultiHeadAttention(1, 1)(one).shape == (1, 1)
    assert nn.Conv2d(1, 1, 1)(np.ones((1, 1, 1, 1))).shape == (1, 1, 1, 1)
    assert nn.Conv2d(1, 1, 3, dilation=2)(np.ones((1, 1, 5, 5))).shape == (1, 1, 1, 1)  # the window is the whole picture
    assert nn.MaxPool2d(2, padding=1)(np.ones((1, 1, 2, 2))).shape == (1, 1, 2, 2)  # the padding is half of the window
    assert nn.Embedding(2, 3)(np.array([], int)).shape == (0, 3)
    assert nn.Embedding(2, 3)(np.array([0, 1], np.uint8)).shape == (2, 3)
    assert nn.Dropout(0.0)(one) is one


def test_padding_never_wins_a_maximum_and_counts_in_a_mean():
    x = -np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(nn.MaxPool2d(2, padding=1)(x), x)
    np.testing.assert_array_equal(nn.AvgPool2d(2, padding=1)(x), 0.25 * x)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Linear(2, 0), r"Linear.*2 and 0"),
        (lambda: nn.RNNCell(0, 2), r"RNNCell.*0 and 2"),
        (lambda: nn.GRU(2, 0), r"GRU.*2 and 0"),
        (lambda: nn.RNN(2, 2, nonlinearity="sigmoid"), r"RNN.*'sigmoid'"),
        (lambda: nn.MultiHeadAttention(6, 0), r"0 heads"),
        (lambda: nn.Dropout(-0.1), r"Dropout.*-0\.1"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), r"2 groups.*4 input and 3 output"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), r"2 groups.*3 input and 4 output"),
        (lambda: nn.Conv2d(2, 2, 0), r"kernel_size.*≥ 1.*not 0"),
        (lambda: nn.Conv2d(2, 2, 2, stride=0), r"stride.*≥ 1.*not 0"),
        (lambda: nn.Conv2d(2, 2, 2, padding=-1), r"padding.*≥ 0.*not -1"),
        (lambda: nn.Conv2d(2, 2, 2, dilation=0), r"dilation.*≥ 1.*not 0"),
        (lambda: nn.MaxPool2d((4, 2), padding=(1, 2)), r"padding \(1, 2\).*half"),
        (lambda: nn.Hardtanh(1.0, 1.0), r"Hardtanh.*1 and 1"),
        (lambda: nn.Linear(2, 3)(1.0), r"Linear\(2, 3\).*\(\)"),
        (lambda: nn.Embedding(5, 2)(np.array([-1, 3])), r"0 … 4, not -1 … 3"),
        (lambda: nn.MultiHeadAttention(6, 2)(np.ones(6)), r"input.*time, 6\), not \(6,\)"),
        (lambda: nn.MultiHeadAttention(6, 2)(np.ones((3, 6)), np.ones((3, 5))), r"memory.*time, 6\), not \(3, 5\)"),
        (lambda: nn.BatchNorm1d(3)(np.ones(3)), r"\(N, C\) or \(N, C, L\).*\(3,\)"),
        (lambda: nn.BatchNorm2d(3)(np.ones((2, 4, 5, 5))), r"3 channels.*\(2, 4, 5, 5\)"),
        (lambda: nn.Conv1d(2, 2, 3)(np.ones((1, 2, 5, 5))), r"3 axes, \(N, C, L\).*\(1, 2, 5, 5\)"),
        (lambda: nn.Conv2d(1, 1, (2, 3))(np.ones((1, 1, 2, 2))), r"\(2, 3\).*\(1, 1, 2, 2\)"),
        (lambda: nn.GRU(3, 4)(np.ones((5, 3)), np.ones((2, 4))), r"GRU.*h of shape \(1, 4\), not \(2, 4\)"),
        (lambda: nn.LSTMCell(3, 4)(np.ones(3), (np.ones(4),)), r"LSTMCell.*h and c of shape \(4,\), not \(4,\)"),
        (lambda: nn.LSTM(3, 4, batch_first=True)(np.ones((2, 5, 4))), r"\(N, time, features\).*\(2, 5, 4\)"),
        (lambda: nn.LSTMCell(3, 4)(np.ones((1, 2, 3))), r"\(N, features\).*\(1, 2, 3\)"),
    ],
)
def test_what_is_beyond_a_limit_is_refused(build, message):
    with pytest.raises((ValueError, IndexError), match=message):
        build()


def test_a_sequence_without_a_batch_is_the_sequence_of_one_sample():
    x = np.random.default_rng(1).normal(size=(5, 3))
    for batch_first in (False, True):
        model = nn.LSTM(3, 4, batch_first=batch_first, generator=0)
        alone, (h, c) = model(x)
        together, (hs, cs) = model(x[None] if batch_first else x[:, None])
        np.testing.assert_allclose(alone.data, together.data[0] if batch_first else together.data[:, 0], rtol=1e-12)
        np.testing.assert_allclose(h.data, hs.data[:, 0], rtol=1e-12)
        np.testing.assert_allclose(c.data, cs.data[:, 0], rtol=1e-12)


@given(first=st.integers(0, 3), last=st.integers(0, 3), negative=st.booleans())
def test_flatten_joins_the_axes_it_is_given(first, last, negative):
    first, last = sorted((first, last))
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    flat = nn.Flatten(first, last - 4 if negative else last)(x)
    assert flat.shape == (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])
    np.testing.assert_array_equal(flat.ravel(), x.ravel())


def test_dropout_takes_its_mask_from_manual_seed_where_it_has_no_generator():
    x, layer = np.ones(1000), nn.Dropout(0.3)
    nn.manual_seed(5)
    first = layer(x)
    assert not np.array_equal(layer(x), first)
    nn.manual_seed(5)
    np.testing.assert_array_equal(layer(x), first)
