"""The picture of one call of a Module: its graph, with a labelled box around the nodes of each Module inside.

`Module.draw` calls the Module, and describes every Module inside it by a `Box`; `draw_boxes` makes the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import engine
from engine import Parameter, Value
from engine.node import age, next_id

__all__ = ["Box", "as_inputs", "draw_boxes"]


@dataclass
class Box:
    """One Module in the picture.

    Attributes:
        title: the kind of the Module and its options, "Linear(2, 16)".
        parameters: the Parameters of the Module itself, without those of the Modules inside it.
        calls: for each call, the creation numbers between which its nodes were made.
    """

    title: str
    parameters: list[Parameter]
    calls: list[tuple[int, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # of the calls that have not ended yet

    def enter(self, *_: Any) -> None:
        """A call of the Module begins: a hook before its forward pass."""
        self.starts.append(next_id())

    def leave(self, *_: Any) -> None:
        """The call ends: a hook after the forward pass."""
        self.calls.append((self.starts.pop(), next_id()))

    def made(self, value: Value) -> bool:
        """Whether a call of the Module made this node."""
        return any(start < age(value) < end for start, end in self.calls)


def as_inputs(args: Sequence[Any]) -> list[Any]:
    """The arguments of a call, with each array as a Value that the picture shows: x, or x0, x1, ... for several."""
    arrays = [i for i, arg in enumerate(args) if isinstance(arg, np.ndarray) and arg.dtype.kind == "f"]
    labels = {i: f"x{n}" if len(arrays) > 1 else "x" for n, i in enumerate(arrays)}
    return [Value(arg, label=labels[i], requires_grad=False) if i in labels else arg for i, arg in enumerate(args)]


def draw_boxes(
    output: Any,
    boxes: Mapping[str, Box],
    names: dict[str, Parameter],
    collapse: str | Iterable[str] | bool,
    options: dict[str, Any],
) -> Any:
    """The picture of an output: see `Module.draw`.

    Args:
        boxes: the Modules by their dotted names, an outer one before those inside it.
        names: the Parameters by their dotted names.
    """
    paths = _paths(boxes)
    nodes = [node.value for node in engine.Graph(output).nodes if node.value is not None and node.op]
    groups: dict[str, list[Value]] = {paths[name]: [*box.parameters, *filter(box.made, nodes)] for name, box in boxes.items()}
    if not isinstance(collapse, bool):
        collapse = [paths.get(name, name) for name in ([collapse] if isinstance(collapse, str) else collapse)]
    return engine.draw(output, names, collapse=collapse, groups=groups, **options)


def _paths(boxes: Mapping[str, Box]) -> dict[str, str]:
    """For each name, the titles of the boxes around it and its own: "2: Sequential.0: Linear(2, 16)"."""
    paths: dict[str, str] = {}
    for name, box in boxes.items():
        parent = max((outer for outer in paths if name.startswith(f"{outer}.")), key=len, default="")
        title = f"{name[len(parent) + 1 :] if parent else name}: {box.title}"
        paths[name] = f"{paths[parent]}.{title}" if parent else title
    return paths
