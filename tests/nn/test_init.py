"""Initialisation: the distribution of the first weights, and that a seed repeats them."""

import math

import numpy as np
import pytest

import nn
from engine import Parameter
from nn import Linear

INITIALISERS = [
    (nn.init.xavier_uniform_, {}, math.sqrt(2 / (300 + 200))),
    (nn.init.xavier_normal_, {"gain": 2.0}, 2.0 * math.sqrt(2 / (300 + 200))),
    (nn.init.kaiming_uniform_, {}, math.sqrt(2 / 300)),
    (nn.init.kaiming_normal_, {"nonlinearity": "relu", "mode": "fan_out"}, math.sqrt(2 / 200)),
    (nn.init.kaiming_normal_, {"a": 0.5}, math.sqrt(2 / 1.25 / 300)),
    (nn.init.kaiming_uniform_, {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(300)),
    (nn.init.normal_, {"std": 0.1}, 0.1),
    (nn.init.uniform_, {"a": -1.0, "b": 1.0}, 1 / math.sqrt(3)),
]


@pytest.mark.parametrize(("initialise", "options", "std"), INITIALISERS)
def test_initialisers_have_their_spread_and_repeat_from_a_seed(initialise, options, std):
    weight = Parameter(np.empty((200, 300)))
    assert initialise(weight, **options, generator=0) is weight
    first = weight.numpy()
    np.testing.assert_allclose(first.std(), std, rtol=0.02)
    np.testing.assert_allclose(first.mean(), 0.0, atol=0.02 * std)
    if "uniform" in initialise.__name__:
        assert abs(first).max() <= math.sqrt(3) * std
    np.testing.assert_array_equal(initialise(weight, **options, generator=np.random.default_rng(0)).data, first)


def test_the_fan_in_of_a_filter_counts_its_places():
    weight = nn.init.kaiming_normal_(Parameter(np.empty((100, 8, 5, 5))), generator=0)
    np.testing.assert_allclose(weight.data.std(), math.sqrt(2 / 200), rtol=0.02)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        nn.init.xavier_normal_(Parameter(np.empty(3)))
    with pytest.raises(ValueError, match=r"'softplus'.*relu"):
        nn.init.calculate_gain("softplus")


def test_he_keeps_the_spread_of_a_deep_relu_network_and_small_weights_do_not():
    def spread(initialise):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(100, 256))
        for _ in range(20):
            weight = initialise(Parameter(np.empty((256, 256))), rng)
            x = np.maximum(x @ weight.data.T, 0.0)
        return np.sqrt(np.mean(x * x))

    assert 0.5 < spread(lambda w, rng: nn.init.kaiming_normal_(w, generator=rng)) < 2.0
    assert spread(lambda w, rng: nn.init.xavier_normal_(w, generator=rng)) < 0.01


@pytest.mark.parametrize(
    "build",
    [lambda g: Linear(3, 4, generator=g), lambda g: nn.LSTM(3, 4, 2, generator=g), lambda g: nn.TransformerBlock(8, 2, generator=g)],
)
def test_layers_repeat_from_a_seed_a_generator_and_manual_seed(build):
    first = build(7).state_dict()
    nn.manual_seed(7)
    for again in (build(7), build(np.random.default_rng(7)), build(None)):
        for name, array in again.state_dict().items():
            np.testing.assert_array_equal(array, first[name])
    assert any(not np.array_equal(array, first[name]) for name, array in build(8).state_dict().items())


def test_a_small_constant_bias():
    layer = Linear(3, 4)
    nn.init.constant_(layer.bias, 0.1)
    np.testing.assert_array_equal(layer.bias.data, np.full(4, 0.1))
    nn.init.ones_(layer.bias)
    nn.init.zeros_(layer.bias)
    assert not layer.bias.data.any()


# torch.nn.init.calculate_gain
GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def test_gains_are_pytorchs():
    for name, gain in GAINS.items():
        assert nn.init.calculate_gain(name) == pytest.approx(gain, rel=1e-15)
    assert nn.init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001), rel=1e-15)
    assert nn.init.calculate_gain("leaky_relu", 0.5) == pytest.approx(math.sqrt(1.6), rel=1e-15)
    assert nn.init.calculate_gain("leaky_relu", 0.0) == nn.init.calculate_gain("relu")


def test_by_default_uniform_fills_from_0_to_1_and_normal_is_standard():
    weight = Parameter(np.empty((200, 300)))
    uniform = nn.init.uniform_(weight, generator=0).numpy()
    assert 0.0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1.0
    normal = nn.init.normal_(weight, generator=0).numpy()
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1.0) < 0.02


def test_the_dtype_of_a_parameter_stays():
    for initialise in (nn.init.uniform_, nn.init.normal_, nn.init.ones_, nn.init.xavier_uniform_, nn.init.kaiming_normal_):
        assert initialise(Parameter(np.empty((2, 3), np.float32))).dtype == np.float32


def test_the_fans_of_a_filter_are_its_weights_for_an_output_and_for_an_input():
    shape = (40, 20, 5, 3)  # 20 · 15 weights for an output, 40 · 15 for an input
    for mode, fan in (("fan_in", 300), ("fan_out", 600)):
        weight = nn.init.kaiming_normal_(Parameter(np.empty(shape)), mode=mode, nonlinearity="linear", generator=0)
        assert weight.data.std() == pytest.approx(1 / math.sqrt(fan), rel=0.03)
    weight = nn.init.xavier_uniform_(Parameter(np.empty(shape)), gain=2.0, generator=0)
    assert weight.data.std() == pytest.approx(2 * math.sqrt(2 / 900), rel=0.03)
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', not 'fan'"):
        nn.init.kaiming_uniform_(weight, mode="fan")
