"""The explanation tells the numbers of the backward pass, in its order, and formulas that are true."""

from __future__ import annotations

import re
import time
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import MutationError, Value, explain, no_grad
from engine.command.expression import parse
from engine.primitives import TABLE
from engine.show.explanation import derivative
from engine.show.graph import Graph
from engine.show.notation import figure, numbers

STEP = re.compile(r"^(\d+)\. (\S+) = ", re.MULTILINE)
PASSED = re.compile(r"it passes (\S+) · (\S+) = (\S+) back to (\S+)")
GRADIENT = re.compile(r"^   ∂out/∂(\w+) = (?:.* = )?([^;\n]+)", re.MULTILINE)


def neuron() -> tuple[Value, dict[str, Value]]:
    leaves = {
        name: Value(data, label=name)
        for name, data in zip(["x1", "x2", "w1", "w2", "b"], [2.0, 0.0, -3.0, 1.0, 6.8813735870195432], strict=True)
    }
    n = leaves["x1"] * leaves["w1"] + leaves["x2"] * leaves["w2"] + leaves["b"]
    n.label = "n"
    out = n.tanh()
    out.label = "out"
    return out, leaves


@st.composite
def programs(draw: st.DrawFn) -> tuple[Value, list[Value]]:
    """A scalar program of a few operations that share their operands."""
    pool = [Value(draw(st.floats(-2, 2).map(lambda x: round(x, 3))), label=f"x{i}") for i in range(3)]
    leaves = list(pool)
    for _ in range(draw(st.integers(1, 6))):
        x, y = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        pool.append(
            draw(st.sampled_from([lambda x, y: x * y, lambda x, y: x + y, lambda x, y: x - y, lambda x, y: (x + 0.5).tanh()]))(x, y)
        )
    out = pool[-1]
    out.label = "out"
    return out, leaves


def number(text: str) -> float:
    return float(text.strip("()"))


@given(programs())
def test_what_is_told_to_pass_adds_up_to_the_gradients(program: tuple[Value, list[Value]]) -> None:
    out, leaves = program
    out.backward()
    text = str(explain(out))
    received: dict[str, float] = {}
    for local, upstream, product, name in PASSED.findall(text):
        assert number(local) * number(upstream) == pytest.approx(number(product), rel=2e-5, abs=1e-12)
        received[name] = received.get(name, 0.0) + number(product)
    told = {name: number(value) for name, value in GRADIENT.findall(text.split("The gradients of what was given")[1])}
    for leaf in leaves:
        if leaf.has_grad:
            assert told[leaf.label] == pytest.approx(leaf.grad, rel=1e-5, abs=1e-12)
            assert received[leaf.label] == pytest.approx(leaf.grad, rel=1e-4, abs=1e-4)
        else:
            assert leaf.label not in told


@given(programs())
def test_a_step_comes_after_the_steps_of_all_its_users(program: tuple[Value, list[Value]]) -> None:
    out, _ = program
    out.backward()
    place = {name: int(step) for step, name in STEP.findall(str(explain(out)))}
    graph = Graph(out)
    assert set(place) == {node.name for node in graph.nodes if node.op}
    for node in graph.nodes:
        for edge in node.edges:
            source = graph.nodes[edge.source].name
            assert source not in place or place[source] > place[node.name]


def test_the_neuron_of_the_lecture() -> None:
    out, _ = neuron()
    out.backward()
    text = str(explain(out))
    assert text.startswith("out = 0.707107. The backward pass starts here, with ∂out/∂out = 1.")
    assert "1. out = tanh(n) = 0.707107\n   ∂out/∂n = 1 - out * out = 0.5; it passes 0.5 · 1 = 0.5 back to n" in text
    assert "∂v5/∂x1 = w1 = -3; it passes -3 · 0.5 = -1.5 back to x1" in text
    assert "   ∂out/∂x1 = -1.5" in text


