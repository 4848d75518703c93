"""Which values and steps a picture shows: depth, folds, groups and rows."""

from __future__ import annotations

import random
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import Parameter, Value, draw
from engine.show.graph import Graph
from engine.show.scene import Scene, rows
from tests.show.pictures import chain, graphs, neuron, read


def test_depth_shows_the_end_of_the_graph() -> None:
    o = neuron()
    shown = read(draw(o, depth=2))
    assert shown.kinds() == {"value": 4, "operation": 2, "more": 1}
    assert "⋯ 6 more values" in shown.legend
    assert read(draw(o, depth=0)).kinds() == {"value": 1, "more": 1}
    assert read(draw(o, depth=99)).kinds() == read(draw(o)).kinds()


def test_collapse_folds_a_labelled_result() -> None:
    x = Value(2.0, label="x")
    h = (x * 3 + 1).tanh() * x
    h.label = "h"
    shown = read(draw(h * h, collapse="h"))
    assert shown.kinds() == {"value": 3, "fold": 1, "operation": 1}
    (fold,) = [box for box in shown.boxes.values() if box.kind == "fold"]
    assert [line.strip() for line in fold.lines] == ["h", "4 operations"]
    assert Counter(target for _, target, _ in shown.arrows) == {"fold0": 1, "op7": 2}
    assert len(shown.boxes) == 5


def test_groups_are_framed_and_fold() -> None:
    x = Value([[1.0, 2.0]], label="x")
    w1, w2 = Parameter(np.ones((2, 3)), label="w1"), Parameter(np.ones((3, 1)), label="w2")
    a = x @ w1
    h = a.tanh()
    y = h @ w2
    groups = {"net": [], "net.first": [w1, a, h], "net.second": [w2, y]}
    shown = read(draw(y, groups=groups))
    assert sorted(shown.frames) == ["first", "net", "second"]
    folded = read(draw(y, groups=groups, collapse=["net.first"]))
    (fold,) = [box for box in folded.boxes.values() if box.kind == "fold"]
    assert [line.strip() for line in fold.lines] == ["first", "6 parameters", "2 operations"]
    assert folded.kinds() == {"value": 4, "fold": 1, "operation": 1}, "x, h (used outside), w2 and y stay"
    whole = read(draw(y, groups=groups, collapse=True))
    assert whole.kinds() == {"value": 2, "fold": 1}


@settings(max_examples=15)
@given(graphs(), st.data())
def test_any_grouping_draws(values: list[Value], data: st.DataObject) -> None:
    names = ["m", "m.a", "m.b", "n"]
    groups = {name: [v for v in values if data.draw(st.booleans())] for name in names}
    shown = read(draw(values, groups=groups, collapse=data.draw(st.sampled_from([(), True]))))
    tops = {f"v{i}" for i in Graph(values).outputs}
    assert tops <= set(shown.boxes), "an output is never folded away"


def test_a_wrong_name_to_collapse_is_told() -> None:
    h = Value(1.0, label="x").tanh()
    h.label = "hidden"
    with pytest.raises(ValueError, match=r"collapse='hiden' .* this graph has hidden"):
        draw(h * 2, collapse="hiden")


@pytest.mark.parametrize("rankdir", ["LR", "TB"])
@pytest.mark.parametrize("operations", [20, 40, 120])
def test_a_long_chain_is_wrapped_in_reading_order(operations: int, rankdir: str) -> None:
    shown = read(draw(chain(operations), rankdir=rankdir))
    width, height = shown.size
    assert 1 / 4 < width / height < 4
    boxes = [shown.boxes[f"v{i}"] for i in range(operations + 1)]
    along = [box.x if rankdir == "LR" else box.y for box in boxes]
    across = [box.y if rankdir == "LR" else box.x for box in boxes]
    breaks = [i for i in range(1, len(boxes)) if along[i] < along[i - 1]]
    starts = [np.mean(part) for part in np.split(across, breaks)]
    assert len(breaks) >= 1
    assert starts == sorted(starts)
    assert shown.kinds() == {"value": operations + 1, "operation": operations, "reference": len(breaks)}
    assert len(shown.arrows) == operations


def test_short_and_wide_graphs_are_not_wrapped() -> None:
    x = [Value(float(i), label=f"x{i}") for i in range(12)]
    total = x[0]
    for v in x[1:]:
        total = total + v.tanh()
    shown = read(draw(total))
    assert shown.kinds()["value"] == 12 + 11 + 11
    assert read(draw(neuron())).kinds()["reference"] == 0


# ── the scene as data ─────────────────────────────────────────────────────────


