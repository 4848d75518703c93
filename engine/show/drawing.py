"""Pictures of the graph, through Graphviz.

    draw(loss)                                # the last line of a notebook cell shows it
    draw(loss, names=locals()).render("loss", format="png")
    draw({"mean": m, "spread": s}, depth=3)   # several outputs, the last three operations
    save(loss, "loss.svg")

A picture is made in four steps, each in a file of its own.  `graph` reads the recorded graph.  `scene` decides
which values and steps are shown.  This file makes Graphviz's nodes and edges from them, and `labels` gives
these their text and colours.  `layout` runs Graphviz.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import graphviz  # type: ignore[import-untyped]

from ..files import write_atomically
from ..value import Value
from .formats import to_json, to_mermaid, to_text
from .graph import Graph
from .labels import FONT, INK, LINE, derivative_label, frame_style, gradient_size, legend_label, reference_style, step_style, value_style
from .layout import Picture
from .scene import Scene, far_uses, rows

__all__ = ["draw", "draw_dot", "make_dot", "save"]


def draw(
    outputs: Any,
    names: Mapping[str, Any] | None = None,
    *,
    format: str = "svg",
    rankdir: str = "LR",
    depth: int | None = None,
    collapse: str | Iterable[str] | bool = (),
    groups: Mapping[str, Iterable[Value]] | None = None,
    max_nodes: int = 400,
    legend: bool = True,
) -> Picture:
    """The graph below some outputs as a picture.

    A box for each value shows its name, its number (of an array the shape and a summary) and its
    gradient, "—" before a backward pass; the colour of the box tells its role, the shade behind the
    gradient its size.  A dark node stands for each operation.  An arrow stands for each use of an operand,
    in the order of the operands; between scalars it carries the local derivative ∂result/∂operand.

    A graph that is much longer than it is wide is broken into rows, to be read like lines of text.  A value
    from another row is then repeated with a dashed border; so is one that is used far from where it stands, if
    there are many such uses.

    Args:
        outputs: a Value, or a list, tuple or dict of them; a dict names them.
        names: names for Values without a label, such as `locals()`.
        format: what `render` and `pipe` make by default: "svg", "png", "pdf", ...
        rankdir: the direction of reading: "LR", "TB", "RL" or "BT".
        depth: show only the values at most this many operations away from an output; "⋯" marks where the
            graph goes on.
        collapse: what to fold, each into one box: the label of a value, which is folded with everything that
            is computed for it alone; or the name of a group; True folds every outermost group.
        groups: name -> Values to be framed together; "a.b" lies within "a".
        max_nodes: the largest number of values that is drawn.
        legend: explain the colours below the picture.

    Raises:
        TypeError: `outputs` holds something that is not a Value.
        ValueError: more than `max_nodes` values, an unknown name in `collapse`, or an unknown `rankdir`.
    """
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is 'LR', 'TB', 'RL' or 'BT', not {rankdir!r}")
    in_part = bool(collapse) or depth is not None
    graph = Graph(outputs, names, depth=depth, limit=None if in_part else max_nodes)
    scene = Scene(graph, collapse, groups or {})
    count = len(scene.visible) if in_part else graph.total
    if count > max_nodes:
        raise ValueError(
            f"the picture would have {count} values, more than max_nodes={max_nodes}: it would be slow to lay out and hard to read. "
            "Show the end of the graph with depth=3, fold parts with collapse=[labels], draw an earlier value, or raise max_nodes"
        )
    return _picture(scene, format, rankdir, legend)


def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Picture:
    """`draw` under micrograd's name and with its arguments."""
    return draw(root, format=format, rankdir=rankdir)


def make_dot(var: Any, params: Mapping[str, Value] | None = None) -> Picture:
    """`draw` under torchviz's name and with its arguments; params: name -> Value."""
    return draw(var, names=params)


def save(outputs: Any, path: str | os.PathLike[str], names: Mapping[str, Any] | None = None, **options: Any) -> Path:
    """Write the graph to a file, in the form that its extension names; the file is replaced as a whole.

    .svg, .png and .pdf are pictures and .dot (or .gv) is their source, with `options` for `draw`; .json,
    .mmd (Mermaid) and .txt are the forms of `engine.show.formats`, which take none.

    Raises:
        ValueError: another extension.
        TypeError: options for a form that takes none.
    """
    path = Path(path)
    write_atomically(path, contents(outputs, path.name, names, **options))
    return path


