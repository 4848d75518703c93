"""Each verdict by its smallest example, and no false alarm at awkward points."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
from engine import check
from engine.primitives import Primitive
from tests.prove import verdicts, wrong_by

AWKWARD = {
    "relu at 0": (engine.relu, 0.0, "kink"),
    "relu at 1e-9": (engine.relu, 1e-9, "right"),
    "relu 1e-9 from its kink": (lambda x: engine.relu(x - 1.0 + 1e-9), 1.0, "right"),
    "tie in max": (lambda x: np.max(x), np.array([1.0, 3.0, 3.0]), "kink"),
    "cube at 1e4": (lambda x: x**3, 1e4, "right"),
    "cube at 1e8": (lambda x: x**3, 1e8, "right"),
    "1/x at 1e-4": (lambda x: 1 / x, 1e-4, "right"),
    "exp at 30": (np.exp, 30.0, "right"),
    "exp at -30": (np.exp, -30.0, "right"),
    "log at 1e-7": (np.log, 1e-7, "right"),
    "abs at 0": (abs, 0.0, "kink"),
    "sin 1000x": (lambda x: np.sin(1000 * x), 1.0, "right"),
    "a period of the step": (lambda x: np.sin(64 * np.pi * x), 1.0, "right"),
    "tanh where it is flat": (np.tanh, 10.0, "right"),
    "sigmoid where it is flat": (engine.sigmoid, 40.0, "right"),
    "sigmoid, underflown": (engine.sigmoid, -800.0, "right"),
    "gelu, in double precision only": (engine.gelu, 1.3, "right"),
    "0 by cancelling": (lambda x: np.sum(engine.softmax(x)), np.array([0.3, -1.0, 2.0]), "right"),
    "no dependence at all": (lambda x: 3.0, 2.0, "right"),
    "staircase": (np.floor, 5.58, "right"),
    "a branch of Python": (lambda x: x * x if x > 0 else -x, 0.0, "kink"),
    "jump": (np.floor, 2.0, "kink"),
    "norm of nothing": (np.linalg.norm, np.zeros(2), "kink"),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_no_false_alarm(name):
    f, x, verdict = AWKWARD[name]
    report = check(f, x)
    assert report, report
    assert report.worst.verdict in ("right", "kink")
    assert verdict in verdicts(report)


def test_right_and_wrong_tell_both_derivatives():
    element = check(wrong_by(np.square, lambda x: x, 1.0), 3.0).worst
    assert (element.verdict, element.analytic, element.numerical) == ("wrong", 3.0, pytest.approx(6.0, rel=1e-12))
    assert element.error < 1e-11
    assert check(np.square, 3.0).elements[0].verdict == "right"


def test_kink_lies_between_the_one_sided_derivatives():
    assert "0 from the left, 1 from the right" in check(engine.relu, 0.0).worst.note
    outside = Primitive("outside", lambda x: np.maximum(x, 0.0), [lambda g, out, x: g * 1.5])
    assert verdicts(check(lambda x: outside(x), 0.0)) == ["wrong"]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: abs(x) - abs(x) + x * x,  # the convention says 0, and so does the limit
        lambda x: engine.relu(x) - engine.relu(-x),  # x, but the convention says 0
    ],
)
def test_a_kink_that_cancels_is_found_by_its_node(f):
    report = check(f, 0.0)
    assert report
    assert verdicts(report) == ["kink"]
    assert "lies on its kink, x = 0" in report.worst.note


def test_a_wrong_rule_does_not_hide_behind_a_kink():
    sine = wrong_by(np.sin, np.cos, 1.01)
    assert verdicts(check(lambda x: sine(x) + engine.relu(x) - engine.relu(-x), 0.0)) == ["wrong"]


@pytest.mark.parametrize(("f", "x"), [(np.sqrt, 0.0), (np.log, 0.0), (np.arcsin, 1.0), (np.exp, 800.0)])
def test_domain(f, x):
    report = check(f, x)
    assert not report
    assert verdicts(report) == ["domain"]


def test_a_pole_nearby_is_not_the_end_of_the_domain():
    assert verdicts(check(lambda x: np.log(x - 1.0), 1.0 + 1e-7)) == ["right"]
    assert verdicts(check(lambda x: math.sqrt(x), 1e-3, grad=lambda x: 0.5 / math.sqrt(x))) == ["right"]


@pytest.mark.parametrize("f", [lambda x: x + 1e20, lambda x: (x + 1e25) - 1e25])
def test_imprecise(f):
    report = check(f, 1.0)
    assert not report
    assert verdicts(report) == ["imprecise"]


def test_nondeterministic():
    rng = np.random.default_rng(0)
    assert verdicts(check(lambda x: x * rng.random(), 1.0)) == ["nondeterministic"]
    noisy = Primitive("noisy", np.square, [lambda g, out, x: g * 2 * x * (1 + 1e-3 * rng.random())])
    assert verdicts(check(lambda x: noisy(x), 1.0)) == ["nondeterministic"]


def test_disconnected():
    report = check(lambda x, y: x * y.data, 2.0, 3.0)
    assert not report
    assert verdicts(report) == ["right", "disconnected"]
    assert verdicts(check(lambda x, y: x * 2, 2.0, 3.0)) == ["right", "right"]  # not used at all


def test_not_finite_in_its_own_dtype():
    naive = Primitive("naive", lambda x: 1 / (1 + np.exp(-x)), [lambda g, out, x: g * np.exp(-x) / (1 + np.exp(-x)) ** 2])
    report = check(lambda x: naive(x), -800.0)
    assert verdicts(report) == ["wrong"]
    assert math.isnan(report.worst.analytic)