@given(graphs(arrays=True))
def test_without_folds_the_scene_is_the_graph(values: list[Value]) -> None:
    graph = Graph(values)
    scene = Scene(graph, (), {})
    assert scene.visible == [node.index for node in graph.nodes]
    computed = [node for node in graph.nodes if node.edges]
    assert [(step.kind, step.title, step.results, step.group) for step in scene.steps] == [
        ("operation", node.op, [node.index], "") for node in computed
    ]
    assert [step.arrows for step in scene.steps] == [[(edge.source, edge.local) for edge in node.edges] for node in computed]
    assert len({step.key for step in scene.steps}) == len(scene.steps)
    assert scene.group_of == {}


NAMES = ["m", "m.a", "m.b", "m.a.c.d", "mm", "n"]


@st.composite
def grouped(draw_one: st.DrawFn) -> tuple[Graph, dict[str, list[Value]]]:
    """A graph whose values are in up to two groups each; the groups are nested by their names."""
    values = draw_one(graphs())
    chosen = draw_one(st.lists(st.sampled_from(NAMES), unique=True))
    groups: dict[str, list[Value]] = {name: [] for name in chosen}
    for value in values:
        for name in draw_one(st.lists(st.sampled_from(chosen), max_size=2)) if chosen else ():
            groups[name].append(value)
    outputs = draw_one(st.sampled_from([values[-1:], values]))
    return Graph(outputs), groups


def users(graph: Graph, i: int) -> list[int]:
    return [node.index for node in graph.nodes for edge in node.edges if edge.source == i]


@given(grouped())
def test_a_value_is_framed_by_its_innermost_group_and_a_number_by_its_users(drawn: tuple[Graph, dict[str, list[Value]]]) -> None:
    graph, groups = drawn
    scene = Scene(graph, (), groups)
    for node in graph.nodes:
        listing = [name for name, members in groups.items() if any(node.value is member for member in members)]
        if listing:
            longest = max(map(len, listing))
            assert scene.group_of[node.index] in [name for name in listing if len(name) == longest]
        elif node.is_number and users(graph, node.index):
            assert scene.group_of.get(node.index) == scene.group_of.get(users(graph, node.index)[0])
        else:
            assert node.index not in scene.group_of
    for step in scene.steps:
        assert step.group == scene.group_of.get(step.results[0], "")


def test_groups_nest_by_their_names() -> None:
    scene = Scene(Graph(neuron()), (), {"a": [], "a.b": [], "a.b.c.d": [], "x.y": []})
    assert [scene.parent(name) for name in ("a", "a.b", "a.b.c", "a.b.c.d", "x.y", "a.q", "ab.c")] == ["", "a", "a.b", "a.b", "", "a", ""]


@given(grouped(), st.booleans(), st.data())
def test_a_folded_group_hides_what_only_it_uses(drawn: tuple[Graph, dict[str, list[Value]]], every: bool, data: st.DataObject) -> None:
    graph, groups = drawn
    plain = Scene(graph, (), groups)
    tops = [name for name in groups if not plain.parent(name)]
    folded = tops if every or not groups else [data.draw(st.sampled_from(sorted(groups)))]
    scene = Scene(graph, True if every else folded, groups)

    def inside(i: int) -> str | None:
        group = plain.group_of.get(i, "")
        return next((name for name in folded if group == name or group.startswith(name + ".")), None)

    for i in range(len(graph.nodes)):
        used_outside = any(inside(user) != inside(i) for user in users(graph, i))
        assert (i in scene.visible) == (inside(i) is None or i in graph.outputs or used_outside)
    folds = {step.title.rpartition(".")[2]: step for step in scene.steps if step.kind == "fold"}
    present = [name for name in folded if any(inside(i) == name for i in range(len(graph.nodes)))]
    assert sorted(folds) == sorted(name.rpartition(".")[2] for name in present)
    assert len({step.key for step in scene.steps}) == len(scene.steps)
    for name in present:
        step = folds[name.rpartition(".")[2]]
        members = [i for i in range(len(graph.nodes)) if inside(i) == name]
        assert step.results == [i for i in members if graph.nodes[i].edges and i in scene.visible]
        sources = {edge.source for i in members for edge in graph.nodes[i].edges}
        arrows = [i for i, local in step.arrows if local is None]
        assert sorted(arrows) == sorted(i for i in sources & set(scene.visible) if inside(i) != name or not graph.nodes[i].edges)
        operations = sum(bool(graph.nodes[i].edges) for i in members)
        assert (f"{operations} operation{'s' * (operations > 1)}" in step.notes) == (operations > 0)
        assert step.group == scene.parent(name)
        assert all(scene.group_of[i] == scene.parent(name) for i in members)
    others = [i for i in range(len(graph.nodes)) if inside(i) is None and graph.nodes[i].edges]
    assert [step.results for step in scene.steps if step.kind == "operation"] == [[i] for i in others]


