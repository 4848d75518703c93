"""Pictures of the graph, through Graphviz.

    draw(loss)                                # the last line of a notebook cell shows it
    draw(loss, names=locals()).render("loss", format="png")
    draw({"mean": m, "spread": s}, depth=3)   # several outputs, the last three operations
    save(loss, "loss.svg")

`draw` returns a `graphviz.Digraph`.  It is laid out by the `dot` program where that is on the PATH, and
otherwise by the Graphviz library that the pygraphviz wheel carries, so nothing but pip is needed.
"""

from __future__ import annotations

import atexit
import html
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import category

import graphviz  # type: ignore[import-untyped]
import numpy as np

from ..files import write_atomically
from ..value import Value
from . import formats
from .formats import is_number, number, parameters, shape_of, summary
from .graph import Graph, GraphNode

__all__ = ["Picture", "draw", "draw_dot", "make_dot", "save"]

# Every fill is opaque and its text has a contrast of its own, and lines are of a middle grey: the picture
# reads on a white page and on a dark one.
INK, MUTED, LINE = "#1c1c1e", "#63636a", "#8a8f98"
FILL = {"input": "#d7e7f7", "parameter": "#d9efd6", "constant": "#e8e8eb", "interior": "#fafaf8", "output": "#ecdcf5"}
EDGE = {"input": "#4a7fb5", "parameter": "#4f9a56", "constant": "#8e8e93", "interior": "#8a8f98", "output": "#8f5bb0"}
OPERATION, HOT, STRANGE = "#56606d", (242, 153, 44), "#ff8a80"
LEAVES = ("input", "parameter", "constant")
FONT = "Helvetica,Arial,sans-serif"


# ── the picture as a Digraph ──────────────────────────────────────────────────


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that needs no `dot` on the PATH, and whose files appear whole or not at all."""

    def pipe(
        self,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        *,
        engine: str | None = None,
        encoding: str | None = None,
    ) -> Any:
        """The picture as bytes, or as text with an encoding; the arguments are `graphviz.Digraph.pipe`'s."""
        format, engine = (format or self.format).lower(), engine or self.engine
        sharper = format in ("png", "jpg", "jpeg", "gif") and "dpi" not in self.graph_attr
        if sharper:
            self.graph_attr["dpi"] = "144"
        try:
            if shutil.which(engine):
                return super().pipe(
                    format,
                    renderer=renderer,
                    formatter=formatter,
                    neato_no_op=neato_no_op,
                    quiet=quiet,
                    engine=engine,
                    encoding=encoding,
                )
            made = _lay_out(self.source, ":".join(filter(None, (format, renderer, formatter))), engine)
            return made if encoding is None else made.decode(encoding)
        finally:
            if sharper:
                del self.graph_attr["dpi"]

    def save(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        skip_existing: bool | None = False,
    ) -> str:
        """Write the DOT source to directory/filename, and return that path."""
        if filename is not None:
            self.filename = os.fspath(filename)
        if directory is not None:
            self.directory = os.fspath(directory)
        if not (skip_existing and os.path.exists(self.filepath)):
            os.makedirs(os.path.dirname(self.filepath) or ".", exist_ok=True)
            write_atomically(self.filepath, self.source)
        return self.filepath

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        quiet_view: bool = False,
        *,
        outfile: str | os.PathLike[str] | None = None,
        engine: str | None = None,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
    ) -> str:
        """Write the DOT source and the picture, and return the picture's path; as `graphviz.Digraph.render`."""
        if outfile is not None:
            outfile = Path(outfile)
            format = format or outfile.suffix.lstrip(".") or None
            filename = filename or outfile.with_suffix(f".{self._default_extension}")
        suffix = ".".join(filter(None, (formatter, renderer, format or self.format)))
        made = self.pipe(format, renderer, formatter, neato_no_op, quiet, engine=engine)  # first, so that a failure leaves no file
        source = self.save(filename, directory)
        target = os.fspath(outfile) if outfile is not None else f"{source}.{suffix}"
        if raise_if_result_exists and os.path.exists(target):
            raise graphviz.FileExistsError(f"output file exists: {target!r}")
        if os.path.abspath(target) == os.path.abspath(source) and not overwrite_source:
            raise ValueError(f"the picture would replace its own source {source!r}; give another outfile")
        write_atomically(target, made)
        if cleanup:
            os.remove(source)
        if view or quiet_view:
            self._view(target, format=format or self.format, quiet=quiet_view)
        return target


