"""check and gradcheck: each verdict by its smallest example, no false alarms, and no error that hides."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import engine
from engine import GradcheckError, Value, check, gradcheck
from engine.primitives import Primitive
from engine.prove.checking import VERDICTS

FACTORS = st.tuples(st.sampled_from([1e-8, 1e-7, 1e-5, 1e-2, 1.0]), st.sampled_from([1.0, -1.0])).map(lambda pair: 1 + pair[0] * pair[1])


def wrong_by(function, slope, factor):
    """A primitive with that function, and that slope times a factor."""
    return Primitive("wrong", function, [lambda g, out, x: g * slope(x) * factor])


def verdicts(report):
    return [element.verdict for element in report.elements]


# ── nothing wrong passes, nothing right fails ─────────────────────────────────

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


@settings(max_examples=40, derandomize=True, database=None)
@given(st.floats(-50, 50).filter(lambda x: abs(x) > 1e-3), st.lists(st.integers(-5, 5), min_size=1, max_size=6), FACTORS)
def test_polynomials(x, coefficients, factor):
    """Right polynomials pass; a factor on the slope never does, where there is a slope to be wrong about."""

    def value(x):
        return sum(c * x**k for k, c in enumerate(coefficients))

    def slope(x):
        return sum(k * c * x ** (k - 1) for k, c in enumerate(coefficients) if k) + 0.0 * x

    assert check(value, x, grad=slope)
    steep = abs(slope(x)) * abs(x) > 1e-3 * sum(abs(c * x**k) for k, c in enumerate(coefficients))
    if steep:
        assert verdicts(check(value, x, grad=lambda x: slope(x) * factor)) == ["wrong"]


SMOOTH = [(np.sin, np.cos), (np.tanh, lambda x: 1 / np.cosh(x) ** 2), (np.exp, np.exp), (np.arctan, lambda x: 1 / (1 + x * x))]


@settings(max_examples=60, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from(SMOOTH), min_size=1, max_size=4),
    st.floats(-1.5, 1.5).filter(lambda x: abs(x) > 1e-3),
    FACTORS,
    st.integers(0, 3),
)
def test_compositions(parts, x, factor, place):
    """Chains of smooth functions pass; with one rule off by a factor, wherever it stands, they don't."""
    assume(sum(function is np.exp for function, _ in parts) < 3)  # or it overflows

    def chain(functions):
        def f(x):
            for function in functions:
                x = function(x)
            return x

        return f

    assert check(chain([function for function, _ in parts]), x)
    function, slope = parts[place % len(parts)]
    broken = [function for function, _ in parts]
    broken[place % len(parts)] = wrong_by(function, slope, factor)
    report = check(chain(broken), x)
    if abs(report.worst.numerical) > 1e-6:
        assert verdicts(report) == ["wrong"], report


@pytest.mark.parametrize("d", [1e-8, -1e-8, 1e-9])
@pytest.mark.parametrize("x", [1e-8, 0.3, 1.0, 77.7, 1e6])
def test_a_small_error_at_any_size_of_input(x, d):
    assert verdicts(check(wrong_by(np.sqrt, lambda x: 0.5 / np.sqrt(x), 1 + d), x)) == ["wrong"]


def test_an_error_that_cancels_in_the_sum_of_the_outputs_is_found():
    shuffled = Primitive("shuffled", np.square, [lambda g, out, x: g[::-1] * 2 * x])  # Σ of each column of the Jacobian is right
    report = check(lambda x: shuffled(x), np.array([1.0, 2.0]))
    assert report.counts == {"wrong": 4}


def test_an_error_in_one_of_many_outputs_is_found():
    x = np.linspace(1.0, 2.0, 1500)
    spot = np.where(np.arange(1500) == 777, 1 + 1e-6, 1.0)
    assert check(np.exp, x[:2], mode="projections")
    assert not check(wrong_by(np.exp, lambda x: np.exp(x) * spot, 1.0), x, directions=1)


# ── each verdict ──────────────────────────────────────────────────────────────


def test_right_and_wrong_tell_both_derivatives():
    element = check(wrong_by(np.square, lambda x: x, 1.0), 3.0).worst
    assert (element.verdict, element.analytic, element.numerical) == ("wrong", 3.0, pytest.approx(6.0, rel=1e-12))
    assert element.error < 1e-12
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


# ── arguments ─────────────────────────────────────────────────────────────────


def test_structures_are_named_by_parameter_key_and_label():
    report = check(lambda params, x: params["w"][0] * x, {"w": [2.0, Value(1.0, label="spare")]}, Value(3.0, label="bias"))
    assert [e.input for e in report.elements] == ["params['w'][0]", "spare", "bias"]
    assert [e.input for e in check(np.multiply, 1.0, 2.0, names=["left", "right"]).elements] == ["left", "right"]
    assert [e.name for e in check(lambda m: np.transpose(m), np.ones((1, 2))).elements][:2] == ["∂f[0, 0]/∂m[0, 0]", "∂f[1, 0]/∂m[0, 0]"]


def test_integers_and_constants_are_handed_through():
    report = check(lambda x, n, c: np.sum(x) ** n * c, np.ones(2), 2, Value(3.0, requires_grad=False))
    assert [e.input for e in report.elements] == ["x", "x"]
    with pytest.raises(TypeError, match="nothing to check"):
        check(lambda n: n, 3)


def test_argnums_chooses():
    assert {e.input for e in check(lambda x, y: x * y, 1.0, 2.0, argnums=1).elements} == {"y"}


