"""`assert_rule` and `differentiable`: right rules pass, wrong ones are caught, and the message tells what a reader needs."""

import subprocess
import sys

import hypothesis
import hypothesis.database
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


@pytest.mark.parametrize("c", [0.37, -1.234])
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
    assert "grad —" not in message  # a backward pass has filled them in


def test_the_proof_is_the_same_at_every_run():
    rule = primitive("third", lambda x: x**3, lambda g, out, x: 2.0 * g * x**2)
    assert refusal(rule) == refusal(rule)


def test_order_1_leaves_the_second_derivative_out():
    rule = primitive("once", lambda x: x * x, lambda g, out, x: 2.0 * g * engine.stop_gradient(x))
    assert_rule(rule, order=1)
    assert "its vjp, differentiated again, says" in refusal(rule, order=2)


def test_order_2_leaves_the_third_derivative_out():
    flat = primitive("flat", lambda x: np.sin(x), lambda g, out, x: g * np.cos(engine.stop_gradient(x)))
    twice = "twice", lambda x: -np.cos(x), lambda g, out, x: g * flat(x)
    assert_rule(primitive(*twice, cases=[Case(((2,),))]), order=2)
    message = refusal(primitive(*twice))
    assert "its vjp, differentiated twice, says" in message
    assert "smallest input:  twice(np." not in message  # a number is smaller than an array


def test_a_function_that_is_no_primitive_is_refused():
    with pytest.raises(TypeError, match="differentiable"):
        assert_rule(engine.clip)


ONE_PLACE = {
    "a band of sizes": (lambda g, out, x: 2.0 * g * x * np.where((np.absolute(x) > 40) & (np.absolute(x) < 90), 1.1, 1.0), "it says"),
    "minus zero": (lambda g, out, x: 2.0 * g * x + g * (np.signbit(x) & (x == 0)), "at -0.0 the gradient"),
    "six numbers in float16": (
        lambda g, out, x: 2.0 * g * x * (1.5 if np.asarray(x.data).dtype == np.float16 and x.size == 6 else 1.0),
        "on float16 operands it says",
    ),
    "0.001 in float16": (lambda g, out, x: 2.0 * g * x * np.where(np.asarray(x) == np.float16(1e-3), 1.5, 1.0), "on float16 operands"),
    "35 in float16": (
        lambda g, out, x: 2.0 * g * x * (1.5 if out.dtype == np.float16 and abs(x.max() - 35) < 2 else 1.0),
        "on float16",
    ),
    "no numbers": (lambda g, out, x: 2.0 * g * x + 0.0 * np.max(x), "ValueError: zero-size array"),
}


@pytest.mark.parametrize("place", ONE_PLACE)
def test_a_mistake_in_one_place_is_found(place):
    vjp, words = ONE_PLACE[place]

    def on_data(g, out, x):
        return 2.0 * g * x if isinstance(g, Value) or isinstance(x, Value) else vjp(g, np.asarray(out), np.asarray(x))

    assert words in refusal(primitive("spot", lambda x: x * x, on_data, elementwise=True), order=1)


def test_numbers_far_out_may_lose_their_digits_in_float32():
    fast = primitive("fast", lambda x: np.sin(31.7 * x), lambda g, out, x: 31.7 * g * np.cos(31.7 * x), elementwise=True)
    assert_rule(fast, order=1)


def test_each_operand_is_made_simple():
    message = refusal(primitive("product", lambda x, y: x * y, lambda g, out, x, y: 1.1 * g * y, lambda g, out, x, y: 1.1 * g * x))
    assert message.startswith("the rule of product is wrong: for operand x it says 1.1, ")
    assert "smallest input:  product(1.0, 1.0)\n" in message


def test_what_the_rule_raises_is_the_cause():
    def broken(g, out, x):
        raise LookupError("nothing here")

    with pytest.raises(AssertionError) as caught:
        assert_rule(primitive("broken", lambda x: x * x, broken))
    assert str(caught.value) == "the rule of broken is wrong: LookupError: nothing here\n\nsmallest input:  broken(1.0)"
    assert isinstance(caught.value.__cause__, LookupError)


def test_the_parameters_stand_in_the_message():
    cases = [Case(((2,),), {"power": 3, "how": "up"})]
    vjp = lambda g, out, x, power=1, how=None: (1.0 if how is None else 1.1) * power * g * x ** (power - 1)  # noqa: E731
    message = refusal(primitive("raised", lambda x, power=1, how=None: x**power, vjp, cases=cases))
    assert "smallest input:  raised(np.array([" in message
    assert "]), power=3, how='up')\n" in message


def test_a_domain_without_a_place_is_refused():
    kinks = [Kink("everywhere", "0", lambda x: 0.0 * x)]
    assert refusal(primitive("none", lambda x: np.abs(x), lambda g, out, x: g, kinks=kinks)).startswith("no operands of none lie in")


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


def message_of(test):
    with pytest.raises(AssertionError) as caught:
        test()
    return str(caught.value)


def test_the_message_has_the_inputs_as_code_and_the_graph():
    @differentiable(x=st.builds(lambda: Value(np.array([1.0, 2.0]), label="q")), n=st.just(3), examples=1)
    def cut(x, n):
        """Cut."""
        return np.sum(engine.stop_gradient(x) * x) * n

    message = message_of(cut)
    assert message.startswith("the gradient of cut is wrong\n\nFAILED: cut: 2 wrong")
    assert "∂f/∂x[1]" in message
    assert "\n\nx = np.array([1.0, 2.0])\nn = 3\n\n" in message
    graph = message.partition("n = 3\n\n")[2]
    assert graph.startswith("x (2,) ")
    assert " * 3 " in graph
    assert "sum" in graph
    assert (cut.__name__, cut.__doc__, cut.__module__) == ("cut", "Cut.", __name__)


def test_the_message_on_several_results_has_the_inputs():
    @differentiable(x=st.just(1.5), examples=1)
    def pair(x):
        return x * x, engine.stop_gradient(x) * x

    assert message_of(pair).endswith("\n\nx = 1.5")


def test_the_derivatives_of_the_gradient_are_checked_on_request():
    once = primitive("once", lambda x: x * x, lambda g, out, x: 2.0 * g * engine.stop_gradient(x))
    for order, right in ((1, True), (2, False)):
        test = differentiable(x=st.just(1.5), examples=1, order=order)(lambda x: once(x))
        if right:
            test()
        else:
            assert "∂²f/∂x/∂x" in message_of(test)
    differentiable(x=st.just(1.5), examples=1)(lambda x: once(x))()


@pytest.fixture
def other_settings():
    """Settings of the user's own, which a test with @differentiable does not take up: it is the same at every run."""
    before = hypothesis.settings.get_current_profile_name()
    database = hypothesis.database.InMemoryExampleDatabase()
    hypothesis.settings.register_profile("a user's", derandomize=False, database=database, max_examples=3, deadline=1)
    hypothesis.settings.load_profile("a user's")
    yield database
    hypothesis.settings.load_profile(before)


@pytest.mark.parametrize(("options", "count"), [({"examples": 7}, 7), ({}, 100)])
def test_the_examples_are_the_same_at_every_run(options, count, other_settings):
    drawn = []

    def note(x):
        drawn.append(x)
        return x

    runs = []
    for _ in range(2):
        differentiable(x=st.floats(-1.0, 1.0).map(note), **options)(lambda x: 2.0 * x)()
        runs.append(drawn.copy())
        drawn.clear()
    assert runs[0] == runs[1]
    assert len(runs[0]) == count
    assert not other_settings.data


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
