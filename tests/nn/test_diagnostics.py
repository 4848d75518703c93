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


def small():
    """Two layers of which every number is known."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    model.load_state_dict({"0.weight": [[1, 0], [0, -1]], "0.bias": [0, 0.5], "2.weight": [[2, 4]], "2.bias": [0]})
    return model


TABLE = """
 layer            shape     mean    std   zeros   saturated   grad mean   grad std   grad zeros
 ──────────────────────────────────────────────────────────────────────────────────────────────
 0       Linear   (2, 2)   0.938    1.3    0.0%           —           2       1.41        25.0%
 1       ReLU     (2, 2)    1.06   1.18   25.0%       25.0%           3          1         0.0%
 2       Linear   (2, 1)     4.5    2.5    0.0%           —           1          0         0.0%
"""


def test_the_printed_table_has_aligned_columns_and_every_number():
    model = small()
    with watch(model) as seen:
        model(np.array([[1.0, 1.0], [3.0, 0.25]])).sum().backward()
    assert str(seen) == TABLE.strip("\n")
    assert seen.layers[0].grad_zeros == 0.25
    assert [row.zeros for row in seen.layers] == [0.0, 0.25, 0.0]
    with watch(model[0]) as seen:
        model[0](np.ones((1, 2)))
    assert "(model)   Linear" in str(seen)
    named = nn.Sequential({"[bold]": nn.Linear(2, 2), "a name of many words that is as wide as it is long": nn.ReLU()})
    with watch(named) as seen:
        named(np.ones((1, 2)))
    lines = str(seen).splitlines()
    assert lines[2].startswith(" [bold] ")
    assert len(lines) == 4
    with pytest.raises(AttributeError, match="mean"):
        seen.layers[0].mean = 0.0


def test_a_layer_is_saturated_below_its_threshold_and_not_at_it():
    x = Value(np.array([[-1.0, 2.0, -3.0, 4.0]]))
    for slope, saturated in ((0.01, 0.5), (nn.diagnostics.FLAT, 0.0)):
        with watch(nn.LeakyReLU(slope)) as seen:
            seen.model(x)
        assert seen.layers[0].saturated == saturated
    with watch(nn.ReLU()) as seen:
        seen.model(Value([1.0, -2.0], requires_grad=False))
    assert seen.layers[0].saturated is None  # nothing to pass a gradient to


def test_a_network_of_scalars_is_watched_too():
    neuron = nn.Neuron(1)
    for weight, saturated in ((2.0, 0.0), (-2.0, 1.0)):
        neuron.w[0].data = weight
        with watch(neuron) as seen:
            neuron([1.5]).backward()
        (row,) = seen.layers
        assert (row.shape, row.mean, row.saturated, row.grad_mean) == ((), max(0.0, 1.5 * weight), saturated, 1.0)


def test_a_module_that_returns_what_it_was_given_has_no_row():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2), nn.Flatten()).eval()
    with watch(model) as seen:
        model(Value(X))
    assert [row.name for row in seen.layers] == ["1", "2"]
    plain = nn.Sequential(nn.Flatten())
    with watch(plain) as seen:
        plain(X)  # arrays only: nothing that was recorded
    assert seen.layers == []


def test_the_row_of_several_calls_has_the_shape_of_the_first():
    model = network()
    with watch(model) as seen:
        model(X[:2])
        (model(X) ** 2).sum().backward()
    assert [row.shape[0] for row in seen.layers] == [2] * 5
    assert all(row.grad_mean is not None for row in seen.layers)  # of the call that had a backward pass


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
    assert dead_units(Gate(), [(np.ones((2, 3)), None)]) == {"relu": [1]}
    assert dead_units(Gate(), [(np.ones(3), None)]) == {}  # without an axis of examples there are no units


def test_dead_units_are_counted_in_evaluation_mode_and_the_mode_comes_back():
    model, modes = nn.Sequential(nn.Linear(3, 4, generator=0), nn.Dropout(1.0), nn.ReLU()), []
    model.register_forward_hook(lambda module, args, output: modes.append(module.training))
    assert dead_units(model, [(X, None)]) == {"2": []}  # in training, Dropout(1.0) makes every unit 0
    assert modes == [False]
    assert model.training
    model.eval()
    with pytest.raises(ValueError, match="Linear"):
        dead_units(model, [(X[:, :1], None)])
    assert not model.training
    with pytest.raises(ValueError, match="Linear"):
        dead_units(model.train(), [(X[:, :1], None)])
    assert model.training


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
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "|gradient|"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["root mean square", "largest"]
    axes.figure.savefig(tmp_path / "flow.png")
    model[2].zero_grad()
    assert [tick.get_text() for tick in plot_gradient_flow(model).axes[0].get_xticklabels()] == ["0.weight", "4.weight"]


def test_the_names_of_many_weights_have_room():
    deep = nn.Sequential(*(nn.Linear(2, 2, generator=i) for i in range(30)))
    deep(np.ones((1, 2))).sum().backward()
    figure = plot_gradient_flow(deep)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    ticks = axes.transData.transform([(0, 1), (29, 1)])[:, 0] / figure.dpi
    assert 0.3 < (ticks[1] - ticks[0]) / 29 < 0.6  # inches from one name to the next
    for name in axes.get_xticklabels():
        assert 20 < name.get_rotation() < 90
        assert min(name.get_window_extent().min) > 0
    for line in axes.get_lines():
        assert axes.viewLim.x0 < 0
        assert axes.viewLim.x1 < 40
        assert axes.viewLim.y0 < line.get_ydata().min()
        assert axes.viewLim.y1 > line.get_ydata().max()


def test_vanishing_gradients_are_a_slope():
    deep = nn.Sequential(*(module for i in range(8) for module in (nn.Linear(6, 6, generator=i), nn.Sigmoid())))
    deep(Value(np.ones((4, 6)))).sum().backward()
    middles = plot_gradient_flow(deep).axes[0].get_lines()[0].get_ydata()
    assert middles[0] < 1e-3 * middles[-1]
