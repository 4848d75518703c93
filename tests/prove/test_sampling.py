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
