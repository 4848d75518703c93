"""Statistics by layer, dead units, the gradient-flow plot."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import nn
from engine import Parameter, Value, no_grad
from nn import Batches, dead_units, plot_gradient_flow, watch

X = np.random.default_rng(0).normal(size=(20, 3))


def network():
    return nn.Sequential(nn.Linear(3, 8, generator=0), nn.ReLU(), nn.Linear(8, 5, generator=1), nn.Tanh(), nn.Linear(5, 1, generator=2))


@settings(deadline=None, max_examples=30)
@given(x=arrays(np.float64, (6, 3), elements=st.floats(-5, 5, width=16)))
def test_statistics_are_those_of_the_outputs_and_their_gradients(x):
    model = network()
    with watch(model) as seen:
        out = model(x)
        (out**2).sum().backward()
    assert [row.name for row in seen.layers] == ["0", "1", "2", "3", "4"]
    assert [row.kind for row in seen.layers] == ["Linear", "ReLU", "Linear", "Tanh", "Linear"]
    h = Value(x)
    for module, row in zip(model, seen.layers, strict=True):
        h = module(h)
        assert row.shape == h.shape
        assert (row.mean, row.std, row.zeros) == pytest.approx((h.data.mean(), h.data.std(), (h.data == 0).mean()))
    assert seen.layers[1].saturated == pytest.approx(seen.layers[1].zeros)  # a relu is flat where it is 0
    tanh = model[:4](x).data
    assert seen.layers[3].saturated == pytest.approx((1 - tanh**2 < 0.02).mean())
    assert seen.layers[0].saturated is None
    top = 2 * out.data
    assert (seen.layers[4].grad_mean, seen.layers[4].grad_std) == pytest.approx((top.mean(), top.std()))
    below = (top @ model[4].weight.data) * (1 - tanh**2)
    assert (seen.layers[2].grad_mean, seen.layers[2].grad_std) == pytest.approx((below.mean(), below.std()))


def test_after_the_with_nothing_is_recorded():
    model = network()
    with watch(model) as seen:
        model(X)
    first = seen.layers
    model(10 * X)
    assert seen.layers == first
    assert first[0].grad_mean is None


def test_repeated_calls_are_taken_together():
    model = network()
    with watch(model) as seen:
        model(X[:5])
        model(X[5:])
    with watch(model) as whole:
        model(X)
    for one, other in zip(seen.layers, whole.layers, strict=True):
        assert (one.mean, one.std, one.saturated) == pytest.approx((other.mean, other.std, other.saturated))


def test_works_without_recording_and_prints():
    model = network()
    with no_grad(), watch(model) as seen:
        model(X)
    lines = str(seen).splitlines()
    assert len(lines) == 2 + 5
    assert "grad zeros" in lines[0]
    assert "ReLU" in lines[3]
    assert "—" in lines[3]


def test_dead_units_are_those_that_are_zero_for_every_example():
    model = nn.Sequential(nn.Linear(3, 4, generator=0), nn.ReLU(), nn.Linear(4, 2, generator=1), nn.Sigmoid())
    model[0].bias.data[1] = -100.0
    model[0].weight.data[3] = 0.0
    model[0].bias.data[3] = 0.0
    assert dead_units(model, Batches(X, X, batch_size=6)) == {"1": [1, 3], "3": []}
    assert model.training
    model[0].bias.data[1] = 0.0
    assert dead_units(model, [(X, None)])["1"] == [3]


def test_dead_units_of_channels_and_of_sequences():
    class Gate(nn.Module):
        def __init__(self):
            self.scale = Parameter([1.0, 0.0, 2.0])
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(x * self.scale)

    assert dead_units(Gate(), [(np.ones((2, 4, 3)), None)], axis=-1) == {"relu": [1]}
    assert dead_units(Gate(), [(np.ones((2, 4, 3)), None)]) == {"relu": []}


def test_gradient_flow_shows_every_weight(tmp_path):
    model = network()
    with pytest.raises(ValueError, match="no weight"):
        plot_gradient_flow(model)
    (model(X) ** 2).sum().backward()
    axes = plot_gradient_flow(model).axes[0]
    middles, largest = (line.get_ydata() for line in axes.get_lines())
    weights = [model[i].weight.grad for i in (0, 2, 4)]
    np.testing.assert_allclose(middles, [np.sqrt((g * g).mean()) for g in weights])
    np.testing.assert_allclose(largest, [abs(g).max() for g in weights])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.weight", "2.weight", "4.weight"]
    axes.figure.savefig(tmp_path / "flow.png")


def test_vanishing_gradients_are_a_slope():
    deep = nn.Sequential(*(module for i in range(8) for module in (nn.Linear(6, 6, generator=i), nn.Sigmoid())))
    deep(Value(np.ones((4, 6)))).sum().backward()
    middles = plot_gradient_flow(deep).axes[0].get_lines()[0].get_ydata()
    assert middles[0] < 1e-3 * middles[-1]
