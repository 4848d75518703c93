"""How numbers and operations are written."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import engine
from engine import Value
from engine.command.expression import parse
from engine.show.graph import Graph
from engine.show.notation import figure, formula, number, numbers, operation, parameters, shape_of, summary

NUMBERS = st.floats(-1e308, 1e308) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])
ARRAYS = arrays(st.sampled_from([np.float64, np.float32, np.float16]), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))

# ── numbers ───────────────────────────────────────────────────────────────────


@given(NUMBERS)
def test_a_number_reads_back_to_four_digits_as_a_float(x: float) -> None:
    text = number(x)
    assert math.isclose(float(text), x, rel_tol=5.1e-4) or (math.isnan(x) and math.isnan(float(text)))
    assert re.search(r"[.e]|nan|inf", text)
    assert text != "-0.0"


@given(ARRAYS)
def test_a_summary_is_short_and_true(data: Any) -> None:
    text = summary(data)
    assert len(text) < 100
    assert "\n" not in text
    if data.size > 6:
        assert ("nan" in text) == bool(np.isnan(data).any())
        assert ("inf" in text) == bool(np.isinf(data).any())
        finite = data[np.isfinite(data)]
        if finite.size and finite.min() != finite.max():
            low, high = text.split(", mean")[0].split(" … ")
            assert (low, high) == (number(finite.min()), number(finite.max()))
    elif data.size and data.ndim:
        assert text.count("[") == sum(int(np.prod(data.shape[:i])) for i in range(data.ndim))


def test_a_summary_counts_what_is_not_finite() -> None:
    data = np.array([np.nan, np.inf, -np.inf, 1.0, 2.0, 3.0, 2.0, np.nan])
    assert summary(data) == "1.0 … 3.0, mean 2.0, 2 nan, 2 inf"
    assert summary(np.full(9, 2.5)) == "all 2.5"
    assert summary(np.zeros((3, 0))) == "empty"
    assert summary(np.array([1e308] * 7 + [1.1e308])) == "1e+308 … 1.1e+308, mean 1.012e+308"
    assert summary(None) == "—"
    assert summary(np.array([np.nan] * 7)) == "7 nan"
    noise = np.array([1.0, -1.0] * 5) + 1e-16
    assert summary(noise) == "-1.0 … 1.0, mean 0.0", "the rounding error of a mean is not shown"
    assert summary(np.array([1e-10] + [1.0, -1.0] * 5)).endswith("mean 9.091e-12")


@given(NUMBERS)
def test_a_figure_reads_back_to_six_digits(x: float) -> None:
    text = figure(x)
    assert math.isclose(float(text), x, rel_tol=5.1e-6) or (math.isnan(x) and math.isnan(float(text)))
    assert text not in ("-0", "-0.0")
    assert figure(np.float32(x) if abs(x) < 1e30 else x) == figure(float(np.float32(x)) if abs(x) < 1e30 else x)


def test_the_number_of_digits() -> None:
    assert (figure(1 / 3), number(1 / 3)) == ("0.333333", "0.3333")
    assert (figure(12345678.0), number(12345678.0)) == ("1.23457e+07", "1.235e+07")


def test_zero_has_no_sign() -> None:
    assert number(-0.0) == "0.0"
    assert figure(-0.0) == "0"
    assert summary(np.array([-0.0, 1.0])) == "[0.0, 1.0]"
    assert numbers(np.array([-0.0] * 7)) == "[0, 0, 0, 0, 0, 0, 0]"


@given(ARRAYS)
def test_arrays_as_figures(data: Any) -> None:
    if not np.ndim(data):
        assert figure(data) == numbers(data)
    elif np.size(data) <= 6:
        assert figure(data) == numbers(data) == summary(data)
    else:
        assert figure(data) == f"{shape_of(data)} {summary(data)}"
        if np.size(data) > 32:
            assert numbers(data) == figure(data)
        else:
            shown = np.array([float(text) for text in re.findall(r"-?(?:[\d.]+(?:e[+-]?\d+)?|inf)|nan", numbers(data))])
            np.testing.assert_allclose(shown, np.ravel(data).astype(float), rtol=6e-4, atol=0)


def test_what_is_not_known_is_a_dash() -> None:
    assert figure(None) == numbers(None) == summary(None) == "—"


def test_the_sizes_at_which_a_summary_takes_over() -> None:
    assert summary(np.arange(6.0)) == figure(np.arange(6.0)) == "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]"
    assert numbers(np.arange(6.0)) == figure(np.arange(6.0))
    assert summary(np.arange(7.0)) == "0.0 … 6.0, mean 3.0"
    assert figure(np.arange(7.0)) == "(7,) 0.0 … 6.0, mean 3.0"
    assert numbers(np.arange(32.0)).count(",") == 31
    assert numbers(np.arange(33.0)) == "(33,) 0.0 … 32.0, mean 16.0"
    assert numbers(np.ones((4, 2, 4), np.float32)).count("1.0") == 32


def test_a_shape_names_the_dtype_that_is_not_usual() -> None:
    assert shape_of(1.0) == ""
    assert shape_of(np.float32(1.0)) == "float32"
    assert shape_of(np.ones((2, 3))) == "(2, 3)"
    assert shape_of(np.ones(3, np.float32)) == "(3,) float32"


# ── operations ────────────────────────────────────────────────────────────────


def written(result: Value) -> str:
    graph = Graph(result)
    return operation(graph, graph.nodes[graph.outputs[0]])


def test_operations_are_written_as_in_python() -> None:
    x, y = Value(2.0, label="x"), Value(3.0, label="y")
    v, m = Value([1.0, 2.0, 3.0], label="v"), Value(np.ones((3, 4)), label="m")
    wide = Value(np.ones(9), label="wide")
    for result, text in [
        (x + y, "x + y"),
        (x - y, "x - y"),
        (x * y, "x * y"),
        (x / y, "x / y"),
        (x**y, "x ** y"),
        (v @ m, "v @ m"),
        (-x, "-x"),
        (+x, "+x"),
        (x - -2.0, "x - -2"),
        (-2.0 * x, "-2 * x"),
        (2.0**x, "2 ** x"),
        (x ** (-1), "x ** (-1)"),
        ((-2.0) ** Value(2.0, label="n"), "(-2) ** n"),
        (v[1:], "v[1:]"),
        (v[:-1], "v[:-1]"),
        (v[::2], "v[::2]"),
        (v[0], "v[0]"),
        (v[None, ::2], "v[None, ::2]"),
        (v[..., -1], "v[..., -1]"),
        (v[...], "v[...]"),
        (m[1, 2], "m[1, 2]"),
        (m[1:, [0, 2]], "m[1:, [0, 2]]"),
        (v[np.array([0, 2])], "v[[0, 2]]"),
        (wide[np.arange(6)], "wide[[0, 1, 2, 3, 4, 5]]"),
        (wide[np.arange(7)], "wide[array of shape (7,)]"),
        (m.sum(axis=0, keepdims=True), "sum(m, axis=0, keepdims=True)"),
        (m.sum(axis=(0, 1), keepdims=True), "sum(m, axis=(0, 1), keepdims=True)"),
        (np.maximum(x, y), "maximum(x, y)"),
        (np.tanh(x), "tanh(x)"),
        (engine.einsum("ij,i->j", m, v), "einsum(m, v, subscripts='ij,i->j', optimize=False)"),
        (np.concatenate([v, v, v]), "concatenate(v, v, v, axis=0)"),
        (x, "input"),
    ]:
        assert written(result) == text, text


def test_parameters_are_notes() -> None:
    v = Value(np.ones((2, 3)), label="v")
    for result, notes in [
        (v.sum(axis=1, keepdims=True), ["axis=1", "keepdims=True"]),
        (engine.einsum("ij->j", v), ["subscripts=ij->j", "optimize=False"]),
        (v[1:, 0], ["index=1:, 0"]),
        (np.tanh(v), []),
    ]:
        graph = Graph(result)
        assert parameters(graph.nodes[graph.outputs[0]]) == notes


LEAF = st.sampled_from("xyz")
UNARY, BINARY = st.just("negative"), st.sampled_from(["add", "subtract", "multiply", "divide", "power"])
TREES = st.recursive(LEAF, lambda inner: st.tuples(UNARY, inner) | st.tuples(BINARY, inner, inner), max_leaves=8)


@given(TREES)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_formula_has_the_brackets_that_it_needs_and_reads_back(tree: Any) -> None:
    """Every operation is written on operands that are formulas; Python reads the same computation back."""
    leaves = {"x": 1.5, "y": 0.75, "z": 2.25}

    def compute(part: Any) -> tuple[Any, tuple[str, int]]:
        if isinstance(part, str):
            return leaves[part], (part, 5)
        with np.errstate(all="ignore"):
            values, texts = zip(*map(compute, part[1:]), strict=True)
            result = engine.TABLE[part[0]](*(Value(value, label="v") for value in values))
        graph = Graph(result)
        return result.data, formula(graph.nodes[graph.outputs[0]], list(texts))

    value, (text, _) = compute(tree)
    expected = eval(text, {name: np.float64(leaf) for name, leaf in leaves.items()})
    assert value == pytest.approx(float(expected), rel=1e-9, nan_ok=True), text
    assert parse(text).evaluate(dict(leaves)) == pytest.approx(value, rel=1e-9, nan_ok=True)
    assert text.count("(") <= len(re.findall("[-+*/]+", text)), "no brackets around a name or around the whole"
    assert not re.search(r"\(\w\)", text)
    assert not text.startswith("((")


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_brackets_that_change_the_result_stay() -> None:
    a, b, c = Value(np.eye(2), label="a"), Value(np.eye(2), label="b"), Value(np.eye(2), label="c")
    for make, text in [
        (lambda x, y, z: x @ (y @ z), "a @ (b @ c)"),
        (lambda x, y, z: (x @ y) @ z, "a @ b @ c"),
        (lambda x, y, z: x - (y + z), "a - (b + c)"),
        (lambda x, y, z: x - y - z, "a - b - c"),
        (lambda x, y, z: x / (y * z), "a / (b * c)"),
        (lambda x, y, z: x + (y + z), "a + b + c"),
        (lambda x, y, z: x * (y + z), "a * (b + c)"),
        (lambda x, y, z: (x + y) ** z, "(a + b) ** c"),
        (lambda x, y, z: (x**y) ** z, "(a ** b) ** c"),
        (lambda x, y, z: x ** (y**z), "a ** b ** c"),
        (lambda x, y, z: -(x + y) * z, "-(a + b) * c"),
        (lambda x, y, z: (x + y + z)[0], "(a + b + c)[0]"),
        (lambda x, y, z: (x @ y).T @ z, "transpose(a @ b) @ c"),
    ]:
        graph = Graph(make(a, b, c))
        texts: list[tuple[str, int]] = []
        for node in graph.nodes:
            texts.append(formula(node, [texts[edge.source] for edge in node.edges]) if node.op else (node.name, 5))
        assert texts[-1][0] == text, text