@given(graphs(), st.data())
def test_a_folded_value_hides_what_is_computed_for_it_alone(values: list[Value], data: st.DataObject) -> None:
    computed = [value for value in values if not value.is_leaf]
    if not computed:
        return
    chosen = data.draw(st.sampled_from(computed))
    chosen.label = "h"
    graph = Graph(data.draw(st.sampled_from([values[-1:], values, values[-2:]])))
    found = [node.index for node in graph.nodes if node.name == "h"]
    if not found:
        with pytest.raises(ValueError, match="collapse='h' names neither"):
            Scene(graph, "h", {})
        return
    (h,) = found

    def escapes(i: int) -> bool:
        """Whether an output can be reached without h."""
        return i != h and (not users(graph, i) or any(map(escapes, users(graph, i))))

    expected = [node.index for node in graph.nodes if (node.edges or node.is_number) and not escapes(node.index)]
    for collapse in ("h", ["h"]):
        scene = Scene(graph, collapse, {})
        kept = {h, *graph.outputs}
        assert scene.visible == [node.index for node in graph.nodes if node.index not in expected or node.index in kept]
        others = [node.index for node in graph.nodes if node.edges and node.index not in expected]
        assert [step.results for step in scene.steps if step.kind == "operation"] == [[i] for i in others]
        (fold,) = [step for step in scene.steps if step.kind == "fold"]
        assert (fold.title, fold.results) == ("h", [i for i in expected if i in kept and graph.nodes[i].edges])
        assert all(i in scene.visible for step in scene.steps for i, _ in step.arrows)
    assert Scene(graph, [], {}).visible == Scene(graph, False, {}).visible == [node.index for node in graph.nodes]


@pytest.mark.parametrize("label", ["h", "net.h"])
def test_a_value_that_is_folded_in_a_group_stays_in_its_frame(label: str) -> None:
    x = Value(2.0, label="x")
    h = (x * 3.0).tanh()
    h.label = label
    scene = Scene(Graph(h * x), label, {"net": [h]})
    (fold,) = [step for step in scene.steps if step.kind == "fold"]
    assert (fold.title, fold.group) == (label, "net"), "a label is shown as it is, also with a dot in it"
    assert scene.group_of[fold.results[0]] == "net"


def test_a_fold_counts_what_it_hides() -> None:
    w = Parameter(np.ones((40, 50)), label="w")
    one = Parameter(1.0, label="one")
    y = (Value(np.ones((1, 40)), label="x") @ w).sum()
    notes = [Scene(Graph(out), True, {"g": group}).steps[0].notes for out, group in ((y, [w, y]), (y * one, [one, y]))]
    assert notes[0] == ["2,000 parameters", "1 operation"]
    fold = next(step for step in Scene(Graph(y * one), True, {"g": [one, y]}).steps if step.kind == "fold")
    assert fold.notes == ["1 parameter", "1 operation"]


def test_what_lies_beyond_the_depth_folds_with_its_result() -> None:
    h = chain(3)
    h.label = "h"
    scene = Scene(Graph(h * 2, depth=2), "h", {})
    assert [(step.kind, step.title) for step in scene.steps] == [("fold", "h"), ("operation", "*")]
    assert [scene.graph.nodes[i].name for i in scene.visible][:1] == ["h"]


def test_a_wrong_name_lists_the_names_that_would_do() -> None:
    x = Value(1.0, label="x")
    h = x.tanh()
    h.label = "h"
    with pytest.raises(ValueError, match=r"this graph has net, h$"):
        Scene(Graph(h * 2), "x", {"net": []})
    with pytest.raises(ValueError, match=r"this graph has none$"):
        Scene(Graph(x.tanh()), "x", {})
    assert Scene(Graph(h * 2), "net", {"net": []}).visible, "a group may have no part in the graph"


# ── rows ──────────────────────────────────────────────────────────────────────


def test_up_to_ten_operations_stay_in_one_row() -> None:
    for sideways in (True, False):
        assert set(rows(Scene(Graph(chain(10)), (), {}), sideways).values()) == {0}
        assert set(rows(Scene(Graph(chain(11)), (), {}), sideways).values()) > {0}
        assert set(rows(Scene(Graph(chain(40)), (), {"m": []}), sideways).values()) == {0}, "frames are never broken"


