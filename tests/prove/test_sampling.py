"""The modes of `check`: single elements, random directions, the Taylor remainder, forward against reverse mode."""

from __future__ import annotations

import io
import sys
import time

import numpy as np
import pytest

import engine
from engine import check
from engine.primitives import Primitive
from engine.prove.sampling import with_progress_bar
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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def slowly(work, show):
    for item in with_progress_bar(work, show):
        time.sleep(0.51)
        yield item


def test_a_progress_bar_for_what_takes_long_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(slowly("abc", None)) == ["a", "b", "c"]  # more than a second before the last
    shown = terminal.getvalue()
    assert "checking" in shown
    assert "67%" in shown
    assert shown.index("\x1b[?25l") < shown.index("\x1b[?25h")  # the cursor comes back
    assert shown.endswith("\x1b[1A\x1b[2K")  # and the bar goes
    assert capsys.readouterr().out == ""


def test_no_progress_bar_for_what_is_quick_or_where_none_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(slowly("abc", False)) == ["a", "b", "c"]
    assert check(np.sin, 1.0, progress=True)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(("size", "expected"), [(1, "[1]"), (6, "[1, 1, 1, 1, 1, 1]"), (7, "[1, 1, ..., 1, 1]")])
def test_a_note_tells_the_direction_by_its_first_and_last_numbers(size, expected):
    for element in check(lambda x: np.sum(x), np.ones(size), mode="projections", directions=2).elements:
        assert element.note.replace("-", "") == f"along v = {expected}"


def test_an_input_without_elements_passes_beside_others():
    report = check(lambda x, y: np.sum(x) + np.sum(y), np.zeros(0), np.ones(2), mode="projections", directions=2)
    assert report
    assert [(element.input, element.verdict) for element in report.elements] == [("x", "right")] * 2 + [("y", "right")] * 2


@pytest.mark.parametrize("mode", ["projections", "taylor", "transpose"])
@pytest.mark.parametrize("directions", [1, 3])
def test_as_many_directions_as_are_asked_for(mode, directions):
    report = check(np.hypot, 3.0, np.array([1.0, 2.0]), mode=mode, directions=directions)
    assert [element.input for element in report.elements if not element.output or element.output in ("[0]", "⟨u, Jv⟩")] == (
        ["x1"] * directions + ["x2"] * directions
    )


def test_every_input_and_output_takes_part_in_the_transpose():
    """⟨u, Jv⟩ of a linear map can be told beforehand from the vectors in the note."""
    matrix = np.array([[1.0, 2.0], [-3.0, 0.5], [0.25, -1.0]])
    report = check(lambda x, y: (matrix @ x, 2.0 * y), np.ones(2), 3.0, mode="transpose", directions=2)
    for element in report.elements:
        u, v = (np.array(eval(part)) for part in element.note.partition("u = ")[2].split(", v = "))
        expected = u[:3] @ matrix @ v if element.input == "x" else 2.0 * u[3] * np.ravel(v)[0]
        assert element.analytic == pytest.approx(expected, rel=0.02, abs=0.02)  # the note gives three digits
        assert element.numerical == pytest.approx(element.analytic, rel=1e-14)
        assert 0.0 < element.error < 1e-12


@pytest.mark.parametrize(("bend", "fine"), [(0.0, True), (20.0, True), (1e5, False), (-1e5, False)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_transpose_allows_for_rounding_and_no_more(bend, fine, dtype):
    part = dtype(bend * np.finfo(dtype).eps)
    rule = Primitive("f", np.square, [lambda g, out, x: dtype(2.0) * g * x + part * np.absolute(g) * x])
    report = check(lambda x: rule(x), np.linspace(1, 2, 40).astype(dtype), mode="transpose", directions=3)
    assert bool(report) == fine


def test_taylor_expects_the_order_two_and_does_not_excuse_a_lower_one():
    element = check(np.sin, 0.7, mode="taylor", directions=1).worst
    assert (element.analytic, element.error) == (2.0, 0.2)
    assert "v = [" in element.note
    rough = Primitive("rough", lambda x: np.absolute(x) ** 1.5, [lambda g, out, x: g * 1.5 * np.sign(x) * np.absolute(x) ** 0.5])
    assert check(lambda x: 3.0 * x, 0.7, mode="taylor", directions=1).worst.numerical == 2.0  # no remainder at all
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


@pytest.mark.parametrize("x", [-1.5e-8, 4.7e-7, 1e-6])
@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (np.cos, lambda x: -np.sin(x)),
        (np.cosh, np.sinh),
        (lambda x: np.hypot(x, 9.0), lambda x: x / np.hypot(x, 9.0)),
        (lambda x: np.logaddexp(5.0, x), lambda x: np.exp(x - np.logaddexp(5.0, x))),
    ],
)
def test_numbers_so_small_that_rounding_hides_them_are_judged_from_zero(function, slope, x):
    assert verdicts(check(function, x)) == ["right"]
    assert not check(wrong_by(function, slope, 1.5), x)


def test_what_is_undecided_from_zero_too_is_left_at_its_place():
    """From zero the logarithm would be outside of its domain."""
    assert verdicts(check(lambda x: np.stack([(x + 1e10) - 1e10, np.log(x)]), 1e-12)) == ["imprecise", "right"]
