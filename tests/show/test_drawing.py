"""What a picture holds, what its functions take, and the files they write."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import Value, draw, draw_dot, make_dot
from engine.show.drawing import save
from engine.show.graph import Graph
from engine.show.notation import number
from tests.show.pictures import chain, graphs, neuron, read


def test_the_neuron_shows_the_known_numbers() -> None:
    o = neuron()
    o.backward()
    shown = read(draw(o))
    expected = {"x1": ("2.0", "-1.5"), "x2": ("0.0", "0.5"), "w1": ("-3.0", "1.0"), "w2": ("1.0", "0.0"), "o": ("0.7071", "1.0")}
    for name, (value, grad) in expected.items():
        assert shown.box(name).lines[1:] == ["value", value, "grad", grad]
    assert {shown.box(name).role for name in ("x1", "x2")} == {"input"}
    assert {shown.box(name).role for name in ("w1", "w2", "b")} == {"parameter"}
    assert shown.box("o").role == "output"
    assert Counter(b.lines[0] for b in shown.boxes.values() if b.kind == "operation") == {"*": 2, "+": 2, "tanh": 1}
    assert all(word in shown.legend for word in ("input", "parameter", "computed", "output", "gradient", "∂result"))


def test_before_a_pass_there_are_no_gradients() -> None:
    shown = read(draw(neuron()))
    assert all(box.lines[-2:] == ["grad", "—"] for box in shown.boxes.values() if box.kind == "value")
    assert "no backward pass yet" in shown.legend


@settings(max_examples=15)
@given(graphs(), st.booleans())
def test_nodes_and_arrows_are_the_graphs(values: list[Value], backward: bool) -> None:
    root = values[-1]
    if backward:
        root.backward()
    graph = Graph(root)
    shown = read(draw(root))
    assert shown.kinds()["value"] == len(graph.nodes)
    assert shown.kinds()["operation"] == sum(bool(node.op) for node in graph.nodes)
    uses = [
        (f"v{edge.source}", f"op{node.index}", "" if edge.local is None else number(edge.local))
        for node in graph.nodes
        for edge in node.edges
    ]
    assert Counter(shown.arrows) == Counter(uses)


def test_operands_stand_in_their_order() -> None:
    a, b, c = Value(3.0, label="a"), Value(2.0, label="b"), Value(5.0, label="c")
    for first, second in ((a, b), (b, a)):
        shown = read(draw(first - second))
        assert shown.box(first.label).y < shown.box(second.label).y
        down = read(draw(first - second, rankdir="TB"))
        assert down.box(first.label).x < down.box(second.label).x
    for one, two in ((a * b, c), (c, a * b)):  # also where one operand was computed, and so stands in another column
        shown = read(draw(one - two))
        box_of = {label: shown.boxes[source] for source, _, label in shown.arrows}
        assert box_of["1.0"].lines[2] == f"{one.data}"
        assert box_of["1.0"].y < box_of["-1.0"].y


def test_a_value_used_twice_has_two_arrows() -> None:
    a = Value(3.0, label="a")
    assert Counter(read(draw(a + a)).arrows) == {("v0", "op1", "1.0"): 2}


def test_names_serve_values_without_a_label() -> None:
    x, w = Value(2.0), [Value(1.0), Value(3.0)]
    out = x * w[0] + w[1]
    shown = read(draw(out, names=locals()))
    assert {"x", "w[0]", "w[1]", "out"} <= {box.lines[0] for box in shown.boxes.values()}


def test_several_outputs() -> None:
    x = Value([1.0, 2.0, 6.0], label="x")
    mean, spread = x.mean(), x.std()
    for outputs in ([mean, spread], (mean, spread), {"mean": mean, "spread": spread}):
        shown = read(draw(outputs))
        assert [box.role for box in shown.boxes.values()].count("output") == 2
    assert shown.box("mean").lines[2] == "3.0"


def test_the_backward_pass_is_a_graph_too() -> None:
    x = Value(2.0, label="x")
    (x**3 + x.sin()).backward(create_graph=True)
    shown = read(draw(x.grad))
    assert shown.box("∂/∂x").role == "output"
    assert shown.box("∂/∂x").lines[2] == f"{12 + np.cos(2.0):.4g}"
    assert "cos" in {box.lines[0].strip() for box in shown.boxes.values()}


def test_too_large_a_graph_is_refused_with_advice() -> None:
    v = chain(500)
    with pytest.raises(ValueError, match=r"501 values.*max_nodes=400.*depth=.*collapse="):
        draw(v)
    assert read(draw(v, depth=3)).kinds()["value"] == 4
    assert read(draw(v, max_nodes=600)).kinds()["value"] == 501
    o = neuron()
    assert read(draw(o, max_nodes=10)).kinds()["value"] == 10
    with pytest.raises(ValueError, match="10 values, more than max_nodes=9"):
        draw(o, max_nodes=9)
    assert read(draw(o, depth=2, max_nodes=4)).kinds()["value"] == 4
    with pytest.raises(ValueError, match="4 values, more than max_nodes=3"):
        draw(o, depth=2, max_nodes=3)
    assert read(draw(o, collapse="o", max_nodes=6)).kinds()["value"] == 6
    with pytest.raises(ValueError, match="6 values, more than max_nodes=5"):
        draw(o, collapse="o", max_nodes=5)


def test_it_takes_values_only() -> None:
    with pytest.raises(TypeError, match="not float"):
        draw(1.0)
    with pytest.raises(ValueError, match="rankdir"):
        draw(neuron(), rankdir="sideways")


@pytest.mark.parametrize(("rankdir", "axis", "sign"), [("LR", "x", 1), ("RL", "x", -1), ("TB", "y", 1), ("BT", "y", -1)])
def test_it_is_read_in_the_direction_that_is_asked_for(rankdir: str, axis: str, sign: int) -> None:
    shown = read(draw(chain(2), rankdir=rankdir))
    places = [sign * getattr(shown.boxes[key], axis) for key in ("v0", "op1", "v1", "op2", "v2")]
    assert places == sorted(places)
    assert read(draw(chain(2))).boxes["v2"].x > read(draw(chain(2))).boxes["v0"].x


@settings(max_examples=5)
@given(graphs(arrays=True))
def test_the_same_graph_gives_the_same_picture(values: list[Value]) -> None:
    assert draw(values).source == draw(values).source


def test_an_operation_leads_to_its_result_and_computed_values_are_in_line() -> None:
    shown = read(draw(neuron()))
    assert len(shown.links) == 5
    assert all(value.removeprefix("v") == step.removeprefix("op") for step, value in shown.links)
    assert all(shown.boxes[step].x < shown.boxes[value].x for step, value in shown.links)
    line = draw(chain(3), format="png")
    assert line.format == "png"
    assert np.ptp([box.y for box in read(line).boxes.values()]) < 3


def test_the_legend_may_be_left_out() -> None:
    assert read(draw(neuron(), legend=False)).legend == ""
    assert read(draw(neuron(), legend=False)).size[1] < read(draw(neuron())).size[1]


def test_other_libraries_names_for_it() -> None:
    o = neuron()
    assert draw_dot(o, format="png", rankdir="TB").format == "png"
    assert "rankdir=TB" in draw_dot(o, rankdir="TB").source
    assert draw_dot(o).source == draw(o).source
    w = Value(2.0)
    assert read(make_dot(w * 3, params={"weight": w})).box("weight").lines[2] == "2.0"
    assert read(make_dot(w * 3)).kinds()["value"] == 3


@pytest.mark.parametrize("name", ["g.svg", "g.png", "g.pdf", "g.dot", "g.gv", "g.json", "g.mmd", "g.txt", "UPPER.SVG"])
def test_save_goes_by_the_extension(tmp_path: Path, name: str) -> None:
    starts = {
        "svg": b"<?xml",
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "dot": b"digraph",
        "gv": b"digraph",
        "json": b"{",
        "mmd": b"flowchart",
        "txt": b"x1 ",
    }
    path = save(neuron(), str(tmp_path / name))
    assert path == tmp_path / name
    assert path.read_bytes().startswith(starts[path.suffix.lower()[1:]])
    assert os.listdir(tmp_path) == [name]


def test_save_hands_names_and_options_on(tmp_path: Path) -> None:
    a = Value(2.0)
    b = a * 3
    for ending in ("dot", "svg"):
        text = save(b, tmp_path / f"g.{ending}", {"first": a}, rankdir="TB", legend=False).read_text(encoding="utf-8")
        assert "first" in text
        assert "no backward pass yet" not in text
    assert "rankdir=TB" in save(b, tmp_path / "g.dot", rankdir="TB").read_text(encoding="utf-8")
    for ending in ("json", "mmd", "txt"):
        assert "first" in save(b, tmp_path / f"g.{ending}", {"first": a}).read_text(encoding="utf-8")
        with pytest.raises(TypeError, match=rf"depth is for pictures, and 'other\.{ending}' is none"):
            save(b, tmp_path / f"other.{ending}", depth=3)
        assert not (tmp_path / f"other.{ending}").exists()
    with pytest.raises(ValueError, match=r"'picture\.exe'.*\.svg, \.png"):
        save(b, tmp_path / "picture.exe")
    assert not (tmp_path / "picture.exe").exists()