def test_contributions_of_several_uses_add() -> None:
    a = Value(3.0, label="a")
    b = a * a
    out = b * a + b
    out.label, b.label = "out", "b"
    out.backward()
    text = str(explain(out))
    assert "∂out/∂b = 1 + 3 = 4; it is used 2 times, and the contributions add" in text
    assert "∂b/∂a (operand 1) = a = 3; it passes 3 · 4 = 12 back to a" in text
    assert "∂b/∂a (operand 2) = a = 3; it passes 3 · 4 = 12 back to a" in text
    assert "∂out/∂a = 9 + 12 + 12 = 33; it is used 3 times" in text


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.elementwise])
def test_the_formula_of_a_local_derivative_is_true(name: str) -> None:
    """Each is read back as an expression and gives the derivative: so a new entry is told rightly without a test of its own."""
    entry = TABLE[name]
    leaves = {}
    for label, (low, high) in zip("xyz", entry.domain, strict=False):
        point = low + 0.7 if np.isfinite(low) and not np.isfinite(high) else 0.4
        leaves[label] = Value(point + 0.2 * len(leaves), label=label)
    out = entry(*leaves.values())
    out.label = "out"
    out.backward()
    graph = Graph(out)
    node = graph.nodes[graph.outputs[0]]
    for argnum, edge in enumerate(node.edges):
        formula, local = derivative(graph, node, argnum)
        assert float(getattr(local, "_data", local)) == pytest.approx(edge.local, rel=1e-12)
        if formula:
            known = {label: leaf.data for label, leaf in leaves.items()} | {"out": out.data}
            assert parse(formula).evaluate(known) == pytest.approx(edge.local, rel=1e-5), formula


@pytest.mark.parametrize(
    ("make", "formulas"),
    [
        (lambda x, y: x * y, ["y", "x"]),
        (lambda x, y: x / y, ["1 / y", "-out / y"]),
        (lambda x, y: x**y, ["y * x ** (y - 1)", "out * log(x)"]),
        (lambda x, y: x**3 + y, ["3 * x ** 2"]),
        (lambda x, y: engine.sigmoid(x), ["out * (1 - out)"]),
        (lambda x, y: np.sqrt(x), ["1 / (2 * out)"]),
        (lambda x, y: np.sin(x), ["cos(x)"]),
        (lambda x, y: abs(x), ["sign(x)"]),
        (lambda x, y: x - y, ["", ""]),
    ],
)
def test_formulas_a_student_recognises(make, formulas: list[str]) -> None:  # type: ignore[no-untyped-def]
    out = make(Value(2.0, label="x"), Value(3.0, label="y"))
    out.label = "out"
    graph = Graph(out)
    node = next(node for node in graph.nodes if node.op and any(graph.nodes[edge.source].name == "x" for edge in node.edges))
    node.name = "out"
    told = [derivative(graph, node, argnum)[0] for argnum in range(len(formulas))]
    assert told == formulas


def test_before_a_backward_pass_gradients_are_unknown() -> None:
    out, _ = neuron()
    text = str(explain(out))
    assert "No backward pass has left a gradient here yet; call out.backward() first" in text
    assert "∂out/∂n = 1 - out * out = 0.5\n" in text
    assert "it passes" not in text


def test_tensors_are_told_by_shape_and_broadcasting_is_told() -> None:
    X, w, b = Value(np.arange(20.0).reshape(2, 10), label="X"), Value(np.ones(10), label="w"), Value(1.0, label="b")
    loss = np.mean((X @ w + b) ** 2)
    loss.label = "loss"
    loss.backward()
    text = str(explain(loss))
    assert f"it passes {figure(w.grad)} back to w" in text
    assert "summed over the copies that broadcasting made of it, from shape () to (2,)" in text
    assert "= 2 * v4 = [92.0, 292.0]" in text
    assert numbers(w.grad).count(",") == 9


def test_a_kink_is_named() -> None:
    x = Value(0.0, label="x")
    x.relu().backward()
    assert "a kink (x = 0): there is no derivative there, by convention it is 0" in str(explain(x.relu()))
    assert "at 2 of 3 elements" in str(explain(engine.relu(Value([0.0, 0.0, 1.0]))))


def test_gradients_that_other_passes_left_are_told_apart() -> None:
    x = Value(2.0, label="x")
    y = x * 3
    y.label = "out"
    y.backward()
    y.backward()
    assert "∂out/∂x = 3; x.grad = 6, together with earlier passes" in str(explain(y))
    z = y * 5
    z.backward()
    assert "The gradient that reached it is 5" in str(explain(y))


def test_data_that_was_changed_is_not_explained() -> None:
    x = Value(2.0, label="x")
    y = x * x
    y.backward()
    x.data -= 0.1
    with pytest.raises(MutationError, match="'x'"):
        explain(y)


def test_the_head_of_a_long_chain_is_told_quickly() -> None:
    w = Value(1.0, label="w")
    x = w
    for _ in range(100_000):
        x = x * w
    x.backward()
    start = time.perf_counter()
    text = str(explain(x, steps=5))
    assert time.perf_counter() - start < 5
    assert len(STEP.findall(text)) == 5
    assert "older values are not told; explain(..., steps=50) tells more" in text
    assert "= w = 1; it passes 1 · 1 = 1 back to v" in text
    assert "w: 5, of 100001 in all" in text


