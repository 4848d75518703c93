"""Which values and steps a picture shows: depth, folds, groups and rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import Parameter, Value, draw
from engine.show.graph import Graph
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
