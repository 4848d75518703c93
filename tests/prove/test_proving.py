"""`assert_rule` and `differentiable`: right rules pass, wrong ones are caught, and the message tells what a reader needs."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import strategies as st

import engine
from engine import Value, assert_rule, differentiable, primitive, strategies as some
from engine.primitives import TABLE, Case, Kink, Primitive


def refusal(rule, **options):
    with pytest.raises(AssertionError) as caught:
        assert_rule(rule, **options)
    return str(caught.value)


# ── rules of one's own that are right ─────────────────────────────────────────


def test_a_rule_in_three_lines():
    assert_rule(primitive("cube", lambda x: x**3, lambda g, out, x: 3.0 * g * x**2))


def test_a_rule_with_two_operands_a_domain_and_a_kink():
    assert_rule(
        primitive(
            "above",
            lambda x, y: np.maximum(x - y, 0.0) * np.sqrt(y),
            lambda g, out, x, y: g * (x > y) * np.sqrt(y),
            lambda g, out, x, y: g * ((x > y) * ((x - y) / (2.0 * np.sqrt(y)) - np.sqrt(y))),
            domain=[(-np.inf, np.inf), (0.0, np.inf)],
            kinks=[Kink("x = y", "0", lambda x, y: x - y)],
        )
    )


@pytest.mark.parametrize("c", [0.37, -1.234, 3.17])
def test_a_kink_at_an_odd_place_is_found(c):
    message = refusal(primitive("bent", lambda x: np.maximum(x - c, 0) + np.exp(x), lambda g, out, x: g * (x > c) + g * np.exp(x)))
    assert f"a kink for operand x at x = {c:g} " in message
    steep = primitive("steep", lambda x: np.tanh(8 * (x - c)), lambda g, out, x: 8 * g / np.cosh(8 * (x - c)) ** 2)
    assert_rule(steep)  # steep, but without a kink


def test_a_domain_left_unsaid_is_asked_for():
    assert "domain=[(low, high)]" in refusal(primitive("root", lambda x: np.sqrt(x), lambda g, out, x: g / (2 * out)))


def test_a_kink_far_from_zero_is_found_and_tested():
    relu6 = ("relu6", lambda x: np.minimum(np.maximum(x, 0.0), 6.0))
    kinks = [Kink("x = 0", "0", lambda x: x), Kink("x = 6", "0", lambda x: x - 6.0)]
    assert_rule(primitive(*relu6, lambda g, out, x: g * ((x > 0) & (x < 6.0)), kinks=kinks))
    assert '"x = 6"' in refusal(primitive(*relu6, lambda g, out, x: g * ((x > 0) & (x <= 6.0)), kinks=kinks))


def test_an_operand_without_a_derivative():
    assert_rule(primitive("keep", lambda x, mask: x * (mask > 0), lambda g, out, x, mask: g * (mask > 0), None))


def test_a_domain_far_out():
    assert_rule(primitive("far", lambda x: np.sqrt(x - 50.0), lambda g, out, x: g / (2.0 * out), domain=[(50.0, np.inf)]))


# ── rules that are wrong, one law each ────────────────────────────────────────


@pytest.mark.parametrize("error", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("name", ["exp", "divide", "softmax", "matmul"])
def test_a_small_factor_is_caught(name, error):
    right = TABLE[name]
    vjps = [lambda *args, vjp=vjp, **params: vjp(*args, **params) * (1.0 + error) for vjp in right.vjps]
    entry = {key: getattr(right, key) for key in ("elementwise", "domain", "cases")}
    assert "wrong by a factor 1.0" in refusal(Primitive(name, right.forward, vjps, **entry))


def clobber(g, out, x):
    g *= 2.0
    return g * x


def zeroed(x):
    x = np.asarray(x)
    x[...] = np.where(x < 0, 0.0, x)
    return x


square = "wrong", lambda x: x * x
WRONG = {
    "a factor": ((*square, lambda g, out, x: g * x), {}, "wrong by a factor 0.5"),
    "the sign": ((*square, lambda g, out, x: -2.0 * g * x), {}, "the sign is wrong"),
    "nothing": ((*square, lambda g, out, x: 0.0 * g * x), {}, "the derivative is missing"),
    "only far from 0": ((*square, lambda g, out, x: 2.0 * g * np.where(x > 5.0, 5.0, x)), {}, "smallest input:  wrong(8.0)"),
    "forgets g": ((*square, lambda g, out, x: 2.0 * x), {}, "not linear in the cotangent"),
    "writes into g": ((*square, clobber), {}, "writes into what it is given"),
    "writes into x": (("wrong", zeroed, lambda g, out, x: g * (x > 0)), {}, "writes into its operands"),
    "not differentiable again": (
        (*square, lambda g, out, x: 2.0 * g * engine.stop_gradient(x)),
        {},
        "differentiated again",
    ),
    "a kink undeclared": (("wrong", lambda x: np.abs(x), lambda g, out, x: g * np.sign(x)), {}, "does not declare"),
    "the wrong side of a kink": (
        ("wrong", lambda x: np.maximum(x, 0.0), lambda g, out, x: g * (x >= 0)),
        {"kinks": [Kink("x = 0", "0", lambda x: x)]},
        'on the kink "x = 0"',
    ),
    "a kink that is none": ((*square, lambda g, out, x: 2.0 * g * x), {"kinks": [Kink("x = 1", "0", lambda x: x - 1.0)]}, '"x = 1"'),
    "a kink nowhere": ((*square, lambda g, out, x: 2.0 * g * x), {"kinks": [Kink("x² = -1", "0", lambda x: x * x + 1)]}, "was not met"),
    "a domain too wide": (("wrong", lambda x: np.log(x), lambda g, out, x: g / x), {}, "domain"),
    "another shape": ((*square, lambda g, out, x: np.sum(2.0 * g * x)), {}, "wrong"),
    "another result on floats": (
        ("wrong", lambda x: x * x if type(x) is not float else x * x + 1e-9, lambda g, out, x: 2.0 * g * x),
        {"elementwise": True},
        "the result is",
    ),
    "float64 of float32": (("wrong", lambda x: x * np.float64(2.0), lambda g, out, x: 2.0 * g), {}, "on float32 the result is float64"),
    "reads memory order": (
        ("wrong", lambda x: np.reshape(np.ravel(x, order="K") * 2.0, np.shape(x)), lambda g, out, x: 2.0 * g),
        {},
        "Fortran-ordered",
    ),
    "one sum too few": (
        ("wrong", lambda x, y: x + np.sum(y), lambda g, out, x, y: g, lambda g, out, x, y: g),
        {},
        "wrong",
    ),
    "NaN spreads": (
        ("wrong", lambda x, y: np.fmax(x, y), lambda g, out, x, y: g * (x > y), lambda g, out, x, y: g * (y >= x)),
        {"kinks": [Kink("x = y", "any", lambda x, y: x - y)]},
        "NaN",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_each_mistake_is_named(mistake):
    rule, entry, words = WRONG[mistake]
    message = refusal(primitive(*rule, **entry))
    assert words in message
    assert "the rule of wrong is wrong" in message


def test_the_message_names_rule_operand_element_both_derivatives_the_input_and_the_graph():
    vjps = (lambda g, out, x, y: g * np.sum(y), lambda g, out, x, y: np.sum(g * x) * y)  # the second one: not times y
    doubled = primitive("scaled", lambda x, y: x * np.sum(y), *vjps, cases=[Case(((2,), (2,)))])
    message = refusal(doubled)
    assert "the rule of scaled is wrong: for operand y, element [0]" in message
    call = next(line for line in message.splitlines() if line.startswith("smallest input:  scaled(np.array("))
    args = eval(call.partition("scaled")[2], {"np": np})
    weights = 1.5 + np.cos([1.0, 2.0])  # the message's cotangent is the proof's own
    said, true = weights @ args[0] * args[1], weights @ args[0]
    assert repr(float(said[0]))[:8] in message or repr(float(said[1]))[:8] in message
    assert f"{true:.6g}"[:7] in message
    assert "scaled(x, y)" in message
    assert message.count("grad") >= 3


def test_the_proof_is_the_same_at_every_run():
    rule = primitive("third", lambda x: x**3, lambda g, out, x: 2.0 * g * x**2)
    assert refusal(rule) == refusal(rule)


def test_order_1_leaves_the_second_derivative_out():
    assert_rule(primitive("once", lambda x: x * x, lambda g, out, x: 2.0 * g * engine.stop_gradient(x)), order=1)


def test_a_function_that_is_no_primitive_is_refused():
    with pytest.raises(TypeError, match="differentiable"):
        assert_rule(engine.clip)


# ── the decorator ─────────────────────────────────────────────────────────────


@differentiable(x=some.arrays((3,)), w=some.scalars(away_from=[0.0]), examples=30)
def test_energy(x, w):
    """A function of one's own, checked on random inputs."""
    return np.sum(np.tanh(w * x) ** 2) / w


