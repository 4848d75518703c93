"""The modes of `check`: single elements, random directions, the Taylor remainder, forward against reverse mode."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import engine
from engine import check
from engine.primitives import Primitive
from tests.prove import verdicts, wrong_by


def layer(x, w):
    return np.tanh(x @ w)


X, W = np.random.default_rng(1).standard_normal((2, 3)), np.random.default_rng(2).standard_normal((3, 2))


@pytest.mark.parametrize("mode", ["elements", "projections", "transpose", "taylor"])
@pytest.mark.parametrize("f", [layer, lambda x, w: np.sum(layer(x, w)), lambda x, w: {"a": x * 2, "b": [w[0]]}])
def test_every_mode_accepts_what_is_right(mode, f):
    report = check(f, X, W, mode=mode)
    assert report, report
    assert report.mode == mode
    assert len({e.input for e in report.elements}) == 2


@pytest.mark.parametrize(("mode", "factor"), [("elements", 1 + 1e-9), ("projections", 1 + 1e-9), ("taylor", 1 + 1e-6)])
def test_modes_refuse_what_is_wrong(mode, factor):
    sine = wrong_by(np.sin, np.cos, factor)
    report = check(lambda x: np.sum(sine(x)), X, mode=mode)
    assert "wrong" in report.counts
    assert not report


def test_transpose_refuses_a_rule_that_is_not_linear_in_its_cotangent():
    square = Primitive("square", np.square, [lambda g, out, x: g * g * 2 * x])
    assert verdicts(check(lambda x: square(x), 3.0)) == ["right"]  # g = 1 does not tell
    assert not check(lambda x: square(x), 3.0, mode="transpose")


def test_taylor_measures_the_order():
    good, bad = np.sin, wrong_by(np.sin, np.cos, 1.5)
    assert check(good, X, mode="taylor", directions=1).worst.numerical == pytest.approx(2, abs=0.2)
    assert check(lambda x: np.sum(bad(x)), X, mode="taylor", directions=1).worst.numerical == pytest.approx(1, abs=0.2)


def test_large_inputs_go_by_projections_and_name_the_culprit():
    x = np.random.default_rng(0).standard_normal((90, 50))
    assert check(lambda x: np.mean(np.tanh(x) ** 2), x).mode == "projections"
    spot = np.ones_like(x)
    spot[78, 45] = 1.001
    report = check(lambda x: np.sum(bad(x)), x) if (bad := wrong_by(np.sin, lambda x: np.cos(x) * spot, 1.0)) else None
    assert not report
    assert "wrong at x[78, 45]" in report.failures[0].note


def test_projections_with_a_thousand_kinks_nearby():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((40, 50)), rng.standard_normal((50, 30))
    assert check(lambda x, w: np.sum(engine.relu(x @ w)), x, w, mode="projections", directions=2)


SLOW = """
import time, numpy as np
from engine import check
def slow(x):
    time.sleep(0.01)
    return np.sum(x**2)
assert check(slow, np.ones(14))
"""


def test_a_progress_bar_for_what_takes_long_on_a_terminal():
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", SLOW], stderr=theirs, env=os.environ | {"TERM": "xterm"}) as process:
        assert process.wait(30) == 0
    os.close(theirs)
    assert b"checking" in os.read(ours, 1000)
    os.close(ours)
    silent = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, check=True, timeout=30)
    assert silent.stderr == b""


def test_taylor_expects_the_order_two_and_does_not_excuse_a_lower_one():
    element = check(np.sin, 0.7, mode="taylor", directions=1).worst
    assert (element.analytic, element.error) == (2.0, 0.2)
    assert "v = [" in element.note
    rough = Primitive("rough", lambda x: np.absolute(x) ** 1.5, [lambda g, out, x: g * 1.5 * np.sign(x) * np.absolute(x) ** 0.5])
    lower = check(lambda x: rough(x), 0.0, mode="taylor", directions=1)
    assert not lower
    assert lower.worst.numerical == pytest.approx(1.5, abs=0.1)
    assert verdicts(lower) == ["imprecise"]


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 2, 2)])
def test_a_single_wrong_element_is_named_wherever_it_stands(shape):
    x = np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape)
    for index in np.ndindex(shape):
        spot = np.ones(shape)
        spot[index] = 1.1
        sine = wrong_by(np.sin, lambda x, spot=spot: np.cos(x) * spot, 1.0)
        report = check(lambda x, sine=sine: np.sum(sine(x)), x, mode="projections", directions=3)
        named = [element.note for element in report.elements if "wrong at" in element.note]
        assert len(named) == 1  # the search is made once
        assert f"wrong at x[{', '.join(map(str, index))}]" in named[0]


def test_transpose_tells_its_vectors_and_what_it_shows():
    report = check(np.sin, np.array([0.1, 0.2]), mode="transpose", directions=1)
    assert "u = [" in report.worst.note
    assert "v = [" in report.worst.note
    assert "each vjp is linear, not that it is the derivative" in str(report).splitlines()[0]
    assert "linear" not in str(check(np.sin, 0.1)).splitlines()[0]


def test_numbers_so_small_that_rounding_hides_them_are_judged_from_zero():
    assert check(lambda x: np.logaddexp(5.0, x), 1e-6)
    assert not check(wrong_by(lambda x: np.logaddexp(5.0, x), lambda x: np.exp(x - np.logaddexp(5.0, x)), 1.01), 1e-6)
