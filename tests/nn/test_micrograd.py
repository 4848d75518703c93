"""micrograd's Neuron, Layer and MLP: its numbers, its reprs, and batches by columns."""

import random

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine import Value
from nn import MLP, Layer, Module, Neuron


def test_reprs_are_micrograds():
    assert repr(Neuron(2)) == "ReLUNeuron(2)"
    assert repr(Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(MLP(2, [1, 1])) == "MLP of [Layer of [ReLUNeuron(2)], Layer of [LinearNeuron(1)]]"


def test_weights_come_from_random_in_micrograds_order():
    random.seed(1337)
    numbers = [p.data for p in MLP(2, [2, 1]).parameters()]
    random.seed(1337)
    draw = [random.uniform(-1, 1) for _ in range(6)]
    assert numbers == [*draw[:2], 0.0, *draw[2:4], 0.0, *draw[4:6], 0.0]


def test_a_seeded_training_run_gives_micrograds_numbers():
    theirs_nn, theirs = pytest.importorskip("micrograd.nn"), pytest.importorskip("micrograd.engine")
    points = np.random.default_rng(0).normal(size=(8, 2))
    sides = [1 if x + y > 0 else -1 for x, y in points]

    def train(make, value):
        random.seed(1)
        model, losses = make(2, [4, 4, 1]), []
        for _ in range(5):
            scores = [model(list(map(value, row))) for row in points]
            loss = sum((1 + -side * score).relu() for side, score in zip(sides, scores, strict=True)) * (1.0 / 8)
            loss = loss + 1e-4 * sum(p * p for p in model.parameters())
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= 0.1 * p.grad
            losses.append(loss.data)
        return losses, [p.data for p in model.parameters()]

    np.testing.assert_allclose(*(train(*pair)[0] for pair in ((MLP, Value), (theirs_nn.MLP, theirs.Value))), rtol=1e-12)
    np.testing.assert_allclose(*(train(*pair)[1] for pair in ((MLP, Value), (theirs_nn.MLP, theirs.Value))), rtol=1e-12)


@given(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 5))
def test_columns_of_a_batch_give_the_scores_and_gradients_of_all_samples(nin, nouts, batch):
    model, x = MLP(nin, nouts), np.random.default_rng(batch).normal(size=(batch, nin))

    def total(outputs):
        return sum(np.sum(o) for o in outputs) if isinstance(outputs, list) else np.sum(outputs)

    single = [model(row) for row in x]
    loss = sum(map(total, single))
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    for columns in (x.T, list(x.T), list(map(Value, x.T))):
        model.zero_grad()
        together = model(columns)
        assert isinstance(together, list) == (nouts[-1] > 1)
        for k, scores in enumerate(together if isinstance(together, list) else [together]):
            np.testing.assert_allclose(scores.data, [(s[k] if isinstance(s, list) else s).data for s in single], atol=1e-12)
        total(together).backward()
        np.testing.assert_allclose([p.grad for p in model.parameters()], gradients, atol=1e-9)


def test_a_neuron_on_numbers_stays_scalar_and_checks_their_count():
    score = Neuron(3)([1.0, Value(2.0), 3])
    assert type(score.data) is float
    assert score.shape == ()
    with pytest.raises(ValueError, match=r"ReLUNeuron\(2\) takes 2 inputs, not 3.*model\(X\.T\)"):
        Neuron(2)(np.ones((3, 2)))


def test_inputs_may_be_any_iterable_of_numbers_or_values():
    neuron = Neuron(2, nonlin=False)
    wanted = neuron([1.5, -2.0]).data
    for x in ((1.5, -2.0), np.array([1.5, -2.0]), iter([1.5, -2.0]), [Value(1.5), Value(-2.0)], np.array([1.5, -2.0], np.float32)):
        score = neuron(x)
        assert score.data == wanted
        assert type(score.data) is float
    assert Layer(2, 3, nonlin=False)(np.ones(2))[2].shape == ()
    assert [p.data for p in Neuron(0).parameters()] == [0.0]


def test_only_the_last_layer_is_linear():
    model = MLP(1, [2, 2, 1])
    assert [neuron.nonlin for layer in model.layers for neuron in layer.neurons] == [True] * 4 + [False]
    for parameter in model.parameters():
        parameter.data = -1.0
    assert model([1.0]).data == -1.0  # the relus give 0, and the last bias comes through
    assert Neuron(1)([1.0]).data >= 0.0


def test_a_subclass_in_micrograds_style_overrides_parameters():
    class Pair(Module):
        def __init__(self):
            self.w = [Value(1.0), Value(2.0)]

        def __call__(self, x):
            return sum(w * x for w in self.w)

        def parameters(self):
            return self.w

    pair = Pair()
    pair(3.0).backward()
    assert [p.grad for p in pair.parameters()] == [3.0, 3.0]
    pair.zero_grad()
    assert [p.grad for p in pair.parameters()] == [0.0, 0.0]