def contents(outputs: Any, filename: str, names: Mapping[str, Any] | None = None, **options: Any) -> bytes:
    """What `save` writes to a file of that name."""
    kind = Path(filename).suffix.lower().lstrip(".")
    if form := {"json": to_json, "mmd": to_mermaid, "txt": to_text}.get(kind):
        if options:
            raise TypeError(f"{', '.join(options)} is for pictures, and {filename!r} is none; save it without, or end it in .svg")
        return form(outputs, names).encode()
    if kind in ("dot", "gv"):
        return draw(outputs, names, **options).source.encode()
    if kind in ("svg", "png", "pdf"):
        return draw(outputs, names, **options).pipe(kind)
    raise ValueError(f"cannot tell what to write to {filename!r}; end it in .svg, .png, .pdf, .dot, .json, .mmd or .txt")


# ── the nodes and edges ───────────────────────────────────────────────────────


class _Frames:
    """The frames of the groups: subgraphs of the picture, made when something is first drawn in them."""

    def __init__(self, picture: Picture, scene: Scene):
        self.scene = scene
        self.subgraphs: dict[str, graphviz.Digraph] = {"": picture}

    def __getitem__(self, group: str) -> graphviz.Digraph:
        outer = group
        while outer not in self.subgraphs:
            title = outer.removeprefix(self.scene.parent(outer)).lstrip(".")
            self.subgraphs[outer] = graphviz.Digraph(f"cluster_{len(self.subgraphs)}", graph_attr=frame_style(title))
            outer = self.scene.parent(outer)
        return self.subgraphs[group]

    def close(self) -> None:
        """Put each frame into the one around it."""
        if len(self.subgraphs) > 1:  # Graphviz's older ranking fails where values go to and fro between two frames
            self.subgraphs[""].attr(newrank="true")
        for group in sorted(self.subgraphs, reverse=True):  # an inner frame is complete before it enters the outer one
            if group:
                self.subgraphs[self.scene.parent(group)].subgraph(self.subgraphs[group])


def _picture(scene: Scene, format: str, rankdir: str, legend: bool) -> Picture:
    """The scene as nodes and edges of Graphviz."""
    nodes = scene.graph.nodes
    picture = Picture(
        "graph",
        format=format,
        graph_attr={"rankdir": rankdir, "bgcolor": "transparent", "fontname": FONT, "nodesep": "0.18", "ranksep": "0.22", "pad": "0.1"},
        node_attr={"fontname": FONT, "fontsize": "11", "shape": "plain", "fontcolor": INK},
        edge_attr={"fontname": FONT, "fontsize": "9", "color": LINE, "arrowsize": "0.7"},
    )
    frames = _Frames(picture, scene)
    sizes = {i: gradient_size(nodes[i].grad) for i in scene.visible}
    largest = max((size for size in sizes.values() if size is not None and math.isfinite(size)), default=0.0)
    row_of = rows(scene, rankdir in ("LR", "RL"))
    far = far_uses(scene, row_of)
    first_in: dict[int, str] = {}  # row -> the node that was drawn first in it
    drawn: set[str] = set()

    def box(i: int, row: int) -> str:
        """Draw a value in a row, unless it is there already, and return its key."""
        key = f"v{i}" if row_of[i] == row else f"v{i}r{row}"
        if key not in drawn:
            drawn.add(key)
            first_in.setdefault(row, key)
            style = value_style(nodes[i], sizes[i], largest) if row_of[i] == row else reference_style(nodes[i])
            frames[scene.group_of.get(i, "")].node(key, **style)
        return key

    for step in scene.steps:
        row = row_of[step.results[0]] if step.results else 0
        sources = []
        for source, _ in step.arrows:
            if (step.key, source) in far:
                sources.append(f"v{source}{step.key}")
                frames[step.group].node(sources[-1], **reference_style(nodes[source]))
            else:
                sources.append(box(source, row))
        frames[step.group].node(step.key, **step_style(step))
        first_in.setdefault(row, step.key)
        for key, (source, local) in zip(sources, step.arrows, strict=True):
            label = {} if local is None else {"label": derivative_label(local)}
            picture.edge(key, step.key, weight="4" if nodes[source].role in ("interior", "output") else "1", **label)
        for result in step.results:
            picture.edge(step.key, box(result, row), arrowhead="none", penwidth="2", weight="4")
    for i in scene.visible:
        box(i, row_of[i])

    frames.close()
    if len(first_in) > 1:  # keep the rows in their order
        with picture.subgraph(graph_attr={"rank": "same"}) as same:
            for above, below in pairwise(first_in[row] for row in sorted(first_in)):
                same.edge(above, below, style="invis")
    if legend:
        picture.attr(label=legend_label(scene, largest, len(first_in) > 1 or bool(far)), labelloc="b", labeljust="l")
    return picture