_CHILD = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog=sys.argv[2]))
"""


def _lay_out(source: str, format: str, engine: str) -> bytes:
    """What `engine -Tformat` would print, from the library in pygraphviz.

    It runs in a process of its own, as the program would: Graphviz is known to end its process on some graphs.
    """
    command = [sys.executable, "-P", "-c", _CHILD, format, engine]
    fonts = _lent_fonts(needed=not format.startswith("svg"))
    done = subprocess.run(command, input=source.encode(errors="replace"), capture_output=True, env=os.environ | fonts, check=False)
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if not line.startswith("Fontconfig")]
        reason = next((line for line in said if line.startswith("Error")), said[-1] if said else f"exit status {done.returncode}")
        raise ValueError(f"Graphviz could not make {format!r} with {engine!r}: {reason}")
    return done.stdout


@cache
def _lent_fonts(needed: bool) -> dict[str, str]:
    """On a Linux without any font, as containers are, the setting that lends Graphviz matplotlib's, if that is installed.

    Without a font an SVG is still good, since its viewer has one, but a PNG or PDF has boxes for letters.
    """
    settings = Path("/etc/fonts/fonts.conf")
    if not sys.platform.startswith("linux") or "FONTCONFIG_FILE" in os.environ:
        return {}
    folders = re.findall(r"<dir>(.*?)</dir>", settings.read_text()) if settings.exists() else []
    if any(files for folder in folders for _, _, files in os.walk(os.path.expanduser(folder))):
        return {}
    if (found := find_spec("matplotlib")) is None or found.origin is None:
        if needed:
            warnings.warn(
                "this system has no fonts, so the picture shows boxes for letters: draw an SVG, or install matplotlib", stacklevel=4
            )
        return {}
    fonts = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    chosen = '<edit name="family" mode="assign" binding="strong"><string>DejaVu Sans</string></edit>'
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as file:
        file.write(f'<fontconfig><dir>{html.escape(str(fonts))}</dir><match target="pattern">{chosen}</match></fontconfig>')
    atexit.register(os.unlink, file.name)
    return {"FONTCONFIG_FILE": file.name}


# ── what people call ──────────────────────────────────────────────────────────


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
    gradient its size.  A dark node stands for each operation.  An arrow for each use of an operand
    carries the local derivative ∂result/∂operand, between scalars; they arrive in the order of the
    operands.  A graph much longer than it is wide
    is broken into rows, read like lines of text; a value of another row is then repeated with a dashed
    border.

    Args:
        outputs: a Value, or a list, tuple or dict of them; a dict names them.
        names: names for Values without a label, such as `locals()`.
        format: what `render` and `pipe` make by default: "svg", "png", "pdf", ...
        rankdir: the direction of reading: "LR", "TB", "RL" or "BT".
        depth: show only the values at most this many operations away from an output; "⋯" marks where the
            graph goes on.
        collapse: fold into one box each of these: the label of a value, with everything that is computed
            for it alone; or the name of a group; True folds every outermost group.
        groups: name -> Values to be framed together; "a.b" lies within "a".
        max_nodes: refuse to draw more values than that.
        legend: explain the colours below the picture.

    Raises:
        ValueError: more than `max_nodes` values, or an unknown name in `collapse`.
    """
    if rankdir not in ("LR", "TB", "RL", "BT"):
        raise ValueError(f"rankdir is 'LR', 'TB', 'RL' or 'BT', not {rankdir!r}")
    folding = collapse is True or bool(collapse)
    graph = Graph(outputs, names, depth=depth, limit=None if folding or depth is not None else max_nodes + 1)
    scene = _Scene(graph, collapse, groups or {})
    count = len(scene.visible) if folding or depth is not None else graph.total
    if count > max_nodes:
        raise ValueError(
            f"the picture would have {count} values, more than max_nodes={max_nodes}: it would be slow to lay out and hard to read. "
            "Show the end of the graph with depth=3, fold parts with collapse=[labels], draw an earlier value, or raise max_nodes"
        )
    return _paint(scene, format, rankdir, legend)