def test_inputs_and_graph_are_left_alone():
    x, v = np.array([1.0, 2.0]), Value([1.0, 2.0])
    v.grad = 7.0

    def spoil(x, v):
        x += 1
        return np.sum(x**2 * v)

    assert check(spoil, x, v, grad=lambda x, v: (2 * (x + 1) * v, (x + 1) ** 2))
    assert check(lambda v: np.sum(v**2), v)
    np.testing.assert_array_equal(x, [1.0, 2.0])
    np.testing.assert_array_equal(v.data, [1.0, 2.0])
    np.testing.assert_array_equal(v.grad, [7.0, 7.0])


def test_float32_is_judged_by_its_formula():
    x = np.array([0.3, 20.0], np.float32)
    assert check(np.sin, x)
    assert not check(wrong_by(np.sin, np.cos, 1 + 1e-8), x)


def test_empty_input():
    report = check(np.sum, np.zeros((0, 2)))
    assert report
    assert report.elements == []


def test_errors_of_the_function_come_through():
    with pytest.raises(ValueError, match="matmul"):
        check(np.matmul, np.ones(2), np.ones(3))


# ── gradients of others ───────────────────────────────────────────────────────


def test_a_gradient_by_hand():
    x, w = np.array([1.0, 2.0, 3.0]), np.array([[0.5, -1.0, 2.0], [1.0, 0.0, 1.0]])

    def loss(x, w):
        return np.sum((w @ x) ** 2)

    def by_hand(x, w):
        return 2 * w.T @ (w @ x), 2 * np.outer(w @ x, x)

    assert check(loss, x, w, grad=by_hand)
    assert check(loss, x, w, grad=by_hand(x, w))
    assert check(lambda x: x**2, x, grad=lambda x: np.diag(2 * x))  # the Jacobian
    report = check(loss, x, w, grad=lambda x, w: (by_hand(x, w)[0], by_hand(x, w)[1].T.reshape(2, 3)))
    assert not report
    assert {e.input for e in report.failures} == {"w"}


def test_a_gradient_by_hand_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(2,\), but x has \(3,\)"):
        check(lambda x: np.sum(x), np.ones(3), grad=np.ones(2))
    with pytest.raises(ValueError, match="1 array\\(s\\) for 2 inputs"):
        check(lambda x, y: x * y, 1.0, 2.0, grad=lambda x, y: y)


@pytest.mark.parametrize("x", [0.3, 5.0])
def test_without_extended_precision_the_complex_step_is_as_sharp(x, monkeypatch):
    monkeypatch.setattr("engine.prove.precision.EXTENDED", np.float64)
    f = lambda x: np.exp(np.sin(x)) / x  # noqa: E731
    slope = lambda x: np.exp(np.sin(x)) * (np.cos(x) / x - 1 / x**2)  # noqa: E731
    assert check(f, x, grad=slope)
    assert not check(f, x, grad=lambda x: slope(x) * (1 + 1e-10))
    assert verdicts(check(np.abs, x, grad=np.sign)) == ["right"]  # |x| of a complex number is another function
    assert verdicts(check(engine.relu, 0.0)) == ["kink"]


def test_pytorch():
    torch = pytest.importorskip("torch")

    class Sine(torch.autograd.Function):
        factor = 1.0

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        def backward(ctx, g):
            return g * torch.cos(ctx.saved_tensors[0]) * Sine.factor

    x = torch.tensor([0.3, 1.0, -2.0], dtype=torch.float64)
    assert check(Sine.apply, x, names=["x"])
    Sine.factor = 1 + 1e-8
    assert check(Sine.apply, x, names=["x"]).counts == {"right": 6, "wrong": 3}
    assert check(torch.tanh, torch.tensor([0.5, 1.0]))  # float32
    assert verdicts(check(torch.relu, torch.tensor(0.0, dtype=torch.float64))) == ["kink"]
    assert verdicts(check(lambda x: torch.sum(x.detach() * 2), torch.ones(1, dtype=torch.float64))) == ["disconnected"]


def test_jax():
    jax = pytest.importorskip("jax")
    sine = jax.custom_vjp(jax.numpy.sin)
    sine.defvjp(lambda x: (jax.numpy.sin(x), x), lambda x, g: (g * jax.numpy.cos(x) * (1 + 1e-8),))
    x = jax.numpy.array([0.3, 1.0, -2.0])
    assert check(jax.numpy.sin, x)
    assert check(sine, x).counts == {"right": 6, "wrong": 3}
    assert check(lambda p: p["w"] @ p["x"], {"w": jax.numpy.ones((2, 3)), "x": x})


# ── modes ─────────────────────────────────────────────────────────────────────


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


# ── gradcheck ─────────────────────────────────────────────────────────────────


def test_gradcheck():
    assert gradcheck(np.sin, Value(1.0)) is True
    assert gradcheck(lambda x, w: x @ w, (X, Value(W)), eps=1e-3, atol=1e-9, rtol=1e-6) is True
    sine = wrong_by(np.sin, np.cos, 1.01)
    assert gradcheck(lambda x: sine(x), 1.0, raise_exception=False) is False
    assert gradcheck(lambda x: sine(x), 1.0, rtol=0.02) is True
    with pytest.raises(GradcheckError, match="wrong") as caught:
        gradcheck(lambda x: sine(x), 1.0)
    assert caught.value.report.counts == {"wrong": 1}


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


def test_functions_that_differentiate_inside():
    inner = Value(3.0) * 2.0  # a node of the caller's graph
    inner.backward()
    before = inner.grad
    assert check(lambda x: engine.grad(lambda y: y**3 * inner.data)(x) * inner, 2.0)
    assert check(lambda x: (x + 1e25) * inner - 1e25 * inner, 2.0).counts == {"imprecise": 1}
    assert inner.grad == before


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
