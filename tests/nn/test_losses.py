"""Every loss: PyTorch's numbers, numerical derivatives, extreme scores, and targets of the wrong shape or kind."""

import functools
import importlib.util

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
import nn
from engine import Value
from tests import ROOT

LOSSES = {
    "mse_loss": nn.mse_loss,
    "l1_loss": nn.l1_loss,
    "huber_loss": functools.partial(nn.huber_loss, delta=0.7),
    "binary_cross_entropy": nn.binary_cross_entropy,
    "binary_cross_entropy_with_logits": nn.binary_cross_entropy_with_logits,
    "cross_entropy": nn.cross_entropy,
    "cross_entropy, smooth": functools.partial(nn.cross_entropy, label_smoothing=0.2),
    "cross_entropy, places": nn.cross_entropy,
    "cross_entropy, one sample": nn.cross_entropy,
    "nll_loss": nn.nll_loss,
}
STORED = dict(np.load(ROOT / "tests" / "reference" / "nn.npz"))
SMOOTH = [name for name in LOSSES if name not in ("l1_loss", "huber_loss")]


def agrees(name, numbers):
    for reduction in ("mean", "sum", "none"):
        outputs = Value(numbers[f"loss {name}/input"])
        loss = LOSSES[name](outputs, numbers[f"loss {name}/target"], reduction=reduction)
        np.testing.assert_allclose(loss.data, numbers[f"loss {name}/{reduction}"], rtol=1e-10, atol=1e-12)
        loss.sum().backward()
        np.testing.assert_allclose(outputs.grad, numbers[f"loss {name}/{reduction} slope"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_pytorchs(name):
    agrees(name, STORED)


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("seed", range(3))
def test_losses_and_gradients_are_pytorchs_live(seed):
    from tests.reference.nn_make import references

    numbers = references(seed)
    for name in LOSSES:
        agrees(name, numbers)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_numerical_ones(name):
    outputs, targets = STORED[f"loss {name}/input"], STORED[f"loss {name}/target"]
    report = engine.check(lambda scores: LOSSES[name](scores, targets), outputs, order=2 if name in SMOOTH else 1)
    assert report, str(report)


def test_the_gradient_reaches_targets_that_are_values():
    for loss in (nn.mse_loss, nn.l1_loss, nn.huber_loss, nn.hinge_loss, nn.binary_cross_entropy_with_logits):
        report = engine.check(loss, np.array([0.3, -2.0]), np.array([0.9, 1.0]))
        assert report, str(report)


# ── by definition ─────────────────────────────────────────────────────────────

scores = st.lists(st.floats(-5, 5), min_size=1, max_size=6)


@given(scores, st.floats(0.1, 3))
def test_huber_is_a_parabola_near_zero_and_a_line_beyond(errors, delta):
    for error, loss in zip(errors, nn.huber_loss(np.array(errors), np.zeros(len(errors)), reduction="none", delta=delta), strict=True):
        np.testing.assert_allclose(loss, 0.5 * error**2 if abs(error) <= delta else delta * (abs(error) - 0.5 * delta), atol=1e-12)


@given(scores, st.data())
def test_hinge_is_what_is_missing_to_a_margin_of_one(values, data):
    sides = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=len(values), max_size=len(values))))
    outputs = Value(np.array(values))
    loss = nn.hinge_loss(outputs, sides)
    np.testing.assert_allclose(loss.data, np.mean(np.maximum(0.0, 1.0 - sides * np.array(values))))
    loss.backward()
    np.testing.assert_allclose(outputs.grad, -sides * (sides * np.array(values) < 1.0) / len(values))


