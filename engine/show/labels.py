"""How the parts of a picture look: their colours, and their labels in Graphviz's HTML-like language.

Every fill is opaque and its text has a contrast of its own, and lines are of a middle grey: the picture reads
on a white page and on a dark one.
"""

from __future__ import annotations

import html
import math
import re
from typing import Any
from unicodedata import category

import numpy as np

from .graph import GraphNode
from .notation import FEW, UNKNOWN, number, shape_of, summary
from .scene import Scene, Step

__all__ = [
    "FONT",
    "INK",
    "LINE",
    "derivative_label",
    "frame_style",
    "gradient_size",
    "legend_label",
    "reference_style",
    "step_style",
    "value_style",
]

INK, MUTED, LINE = "#1c1c1e", "#63636a", "#8a8f98"
FILL = {"input": "#d7e7f7", "parameter": "#d9efd6", "constant": "#e8e8eb", "interior": "#fafaf8", "output": "#ecdcf5"}
BORDER = {"input": "#4a7fb5", "parameter": "#4f9a56", "constant": "#8e8e93", "interior": "#8a8f98", "output": "#8f5bb0"}
OPERATION, STRANGE = "#56606d", "#ff8a80"  # STRANGE: behind nan and infinity
LARGEST_GRADIENT = (242, 153, 44)
FONT = "Helvetica,Arial,sans-serif"


# ── values ────────────────────────────────────────────────────────────────────


def value_style(node: GraphNode, size: float | None, largest: float) -> dict[str, str]:
    """The box of a value: its name and shape, its number, and its gradient on the shade of its size."""
    role = _role(node)
    rows = []
    if node.is_number:
        rows.append(f'<TD CELLPADDING="3">{_font(number(node.data))}</TD>')
    else:
        name = _font(node.name, bold=True) if node.labelled else _font(node.name, MUTED, 9)
        shape = shape_of(node.data)
        rows.append(f'<TD COLSPAN="2">{name}{_font(f"  {shape}", MUTED, 9) if shape else ""}</TD>')
        rows.append(_row("value", node.data, "" if np.isfinite(node.data).all() else STRANGE))
        if node.requires_grad:
            rows.append(_row("grad", node.grad, "" if size is None else _shade(size, largest)))
    border = f'BORDER="{2 if role == "output" else 1}" COLOR="{BORDER[role]}" BGCOLOR="{FILL[role]}"'
    body = "".join(f"<TR>{row}</TR>" for row in rows)
    table = f'<TABLE {border} STYLE="ROUNDED" CELLBORDER="0" CELLSPACING="2" CELLPADDING="1">{body}</TABLE>'
    return {"tooltip": _value_tooltip(node), "label": f"<{table}>", "class": f"value {role}"}


def reference_style(node: GraphNode) -> dict[str, str]:
    """A value whose box stands elsewhere: its name with a dashed border."""
    role = _role(node)
    return {
        "tooltip": _value_tooltip(node),
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


def gradient_size(grad: Any) -> float | None:
    """The size of a gradient, for its shade: the root of the mean square of its elements; None before a pass."""
    if grad is None:
        return None
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(grad)))) if np.size(grad) else 0.0


def _shade(size: float, largest: float) -> str:
    """White for a gradient of 0, orange for the largest; by the square root in between, so that small ones still show."""
    if not math.isfinite(size):
        return STRANGE
    part = math.sqrt(size / largest) if size else 0.0
    return "#" + "".join(f"{round(255 + (color - 255) * part):02x}" for color in LARGEST_GRADIENT)


def _role(node: GraphNode) -> str:
    """The role that the colour shows; a value whose operands lie beyond the depth was computed, too."""
    return "interior" if node.is_cut and node.role == "input" else node.role


def _row(word: str, data: Any, fill: str) -> str:
    background = f' BGCOLOR="{fill}"' if fill else ""
    return f'<TD ALIGN="LEFT">{_font(word, MUTED, 9)}</TD><TD ALIGN="RIGHT"{background}>{_cell(data)}</TD>'


def _cell(data: Any) -> str:
    """The numbers of a value: a small matrix row by row; of a large array the mean below the range."""
    if np.ndim(data) == 2 and 0 < np.size(data) <= FEW:
        lines = [_font(summary(row)) for row in data]
    else:
        span, _, mean = summary(data).partition(", mean ")
        lines = [_font(span), _font(f"mean {mean}", INK, 9)] if mean else [_font(span)]
    return lines[0] if len(lines) == 1 else "".join(f'{line}<BR ALIGN="RIGHT"/>' for line in lines)


