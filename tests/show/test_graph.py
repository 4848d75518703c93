"""The recorded graph as data: what a reader of it relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine import Graph, Parameter, Value, no_grad, trace
from tests.show.pictures import chain, graphs, neuron


def named(graph: Graph) -> dict[str, Any]:
    return {node.name: node for node in graph.nodes}


@given(graphs(arrays=True))
def test_it_holds_every_value_once_and_every_use_in_order(values: list[Value]) -> None:
    graph = Graph(values)
    known = [node for node in graph.nodes if node.value is not None]
    assert {node.value for node in known} == set(values)
    assert len(known) == graph.total == len(set(values))
    assert graph.hidden == 0
    assert [node.index for node in graph.nodes] == list(range(len(graph.nodes)))
    for node in known:
        value = node.value
        assert value is not None
        assert node.data is value._data
        sources = [graph.nodes[edge.source] for edge in node.edges]
        assert all(source.index < node.index for source in sources)
        assert [source.data if source.value is None else source.value for source in sources] == list(value.operands)
        assert node.op == value._op
        assert node.primitive == ("" if value.is_leaf else value._primitive.name)
        assert node.params == (value._params or {})
        assert node.is_cut is False
        assert node.requires_grad is value.requires_grad
    assert [graph.nodes[i].value for i in graph.outputs] == list(dict.fromkeys(values))


@given(graphs(arrays=True), st.booleans())
def test_the_contributions_to_a_value_add_up_to_its_gradient(values: list[Value], ones: bool) -> None:
    root = values[-1]
    assert all(edge.contribution is None for node in Graph(root).nodes for edge in node.edges)
    assert all(node.grad is None for node in Graph(root).nodes)
    root.backward(np.ones(root.shape) * (1 if ones else 2))
    graph = Graph(root)
    received: dict[int, Any] = {}
    for node in graph.nodes:
        for edge in node.edges:
            source = graph.nodes[edge.source]
            assert (edge.contribution is None) == (not source.requires_grad)
            if edge.contribution is not None:
                assert np.shape(edge.contribution) == np.shape(source.data)
                received[edge.source] = received.get(edge.source, 0.0) + edge.contribution
                if edge.local is not None:
                    assert edge.contribution == pytest.approx(edge.local * node.grad, rel=1e-12)
    for node in graph.nodes:
        if node.index in received:
            np.testing.assert_allclose(received[node.index], node.grad, rtol=1e-9, atol=1e-12)


def test_a_local_derivative_is_known_between_scalars_that_take_part() -> None:
    x, v = Value(3.0, label="x"), Value([1.0, 2.0], label="v")
    fixed = Value(5.0, label="fixed", requires_grad=False)
    for result, expected in [
        (x * 2, [2.0, None]),
        (2 * x, [None, 2.0]),
        (x * fixed, [5.0, None]),
        (fixed - x, [None, -1.0]),
        (x * x, [3.0, 3.0]),
        (x * v, [None, None]),
        (v.sum(), [None]),
        (v.sum() * x, [3.0, 3.0]),
        (Value(np.float32(2.0), label="f") * x, [3.0, 2.0]),
    ]:
        graph = Graph(result)
        edges = graph.nodes[graph.outputs[0]].edges
        assert [edge.local for edge in edges] == expected
        assert all(type(edge.local) in (float, type(None)) for edge in edges)


def test_the_parameters_of_an_operation() -> None:
    assert Graph(Value(np.ones((2, 3))).sum(axis=1)).nodes[-1].params["axis"] == 1
    assert Graph(Value(1.0).tanh()).nodes[-1].params == {}


@pytest.mark.filterwarnings("error")
def test_infinite_derivatives_are_read_without_a_warning() -> None:
    with np.errstate(all="ignore"):
        y = Value(0.0, label="x").log() + (Value([0.0], label="v").log() * 0.0).sum()
        y.backward()
    assert np.inf in [edge.local for node in Graph(y).nodes for edge in node.edges]


def test_changed_data_has_no_derivatives() -> None:
    x = Value(3.0, label="x")
    y = x * x
    y.backward()
    x.data = 4.0
    edges = Graph(y).nodes[-1].edges
    assert [(edge.local, edge.contribution) for edge in edges] == [(None, None)] * 2


def test_nodes_made_by_hand_and_results_without_a_gradient_have_edges_only() -> None:
    a = Value(2.0, label="a")
    handmade = Value(4.0, (a,), "sq")
    assert [(edge.source, edge.local, edge.contribution) for edge in Graph(handmade).nodes[-1].edges] == [(0, None, None)]
    b = Value(2.0, requires_grad=False, label="b") * 3.0
    assert all(edge.local is None for node in Graph(b).nodes for edge in node.edges)


# ── roles and names ───────────────────────────────────────────────────────────


def test_roles() -> None:
    x, w, c = Value(2.0, label="x"), Parameter(3.0), Value(4.0, requires_grad=False)
    named_constant = Value(5.0, requires_grad=False, label="size")
    with no_grad():
        frozen = Value(1.0) * 2
    y = x * w + c + named_constant + frozen + 7.0
    graph = Graph({"y": y, "x": x})
    roles = [(node.name, node.role) for node in graph.nodes if not node.op]
    assert roles == [("x", "input"), ("v1", "parameter"), ("4", "constant"), ("size", "input"), ("2", "constant"), ("7", "constant")]
    assert [node.role for node in graph.nodes if node.op] == ["interior"] * 4 + ["output"]
    assert [node.is_number for node in graph.nodes if node.role == "constant"] == [True] * 3
    array = Graph(Value([1.0, 2.0], requires_grad=False) * x).nodes
    assert [(node.name, node.role, node.is_number) for node in array[1:2]] == [("v1", "constant", False)]


def test_a_label_wins_over_a_name_and_the_first_name_over_later_ones() -> None:
    a, b, c = Value(1.0, label="mine"), Value(2.0), Value(3.0)
    out = a * b + c
    graph = Graph(out, {"a": a, "b": b, "again": b, "list": [c, {"key": out}], "number": 3, "array": np.ones(3)})
    assert [node.name for node in graph.nodes] == ["mine", "b", "list[0]", "v3", "list[1]['key']"]
    assert [node.labelled for node in graph.nodes] == [True, True, True, False, True]
    graph = Graph({"first": out, "parts": [b, c]}, {"b": b})
    assert [node.name for node in graph.nodes] == ["mine", "parts[0]", "parts[1]", "v3", "first"]


def test_the_users_name_wins_over_those_that_a_notebook_gives() -> None:
    loss, other = Value(1.0), Value(2.0)
    graph = Graph([loss, other], {"_oh": {3: loss, 4: other}, "Out": {3: loss}, "_": loss, "loss": loss, "again": loss})
    assert [node.name for node in graph.nodes] == ["loss", "_oh[4]"]


def test_a_recorded_gradient_is_named_after_its_value() -> None:
    x, y = Value(2.0, label="x"), Value(3.0)
    (x**2 * y).backward(create_graph=True)
    assert Graph(x.grad).nodes[-1].name == "∂/∂x"
    assert Graph(y.grad, {"y": y}).nodes[-1].labelled is False, "y is no part of that graph"
    assert "∂/∂x" in named(Graph([x.grad, x]))
    assert Graph([x, y]).nodes[0].grad == 12.0
    assert Graph({"slope": x.grad}).nodes[-1].name == "slope"


# ── parts of a graph ──────────────────────────────────────────────────────────


@given(graphs(), st.integers(1, 12))
def test_a_limit_reads_the_youngest_with_their_operands(values: list[Value], limit: int) -> None:
    root = values[-1]
    whole = [node.value for node in Graph(root).nodes if node.value is not None]
    graph = Graph(root, limit=limit)
    youngest = set(whole[-limit:])
    operands = {o for value in youngest for o in value.operands if isinstance(o, Value)}
    shown = [node.value for node in graph.nodes if node.value is not None]
    assert shown == [value for value in whole if value in operands or value in youngest]
    assert graph.total == len(whole)
    assert graph.hidden == len(whole) - len(shown)
    for node in graph.nodes:
        if node.value is not None:
            assert bool(node.edges) == (node.value in youngest and not node.value.is_leaf)
            assert node.is_cut == (node.value not in youngest and not node.value.is_leaf)


@given(graphs(), st.integers(0, 5))
def test_a_depth_reads_what_is_near_an_output(values: list[Value], depth: int) -> None:
    root = values[-1]
    near, frontier = {root}, {root}
    for _ in range(depth):
        frontier = {o for value in frontier for o in value.operands if isinstance(o, Value)}
        near |= frontier
    graph = Graph(root, depth=depth)
    shown = {node.value for node in graph.nodes if node.value is not None}
    assert shown == near
    for node in graph.nodes:
        value = node.value
        if value is not None and not value.is_leaf:
            assert node.is_cut == (not all(o in near for o in value.operands if isinstance(o, Value)))
            assert node.role == ("output" if value is root else "input" if node.is_cut else "interior")


def test_operands_beyond_the_limit_stand_in_their_age() -> None:
    for first, second in ((Value(2.0, label="first"), Value(1.0, label="second")), (Value(1.0, label="first"), Value(2.0, label="second"))):
        assert [node.name for node in Graph(second * first, limit=1).nodes][:2] == ["first", "second"]


def test_limit_and_depth_together() -> None:
    graph = Graph(chain(10), limit=3, depth=2)
    assert [node.is_cut for node in graph.nodes] == [True, False, False]
    assert graph.hidden == 8


def test_where_data_was_assigned_operands_still_stand_before_their_users() -> None:
    w = Value(1.0, label="w")
    y = w * 2 + 1
    w.data = 3.0
    assert [node.name for node in Graph(y).nodes][:2] == ["w", "2"]


# ── what it takes ─────────────────────────────────────────────────────────────


def test_outputs_in_any_structure() -> None:
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    for outputs in ([a, b], (a, b), {"a": a, "b": b}, [[a], (b, a)], {"both": [a, b]}):
        assert [Graph(outputs).nodes[i].value for i in Graph(outputs).outputs] == [a, b]


@pytest.mark.parametrize(("outputs", "error"), [(1.0, TypeError), ("text", TypeError), ([Value(1.0), 2.0], TypeError), ([], ValueError)])
def test_other_things_are_refused(outputs: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="Value"):
        Graph(outputs)


def test_reading_changes_nothing() -> None:
    o = neuron()
    before = Graph(o)
    Graph(o, names={"other": o})
    assert before.nodes == Graph(o).nodes
    assert not any(node.value.has_grad for node in before.nodes if node.value is not None)


@given(graphs())
def test_trace_is_micrograds(values: list[Value]) -> None:
    nodes, edges = trace(values[-1])
    expected = [node.value for node in Graph(values[-1]).nodes if node.value is not None]
    assert set(expected) <= nodes
    floats = sum(type(o) is float for value in expected for o in value.operands)
    assert len(nodes) == len(expected) + floats
    assert {(operand, user) for operand, user in edges if operand in set(expected)} == {
        (operand, user) for user in expected for operand in user.operands if isinstance(operand, Value)
    }


def test_names_may_hold_a_list_that_contains_itself() -> None:
    x = Value(2.0)
    inner: list[Any] = [x]
    names: dict[str, Any] = {"inner": inner}
    inner.append(inner)
    names["names"] = names
    assert next(node.name for node in Graph(x * 3.0, names).nodes) == "inner[0]"