def test_extreme_scores_give_exact_losses_and_finite_gradients():
    x = Value(np.array([1000.0, -1000.0, 1000.0, -1000.0]))
    loss = nn.binary_cross_entropy_with_logits(x, np.array([1.0, 0.0, 0.0, 1.0]), reduction="none")
    np.testing.assert_array_equal(loss.data, [0.0, 0.0, 1000.0, 1000.0])
    loss.sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.0, 1.0, -1.0])
    x = Value(np.array([[1000.0, 0.0], [1000.0, 0.0]]))
    loss = nn.cross_entropy(x, np.array([0, 1]), reduction="none")
    np.testing.assert_array_equal(loss.data, [0.0, 1000.0])
    loss.sum().backward()
    np.testing.assert_array_equal(x.grad, [[0.0, 0.0], [1.0, -1.0]])
    p = Value(np.array([0.0, 1.0, 0.0, 1.0]))
    loss = nn.binary_cross_entropy(p, np.array([0.0, 1.0, 1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(loss.data, [0.0, 0.0, 100.0, 100.0])
    loss.sum().backward()
    assert np.isfinite(p.grad).all()


@given(st.floats(0.0, 1.0))
def test_label_smoothing_mixes_the_target_with_all_classes(epsilon):
    x, target = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1])
    spread = (1 - epsilon) * np.eye(3)[target] + epsilon / 3
    expected = -np.mean(np.sum(spread * engine.log_softmax(x), axis=1))
    np.testing.assert_allclose(nn.cross_entropy(x, target, label_smoothing=epsilon), expected, rtol=1e-12)


# ── penalties ─────────────────────────────────────────────────────────────────


def test_penalties_take_a_module_a_list_or_one_value():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    flat = np.concatenate([p.data.ravel() for p in model.parameters()])
    for penalty, size, slope in ((nn.l1_penalty, np.abs, np.sign), (nn.l2_penalty, np.square, lambda w: 2 * w)):
        model.zero_grad()
        total = penalty(model)
        np.testing.assert_allclose(total.data, np.sum(size(flat)))
        total.backward()
        np.testing.assert_allclose(np.concatenate([p.grad.ravel() for p in model.parameters()]), slope(flat))
        weight = model[0].weight
        np.testing.assert_allclose(penalty([weight]).data, np.sum(size(weight.data)))
        np.testing.assert_allclose(penalty(p for p in model.parameters()).data, np.sum(size(flat)))
        np.testing.assert_allclose(penalty({"weight": weight}.values()).data, np.sum(size(weight.data)))
        np.testing.assert_allclose(penalty(weight * 2.0).data, np.sum(size(2.0 * weight.data)))


def test_penalties_take_the_scalars_of_micrograd():
    model = nn.MLP(2, [3, 1])
    np.testing.assert_allclose(nn.l2_penalty(model).data, sum(p.data**2 for p in model.parameters()))
    np.testing.assert_allclose(nn.l1_penalty(model.parameters()).data, sum(abs(p.data) for p in model.parameters()))


def test_penalties_take_plain_numbers_too():
    x = np.array([1.0, -2.0])
    assert (nn.l1_penalty(x), nn.l2_penalty(x)) == (3.0, 5.0)
    assert (nn.l1_penalty([x, -3.0]), nn.l2_penalty((x, -3.0))) == (6.0, 14.0)
    assert nn.l1_penalty([]) == 0.0
    assert nn.l2_penalty(Value(-3.0)).data == 9.0


def test_an_empty_batch_has_no_loss():
    assert nn.cross_entropy(np.ones((0, 3)), np.array([], int), reduction="sum") == 0.0
    assert nn.nll_loss(np.ones((0, 3)), np.array([], int), reduction="none").shape == (0,)


# ── refused ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.mse_loss(Value(np.ones((3, 1))), np.ones(3)), r"mse_loss.*\(3, 1\).*\(3,\)"),
        (lambda: nn.hinge_loss(np.ones(3), 1.0), r"hinge_loss.*\(3,\).*\(\)"),
        (lambda: nn.mse_loss(np.ones(3), np.ones(3), reduction="average"), r"'mean', 'sum' or 'none'.*'average'"),
        (lambda: nn.huber_loss(np.ones(3), np.ones(3), delta=0.0), r"delta.*0\.0"),
        (lambda: nn.cross_entropy(np.ones((3, 2)), np.array([0.0, 1.0, 1.0])), r"cross_entropy.*integers.*float64"),
        (lambda: nn.cross_entropy(np.ones((3, 2)), np.array([0, 1])), r"cross_entropy.*\(3, 2\).*\(3,\).*\(2,\)"),
        (lambda: nn.cross_entropy(np.ones((3, 2)), np.array([0, 1, 2])), r"cross_entropy.*0 … 1.*0 … 2"),
        (lambda: nn.nll_loss(np.ones((3, 2)), np.array([0, 1, -1])), r"nll_loss.*0 … 1.*-1 … 1"),
        (lambda: nn.cross_entropy(np.ones((3, 2)), np.array([0, 1, 1]), label_smoothing=1.5), r"label_smoothing.*1\.5"),
        (lambda: nn.cross_entropy(np.ones((3, 2)), np.array([0, 1, 1]), label_smoothing=-0.1), r"label_smoothing.*-0\.1"),
        (lambda: nn.nll_loss(np.float64(1.0), np.array(0)), r"nll_loss.*shape \(\)"),
        (lambda: nn.huber_loss(np.ones(3), np.ones((3, 1))), r"huber_loss.*\(3,\).*\(3, 1\)"),
        (lambda: nn.l1_loss(np.ones(3), np.ones((3, 1))), r"l1_loss.*\(3,\).*\(3, 1\)"),
        (lambda: nn.binary_cross_entropy(np.ones(3), np.ones((3, 1))), r"binary_cross_entropy.*\(3,\).*\(3, 1\)"),
        (lambda: nn.binary_cross_entropy_with_logits(np.ones(3), np.ones((3, 1))), r"with_logits.*\(3,\).*\(3, 1\)"),
    ],
)
def test_errors_name_loss_and_shapes(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