def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Picture:
    """`draw` under the name and with the arguments of micrograd's."""
    return draw(root, format=format, rankdir=rankdir)


def make_dot(var: Any, params: Mapping[str, Value] | None = None) -> Picture:
    """`draw` under the name and with the arguments of torchviz's; params: name -> Value."""
    return draw(var, names=params)


def save(outputs: Any, path: str | os.PathLike[str], names: Mapping[str, Any] | None = None, **options: Any) -> Path:
    """Write the graph to a file, in the form that its extension names; the file is replaced as a whole.

    .svg, .png and .pdf are pictures and .dot (or .gv) is their source, with `options` for `draw`; .json,
    .mmd (Mermaid) and .txt are the forms of `engine.show.formats`.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    written = {"json": formats.to_json, "mmd": formats.to_mermaid, "txt": formats.to_text}
    data: str | bytes
    if kind in written:
        data = written[kind](outputs, names)
    elif kind in ("dot", "gv"):
        data = draw(outputs, names, **options).source
    elif kind in ("svg", "png", "pdf"):
        data = draw(outputs, names, **options).pipe(kind)
    else:
        raise ValueError(f"cannot tell what to write to {path.name!r}; end it in .svg, .png, .pdf, .dot, .json, .mmd or .txt")
    write_atomically(path, data)
    return path


# ── what is shown ─────────────────────────────────────────────────────────────


@dataclass
class _Step:
    """A dark node: an operation, a fold of several, or the mark of what lies beyond the depth."""

    key: str
    kind: str  # "operation", "fold", "more"
    title: str
    notes: list[str]
    arrows: list[tuple[int, float | None]]  # (source, local derivative)
    results: list[int]
    frame: str  # the group that it stands in


class _Scene:
    """The graph after folding: which values are boxes, which steps lead to them, and the frame around each.

    Attributes:
        visible: the indices of the values that have a box.
        steps: the dark nodes, in the order of computation.
        frame: value -> the group whose frame holds its box; outside of all if it has none.
    """

    def __init__(self, graph: Graph, collapse: str | Iterable[str] | bool, groups: Mapping[str, Iterable[Value]]):
        self.graph, self.groups = graph, groups
        self.users: list[list[int]] = [[] for _ in graph.nodes]
        for node in graph.nodes:
            for edge in node.edges:
                self.users[edge.source].append(node.index)
        self.frame = self._members()
        self.folds: dict[str, list[int]] = {}
        self.fold_of: dict[int, str] = {}
        for name in self._wanted(collapse):
            self.folds[name] = self._folded(name)
            self.fold_of |= dict.fromkeys(self.folds[name], name)
        self.visible = [node.index for node in graph.nodes if self._is_visible(node.index)]
        self.steps = self._steps()
        for i, fold in self.fold_of.items():
            if fold in groups:
                self.frame[i] = self.around(fold)

    def _members(self) -> dict[int, str]:
        """The group of each value: the longest path that lists it.  A number of the formula belongs where it is used."""
        paths: dict[Value, str] = {}
        for path, members in self.groups.items():
            paths |= {value: path for value in members if len(path) >= len(paths.get(value, ""))}
        found = {node.index: paths[node.value] for node in self.graph.nodes if node.value is not None and node.value in paths}
        for node in self.graph.nodes:
            if is_number(node) and self.users[node.index] and (group := found.get(self.users[node.index][0])):
                found.setdefault(node.index, group)
        return found

    def around(self, path: str) -> str:
        """The group that a group lies in: "a.b" for "a.b.c", or "a" if there is no group "a.b"; "" for an outermost one."""
        while path := path.rpartition(".")[0]:
            if path in self.groups:
                break
        return path

    def _wanted(self, collapse: str | Iterable[str] | bool) -> list[str]:
        if collapse is True:
            return [path for path in self.groups if not self.around(path)]
        return [collapse] if isinstance(collapse, str) else list(collapse or ())

    def _folded(self, name: str) -> list[int]:
        """The indices of what a group or a label folds."""
        nodes = self.graph.nodes
        members = [i for i, path in self.frame.items() if f"{path}.".startswith(f"{name}.")]
        if members or name in self.groups:  # a group may have no part in this graph
            return sorted(members)
        inside = {node.index for node in nodes if node.name == name and node.edges}
        if not inside:
            known = [*self.groups, *(node.name for node in nodes if node.labelled and node.edges)]
            raise ValueError(f"collapse={name!r} names neither a group nor a computed value; this graph has {', '.join(known) or 'none'}")
        for node in reversed(nodes[: max(inside)]):  # what only these use is theirs
            given = not node.edges and not _goes_on(node) and not is_number(node)
            if not given and self.users[node.index] and inside.issuperset(self.users[node.index]):
                inside.add(node.index)
        return sorted(inside)

    def _is_visible(self, i: int) -> bool:
        """Whether a value is outside of any fold, or the result of one."""
        fold = self.fold_of.get(i)
        return fold is None or i in self.graph.outputs or any(self.fold_of.get(user) != fold for user in self.users[i])

    def _steps(self) -> list[_Step]:
        steps: dict[str, _Step] = {}
        shown = set(self.visible)
        for node in self.graph.nodes:
            fold, key = self.fold_of.get(node.index), f"op{node.index}"
            if fold is not None:
                self._enter(node, fold, steps, shown)
            elif node.edges:
                arrows = [(edge.source, edge.local) for edge in node.edges]
                steps[key] = _Step(key, "operation", node.op, parameters(node), arrows, [node.index], self.frame.get(node.index, ""))
            elif _goes_on(node):
                steps[key] = _Step(key, "more", "⋯", [], [], [node.index], self.frame.get(node.index, ""))
        return list(steps.values())

    def _enter(self, node: GraphNode, fold: str, steps: dict[str, _Step], shown: set[int]) -> None:
        """Add a folded node to its fold's step: one arrow from each value outside, one link to each result."""
        if fold not in steps:
            members = [self.graph.nodes[i] for i in self.folds[fold]]
            frame = self.around(fold) if fold in self.groups else self.frame.get(members[-1].index, "")
            count = sum(step.kind == "fold" for step in steps.values())
            title = fold.removeprefix(f"{frame}.") if fold in self.groups else fold
            steps[fold] = _Step(f"fold{count}", "fold", title, _contents(members), [], [], frame)
        step = steps[fold]
        if node.edges and node.index in shown:
            step.results.append(node.index)
        for edge in node.edges:
            within = self.fold_of.get(edge.source) == fold and self.graph.nodes[edge.source].edges
            if edge.source in shown and not within and (edge.source, None) not in step.arrows:
                step.arrows.append((edge.source, None))