@pytest.mark.parametrize(("sideways", "width", "columns"), [(True, 26, 45), (False, 10, 39)])
def test_a_graph_is_broken_where_it_is_three_times_as_long_as_wide(sideways: bool, width: int, columns: int) -> None:
    """A column takes 130 points sideways and 100 downwards; a value of it takes 75 and 130."""
    for operations, broken in ((columns, True), (columns - 1, False)):
        values = [Value(0.5) for _ in range(width)]
        for _ in range(operations):
            values = [value.sin() for value in values]
        assert (max(rows(Scene(Graph(values), (), {}), sideways).values()) > 0) == broken


@pytest.mark.parametrize("sideways", [True, False])
@pytest.mark.parametrize("operations", [33, 60, 150])
@pytest.mark.parametrize("width", [1, 2])
def test_rows_follow_the_computation(operations: int, sideways: bool, width: int) -> None:
    values = [Value(0.5, label=f"x{i}") for i in range(width)]
    for _ in range(operations):
        values = [value * Value(1.5, label="w") for value in values]
    graph = Graph(values)
    scene = Scene(graph, (), {})
    row_of = rows(scene, sideways)
    assert set(row_of) == set(scene.visible)
    assert sorted(set(row_of.values())) == list(range(max(row_of.values()) + 1))
    for node in graph.nodes:
        for edge in node.edges:
            assert row_of[edge.source] <= row_of[node.index]
            if graph.nodes[edge.source].name == "w":
                assert row_of[edge.source] == max(0, row_of[node.index] - (row_of[edge.source] < row_of[node.index]))
    lengths = [sum(row_of[i] == row for i, node in enumerate(graph.nodes) if node.edges) for row in range(max(row_of.values()) + 1)]
    assert max(lengths) - min(lengths[:-1]) <= 2 * width, "all rows but the last are of one length"


@pytest.mark.parametrize(("rankdir", "low", "high"), [("LR", 2.2, 3.9), ("TB", 0.45, 0.75)])
@pytest.mark.parametrize("operations", [12, 30, 75, 120])
def test_a_wrapped_picture_is_neither_long_nor_high(operations: int, rankdir: str, low: float, high: float) -> None:
    width, height = read(draw(chain(operations), rankdir=rankdir, legend=False)).size
    assert low < width / height < high


@pytest.mark.parametrize(("rankdir", "axis"), [("LR", "x"), ("TB", "y")])
@pytest.mark.parametrize("depth", [None, 25])
def test_rows_begin_below_one_another(rankdir: str, axis: str, depth: int | None) -> None:
    shown = read(draw(chain(30), rankdir=rankdir, depth=depth, legend=False)).boxes.values()
    first = min(getattr(box, axis) for box in shown)
    starts = [getattr(box, axis) for box in shown if box.kind in ("reference", "more")]
    assert len(starts) > 2
    assert max(starts) - first < 10, "a row starts with a value of the row before, or where the graph was cut"


# ── values that are used far away ─────────────────────────────────────────────


def woven(seed: int, steps: int, leaves: int, reach: int, often: float) -> Value:
    """A graph in which a few values are used again and again, near and far."""
    rng = random.Random(seed)
    given_values = [Value(float(k + 1), label=f"a{k}") for k in range(leaves)]
    values = list(given_values)
    for _ in range(steps):
        one, two = rng.choice(given_values if rng.random() < often else values[-reach:]), rng.choice(values[-reach:])
        values.append(rng.choice([one * two, one + 2.0 * two, (one - two).tanh()]))
    return values[-1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(1, 6), st.sampled_from([2, 10, 1000]), st.floats(0, 1))
def test_arrows_that_are_too_long_start_at_a_copy_and_no_box_stands_alone(
    seed: int, steps: int, leaves: int, reach: int, often: float
) -> None:
    value = woven(seed, steps, leaves, reach, often)
    source = draw(value, legend=False).source
    arrows = re.findall(r"^\t+(\w+) -> (\w+)", source, re.M)
    boxes = {name for name in re.findall(r"^\t+(\w+) \[label", source, re.M) if name.startswith(("v", "op"))}
    assert boxes == {end for arrow in arrows for end in arrow}
    graph = Graph(value)
    uses = Counter((start.partition("r")[0].partition("op")[0], end) for start, end in arrows if end.startswith("op"))
    assert uses == Counter((f"v{edge.source}", f"op{node.index}") for node in graph.nodes for edge in node.edges)


def test_a_leaf_that_is_used_everywhere_is_drawn_again_where_it_is_far() -> None:
    def total(count: int) -> Value:
        x = Value(2.0, label="x")
        return sum((x * float(k) for k in range(count)), Value(0.0))

    many = draw(total(60)).source
    assert many.count('class="reference input"') > 10
    assert "dashed: a value that stands elsewhere" in many
    assert 'class="reference input"' not in draw(total(10)).source
