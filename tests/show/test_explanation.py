"""The explanation tells the numbers of the backward pass, in its order, and formulas that are true."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

import engine
from engine import MutationError, Value, explain, no_grad
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


@pytest.mark.parametrize(
    "text", ["x / 0.0", "0.0 / x", "x ** -1.0", "x ** 0.5", "0.0 ** x", "np.log(x) * 0.0", "np.sqrt(x) + x", "x / (x - x)", "abs(x) / 0.0"]
)
@pytest.mark.parametrize("at", [0.0, 1.0, np.array([0.0, 2.0])])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_division_by_zero_is_explained_and_not_raised(text, at):
    x = Value(at, label="x")
    out = eval(text, {"x": x, "np": np})
    out.backward(np.ones(out.shape) if out.ndim else 1.0)
    assert "∂" in str(explain(out))
