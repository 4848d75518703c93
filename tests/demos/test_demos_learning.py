"""The demos that learn: their data, losses and results are what they say."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import nn
from demos import digits, moons, names, neuron, scalar_gpt, sequence
from demos.__main__ import main
from engine import Value, softmax

LETTERS = st.text(names.LETTERS[1:], min_size=1, max_size=names.PLACES - 1)


def answer(capsys, *argv):
    assert main([*argv]) == 0
    return capsys.readouterr().out.strip().rpartition("\n\n")[2]


# ── micrograd's two ───────────────────────────────────────────────────────────


def test_moons_begins_with_the_losses_of_micrograds_notebook_in_both_ways_of_computing():
    from sklearn.datasets import make_moons

    x, y = make_moons(n_samples=100, noise=0.1, random_state=1337)
    y = 2.0 * y - 1.0
    for columns in (False, True):
        random.seed(1337)
        model = nn.MLP(2, [16, 16, 1])
        losses = [moons.learn(model, x, y, step, columns)[0] for step in range(2)]
        assert losses == pytest.approx([0.8958441028683222, 1.7235905336972022], abs=1e-13)


def test_moons_tells_all_hundred_apart(tmp_path, capsys):
    assert "on, all 100 points are on the right side" in answer(capsys, "moons", "--quick", "--out", str(tmp_path))


@given(st.integers(0, 10**6), st.lists(st.floats(0.1, 3).flatmap(lambda x: st.sampled_from([x, -x])), min_size=2, max_size=2))
@settings(max_examples=20, deadline=None)
def test_a_neuron_keeps_what_its_gradient_promises(seed, inputs):
    random.seed(seed)
    made = nn.Neuron(2)
    x = [Value(number) for number in inputs]
    out = made(x)
    out.backward()
    if abs(sum(w.data * number for w, number in zip(made.w, inputs, strict=True))) < 0.1:
        return  # too near the kink
    for number in (*x, *made.parameters()):
        before = number.data
        assert neuron.output_with(made, x, number, before + 1e-3) - out.data == pytest.approx(number.grad * 1e-3, abs=1e-12)
        assert number.data == before


# ── digits ────────────────────────────────────────────────────────────────────


def test_a_moved_picture_is_the_same_picture_elsewhere():
    x = np.zeros((200, 1, 9, 9))
    x[:, 0, 4, 4] = np.arange(1, 201)
    ((moved, labels),) = digits.Moved(nn.Batches(x, np.arange(1, 201), batch_size=200, seed=0), 2, seed=0)
    assert moved.shape == x.shape
    number, _, row, column = np.nonzero(moved)
    assert (number == np.arange(200)).all()
    assert (moved.max(axis=(1, 2, 3)) == labels).all()
    assert {*zip(row - 4, column - 4, strict=True)} == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_both_networks_read_more_than_97_percent_of_unseen_digits():
    x, y, x_test, y_test = digits.digits(0)
    x, x_test = x.reshape(-1, 1, 8, 8), x_test.reshape(-1, 1, 8, 8)
    for build, epochs in ((digits.perceptron, 30), (digits.convolutional, 8)):
        nn.manual_seed(0)
        batches = digits.Moved(nn.Batches(x, y, seed=0), 0, 0)
        history = digits.train(build(8), batches, nn.Batches(x_test, y_test, batch_size=360, shuffle=False), epochs, False)
        assert history.metric[-1] > 0.97


# ── names ─────────────────────────────────────────────────────────────────────


def test_the_names_are_a_plain_list():
    words = (Path(names.__file__).parent / "data" / "names.txt").read_text(encoding="ascii").splitlines()
    assert words == sorted(set(words))
    assert len(words) == 5163
    assert {"mary", "john", "zulma"} <= {*words}
    assert set("".join(words)) == set(names.LETTERS[1:])
    rows = names.load()
    assert rows.shape == (5163, names.PLACES + 1)
    assert ["".join(names.LETTERS[i] for i in row).strip(".") for row in rows] == words


@pytest.mark.parametrize("build", [names.Bigram, names.Perceptron, names.GPT])
def test_no_model_looks_ahead_nor_further_back_than_it_says(build):
    nn.manual_seed(0)
    model, rng = build(), np.random.default_rng(0)
    letters = rng.integers(27, size=(1, names.PLACES))
    scores = model(letters).data
    assert scores.shape == (1, names.PLACES, 27)
    place = 6
    reach = {names.Bigram: 1, names.Perceptron: 3, names.GPT: names.PLACES}[build]
    other = letters.copy()
    other[0, place] = (letters[0, place] + 1) % 27
    changed = np.flatnonzero(np.abs(model(other).data - scores).max(axis=-1)[0] > 1e-12)
    assert changed.tolist() == list(range(place, min(place + reach, names.PLACES)))


def test_the_loss_counts_the_letters_and_the_dot_that_ends_a_name_only():
    nn.manual_seed(0)
    model = names.GPT()
    rows = names.load()[:3]
    by_hand = []
    for row in rows:
        scores = softmax(model(row[None, :-1])).data[0]
        length = int(np.flatnonzero(row[1:] == 0)[0])
        by_hand += [-np.log(scores[t, row[t + 1]]) for t in range(length + 1)]
    assert names.loss_on(model, rows).item() == pytest.approx(np.mean(by_hand), rel=1e-12)


def test_the_bigram_learns_what_counting_gives_and_no_more():
    nn.manual_seed(0)
    rows = names.load()
    model = names.Bigram()
    names.train(model, rows, rows[:1], 8, 0)
    pairs = [(row[t], row[t + 1]) for row in rows for t in range(names.PLACES) if t == 0 or row[t]]
    counts = np.zeros((27, 27))
    np.add.at(counts, tuple(np.transpose(pairs)), 1)
    p = counts / counts.sum(axis=1, keepdims=True).clip(1)
    counted = -np.mean([np.log(p[pair]) for pair in pairs])
    assert counted < names.loss_on(model, rows).item() < counted + 0.03  # no model that sees one letter is better than counting


def test_a_sample_follows_the_probabilities():
    model = names.Bigram()
    weight = np.full((27, 27), -100.0)
    for here, there in zip(".nam", "namn", strict=True):
        weight[names.LETTERS.index(here), names.LETTERS.index(there)] = 0.0
    weight[names.LETTERS.index("a"), 0] = np.log(3.0)  # after an "a" the name ends with probability 3/4
    model.weight.data = weight
    words = names.sample(model, 4000, np.random.default_rng(0))
    assert set(words) <= {"na", "namna", "namnamna", "namnamnamna", "namnamnamnam"}
    assert words.count("na") / 4000 == pytest.approx(0.75, abs=0.03)


@given(LETTERS)
@settings(max_examples=5, deadline=None)
def test_the_gpt_in_single_numbers_is_the_one_on_arrays(word):
    nn.manual_seed(1)
    model = names.GPT(width=16)
    letters = [names.LETTERS.index(letter) for letter in f".{word}."]
    weights = {key: [[Value(w) for w in row] for row in p.data.tolist()] for key, p in model.named_parameters()}
    loss, looked = scalar_gpt.scalar_loss(weights, letters)
    loss.backward()
    on_arrays = nn.cross_entropy(model(np.array(letters[:-1])), letters[1:])
    on_arrays.backward()
    assert loss.data == pytest.approx(on_arrays.item(), rel=1e-12)
    for key, p in model.named_parameters():
        np.testing.assert_allclose([[w.grad for w in row] for row in weights[key]], p.grad, rtol=1e-9, atol=1e-13)
    assert [sum(weight.data for weight in head) for heads in looked for head in heads] == pytest.approx([1.0] * 4 * len(looked))


def test_a_word_that_the_gpt_cannot_read_is_refused(tmp_path):
    for word in ("", "Zoe", "a b", "abcdefghijkl"):
        with pytest.raises(SystemExit, match="letters from a to z"):
            main(["scalar_gpt", "--quick", "--out", str(tmp_path), "--word", word])


# ── sequence ──────────────────────────────────────────────────────────────────


def test_the_task_shows_the_symbol_at_first_and_noise_in_other_places_later():
    x, symbols = sequence.task(np.random.default_rng(0), 7, 50)
    assert x.shape == (7, 50, 8)
    assert (x.sum(axis=2) == 1).all()
    assert (x[0].argmax(axis=1) == symbols).all()
    assert (x[1:].argmax(axis=2) >= 4).all()


def test_relu_loses_the_gradient_and_its_bounds_where_tanh_and_lstm_keep_them():
    first, largest = {}, {}
    for kind in sequence.KINDS:
        nn.manual_seed(0)
        model, rng = sequence.Recaller(kind, 40), np.random.default_rng(0)
        slopes = sequence.gradient_through_time(model, 40, rng)
        first[kind] = slopes[0] / slopes[-1]
        largest[kind] = sequence.largest_states(model, 40, rng).max()
    assert first["RNN relu"] < 1e-3 < first["RNN tanh"] < first["LSTM"]
    assert largest["RNN relu"] > 1e6
    assert largest["RNN tanh"] <= 1
    assert largest["LSTM"] <= 1
