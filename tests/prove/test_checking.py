"""`check` and `gradcheck`: their options and their report."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest

import engine
from engine import GradcheckError, Value, check, gradcheck
from engine.primitives import Primitive
from engine.prove.checking import Report
from engine.prove.results import VERDICTS, Block
from tests.prove import verdicts, wrong_by

# ── options ───────────────────────────────────────────────────────────────────


def test_order_two():
    report = check(lambda x: np.sum(x**3 * np.sin(x)), np.array([1.0, 2.0]), order=2)
    assert report.counts == {"right": 6}
    assert "∂²f/∂x[0]/∂x[1]" in [e.name for e in report.elements]

    def flat(g, out, x):  # right by itself, but its derivative is lost
        return g * 3 * getattr(x, "data", x) ** 2

    cube = Primitive("cube", lambda x: x**3, [flat])
    assert check(lambda x: cube(x), 2.0)
    assert verdicts(check(lambda x: cube(x), 2.0, order=2)) in (["right", "wrong"], ["right", "disconnected"])
    assert verdicts(check(engine.relu, 0.0, order=2)) == ["kink", "kink"]


def test_bad_options_say_what_there_is():
    with pytest.raises(ValueError, match="mode is 'auto'"):
        check(np.sin, 1.0, mode="fast")
    with pytest.raises(ValueError, match="order is 1 or 2"):
        check(np.sin, 1.0, order=3)
    with pytest.raises(ValueError, match="order=2"):
        check(np.sin, 1.0, grad=np.cos, order=2)
    with pytest.raises(ValueError, match="transpose"):
        check(np.sin, 1.0, grad=np.cos, mode="transpose")


def test_gradcheck():
    assert gradcheck(np.sin, Value(1.0)) is True
    assert gradcheck(lambda x, w: x @ w, (np.ones((2, 3)), Value(np.ones((3, 2)))), eps=1e-3, atol=1e-9, rtol=1e-6) is True
    sine = wrong_by(np.sin, np.cos, 1.01)
    assert gradcheck(lambda x: sine(x), 1.0, raise_exception=False) is False
    assert gradcheck(lambda x: sine(x), 1.0, rtol=0.02) is True
    with pytest.raises(GradcheckError, match="wrong") as caught:
        gradcheck(lambda x: sine(x), 1.0)
    assert caught.value.report.counts == {"wrong": 1}


def test_order_two_in_every_mode():
    for mode in ("transpose", "projections", "taylor"):
        report = check(lambda x: np.sum(x**3), np.array([1.0, 2.0]), order=2, mode=mode, directions=2)
        assert report
        assert [e.input for e in report.elements] == (["x"] * (4 if mode == "transpose" else 6)), mode


def test_auto_takes_directions_for_more_than_a_thousand_inputs():
    report = check(lambda x: 2.0 * x[0], np.zeros(1001), grad=lambda x: 2.0 * (np.arange(1001) == 0))
    assert report.mode == "projections"
    assert len(report.elements) == 8


def test_the_directions_are_the_same_at_every_run_and_others_for_another_seed():
    def slopes(**options):
        x = np.geomspace(1.0, 1e6, 30)
        return [e.analytic for e in check(np.sum, x, mode="projections", **options).elements]

    assert slopes() == slopes() == slopes(seed=0)
    assert len(set(slopes())) == 8
    assert len(slopes(directions=3)) == 3
    assert not set(slopes(seed=1)) & set(slopes(seed=0))


@pytest.mark.parametrize("run", [check, lambda f, x, **options: gradcheck(f, (x,), **options)])
def test_the_first_step_can_be_chosen(run):
    def farthest(**options):
        places = []

        def parabola(x):
            places.append(abs(float(x.data) - 2.0))
            return x * x

        assert run(parabola, 2.0, **options)
        return max(places)

    assert farthest(eps=1e-3) == pytest.approx(2e-3)
    assert farthest() == pytest.approx(2 / 21, rel=0.1)


def test_a_tolerance_comes_on_top():
    sine = wrong_by(np.sin, np.cos, 1.5)
    off = 0.5 * math.cos(1.0)
    for run in (check, lambda f, x, **options: gradcheck(f, x, raise_exception=False, **options)):
        assert not run(lambda x: sine(x), 1.0)
        assert not run(lambda x: sine(x), 1.0, atol=0.99 * off, rtol=0.0)
        assert run(lambda x: sine(x), 1.0, atol=1.01 * off)
        assert not run(lambda x: sine(x), 1.0, rtol=0.49)
        assert run(lambda x: sine(x), 1.0, rtol=0.51)


def test_gradcheck_takes_one_input_as_it_is():
    assert gradcheck(np.sin, 1.0)
    assert gradcheck(lambda x, y: x * y, [1.0, 2.0])
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: engine.stop_gradient(x) * x, np.array([3.0]))
    assert str(caught.value) == str(caught.value.report)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.report.counts) == (str(caught.value), {"wrong": 1})


def test_a_function_without_a_name_has_that_of_its_type():
    class Twice:
        def __call__(self, x):
            return 2.0 * x

    assert str(check(Twice(), 1.0)).startswith("passed: Twice: 1 right (mode: elements)\n")


# ── the report ────────────────────────────────────────────────────────────────


def test_the_table_lines_up_and_tells():
    sine = wrong_by(np.sin, np.cos, 1.5)
    text = str(check(lambda angle: sine(angle), np.array([0.0, 1.0])))
    lines = text.splitlines()
    assert lines[0].startswith("FAILED: <lambda>: 2 right, 2 wrong")
    assert re.search(r"∂f\[1\]/∂angle\[1\] +0.810453458802 +0.540302305868 +2.7e-01 +\S+ +wrong", text)
    starts = {line.index(v) for line in lines[1:] for v in ("verdict", "right", "wrong") if v in line}
    assert len(starts) == 1


def test_a_long_table_shows_the_worst_first():
    x = np.linspace(1.0, 2.0, 60)
    sine = Primitive("s", np.sin, [lambda g, out, x: g * np.cos(x) * np.where(np.arange(60) == 17, 1.5, 1 + 1e-6 * (np.arange(60) == 20))])
    report = check(lambda x: np.sum(sine(x)), x)
    lines = str(report).splitlines()
    assert "∂f/∂x[17]" in lines[3]
    assert "∂f/∂x[20]" in lines[4]
    assert lines[-1] == "  ... and 58 more, see report.elements"
    assert report.worst.index == (17,)


def test_html_is_escaped():
    html = check(lambda x: x * 2, Value(1.0, label="<b>&"))._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html
    assert html.count("<tr>") == html.count("</tr>") == 2


def test_every_verdict_has_its_line_in_the_documentation():
    import engine.prove.checking as checking

    assert all(f"{verdict}:" in checking.Report.__doc__ for verdict in VERDICTS)


def test_a_short_table_has_every_row_and_its_columns_line_up():
    sine = wrong_by(np.sin, lambda x: np.cos(x) * np.where(x > 1.5, 1.5, 1.0), 1.0)
    lines = str(check(lambda x: np.sum(sine(x)), np.array([1.0, 200.0, -0.001]))).splitlines()
    assert [line.split()[-1] for line in lines[3:]] == ["right", "wrong", "right"]
    columns = [match.span() for match in re.finditer("─+", lines[2])]
    for k, (start, end) in enumerate(columns):
        for line in lines[1:]:
            cell = line[start:end]
            assert cell == (cell.strip().rjust(end - start) if 1 <= k <= 4 else cell.strip().ljust(len(cell)))


def test_a_long_table_without_failures_shows_the_kinks():
    lines = str(check(lambda x: np.sum(engine.relu(x)), np.where(np.arange(40) % 20 == 7, 0.0, np.linspace(1.0, 2.0, 40)))).splitlines()
    assert [line.split()[0] for line in lines[3:-1]] == ["∂f/∂x[7]", "∂f/∂x[27]"]
    assert lines[-1] == "  ... and 38 more, see report.elements"


def test_html_has_the_colour_of_the_verdict():
    html = check(lambda x: x * 2, 1.0)._repr_html_()
    assert 'color:#2e7d32;font-weight:bold">right' in html
    assert html.count("text-align:right") == 4
    assert "0e+00" in html


def test_the_worst_is_a_wrong_one_then_one_that_is_no_number_then_the_one_farthest_off():
    block = Block("x", [""], [(k,) for k in range(5)])
    block.analytic[0], block.numerical[0], block.error[0] = [1.0, 1.0, 2.0, -9.0, 1.0], [1.001, math.nan, 1.0, 9.0, 1.0], 0.0
    order = []
    for verdicts_so_far in (["wrong", "domain", "imprecise", "imprecise", "right"], ["right", "domain", "imprecise", "imprecise", "right"]):
        block.verdict[0] = [VERDICTS.index(verdict) for verdict in verdicts_so_far]
        order.append(Report("f", "elements", [block]).worst.index)
    block.verdict[0] = [VERDICTS.index(verdict) for verdict in ["right", "right", "imprecise", "imprecise", "right"]]
    assert [*order, Report("f", "elements", [block]).worst.index] == [(0,), (1,), (3,)]
    block.verdict[0] = [VERDICTS.index(verdict) for verdict in ["wrong", "right", "right", "wrong", "right"]]
    assert Report("f", "elements", [block]).worst.index == (3,)


def test_nothing_to_check_is_a_line():
    report = check(lambda x: np.sum(x), np.zeros((0, 2)))
    assert report
    assert (report.elements, report.counts, report.worst) == ([], {}, None)
    assert str(report) == repr(report) == "passed: <lambda>: nothing to check (mode: elements)"
    assert "nothing to check" in report._repr_html_()


def test_the_headline_tells_what_transpose_shows():
    report = check(lambda x: x * x, 1.5, mode="transpose", directions=1)
    assert str(report).splitlines()[0].endswith("(mode: transpose; it shows that each vjp is linear, not that it is the derivative)")


@pytest.mark.parametrize(("count", "rows", "more"), [(20, 20, ""), (21, 1, "  ... and 20 more, see report.elements")])
def test_up_to_twenty_derivatives_are_all_shown(count, rows, more):
    lines = str(check(lambda x: np.sum(engine.relu(x)), np.arange(float(count)))).splitlines()  # at 0 is a kink
    shown = [line for line in lines if line.startswith("  ∂f/∂x[")]
    assert len(shown) == rows
    assert lines[-1] == (more or shown[-1])


def test_a_long_table_of_what_is_right_shows_the_first():
    report = check(lambda x: np.sum(x), np.arange(1.0, 23.0))
    assert [row.split()[0] for row in str(report).splitlines()[3:-1]] == [f"∂f/∂x[{k}]" for k in range(20)]
    html = report._repr_html_()
    assert html.count("<tr>") == 21
    assert html.endswith("<p>  ... and 2 more, see report.elements</p>")


def test_every_verdict_has_a_colour():
    block = Block("x", [""], [(k,) for k in range(len(VERDICTS))])
    block.verdict[0] = range(len(VERDICTS))
    html = Report("f", "elements", [block])._repr_html_()
    assert all(f';font-weight:bold">{verdict}</td>' in html for verdict in VERDICTS)
    assert html.count("text-align:left") == 2 * len(VERDICTS)  # the derivative and the note


def test_a_kink_is_no_failure():
    report = check(lambda x: np.sum(engine.relu(x)), np.array([0.0, 1.0]))
    assert report
    assert report.failures == []
    assert report.counts == {"right": 1, "kink": 1}


@pytest.mark.parametrize(
    ("analytic", "numerical", "worst"),
    [
        ([2.0, 1.0], [1.0, math.nan], 1),
        ([1e6, 1e-3], [1.01e6, 1.5e-3], 1),  # of a small number by half is more than of a large one by a hundredth
        ([0.0, 1.0], [0.0, 1.1], 1),
    ],
)
def test_how_far_off_is_measured_beside_the_number(analytic, numerical, worst):
    block = Block("x", [""], [(0,), (1,)])
    block.analytic[0], block.numerical[0], block.error[0], block.verdict[0] = analytic, numerical, 0.0, VERDICTS.index("imprecise")
    assert Report("f", "elements", [block]).worst.index == (worst,)