@differentiable(x=some.values(), examples=30, order=2)
def test_values_and_second_order(x):
    return np.exp(np.sin(x))


def test_a_wrong_gradient_is_shown_at_a_small_input():
    @differentiable(x=some.arrays((2,)), w=some.scalars(), examples=60)
    def energy(x, w):
        return np.sum(engine.stop_gradient(x) * x) * w if np.any(x > 1.0) else np.sum(x * x) * w

    with pytest.raises(AssertionError) as caught:
        energy()
    message = str(caught.value)
    assert "the gradient of energy is wrong" in message
    assert "wrong" in message.splitlines()[2]
    found = {}
    exec("\n".join(line for line in message.splitlines() if line.startswith(("x = ", "w = "))), {"np": np}, found)
    assert isinstance(found["w"], float)
    assert 1.0 < np.max(found["x"]) <= 1.25  # shrunk: just across the boundary
    assert " = sum(" in message  # the graph


def test_every_parameter_needs_a_strategy():
    with pytest.raises(TypeError, match="needs a strategy for w"):
        differentiable(x=some.scalars())(lambda x, w: x * w)


def test_other_arguments_pass_through():
    @differentiable(x=some.arrays((3,)), axis=st.sampled_from([0, -1]), examples=5)
    def total(x, axis):
        return np.sum(x * x, axis=axis)

    total()


# ── without hypothesis ────────────────────────────────────────────────────────

BARE = """
import sys
sys.modules["hypothesis"] = None
import engine
engine.assert_rule(engine.tanh)
for needs in ("from engine import strategies", "engine.differentiable(x=None)"):
    try:
        exec(needs)
    except ImportError as error:
        assert "pip install 'chainrule[prove]'" in str(error)
    else:
        raise SystemExit(f"{needs} did not say what is missing")
"""


def test_assert_rule_needs_no_hypothesis_and_the_rest_says_what_to_install():
    subprocess.run([sys.executable, "-W", "ignore", "-c", BARE], check=True, timeout=100)


def test_a_proof_leaves_the_table_and_the_operands_alone():
    before = dict(TABLE)
    x = Value(2.0)
    assert_rule(engine.tanh)
    assert before == TABLE
    assert not x.has_grad
