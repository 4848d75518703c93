"""Structures of arguments and parameters: a leaf, or a list, tuple, named tuple or dict of structures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["tree_leaves", "tree_map", "tree_paths"]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """A structure like the first one, with function(leaf, ...) in the place of each leaf; the others have the same structure."""
    if isinstance(tree, dict):
        return {key: tree_map(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(tree_map(function, *items) for items in zip(tree, *others, strict=True)))
    if isinstance(tree, (list, tuple)):
        return type(tree)(tree_map(function, *items) for items in zip(tree, *others, strict=True))
    return function(tree, *others)


def tree_paths(tree: Any, path: tuple[Any, ...] = (), within: tuple[int, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every leaf with the keys and indices that lead to it: {"w": [a, b]} gives (("w", 0), a) and (("w", 1), b).

    A structure that contains itself, as the names of a notebook may, is read once.
    """
    if not isinstance(tree, (dict, list, tuple)):
        yield path, tree
        return
    within = (*within, id(tree))
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if not isinstance(item, (dict, list, tuple)):
            yield (*path, key), item
        elif id(item) not in within:
            yield from tree_paths(item, (*path, key), within)


def tree_leaves(tree: Any) -> list[Any]:
    """Every leaf, in the order of `tree_map`."""
    return [leaf for _, leaf in tree_paths(tree)]
