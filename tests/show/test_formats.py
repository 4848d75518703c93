"""The graph as JSON, Mermaid and text."""

from __future__ import annotations

import json
import re
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from engine import Parameter, Value, to_json, to_mermaid, to_text
from engine.show.graph import Graph
from engine.show.notation import number


def example() -> Value:
    """One of everything: roles, a number of the formula, an array, a value used twice."""
    x, w = Value([1.0, 2.0, 4.0], label="x"), Parameter(3.0, label="w")
    y = (x * w).sum(axis=0) + w * 2
    y.label = "y"
    return y


# ── JSON ──────────────────────────────────────────────────────────────────────


def strictly(text: str) -> Any:
    """JSON as the standard has it: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_holds_the_whole_graph() -> None:
    y = example()
    y.backward()
    document = strictly(to_json(y))
    graph = Graph(y)
    assert document["version"] == 1
    assert document["outputs"] == graph.outputs
    assert [node["name"] for node in document["nodes"]] == [node.name for node in graph.nodes]
    x, w = document["nodes"][:2]
    assert x == {
        **dict.fromkeys(("op",)),
        **{"index": 0, "name": "x", "labelled": True, "role": "input", "params": {}},
        **{"shape": [3], "dtype": "float64", "value": [1.0, 2.0, 4.0], "grad": [3.0, 3.0, 3.0]},
    }
    assert (w["role"], w["value"], w["grad"]) == ("parameter", 3.0, 9.0)
    (total,) = [node for node in document["nodes"] if node["op"] == "sum"]
    assert total["params"] == {"axis": 0}
    for node in document["nodes"]:
        added = [edge["contribution"] for edge in document["edges"] if edge["source"] == node["index"]]
        if node["grad"] is not None and added:
            np.testing.assert_allclose(np.sum(added, axis=0), node["grad"])
    assert all(edge["source"] < edge["target"] for edge in document["edges"])


def test_json_before_a_pass_and_of_numbers_that_json_lacks() -> None:
    x = Value([np.nan, np.inf, -np.inf, 1.0], label="x")
    document = strictly(to_json(x[1:] * 2))
    assert document["nodes"][0]["value"] == ["nan", "inf", "-inf", 1.0]
    assert all(node["grad"] is None for node in document["nodes"])
    assert any(node["params"] == {"index": "slice(1, None, None)"} for node in document["nodes"])


# ── Mermaid ───────────────────────────────────────────────────────────────────


def test_mermaid_has_a_node_and_an_arrow_for_each() -> None:
    y = example()
    y.backward()
    text, graph = to_mermaid(y), Graph(y)
    assert text.startswith("flowchart LR\n")
    assert len(re.findall(r"^    v\d+\[", text, re.M)) == len(graph.nodes)
    assert len(re.findall(r"^    op\d+\(", text, re.M)) == sum(bool(node.op) for node in graph.nodes)
    assert len(re.findall(r"-->", text)) == sum(len(node.edges) for node in graph.nodes)
    assert 'v1["w<br>value 3.0<br>grad 9.0"]:::parameter' in text
    roles = set(re.findall(r":::(\w+)$", text, re.M))
    assert roles <= set(re.findall(r"classDef (\w+) ", text))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_label_breaks_mermaid(label: str) -> None:
    lines = to_mermaid(Value(1.0, label=label) * 2).splitlines()
    assert len(lines) == 1 + 4 + 3 + 6
    shown = re.fullmatch(r'    v0\["([^"]*)<br>value 1\.0<br>grad —"\]:::input', lines[1])
    assert shown
    assert not re.search(r"[<>&{}\[\]|`\\]|^- |^\d+\. ", shown[1])
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), shown[1]) == (label or "v0")


# ── text ──────────────────────────────────────────────────────────────────────


def test_text_tells_the_computation_line_by_line() -> None:
    x, w = Value(2.0, label="x"), Parameter(-3.0, label="w")
    y = (x * w).tanh() + x**2
    y.backward()
    rows = [re.split(r"  +", line) for line in to_text(y, names={"y": y}).splitlines()]
    assert rows[0] == ["x", "= 2.0", f"grad {number(x.grad)}", "input"]
    assert rows[1] == ["w", "= -3.0", f"grad {number(w.grad)}", "parameter"]
    assert rows[2][0] == "v2 = x * w"
    assert rows[2][-1] == "∂x -3.0, ∂w 2.0"
    assert rows[4][0] == "v5 = x ** 2"
    assert rows[-1] == ["y = v3 + v5", "= 3.0", "grad 1.0", "output", "∂v3 1.0, ∂v5 1.0"]
    assert len(rows) == 6


def test_text_shows_a_shared_value_once_and_grows_with_the_graph_only() -> None:
    v = Value(1.0, label="x")
    for _ in range(300):
        v = v * v
    text = to_text(v)
    assert text.count("\n") == 301
    assert max(map(len, text.splitlines())) < 100


def test_text_of_arrays() -> None:
    x = Value(np.arange(12.0).reshape(3, 4), label="x")
    text = to_text({"total": x[1:, ::2].sum(axis=(0, 1), keepdims=True), "scale": x * np.float32(2)})
    assert re.search(r"^x \(3, 4\)  += 0\.0 … 11\.0, mean 5\.5  +grad —  +input$", text, re.M)
    assert "= x[1:, ::2]" in text
    assert "total (1, 1) = sum(v1, axis=(0, 1), keepdims=True)" in text


@pytest.mark.parametrize("write", [to_json, to_mermaid, to_text])
def test_names_and_several_outputs(write: Any) -> None:
    a = Value(2.0)
    both = write({"up": a + 1, "down": a - 1}, names={"a": a})
    assert all(name in both for name in ("up", "down"))
    with pytest.raises(TypeError, match="not int"):
        write(3)


# ── whole documents ───────────────────────────────────────────────────────────


def test_the_text_of_the_example() -> None:
    y = example()
    y.backward()
    assert to_text(y) == dedent(
        """\
        x (3,)                = [1.0, 2.0, 4.0]   grad [3.0, 3.0, 3.0]  input
        w                     = 3.0               grad 9.0              parameter
        v2 (3,) = x * w       = [3.0, 6.0, 12.0]  grad [1.0, 1.0, 1.0]
        v3 = sum(v2, axis=0)  = 21.0              grad 1.0
        v5 = w * 2            = 6.0               grad 1.0                         ∂w 2.0
        y = v3 + v5           = 27.0              grad 1.0              output     ∂v3 1.0, ∂v5 1.0
        """
    )
    assert to_text(Value(2.0, requires_grad=False)) == "2  = 2.0    constant\n", "a number that is an output has its line"


def test_a_long_name_does_not_push_the_columns_of_the_others() -> None:
    x, long = Value(1.0, label="x"), Value(2.0, label="n" * 100)
    first, second, *_ = to_text(x * long).splitlines()
    assert first.index(" = 1.0") == 48 + 1
    assert second.startswith("n" * 100 + "  = 2.0")


def test_the_mermaid_of_the_example() -> None:
    y = example()
    y.backward()
    nodes_and_arrows, styles = to_mermaid(y).split("    classDef ", 1)
    assert nodes_and_arrows == dedent(
        """\
        flowchart LR
            v0["x (3,)<br>value #91;1.0, 2.0, 4.0#93;<br>grad #91;3.0, 3.0, 3.0#93;"]:::input
            v1["w<br>value 3.0<br>grad 9.0"]:::parameter
            v2["v2 (3,)<br>value #91;3.0, 6.0, 12.0#93;<br>grad #91;1.0, 1.0, 1.0#93;"]:::interior
            op2(["#42;"]):::operation
            v3["v3<br>value 21.0<br>grad 1.0"]:::interior
            op3(["sum"]):::operation
            v4["2"]:::constant
            v5["v5<br>value 6.0<br>grad 1.0"]:::interior
            op5(["#42;"]):::operation
            v6["y<br>value 27.0<br>grad 1.0"]:::output
            op6(["#43;"]):::operation
            v0 --> op2
            v1 --> op2
            op2 --- v2
            v2 --> op3
            op3 --- v3
            v1 -->|"2.0"| op5
            v4 --> op5
            op5 --- v5
            v3 -->|"1.0"| op6
            v5 -->|"1.0"| op6
            op6 --- v6
        """
    )
    assert styles.count("classDef ") == 5
    assert styles.endswith("\n")


def test_the_json_of_a_product() -> None:
    a = Value(2.0, label="∂a")
    y = a * 3.0
    y.backward()
    text = to_json(y)
    assert "∂a" in text
    assert text.splitlines()[:3] == ["{", ' "version": 1,', ' "outputs": ['], "one line for each entry"
    leaf = {"labelled": True, "params": {}, "shape": [], "dtype": "float64", "value": 2.0}
    assert strictly(text) == {
        "version": 1,
        "outputs": [2],
        "nodes": [
            {**leaf, "index": 0, "name": "∂a", "role": "input", "op": None, "grad": 3.0},
            {**leaf, "index": 1, "name": "3", "labelled": False, "role": "constant", "op": None, "value": 3.0, "grad": None},
            {**leaf, "index": 2, "name": "v2", "labelled": False, "role": "output", "op": "multiply", "value": 6.0, "grad": 1.0},
        ],
        "edges": [
            {"source": 0, "target": 2, "operand": 0, "local": 3.0, "contribution": 3.0},
            {"source": 1, "target": 2, "operand": 1, "local": None, "contribution": None},
        ],
    }


def test_json_has_a_form_for_every_parameter() -> None:
    v = Value(np.arange(6.0).reshape(2, 3), label="v")
    for result, params in [
        (v[np.array([0, 1])], {"index": [0, 1]}),
        (v[1:, 0], {"index": ["slice(1, None, None)", 0]}),
        (v[..., np.int64(1)], {"index": ["Ellipsis", 1]}),
        (v[None], {"index": None}),
        (v.sum(axis=(0, 1), keepdims=True), {"axis": [0, 1], "keepdims": True}),
        (np.clip(v, 0.5, np.inf), None),
    ]:
        (made,) = [node["params"] for node in strictly(to_json(result))["nodes"] if node["op"]][-1:]
        assert params is None or made == params
    half = Value(np.array([np.float32(0.1), np.inf], np.float32), label="h")
    (node,) = strictly(to_json(half))["nodes"]
    assert (node["dtype"], node["shape"], node["value"]) == ("float32", [2], [pytest.approx(0.1), "inf"])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_label_cannot_break_a_line_of_the_text(label: str) -> None:
    """Line breaks and codes for the terminal are written as Python escapes them, and other labels as they are."""
    text = to_text(Value(1.0, label=label) * 2.0)
    assert len(text.splitlines()) == 2
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    if label.isprintable():
        assert f" = {label} * 2" in text
    assert to_text(Value(1.0, label="a\n\x1b[0m")).startswith(r"a\n\x1b[0m  = 1.0")
