"""The formula of a local derivative: true, and as a student would write it."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import Value
from engine.command.expression import parse
from engine.primitives import TABLE
from engine.show.explanation import derivative
from engine.show.graph import Graph


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


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.elementwise])
def test_on_arrays_the_local_derivative_is_that_of_each_element(name: str) -> None:
    entry = TABLE[name]
    points = [[low + 0.7 if np.isfinite(low) and not np.isfinite(high) else x for low, high in entry.domain] for x in (0.4, -0.6)]
    on_arrays = Graph(entry(*(Value(list(column), label=label) for column, label in zip(zip(*points, strict=True), "xyz", strict=False))))
    singly = [Graph(entry(*map(Value, point))) for point in points]
    for argnum, edge in enumerate(on_arrays.nodes[-1].edges):
        _, local = derivative(on_arrays, on_arrays.nodes[-1], argnum)
        expected = [derivative(graph, graph.nodes[-1], argnum)[1] for graph in singly]
        np.testing.assert_allclose(np.broadcast_to(getattr(local, "_data", local), 2), np.array(expected, float), rtol=1e-12)
        assert edge.local is None