def test_odd_roots() -> None:
    assert "was given, not computed" in str(explain(Value(1.0, label="x")))
    with no_grad():
        frozen = Value(1.0) * 2
    assert "= 2" in str(explain(frozen))
    a = Value(2.0, label="a")
    handmade = Value(4.0, (a,), "sq")
    assert "made by hand (sq)" in str(explain(handmade))
    with pytest.raises(TypeError, match="not float"):
        explain(2.0)  # type: ignore[arg-type]


def test_it_shows_itself() -> None:
    x = Value(1.0, label="<b>&x")
    told = explain(x * 2)
    assert repr(told) == str(told)
    assert "&lt;b&gt;&amp;x" in told._repr_html_()
    assert "<b>" not in told._repr_html_()


def test_telling_changes_nothing() -> None:
    v = Value([1.0, 2.0], label="v")
    out = (v * v).sum()
    explain(out)
    assert not any(node.grad is not None for node in Graph(out).nodes)


def test_a_backward_pass_is_a_graph_to_be_told_as_well() -> None:
    x = Value(3.0, label="x")
    (x**3).backward(create_graph=True)
    slope = x.grad
    x.zero_grad()
    slope.backward()
    assert "∂v" in str(explain(slope))
    assert f"= {figure(x.grad)}" in str(explain(slope))


def test_any_rule_is_written_down_with_the_brackets_it_needs() -> None:
    def rule(g, out, x, y):  # type: ignore[no-untyped-def]
        return g * ((x**y) ** x - (y - (x - y)) / (x / y) * (-x) ** 2)

    odd = engine.primitive("odd", lambda x, y: x + y, rule, rule, elementwise=True)
    try:
        out = odd(Value(1.5, label="x"), Value(1.2, label="y"))
        graph = Graph(out)
        formula, local = derivative(graph, graph.nodes[graph.outputs[0]], 0)
    finally:
        del TABLE["odd"]
    assert formula == "(x ** y) ** x - (y - (x - y)) / (x / y) * (-x) ** 2"
    assert parse(formula).evaluate({"x": 1.5, "y": 1.2}) == pytest.approx(local)


# ── whole explanations ────────────────────────────────────────────────────────


def assert_told(value: Value, text: str, **options: int) -> None:
    assert str(explain(value, **options)) == dedent(text).strip()


def test_a_value_used_several_times() -> None:
    a = Value(3.0, label="a")
    b = a * a
    out = b * a + b
    out.label, b.label = "out", "b"
    assert_told(
        out,
        """
        out = 36. No backward pass has left a gradient here yet; call out.backward() first.

        1. out = v2 + b = 36
           ∂out/∂v2 = 1
           ∂out/∂b = 1

        2. v2 = b * a = 27
           ∂v2/∂b = a = 3
           ∂v2/∂a = b = 9

        3. b = a * a = 9
           ∂b/∂a (operand 1) = a = 3
           ∂b/∂a (operand 2) = a = 3
        """,
    )
    out.backward()
    assert_told(
        out,
        """
        out = 36. The backward pass starts here, with ∂out/∂out = 1.

        1. out = v2 + b = 36
           ∂out/∂v2 = 1; it passes 1 · 1 = 1 back to v2
           ∂out/∂b = 1; it passes 1 · 1 = 1 back to b

        2. v2 = b * a = 27
           ∂out/∂v2 = 1
           ∂v2/∂b = a = 3; it passes 3 · 1 = 3 back to b
           ∂v2/∂a = b = 9; it passes 9 · 1 = 9 back to a

        3. b = a * a = 9
           ∂out/∂b = 1 + 3 = 4; it is used 2 times, and the contributions add
           ∂b/∂a (operand 1) = a = 3; it passes 3 · 4 = 12 back to a
           ∂b/∂a (operand 2) = a = 3; it passes 3 · 4 = 12 back to a

        The gradients of what was given
           ∂out/∂a = 9 + 12 + 12 = 33; it is used 3 times, and the contributions add
        """,
    )


def test_a_pass_that_began_elsewhere() -> None:
    x = Value(2.0, label="x")
    y = x * -3.0
    y.label = "y"
    y.backward(-2.0)
    assert_told(
        y,
        """
        y = -6. The gradient that reached it is -2; from there on:

        1. y = x * -3 = -6
           ∂y/∂x = -3; it passes -3 · (-2) = 6 back to x

        The gradients of what was given
           x.grad = 6
        """,
    )
    z = Value(0.0, label="z") * 0.0
    z.backward(0.0)
    assert "it passes 0 · 0 = 0 back to z" in str(explain(z))


