"""Every layer: PyTorch's numbers to 1e-10, derivatives of first and second order, and errors that name layer and shapes."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
import nn
from engine import Value
from tests import ROOT

LAYERS = {
    "linear": lambda: nn.Linear(3, 4),
    "linear, no bias, three axes": lambda: nn.Linear(3, 4, bias=False),
    "embedding": lambda: nn.Embedding(5, 3),
    "flatten": nn.Flatten,
    "layer norm": lambda: nn.LayerNorm(4),
    "layer norm, two axes": lambda: nn.LayerNorm((3, 4), eps=0.1),
    "rms norm": lambda: nn.RMSNorm(4),
    "batch norm 1d": lambda: nn.BatchNorm1d(3),
    "batch norm 1d, sequence": lambda: nn.BatchNorm1d(3, momentum=0.3),
    "batch norm 2d": lambda: nn.BatchNorm2d(3),
    "batch norm 2d, eval": lambda: nn.BatchNorm2d(3).eval(),
    "conv 1d": lambda: nn.Conv1d(2, 3, 3),
    "conv 1d, all options": lambda: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2),
    "conv 2d": lambda: nn.Conv2d(2, 3, 3),
    "conv 2d, all options": lambda: nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2, bias=False),
    "conv 2d, depthwise": lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3),
    "max pool 1d": lambda: nn.MaxPool1d(2),
    "max pool 2d": lambda: nn.MaxPool2d(2),
    "max pool 2d, overlapping": lambda: nn.MaxPool2d(3, stride=(1, 2), padding=1),
    "avg pool 1d": lambda: nn.AvgPool1d(3, stride=2),
    "avg pool 2d": lambda: nn.AvgPool2d(2),
    "avg pool 2d, padded": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "rnn cell": lambda: nn.RNNCell(3, 4),
    "lstm cell": lambda: nn.LSTMCell(3, 4),
    "gru cell": lambda: nn.GRUCell(3, 4),
    "rnn": lambda: nn.RNN(3, 4),
    "rnn, relu, two layers": lambda: nn.RNN(3, 4, num_layers=2, nonlinearity="relu"),
    "lstm": lambda: nn.LSTM(3, 4),
    "lstm, two layers, batch first": lambda: nn.LSTM(3, 4, num_layers=2, batch_first=True),
    "lstm, no bias": lambda: nn.LSTM(3, 4, bias=False),
    "gru": lambda: nn.GRU(3, 4),
    "gru, two layers": lambda: nn.GRU(3, 4, num_layers=2),
    "gru, no bias, one sample": lambda: nn.GRU(3, 4, bias=False),
    "attention": lambda: nn.MultiHeadAttention(6, 2),
    "attention, causal": lambda: nn.MultiHeadAttention(6, 3, is_causal=True),
    "attention, memory": lambda: nn.MultiHeadAttention(6, 2, bias=False),
    "transformer block": lambda: nn.TransformerBlock(6, 2, 10, is_causal=True),
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky relu": lambda: nn.LeakyReLU(0.2),
    "elu": lambda: nn.ELU(0.7),
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu, tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "hardtanh": lambda: nn.Hardtanh(-0.5, 0.25),
    "softmax": lambda: nn.Softmax(dim=0),
    "log softmax": lambda: nn.LogSoftmax(dim=-1),
}

STORED = dict(np.load(ROOT / "tests" / "reference" / "nn.npz"))
PASSED_OVER = ("relu", "max pool", "elu", "hardtanh", "block", "softsign", "flatten", "two layers")  # kinked, linear, or slow
SMOOTH = [name for name in LAYERS if not any(word in name for word in PASSED_OVER)]


def entry(numbers, name, part):
    """The arrays stored under a prefix, by their last name."""
    prefix = f"{name}/{part}/"
    return {key.removeprefix(prefix): array for key, array in numbers.items() if key.startswith(prefix)}


def ordered(numbers, name, part):
    found = entry(numbers, name, part)
    return [found[str(i)] for i in range(len(found))]


def flat(output):
    return [part for item in output for part in flat(item)] if isinstance(output, tuple) else [output]


def call(name, layer, inputs):
    """The layer's outputs in a list; an LSTM's h and c go in as a pair."""
    if name.startswith("lstm") and len(inputs) == 3:
        inputs = [inputs[0], tuple(inputs[1:])]
    return flat(layer(*inputs))


def agrees(name, numbers):
    layer = LAYERS[name]()
    layer.load_state_dict(entry(numbers, name, "state"))
    given_inputs = ordered(numbers, name, "input")
    inputs = [Value(x) if x.dtype.kind == "f" else x for x in given_inputs]
    outputs, cotangents = call(name, layer, inputs), ordered(numbers, name, "cotangent")
    for mine, theirs in zip(outputs, ordered(numbers, name, "output"), strict=True):
        np.testing.assert_allclose(mine.data, theirs, rtol=1e-10, atol=1e-10)
    sum((out * u).sum() for out, u in zip(outputs, cotangents, strict=True)).backward()
    slopes, grads = entry(numbers, name, "slope"), entry(numbers, name, "grad")
    for i, x in enumerate(inputs):
        if isinstance(x, Value):
            np.testing.assert_allclose(x.grad, slopes[str(i)], rtol=1e-10, atol=1e-10)
    assert {key for key, _ in layer.named_parameters()} == set(grads)
    for key, parameter in layer.named_parameters():
        np.testing.assert_allclose(parameter.grad, grads[key], rtol=1e-10, atol=1e-10)
    for key, after in entry(numbers, name, "after").items():
        np.testing.assert_allclose(layer.state_dict()[key], after, rtol=1e-10)


def test_every_reference_is_used():
    assert {key.split("/")[0] for key in STORED if not key.startswith("loss ")} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_gradients_and_state_are_pytorchs(name):
    agrees(name, STORED)


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("seed", range(3))
def test_outputs_gradients_and_state_are_pytorchs_live(seed):
    from tests.reference.nn_make import references

    numbers = references(seed)
    for name in LAYERS:
        agrees(name, numbers)


def as_function(name):
    """The layer as a function of its inputs and parameters, and the arguments to check it at."""
    layer = LAYERS[name]()
    layer.load_state_dict(entry(STORED, name, "state"))
    parameters, inputs, cotangents = dict(layer.named_parameters()), ordered(STORED, name, "input"), ordered(STORED, name, "cotangent")

    def f(weights, *inputs):
        for key, weight in weights.items():
            holder = layer
            for step in key.split(".")[:-1]:
                holder = getattr(holder, step)
            setattr(holder, key.split(".")[-1], weight)
        return sum(np.sum(out * u) for out, u in zip(call(name, layer, inputs), cotangents, strict=True))

    return f, ({key: parameter.numpy() for key, parameter in parameters.items()}, *inputs)


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_the_numerical_ones(name):
    f, args = as_function(name)
    report = engine.check(f, *args, mode="projections")
    assert report, str(report)


@pytest.mark.parametrize("name", SMOOTH)
def test_second_derivatives_are_the_numerical_ones(name):
    f, args = as_function(name)
    places = [i for i, arg in enumerate(args) if isinstance(arg, dict) or arg.dtype.kind == "f"]
    rng = np.random.default_rng(0)
    weight_directions = {key: rng.normal(size=weight.shape) for key, weight in args[0].items()}
    directions = [weight_directions, *(rng.normal(size=args[i].shape) for i in places[1:])]

    def slope(*args):
        """The derivative of f along one direction."""
        weights, *inputs = engine.grad(f, argnums=places)(*args)
        along_weights = [(weight, directions[0][key]) for key, weight in weights.items()]
        return sum(np.sum(g * d) for g, d in [*along_weights, *zip(inputs, directions[1:], strict=True)])

    report = engine.check(slope, *args, mode="projections")
    assert report, str(report)


# ── what the reference numbers do not show ────────────────────────────────────


@st.composite
def convolutions(draw):
    """A Conv2d with any options and an input that it fits."""
    groups = draw(st.integers(1, 2))
    kernel, stride, padding, dilation = (tuple(draw(st.integers(least, least + 2)) for _ in range(2)) for least in (1, 1, 0, 1))
    channels, filters = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    layer = nn.Conv2d(channels, filters, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()), generator=0)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    sides = [max(1, r - 2 * p) + draw(st.integers(0, 3)) for r, p in zip(reach, padding, strict=True)]
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(draw(st.integers(1, 2)), channels, *sides))
    return layer, x


@given(convolutions())
@settings(max_examples=60)
def test_convolution_is_its_definition_summed_place_by_place(drawn):
    layer, x = drawn
    y, weight = layer(x).data, layer.weight.data
    (py, px), (sy, sx), (dy, dx) = layer.padding, layer.stride, layer.dilation
    padded = np.zeros((*x.shape[:2], x.shape[2] + 2 * py, x.shape[3] + 2 * px))
    padded[:, :, py : py + x.shape[2], px : px + x.shape[3]] = x
    size, share = weight.shape[1], len(weight) // layer.groups
    for n, o, i, j in np.ndindex(y.shape):
        first = o // share * size
        seen = padded[n, first : first + size, i * sy :: dy, j * sx :: dx][:, : weight.shape[2], : weight.shape[3]]
        expected = np.sum(seen * weight[o]) + (0.0 if layer.bias is None else layer.bias.data[o])
        np.testing.assert_allclose(y[n, o, i, j], expected, atol=1e-12)


@given(st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=20)
def test_a_sequence_is_its_cell_step_by_step(steps, layers):
    rng = np.random.default_rng(steps)
    x = rng.normal(size=(steps, 2, 3))
    for sequence, kind in ((nn.RNN, nn.RNNCell), (nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell)):
        model = sequence(3, 4, num_layers=layers, generator=0)
        inputs = list(x)
        for k in range(layers):
            cell, state, outputs = kind(3 if k == 0 else 4, 4), None, []
            cell.load_state_dict({key[:-3]: array for key, array in model.state_dict().items() if key.endswith(f"_l{k}")})
            for step in inputs:
                state = cell(step, state)
                outputs.append(state[0] if isinstance(state, tuple) else state)
            inputs = outputs
        output, _ = model(x)
        np.testing.assert_allclose(output.data, np.stack(inputs).data, rtol=1e-12)


@given(st.integers(1, 6))
@settings(max_examples=10)
def test_a_causal_block_sees_nothing_of_what_comes_later(time):
    block = nn.TransformerBlock(8, 2, is_causal=True, activation=nn.GELU, norm=nn.RMSNorm, generator=0)
    x = np.random.default_rng(time).normal(size=(6, 8))
    changed = x.copy()
    changed[time:] += 1.0
    np.testing.assert_allclose(block(changed).data[:time], block(x).data[:time], rtol=1e-12)
    if time < 6:
        assert not np.allclose(block(changed).data[time:], block(x).data[time:])


def test_a_mask_of_booleans_hides_and_one_of_numbers_is_added():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 4, 2))
    seen = np.tri(4, dtype=bool)
    causal = nn.scaled_dot_product_attention(Value(q), k, v, is_causal=True).data
    np.testing.assert_array_equal(nn.scaled_dot_product_attention(Value(q), k, v, seen).data, causal)
    np.testing.assert_array_equal(nn.scaled_dot_product_attention(Value(q), k, v, np.where(seen, 0.0, -np.inf)).data, causal)


def test_dropout_keeps_the_mean_in_training_and_does_nothing_after_eval():
    x, layer = np.ones((200, 500)), nn.Dropout(0.3, generator=0)
    y = layer(Value(x))
    assert set(np.unique(y.data)) == {0.0, 1 / 0.7}
    assert abs(y.data.mean() - 1.0) < 0.01
    y.sum().backward()
    np.testing.assert_array_equal(y.operands[0].grad, y.data)  # what was dropped receives nothing
    assert not np.array_equal(layer(x), layer(x))
    np.testing.assert_array_equal(nn.Dropout(0.3, generator=0)(x), nn.Dropout(0.3, generator=0)(x))
    assert layer.eval()(x) is x
    assert not nn.Dropout(1.0)(x).any()


def test_batch_norm_standardises_in_training_and_uses_what_it_remembers_after_eval():
    rng, layer = np.random.default_rng(0), nn.BatchNorm1d(3)
    mean, std = np.array([1.0, -5.0, 0.0]), np.array([0.1, 3.0, 1.0])
    for _ in range(200):
        y = layer(rng.normal(mean, std, size=(64, 3)))
        np.testing.assert_allclose(y.data.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(layer.running_mean, mean, atol=0.5)
    np.testing.assert_allclose(layer.running_var, std**2, rtol=0.2)
    assert layer.num_batches_tracked == 200
    before = layer.state_dict()
    one = layer.eval()(mean[None])
    np.testing.assert_allclose(one.data, 0.0, atol=0.2)
    for key, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_layers_take_plain_arrays_where_nothing_is_learned():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.RMSNorm(4, elementwise_affine=False)):
        assert type(layer(x)) is np.ndarray


@pytest.mark.parametrize(
    ("build", "input", "message"),
    [
        (lambda: nn.Linear(3, 2), np.ones((2, 4)), r"Linear\(3, 2\).*3.*\(2, 4\)"),
        (lambda: nn.Linear(0, 2), None, r"Linear.*0 and 2"),
        (lambda: nn.Embedding(5, 2), np.array([5]), r"Embedding\(5, 2\).*0 … 4"),
        (lambda: nn.Embedding(5, 2), np.array([0.5]), r"Embedding\(5, 2\).*integers"),
        (lambda: nn.Dropout(1.5), None, r"Dropout.*1\.5"),
        (lambda: nn.LayerNorm((3, 4)), np.ones((4, 3)), r"LayerNorm\(3, 4\).*\(4, 3\)"),
        (lambda: nn.RMSNorm(4), np.ones((4, 3)), r"RMSNorm\(4\).*\(4, 3\)"),
        (lambda: nn.BatchNorm1d(3), np.ones((4, 2)), r"BatchNorm1d\(3\).*3 channels.*\(4, 2\)"),
        (lambda: nn.BatchNorm1d(3), np.ones((1, 3)), r"BatchNorm1d\(3\).*\(1, 3\).*eval"),
        (lambda: nn.BatchNorm2d(3), np.ones((4, 3)), r"BatchNorm2d\(3\).*\(N, C, H, W\).*\(4, 3\)"),
        (lambda: nn.Conv2d(2, 3, 3), np.ones((1, 3, 5, 5)), r"Conv2d\(2, 3, 3\).*2 channels.*\(1, 3, 5, 5\)"),
        (lambda: nn.Conv2d(2, 3, 3), np.ones((2, 5, 5)), r"Conv2d\(2, 3, 3\).*4 axes.*\(2, 5, 5\)"),
        (lambda: nn.Conv2d(2, 3, 3), np.ones((1, 2, 2, 5)), r"Conv2d\(2, 3, 3\).*\(3, 3\).*\(1, 2, 2, 5\)"),
        (
            lambda: nn.Conv1d(1, 1, 5, padding=1),
            np.ones((1, 1, 2)),
            r"Conv1d.*windows that span \(5,\) do not fit",
        ),
        (lambda: nn.Conv2d(2, 3, 3, groups=2), None, r"Conv2d.*2 groups.*2 input and 3 output"),
        (lambda: nn.Conv2d(2, 3, 3, groups=0), None, r"Conv2d.*at least 1.*2, 3, 0"),
        (lambda: nn.Conv2d(0, 3, 3), None, r"Conv2d.*at least 1.*0, 3, 1"),
        (lambda: nn.Conv2d(2, 3, 3.0), None, r"Conv2d.*kernel_size.*3\.0"),
        (lambda: nn.Conv1d(2, 3, (3, 3)), None, r"Conv1d.*kernel_size.*\(3, 3\)"),
        (lambda: nn.MaxPool2d(2, padding=2), None, r"MaxPool2d.*padding 2.*half"),
        (lambda: nn.RNNCell(3, 4, nonlinearity="gelu"), None, r"RNNCell.*'gelu'"),
        (lambda: nn.LSTM(3, 4, num_layers=0), None, r"LSTM.*num_layers.*0"),
        (lambda: nn.LSTM(3, 4), np.ones((5, 2, 2)), r"LSTM\(3, 4\).*3 features.*\(5, 2, 2\)"),
        (lambda: nn.MultiHeadAttention(6, 4), None, r"4 heads.*6 features"),
        (lambda: nn.MultiHeadAttention(6, 2), np.ones((5, 4)), r"MultiHeadAttention\(6, 2\).*6.*\(5, 4\)"),
        (lambda: nn.Hardtanh(1.0, -1.0), None, r"Hardtanh.*1 and -1"),
    ],
)
def test_errors_name_layer_and_shapes(build, input, message):
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        build()(input)


def test_a_wrong_first_state_is_refused():
    with pytest.raises(ValueError, match=r"LSTM\(3, 4\).*h and c of shape \(1, 2, 4\)"):
        nn.LSTM(3, 4)(np.ones((5, 2, 3)), (np.ones((2, 4)), np.ones((2, 4))))


def test_anomaly_detection_finds_nothing_in_a_causal_block():
    with engine.detect_anomaly():
        nn.TransformerBlock(4, 2, is_causal=True)(np.ones((3, 4))).sum().backward()
