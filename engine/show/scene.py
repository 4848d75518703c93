"""What a picture shows: the values that have a box, the steps between them, the frames around them, and the rows.

The scene is the graph after folding, before any thought of colours and Graphviz.  A *fold* is one step that
stands for a whole part of the graph: a group, or a labelled value with everything that is computed for it
alone.  A *frame* is drawn around the values of a group; groups lie in one another by their names, "a.b" in "a".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..value import Value
from .graph import Graph, GraphNode
from .notation import parameters

__all__ = ["Scene", "Step", "far_uses", "rows"]

SPAN = 150  # columns that the arrows of a picture may cross; beyond, Graphviz takes seconds and then minutes


@dataclass
class Step:
    """A dark node of the picture: an operation, a fold of several, or the "⋯" where the graph goes on beyond the depth."""

    key: str
    kind: Literal["operation", "fold", "more"]
    title: str
    notes: list[str]  # small print below the title
    arrows: list[tuple[int, float | None]]  # (operand, local derivative)
    results: list[int]
    group: str  # the group whose frame it stands in


class Scene:
    """The graph after folding.

    Args:
        graph: the recorded graph.
        collapse: the names of groups, or the labels of values, to fold; True folds every outermost group.
        groups: name -> the Values to be framed together.

    Attributes:
        visible: the indices of the values that have a box.
        steps: the steps between them, in the order of computation.
        group_of: value -> the group whose frame holds its box; a value without a group is not in it.

    Raises:
        ValueError: a name in `collapse` is neither a group nor a computed value.
    """

    def __init__(self, graph: Graph, collapse: str | Iterable[str] | bool, groups: Mapping[str, Iterable[Value]]):
        self.graph, self.groups = graph, groups
        self.users: list[list[int]] = [[] for _ in graph.nodes]
        for node in graph.nodes:
            for edge in node.edges:
                self.users[edge.source].append(node.index)
        self.group_of = self._innermost_groups()
        self.folds: dict[str, list[int]] = {}
        self.fold_of: dict[int, str] = {}
        for name in self._names_to_fold(collapse):
            self.folds[name] = self._members_of_fold(name)
            self.fold_of |= dict.fromkeys(self.folds[name], name)
        self.visible = [node.index for node in graph.nodes if self._is_visible(node.index)]
        self.steps = self._all_steps()
        for i, fold in self.fold_of.items():
            if fold in groups:  # the frame of a folded group is not drawn
                self.group_of[i] = self.parent(fold)

    def parent(self, group: str) -> str:
        """The group that a group lies in: "a.b" for "a.b.c", or "a" if there is no group "a.b"; "" for an outermost one."""
        while group := group.rpartition(".")[0]:
            if group in self.groups:
                break
        return group

    def _innermost_groups(self) -> dict[int, str]:
        """The group of each value: the longest name that lists it.  A number of the formula is framed with its first user."""
        names: dict[Value, str] = {}
        for group, members in self.groups.items():
            names |= {value: group for value in members if len(group) >= len(names.get(value, ""))}
        found = {node.index: names[node.value] for node in self.graph.nodes if node.value is not None and node.value in names}
        for node in self.graph.nodes:
            users = self.users[node.index]
            if node.is_number and users and users[0] in found:
                found[node.index] = found[users[0]]
        return found

    def _names_to_fold(self, collapse: str | Iterable[str] | bool) -> list[str]:
        if collapse is True:
            return [group for group in self.groups if not self.parent(group)]
        return [collapse] if isinstance(collapse, str) else list(collapse or ())

    def _members_of_fold(self, name: str) -> list[int]:
        """The indices of the values that a fold hides, its results among them."""
        nodes = self.graph.nodes
        members = [i for i, group in self.group_of.items() if f"{group}.".startswith(f"{name}.")]
        if members or name in self.groups:  # a group may have no part in this graph
            return sorted(members)
        inside = {node.index for node in nodes if node.name == name and node.edges}
        if not inside:
            known = [*self.groups, *(node.name for node in nodes if node.labelled and node.edges)]
            raise ValueError(f"collapse={name!r} names neither a group nor a computed value; this graph has {', '.join(known) or 'none'}")
        for node in reversed(nodes[: max(inside)]):  # what is used only inside the fold belongs to it
            given = not node.edges and not node.is_cut and not node.is_number
            if not given and self.users[node.index] and inside.issuperset(self.users[node.index]):
                inside.add(node.index)
        return sorted(inside)

    def _is_visible(self, i: int) -> bool:
        """Whether a value lies outside of all folds, or is the result of one."""
        fold = self.fold_of.get(i)
        return fold is None or i in self.graph.outputs or any(self.fold_of.get(user) != fold for user in self.users[i])

    def _all_steps(self) -> list[Step]:
        steps: dict[str, Step] = {}
        shown = set(self.visible)
        for node in self.graph.nodes:
            fold, key, group = self.fold_of.get(node.index), f"op{node.index}", self.group_of.get(node.index, "")
            if fold is not None:
                if fold not in steps:
                    steps[fold] = self._empty_fold(fold, f"fold{sum(step.kind == 'fold' for step in steps.values())}")
                self._connect(node, fold, steps[fold], shown)
            elif node.edges:
                arrows = [(edge.source, edge.local) for edge in node.edges]
                steps[key] = Step(key, "operation", node.op, parameters(node), arrows, [node.index], group)
            elif node.is_cut:
                steps[key] = Step(key, "more", "⋯", [], [], [node.index], group)
        return list(steps.values())

    def _empty_fold(self, fold: str, key: str) -> Step:
        """The step of a fold, without arrows so far."""
        members = [self.graph.nodes[i] for i in self.folds[fold]]
        group = self.parent(fold) if fold in self.groups else self.group_of.get(members[-1].index, "")
        title = fold.removeprefix(f"{group}.") if fold in self.groups else fold
        return Step(key, "fold", title, _contents(members), [], [], group)

    def _connect(self, node: GraphNode, fold: str, step: Step, shown: set[int]) -> None:
        """Give a fold the arrows that one of its values needs: from operands outside, and to the value if it is shown."""
        if node.edges and node.index in shown:
            step.results.append(node.index)
        for edge in node.edges:
            inside = self.fold_of.get(edge.source) == fold and self.graph.nodes[edge.source].edges
            if edge.source in shown and not inside and (edge.source, None) not in step.arrows:
                step.arrows.append((edge.source, None))


def _contents(members: list[GraphNode]) -> list[str]:
    """What a fold hides, in words: ["6 parameters", "2 operations"]."""
    operations = sum(bool(node.edges) for node in members)
    numbers = sum(int(np.size(node.data)) for node in members if node.role == "parameter")
    counted = ((numbers, "parameter"), (operations, "operation"))
    return [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counted if count]


# ── rows ──────────────────────────────────────────────────────────────────────


def rows(scene: Scene, sideways: bool) -> dict[int, int]:
    """The row of each visible value; 0 for all, unless the graph is much longer than it is wide.

    The column of a result is one more than the largest column of the operands.  The column of a leaf is one
    less than that of its first user.  There are as many rows as make the picture two to three times as wide as
    high if it is read sideways, and half as wide as high if it is read downwards.
    """
    column: dict[int, int] = {}
    for step in scene.steps:
        here = 1 + max((column.get(source, 0) for source, _ in step.arrows), default=0)
        column |= dict.fromkeys(step.results, here)
        for source, _ in step.arrows:
            column.setdefault(source, here - 1)
    for i in scene.visible:
        column.setdefault(i, 0)
    columns = max(column.values())
    # the usual distance, in points, from one column to the next, and from one value to the next in its column
    along, across = (130, 75) if sideways else (100, 130)
    length, breadth = columns * along, across * max(np.bincount(list(column.values())))
    if scene.groups or columns <= 10 or length < 3 * breadth:
        return dict.fromkeys(scene.visible, 0)
    count = max(2, round(math.sqrt(length / breadth / 1.7 if sideways else length / breadth * 1.2)))
    per_row = math.ceil(columns / count)
    row_of = {i: max(0, column[i] - 1) // per_row for i in scene.visible}
    used: dict[int, int] = {}  # what was given stands in the row of its first user
    for step in scene.steps:
        for source, _ in step.arrows:
            if not scene.graph.nodes[source].edges and step.results:
                used.setdefault(source, row_of[step.results[0]])
    return row_of | used


def far_uses(scene: Scene, row_of: dict[int, int]) -> set[tuple[str, int]]:
    """The uses (step, operand) for which the operand is drawn again beside the step, so that no arrow has to go there.

    There are none as long as all arrows together cross at most `SPAN` columns.  Else they are the longest, those from
    values that were given first.  The column of a value is here one less than that of its first user, and an arrow
    to the next column crosses none.
    """
    latest: dict[int, int] = {}
    column_of: dict[str, int] = {}
    for step in reversed(scene.steps):
        column_of[step.key] = here = min((latest.get(result, 0) for result in step.results), default=0) - 1
        for source, _ in step.arrows:
            latest[source] = min(latest.get(source, here), here)
    uses: list[tuple[int, int, str, int]] = []  # (column, row, step, operand)
    for step in scene.steps:
        row = row_of[step.results[0]] if step.results else 0
        uses += [(column_of[step.key], row, step.key, source) for source, _ in step.arrows]
    first: dict[tuple[int, int], int] = {}  # (operand, row) -> the column of its first use there
    for column, row, _, source in uses:
        first[source, row] = min(first.get((source, row), column), column)
    spans = [(column - first[source, row], step_key, source) for column, row, step_key, source in uses]
    crossed = sum(columns for columns, _, _ in spans)
    far: set[tuple[str, int]] = set()
    given = {node.index for node in scene.graph.nodes if not node.edges}
    for columns, step_key, source in sorted(spans, key=lambda span: (span[2] not in given, -span[0])):
        if crossed <= SPAN:
            break
        if columns and (step_key, source) not in far:
            far.add((step_key, source))
            crossed -= columns
    return far
