"""Pictures of Modules: a box around what each Module computes."""

import re

import numpy as np
import pytest

import nn
from engine import Value
from nn import MLP, Linear, Module, ReLU, Sequential, Tanh


def boxes(picture) -> list[str]:
    """The titles of the boxes, those that are folded included."""
    folded = re.findall(r"fold\d+ \[label=<<FONT[^>]*><B>([^<]*)</B>", picture.source)
    return folded + re.findall(r'graph \[color="[^"]*" label=<<FONT[^>]*><B>([^<]*)</B>', picture.source)


def test_draw_frames_each_module_and_folds_those_that_are_named():
    model = Sequential(Linear(2, 3), Sequential(Linear(3, 3), Tanh()), Linear(3, 1))
    x = np.ones((4, 2))
    whole = model.draw(x).source
    for title in ("0: Linear(2, 3)", "1: Sequential", "0: Linear(3, 3)", "1: Tanh", "2: Linear(3, 1)", "1.0.weight"):
        assert title in whole
    folded = model.draw(x, collapse="1").source
    assert "1: Sequential" in folded
    assert "1.0.weight" not in folded
    assert "12 parameters" in folded
    assert "0.weight" not in model.draw(x, collapse=True).source
    assert not model[0]._hooks_after
    with pytest.raises(ValueError, match="nowhere"):
        model.draw(x, collapse=["nowhere"])


def test_draw_shows_a_micrograd_network_neuron_by_neuron():
    source = MLP(2, [2, 1]).draw([1.0, -2.0]).source
    for title in ("layers.0: Layer", "neurons.1: Neuron", "layers.1: Layer"):
        assert title in source


class TwoInputs(Module):
    """Two inputs of which the second is a sequence of indices; a Module that is called twice, and one that isn't called."""

    def __init__(self):
        self.letter, self.twice, self.unused = nn.Embedding(4, 3), Linear(3, 3), Sequential(ReLU())
        self.seen = ()

    def forward(self, *args):
        self.seen = args
        x, letters = args[0], args[-1]
        return self.twice(np.tanh(self.twice(x)) + self.letter(letters))


def test_arrays_of_numbers_become_inputs_with_names():
    model = TwoInputs()
    x, letters = np.ones((2, 3)), np.array([0, 3])
    picture = model.draw(x, letters)
    assert ">x</B>" in picture.source
    assert model.seen[0].label == "x"
    assert not model.seen[0].requires_grad  # an input, nothing that is learned
    np.testing.assert_array_equal(model.seen[0].data, x)
    assert model.seen[1] is letters
    model.draw(x, "unchanged", 2 * x, letters)
    assert [arg.label for arg in model.seen if isinstance(arg, Value)] == ["x0", "x1"]
    assert model.seen[1] == "unchanged"
    given = Value(x, label="mine")
    model.draw(given, letters)
    assert model.seen[0] is given


def test_a_module_that_is_called_twice_has_one_box_with_both_calls():
    source = TwoInputs().draw(np.ones((2, 3)), np.array([0, 3]), collapse="twice").source
    assert "12 parameters" in source
    assert "6 operations" in source  # three in each call


def test_only_modules_that_took_part_have_boxes_and_the_whole_has_none():
    x, letters = np.ones((2, 3)), np.array([0, 3])
    assert sorted(boxes(TwoInputs().draw(x, letters))) == ["letter: Embedding(4, 3)", "twice: Linear(3, 3)"]
    assert set(boxes(TwoInputs().draw(x, letters, collapse=True))) == {"letter: Embedding(4, 3)", "twice: Linear(3, 3)"}


def test_a_name_of_several_letters_can_be_folded():
    model = Sequential({"hidden": Sequential(Linear(2, 3), Tanh()), "score": Linear(3, 1)})
    for collapse in ("hidden", ["hidden"], ("hidden.0", "hidden")):
        source = model.draw(np.ones(2), collapse=collapse).source
        assert "hidden.0.weight" not in source
        assert "score.weight" in source


def test_a_constant_that_a_module_makes_stands_beside_its_box():
    class Shift(Module):
        def forward(self, x):
            return x + Value([1.0, 2.0], label="offset", requires_grad=False)

    source = Sequential(Shift()).draw(np.ones(2), collapse=True).source
    assert "0: Shift" in source
    assert "1 operation" in source
    assert ">offset</B>" in source


def test_a_call_that_fails_leaves_no_hooks():
    model = Sequential(Linear(2, 3))
    with pytest.raises(ValueError, match="Linear"):
        model.draw(np.ones(3))
    model[0].register_forward_hook(lambda *_: None)()
    assert "0: Linear(2, 3)" in boxes(model.draw(np.ones(2)))[0]
    assert not model[0]._hooks_before
    assert not model[0]._hooks_after
