"""The precision of a check: dtypes, combinations of many outputs, and the complex step where there is no extended precision."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import check
from engine.primitives import Primitive
from tests.prove import verdicts, wrong_by


def test_float32_is_judged_by_its_formula():
    x = np.array([0.3, 20.0], np.float32)
    assert check(np.sin, x)
    assert not check(wrong_by(np.sin, np.cos, 1 + 1e-8), x)


@pytest.mark.parametrize("x", [0.3, 5.0])
def test_without_extended_precision_the_complex_step_is_as_sharp(x, monkeypatch):
    monkeypatch.setattr("engine.prove.precision.EXTENDED", np.float64)
    f = lambda x: np.exp(np.sin(x)) / x  # noqa: E731
    slope = lambda x: np.exp(np.sin(x)) * (np.cos(x) / x - 1 / x**2)  # noqa: E731
    assert check(f, x, grad=slope)
    assert not check(f, x, grad=lambda x: slope(x) * (1 + 1e-10))
    assert verdicts(check(np.abs, x, grad=np.sign)) == ["right"]  # |x| of a complex number is another function
    assert verdicts(check(engine.relu, 0.0)) == ["kink"]


def test_an_error_that_cancels_in_the_sum_of_the_outputs_is_found():
    shuffled = Primitive("shuffled", np.square, [lambda g, out, x: g[::-1] * 2 * x])  # Σ of each column of the Jacobian is right
    report = check(lambda x: shuffled(x), np.array([1.0, 2.0]))
    assert report.counts == {"wrong": 4}


def test_an_error_in_one_of_many_outputs_is_found():
    x = np.linspace(1.0, 2.0, 1500)
    spot = np.where(np.arange(1500) == 777, 1 + 1e-6, 1.0)
    assert check(np.exp, x[:2], mode="projections")
    assert not check(wrong_by(np.exp, lambda x: np.exp(x) * spot, 1.0), x, directions=1)