def test_arrays() -> None:
    v, w = Value([1.0, 2.0], label="v"), Value(2.0, label="w")
    t = (v * w * v).sum()
    t.label = "t"
    assert_told(
        t,
        """
        t = 10. No backward pass has left a gradient here yet; call t.backward() first.

        1. t = sum(v3) = 10   [sum: Σ x]
           its gradient times the matrix ∂t/∂v3 goes to v3

        2. v3 = v2 * v = [2.0, 8.0]
           ∂v3/∂v2 = v = [1.0, 2.0]
           ∂v3/∂v = v2 = [2.0, 4.0]

        3. v2 = v * w = [2.0, 4.0]
           ∂v2/∂v = w = 2
           ∂v2/∂w = v = [1.0, 2.0]
        """,
    )
    t.backward()
    assert_told(
        t,
        """
        t = 10. The backward pass starts here, with ∂t/∂t = 1.

        1. t = sum(v3) = 10   [sum: Σ x]
           it passes [1.0, 1.0] back to v3

        2. v3 = v2 * v = [2.0, 8.0]
           ∂t/∂v3 = [1.0, 1.0]
           ∂v3/∂v2 = v = [1.0, 2.0]; it passes [1.0, 2.0] back to v2
           ∂v3/∂v = v2 = [2.0, 4.0]; it passes [2.0, 4.0] back to v

        3. v2 = v * w = [2.0, 4.0]
           ∂t/∂v2 = [1.0, 2.0]
           ∂v2/∂v = w = 2; it passes [2.0, 4.0] back to v
           ∂v2/∂w = v = [1.0, 2.0]; it passes 5 back to w, summed over the copies that broadcasting made of it, from shape () to (2,)

        The gradients of what was given
           ∂t/∂v = [4.0, 8.0]; it is used 2 times, and the contributions add
           ∂t/∂w = 5
        """,
    )


def test_a_matrix_product_has_no_local_derivative_to_write_down() -> None:
    v = Value([1.0, 2.0], label="v")
    m = v @ v
    m.label = "m"
    m.backward()
    m.backward()
    assert_told(
        m,
        """
        m = 5. The backward pass starts here, with ∂m/∂m = 1.

        1. m = v @ v = 5
           it passes [1.0, 2.0] back to v
           it passes [1.0, 2.0] back to v

        The gradients of what was given
           ∂m/∂v = [2.0, 4.0]; it is used 2 times, and the contributions add; v.grad = [4.0, 8.0], together with earlier passes and other uses
        """,  # noqa: E501
    )


def test_kinks() -> None:
    k = engine.relu(Value(0.0, label="z"))
    k.label = "k"
    k.backward()
    assert_told(
        k,
        """
        k = 0. The backward pass starts here, with ∂k/∂k = 1.

        1. k = relu(z) = 0   [relu: max(0, x)]
           ∂k/∂z = 0; it passes 0 · 1 = 0 back to z
           a kink (x = 0): there is no derivative there, by convention it is 0

        The gradients of what was given
           ∂k/∂z = 0
        """,
    )
    assert "kink" not in str(explain(engine.relu(Value([1.0, -2.0]))))
    assert "a kink" in str(explain(np.maximum(Value(2.0), 2.0))), "also where one operand is a number"
    assert "kink" not in str(explain(np.maximum(Value(2.0), 1.0)))


def test_a_node_made_by_hand() -> None:
    a = Value(2.0, label="a")
    out = Value(4.0, (a,), "sq") * 2.0
    out.label = "out"
    assert_told(
        out,
        """
        out = 8. No backward pass has left a gradient here yet; call out.backward() first.

        1. out = v1 * 2 = 8
           ∂out/∂v1 = 2

        2. v1 = 4 was made by hand (sq); its own _backward passes the gradient on.
        """,
    )


def test_the_youngest_steps() -> None:
    c = Value(1.0, label="c")
    out = c
    for _ in range(5):
        out = out * c
    out.backward()
    assert_told(
        out,
        """
        v5 = 1. The backward pass starts here, with ∂v5/∂v5 = 1.

        1. v5 = v4 * c = 1
           ∂v5/∂v4 = c = 1; it passes 1 · 1 = 1 back to v4
           ∂v5/∂c = v4 = 1; it passes 1 · 1 = 1 back to c

        2. v4 = v3 * c = 1
           ∂v5/∂v4 = 1
           ∂v4/∂v3 = c = 1; it passes 1 · 1 = 1 back to v3
           ∂v4/∂c = v3 = 1; it passes 1 · 1 = 1 back to c

        … 3 older values are not told; explain(..., steps=20) tells more.

        Received so far
           c: 2, of 6 in all
        """,
        steps=2,
    )
    none = str(explain(out, steps=0))
    assert none.splitlines()[2:] == ["… 5 older values are not told; explain(..., steps=10) tells more."]
    assert "older" not in str(explain(out, steps=5))