def _goes_on(node: GraphNode) -> bool:
    """Whether it was computed from values that are beyond the depth."""
    return node.value is not None and not node.value.is_leaf and not node.edges


def _contents(members: list[GraphNode]) -> list[str]:
    """What a fold hides, in words."""
    operations = sum(bool(node.edges) for node in members)
    numbers = sum(int(np.size(node.data)) for node in members if node.role == "parameter")
    counted = ((numbers, "parameter"), (operations, "operation"))
    return [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counted if count]


def _rows(scene: _Scene, sideways: bool) -> dict[int, int]:
    """The row of each visible value; all 0 unless the graph is much longer than it is wide.

    A value's column is one more than the largest column of its operands, a leaf's one less than that of
    its first user.  The rows are as many as make the picture somewhat wider than high.
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
    along, across = (130, 75) if sideways else (100, 130)  # points, roughly, from a column to the next and from a value to the next
    length, breadth = columns * along, across * max(np.bincount(list(column.values())))
    if scene.groups or columns <= 10 or length < 3 * breadth:
        return dict.fromkeys(scene.visible, 0)
    rows = max(2, round(math.sqrt(length / breadth / 1.7 if sideways else length / breadth * 1.2)))
    per_row = math.ceil(columns / rows)
    return {i: max(0, column[i] - 1) // per_row for i in scene.visible}


# ── how it looks ──────────────────────────────────────────────────────────────


def _paint(scene: _Scene, format: str, rankdir: str, legend: bool) -> Picture:
    nodes = scene.graph.nodes
    picture = Picture(
        "graph",
        format=format,
        graph_attr={"rankdir": rankdir, "bgcolor": "transparent", "fontname": FONT, "nodesep": "0.18", "ranksep": "0.22", "pad": "0.1"},
        node_attr={"fontname": FONT, "fontsize": "11", "shape": "plain", "fontcolor": INK},
        edge_attr={"fontname": FONT, "fontsize": "9", "color": LINE, "arrowsize": "0.7"},
    )
    frames = {"": picture}
    sizes = {i: _size(nodes[i].grad) for i in scene.visible}
    largest = max((size for size in sizes.values() if size is not None and math.isfinite(size)), default=0.0)
    rows = _rows(scene, rankdir in ("LR", "RL"))
    starts: dict[int, str] = {}  # row -> the node that it starts with
    drawn: set[str] = set()

    def frame(path: str) -> graphviz.Digraph:
        outer = path
        while outer not in frames:
            title = outer.removeprefix(scene.around(outer)).lstrip(".")
            frames[outer] = graphviz.Digraph(f"cluster_{len(frames)}", graph_attr=_frame_style(title))
            outer = scene.around(outer)
        return frames[path]

    def box(i: int, row: int) -> str:
        """The key of a value's box in a row, drawn now if it isn't yet."""
        key = f"v{i}" if rows[i] == row else f"v{i}r{row}"
        if key not in drawn:
            drawn.add(key)
            starts.setdefault(row, key)
            look = _box(nodes[i], sizes[i], largest) if rows[i] == row else _reference(nodes[i])
            frame(scene.frame.get(i, "")).node(key, tooltip=_tooltip(nodes[i]), **look)
        return key

    for step in scene.steps:
        row = rows[step.results[0]] if step.results else 0
        sources = [box(source, row) for source, _ in step.arrows]
        frame(step.frame).node(step.key, **_pill(step))
        starts.setdefault(row, step.key)
        for key, (source, local) in zip(sources, step.arrows, strict=True):
            label = {} if local is None else {"label": f"<{_chip(number(local))}>"}
            picture.edge(key, step.key, weight="1" if nodes[source].role in LEAVES else "4", **label)
        for result in step.results:
            picture.edge(step.key, box(result, row), arrowhead="none", penwidth="2", weight="4")
    for i in scene.visible:
        box(i, rows[i])

    if len(frames) > 1:
        picture.attr(newrank="true")  # ranks across frames; the older way fails where values go to and fro between two
    for path in sorted(frames, reverse=True):  # an inner frame is complete before it enters the outer one
        if path:
            frames[scene.around(path)].subgraph(frames[path])
    if len(starts) > 1:  # the rows in their order
        with picture.subgraph(graph_attr={"rank": "same"}) as same:
            for above, below in pairwise(starts[row] for row in sorted(starts)):
                same.edge(above, below, style="invis")
    if legend:
        picture.attr(label=f"<{_legend(scene, largest, len(starts) > 1)}>", labelloc="b", labeljust="l")
    return picture


def _size(grad: Any) -> float | None:
    """The size of a gradient, for its shade: the root of the mean square of its elements."""
    if grad is None:
        return None
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(grad)))) if np.size(grad) else 0.0


def _shade(size: float | None, largest: float) -> str:
    """White for 0 to orange for the largest; the square root in between, so that small ones still show."""
    if size is not None and not math.isfinite(size):
        return STRANGE
    part = math.sqrt(size / largest) if size and largest else 0.0
    return "#" + "".join(f"{round(255 + (hot - 255) * part):02x}" for hot in HOT)


def _text(text: str) -> str:
    """Text inside an HTML-like label, as written."""
    escaped = re.sub(
        r"\\([NGETHL\\])", r"\\<FONT>\1</FONT>", html.escape(_visible(text))
    )  # Graphviz would read \N as the node's name, and two backslashes as one
    return re.sub(r"^ | $|(?<= ) ", "&#160;", escaped, flags=re.MULTILINE).replace("\n", "<BR/>")


def _visible(text: str) -> str:
    """Text that XML can hold: tabs as spaces, other control characters and halves of characters as �."""
    text = text.replace("\t", "    ")
    return "".join("�" if c != "\n" and category(c) in ("Cc", "Cs", "Cn") else c for c in text)


def _font(text: str, color: str = INK, size: int = 11, bold: bool = False) -> str:
    marked = f"<B>{_text(text)}</B>" if bold else _text(text)
    return f'<FONT COLOR="{color}" POINT-SIZE="{size}">{marked}</FONT>'


def _role(node: GraphNode) -> str:
    """The role that its colour tells; what lies at the depth is a result like any other."""
    return "interior" if _goes_on(node) and node.role == "input" else node.role


def _box(node: GraphNode, size: float | None, largest: float) -> dict[str, str]:
    role = _role(node)
    rows = []
    if is_number(node):
        rows.append(f'<TD CELLPADDING="3">{_font(number(node.data))}</TD>')
    else:
        name = _font(node.name, bold=True) if node.labelled else _font(node.name, MUTED, 9)
        shape = shape_of(node.data)
        rows.append(f'<TD COLSPAN="2">{name}{_font(f"  {shape}", MUTED, 9) if shape else ""}</TD>')
        rows.append(_row("value", node.data, "" if np.isfinite(node.data).all() else STRANGE))
        if node.value is not None and node.value.requires_grad:
            rows.append(_row("grad", node.grad, "" if size is None else _shade(size, largest)))
    border = f'BORDER="{2 if role == "output" else 1}" COLOR="{EDGE[role]}" BGCOLOR="{FILL[role]}"'
    body = "".join(f"<TR>{row}</TR>" for row in rows)
    table = f'<TABLE {border} STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="2" CELLPADDING="1">{body}</TABLE>'
    return {"label": f"<{table}>", "class": f"value {role}"}


def _row(word: str, data: Any, fill: str) -> str:
    background = f' BGCOLOR="{fill}"' if fill else ""
    return f'<TD ALIGN="LEFT">{_font(word, MUTED, 9)}</TD><TD ALIGN="RIGHT"{background}>{_lines(data)}</TD>'


def _reference(node: GraphNode) -> dict[str, str]:
    """A value whose box stands in another row."""
    role = _role(node)
    return {
        "label": f"<{_font(node.name, bold=node.labelled)}>",
        "class": f"reference {role}",
        "shape": "box",
        "style": "rounded,filled,dashed",
        "color": MUTED,
        "fillcolor": FILL[role],
        "penwidth": "1.2",
        "margin": "0.08,0.03",
        "width": "0.2",
        "height": "0",
    }


def _lines(data: Any) -> str:
    """The numbers of a value as the lines of its cell: a small matrix row by row, of others the mean below the range."""
    if np.ndim(data) == 2 and 0 < np.size(data) <= formats.FEW:
        lines = [_font(summary(row)) for row in data]
    else:
        span, _, mean = summary(data).partition(", mean ")
        lines = [_font(span), _font(f"mean {mean}", INK, 9)] if mean else [_font(span)]
    return lines[0] if len(lines) == 1 else "".join(f'{line}<BR ALIGN="RIGHT"/>' for line in lines)


def _pill(step: _Step) -> dict[str, str]:
    lines = [_font(step.title, "#ffffff", 12, bold=True), *(_font(note, "#e2e6eb", 8) for note in step.notes)]
    return {
        "label": f"<{'<BR/>'.join(lines)}>",
        "shape": "box",
        "style": "rounded,filled",
        "color": OPERATION,
        "fillcolor": OPERATION,
        "margin": "0.07,0.03",
        "width": "0.25",
        "height": "0.25",
        "tooltip": _escape_tooltip(" ".join([step.title, *step.notes])),
        "class": step.kind,
        "ordering": "in",  # a - b: the arrow from a above that from b
    }


def _chip(text: str) -> str:
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="1" BGCOLOR="#f1f1f3">'
    return f"{table}<TR><TD>{_font(text, INK, 9)}</TD></TR></TABLE>"


def _frame_style(name: str) -> dict[str, str]:
    return {
        "label": f"<{_font(name, '#8a8f98', 11, bold=True)}>",
        "style": "rounded",
        "color": LINE,
        "labeljust": "l",
        "margin": "8",
    }


def _legend(scene: _Scene, largest: float, wrapped: bool) -> str:
    nodes = [scene.graph.nodes[i] for i in scene.visible]
    roles = set(map(_role, nodes))
    words = {"interior": "computed"}
    swatch = '<TD BGCOLOR="{}" BORDER="1" COLOR="{}" CELLPADDING="2">{}</TD>'
    lines = ["".join(swatch.format(FILL[role], EDGE[role], _font(words.get(role, role), INK, 9)) for role in FILL if role in roles)]
    if largest:
        shades = "".join(
            swatch.format(_shade(part * largest, largest), LINE, _font(number(part * largest), INK, 9)) for part in (0, 0.01, 0.25, 1)
        )
        lines.append(f'<TD ALIGN="LEFT">{_font("size of the gradient", INK, 9)}</TD>{shades}')
    elif all(node.grad is None for node in nodes):
        lines.append(f'<TD ALIGN="LEFT">{_font(f"grad {formats.NOTHING}: no backward pass yet", INK, 9)}</TD>')
    if any(not np.isfinite(data).all() for node in nodes for data in (node.data, node.grad) if data is not None):
        lines.append(swatch.format(STRANGE, LINE, _font("nan or infinite", INK, 9)))
    if any(local is not None for step in scene.steps for _, local in step.arrows):
        lines.append(f'<TD ALIGN="LEFT">{_font("number on an arrow: ∂result / ∂operand", INK, 9)}</TD>')
    if wrapped:
        lines.append(f'<TD ALIGN="LEFT">{_font("dashed: a value from another row", INK, 9)}</TD>')
    hidden = scene.graph.total - sum(node.value is not None for node in scene.graph.nodes)
    if hidden:
        lines.append(f'<TD ALIGN="LEFT">{_font(f"⋯ {hidden:,} more values beyond the depth", INK, 9)}</TD>')
    rows = "".join(
        f'<TR><TD ALIGN="LEFT"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="0"><TR>{line}</TR></TABLE></TD></TR>'
        for line in lines
    )
    panel = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1" BGCOLOR="#fafafa">{rows}</TABLE>'
    return (
        f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR><TD HEIGHT="10"></TD></TR><TR><TD>{panel}</TD></TR></TABLE>'
    )


def _tooltip(node: GraphNode) -> str:
    parts = [node.name, f"= {node.data!r}" if not np.ndim(node.data) else f"= {shape_of(node.data)} {summary(node.data)}"]
    if node.grad is not None and not np.ndim(node.grad):
        parts.append(f"grad {node.grad!r}")
    return _escape_tooltip(" ".join(parts))


def _escape_tooltip(text: str) -> str:
    """Text of a tooltip: Graphviz reads a backslash there as its own escape, twice over, so a look-alike stands in."""
    return html.escape(_visible(text.replace("\n", " "))).replace("\\", "⧵")