def _value_tooltip(node: GraphNode) -> str:
    parts = [node.name, f"= {node.data!r}" if not np.ndim(node.data) else f"= {shape_of(node.data)} {summary(node.data)}"]
    if node.grad is not None and not np.ndim(node.grad):
        parts.append(f"grad {node.grad!r}")
    return _tooltip(" ".join(parts))


# ── steps, arrows, frames ─────────────────────────────────────────────────────


def step_style(step: Step) -> dict[str, str]:
    """The dark node of an operation or a fold."""
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
        "tooltip": _tooltip(" ".join([step.title, *step.notes])),
        "class": step.kind,
        "ordering": "in",  # a - b: the arrow from a above that from b
    }


def derivative_label(local: float) -> str:
    """The local derivative on an arrow."""
    table = '<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="1" BGCOLOR="#f1f1f3">'
    return f"<{table}<TR><TD>{_font(number(local), INK, 9)}</TD></TR></TABLE>>"


def frame_style(name: str) -> dict[str, str]:
    """The frame around a group."""
    return {
        "label": f"<{_font(name, LINE, bold=True)}>",
        "style": "rounded",
        "color": LINE,
        "labeljust": "l",
        "margin": "8",
    }


# ── the legend ────────────────────────────────────────────────────────────────


def legend_label(scene: Scene, largest: float, wrapped: bool) -> str:
    """The legend: only what this picture shows."""
    nodes = [scene.graph.nodes[i] for i in scene.visible]
    roles = set(map(_role, nodes))
    swatch = '<TD BGCOLOR="{}" BORDER="1" COLOR="{}" CELLPADDING="2">{}</TD>'
    lines = ["".join(swatch.format(FILL[r], BORDER[r], _small("computed" if r == "interior" else r)) for r in FILL if r in roles)]
    if largest:
        sizes = [part * largest for part in (0, 0.01, 0.25, 1)]
        shades = "".join(swatch.format(_shade(size, largest), LINE, _small(number(size))) for size in sizes)
        lines.append(_left("size of the gradient") + shades)
    elif all(node.grad is None for node in nodes):
        lines.append(_left(f"grad {UNKNOWN}: no backward pass yet"))
    if any(not np.isfinite(data).all() for node in nodes for data in (node.data, node.grad) if data is not None):
        lines.append(swatch.format(STRANGE, LINE, _small("nan or infinite")))
    if any(local is not None for step in scene.steps for _, local in step.arrows):
        lines.append(_left("number on an arrow: ∂result / ∂operand"))
    if wrapped:
        lines.append(_left("dashed: a value that stands elsewhere"))
    if scene.graph.hidden:
        lines.append(_left(f"⋯ {scene.graph.hidden:,} more values beyond the depth"))
    rows = "".join(
        f'<TR><TD ALIGN="LEFT"><TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="0"><TR>{line}</TR></TABLE></TD></TR>'
        for line in lines
    )
    panel = f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1" BGCOLOR="#fafafa">{rows}</TABLE>'
    space = '<TR><TD HEIGHT="10"></TD></TR>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">{space}<TR><TD>{panel}</TD></TR></TABLE>>'


def _left(text: str) -> str:
    return f'<TD ALIGN="LEFT">{_small(text)}</TD>'


# ── text ──────────────────────────────────────────────────────────────────────


def _small(text: str) -> str:
    return _font(text, INK, 9)


def _font(text: str, color: str = INK, size: int = 11, bold: bool = False) -> str:
    marked = f"<B>{_escaped(text)}</B>" if bold else _escaped(text)
    return f'<FONT COLOR="{color}" POINT-SIZE="{size}">{marked}</FONT>'


def _escaped(text: str) -> str:
    """Text for an HTML-like label, to be shown as written.

    Graphviz would read \\N as the node's name, and two backslashes as one; an empty change of font between them prevents it.
    """
    escaped = re.sub(r"\\([NGETHL\\])", r"\\<FONT>\1</FONT>", html.escape(_printable(text)))
    return re.sub(r"^ | $|(?<= ) ", "&#160;", escaped, flags=re.MULTILINE).replace("\n", "<BR/>")


def _tooltip(text: str) -> str:
    """Text for a tooltip.  Graphviz reads a backslash there as an escape of its own, twice, so ⧵ stands in for it."""
    return html.escape(_printable(text.replace("\n", " "))).replace("\\", "⧵")


def _printable(text: str) -> str:
    """Text that XML can hold: a tab as spaces, other control characters and half surrogate pairs as �."""
    text = text.replace("\t", "    ")
    return "".join("�" if c != "\n" and category(c) in ("Cc", "Cs", "Cn") else c for c in text)