def test_twenty_steps_are_told_by_default() -> None:
    v = Value(1.0, label="x")
    for _ in range(21):
        v = v.sin()
    v.backward()
    text = str(explain(v))
    assert [int(number) for number, _ in STEP.findall(text)] == list(range(1, 21))
    assert "… 1 older values" in text
    assert "Received" not in text, "the leaf received nothing in these steps"


@pytest.mark.parametrize("uses", [2, 6, 7])
def test_the_sum_of_contributions_is_written_out_up_to_six(uses: int) -> None:
    n = Value(-1.0, label="n")
    out = sum(n * float(k) for k in range(1, uses + 1)) - n
    out.backward()
    terms = " + ".join(["(-1)", *(f"{k}" for k in range(uses, 0, -1))]) + " = " if uses < 6 else ""
    total = sum(range(uses + 1)) - 1
    assert f"/∂n = {terms}{total}; it is used {uses + 1} times, and the contributions add" in str(explain(out))


def test_a_pass_that_kept_no_gradients_of_results() -> None:
    x = Value(2.0, label="x")
    y = x * 3 * x
    y.backward()
    z = x * 3 * x
    z.label = "z"
    assert "The gradients" not in str(explain(z)), "the gradient that x has was left by another pass"


@pytest.mark.filterwarnings("error")
def test_infinities_are_told_without_a_warning() -> None:
    with np.errstate(all="ignore"):
        x, v = Value(0.0, label="x"), Value([0.0, np.inf], label="v")
        out = x.log() + (abs(v) / v).sum()
        out.backward()
    text = str(explain(out))
    assert "∂v" in text
    assert "/∂x = inf" in text.replace("= 1 / x = ", "= ")
    assert "it is used" in text


# ── formulas ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda x: np.maximum(x, 1.0), ""),
        (lambda x: np.arctan(x), "1 / (1 + x * x)"),
        (lambda x: x**1.0, "x ** 0"),
        (lambda x: x**2, "2 * x"),
        (lambda x: x**-1, "-x ** (-2)"),
        (lambda x: np.cos(x), "-sin(x)"),
        (lambda x: np.exp(x), "out"),
        (lambda x: -x, ""),
        (lambda x: np.where(x.data > 0, x, 2.0), ""),
    ],
)
def test_formulas_lose_ones_and_branches_that_were_not_taken(make, formula: str) -> None:  # type: ignore[no-untyped-def]
    out = make(Value(2.0, label="x"))
    out.label = "out"
    graph = Graph(out)
    node = graph.nodes[graph.outputs[0]]
    argnum = next(k for k, edge in enumerate(node.edges) if graph.nodes[edge.source].name == "x")
    told, local = derivative(graph, node, argnum)
    assert told == formula
    assert float(getattr(local, "_data", local)) == pytest.approx(node.edges[argnum].local)


def test_a_long_formula_is_left_out_and_its_number_is_not() -> None:
    for length, shown in ((60, True), (61, False)):
        x, y = Value(2.0, label="x"), Value(3.0, label="y" * length)
        graph = Graph(x * y)
        assert derivative(graph, graph.nodes[-1], 0) == ("y" * length if shown else "", 3.0)


def test_where_there_is_no_formula() -> None:
    v, a = Value([1.0, 2.0], label="v"), Value(2.0, label="a")
    for result in (v.sum(), v @ v, Value(1.0, (a,), "mine"), v[0], v * 1.0):
        graph = Graph(result)
        node = graph.nodes[graph.outputs[0]]
        text, local = derivative(graph, node, 0)
        assert text == ""
        assert (local is None) == (node.op != "*")
    leaf = Graph(a)
    assert derivative(leaf, leaf.nodes[0], 0) == ("", None)
    number = Graph(a * 2.0)
    assert derivative(number, number.nodes[1], 0) == ("", None)
    replaced = engine.primitive("mine", lambda x: 2 * x, lambda g, out, x: 2 * g)
    try:
        old = replaced(a)
        engine.primitive("mine", lambda x: 3 * x, lambda g, out, x: 3 * g)
        graph = Graph(old)
        assert derivative(graph, graph.nodes[-1], 0) == ("", None), "the rule in the table is another one now"
    finally:
        del TABLE["mine"]
