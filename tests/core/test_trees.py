"""Structures of lists, tuples, named tuples and dicts."""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from engine.trees import tree_leaves, tree_map, tree_paths


class Pair(NamedTuple):
    left: Any
    right: Any


LEAVES = st.integers() | st.none() | st.text(max_size=3)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.builds(Pair, inner, inner) | st.dictionaries(st.text(max_size=3), inner)
    ),
)


@given(TREES)
def test_mapping_keeps_the_structure(tree: Any) -> None:
    def same(one: Any, other: Any) -> bool:
        if isinstance(one, dict):
            return isinstance(other, dict) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
        if isinstance(one, (list, tuple)):
            return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
        return other == (one,)

    assert same(tree, tree_map(lambda leaf: (leaf,), tree))


@given(TREES)
def test_a_path_leads_to_its_leaf(tree: Any) -> None:
    paths = list(tree_paths(tree))
    assert [leaf for _, leaf in paths] == tree_leaves(tree)
    assert len({path for path, _ in paths}) == len(paths)
    for path, leaf in paths:
        assert reduce(lambda part, key: part[key], path, tree) is leaf


@given(TREES)
def test_leaves_come_in_the_order_of_mapping(tree: Any) -> None:
    seen: list[Any] = []
    tree_map(seen.append, tree)
    assert seen == tree_leaves(tree)


@given(TREES)
def test_several_trees_are_walked_together(tree: Any) -> None:
    assert tree_map(lambda *leaves: leaves, tree, tree_map(str, tree)) == tree_map(lambda leaf: (leaf, str(leaf)), tree)


def test_a_leaf_is_a_tree_and_its_path_is_empty() -> None:
    assert tree_map(lambda x: x + 1, 1) == 2
    assert list(tree_paths(1)) == [((), 1)]
    assert tree_leaves("text") == ["text"]
    assert tree_map(abs, OrderedDict(a=-1)) == {"a": 1}


@pytest.mark.parametrize(
    ("tree", "other"), [([1, 2], [1]), ((1, 2), (1, 2, 3)), (Pair(1, 2), (1,)), (Pair(1, 2), (1, 2, 3)), ({"a": 1, "b": 2}, {"a": 1})]
)
def test_trees_of_different_structure_are_refused(tree: Any, other: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        tree_map(max, tree, other)
