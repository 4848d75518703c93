"""Pictures read back from their SVG, and graphs to draw."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from typing import NamedTuple

import graphviz
import numpy as np
from hypothesis import strategies as st

from engine import Parameter, Value

SVG = "{http://www.w3.org/2000/svg}"


class Box(NamedTuple):
    """A node of the SVG."""

    kind: str  # value, reference, operation, fold, more
    role: str
    lines: list[str]
    x: float
    y: float
    fills: list[str]  # of its background and cells, in the order of painting
    tooltip: str


class Read(NamedTuple):
    """What the SVG shows."""

    boxes: dict[str, Box]
    arrows: list[tuple[str, str, str]]  # (from, to, label)
    links: list[tuple[str, str]]  # from a step to its result
    frames: list[str]
    legend: str
    size: tuple[float, float]

    def kinds(self) -> Counter[str]:
        return Counter(box.kind for box in self.boxes.values())

    def box(self, first_line: str, kind: str = "value") -> Box:
        (found,) = [b for b in self.boxes.values() if b.lines[0].strip() == first_line and b.kind == kind]
        return found


def texts(group: ET.Element) -> list[str]:
    """The texts of a group; neighbours of one size on one height are one."""
    found: list[tuple[tuple[str, ...], str]] = []
    for text in group.iter(f"{SVG}text"):
        place = (text.attrib["y"], text.attrib["font-size"])
        words = "".join(text.itertext()).replace("\xa0", " ")
        if found and found[-1][0] == place:
            words = found.pop()[1] + words
        found.append((place, words))
    return [words for _, words in found]


def read(picture: graphviz.Digraph) -> Read:
    root = ET.fromstring(picture.pipe("svg"))
    boxes, arrows, links, frames = {}, [], [], []
    legend = ""
    for group in root.iter(f"{SVG}g"):
        classes = group.get("class", "").split()
        title = group.findtext(f"{SVG}title", "")
        if classes[:1] == ["node"]:
            shapes = [s for s in group.iter() if s.tag in (f"{SVG}path", f"{SVG}polygon") and s.get("fill") != "none"]
            outline = re.findall(r"(-?[\d.]+),(-?[\d.]+)", (shapes[0].get("d") or shapes[0].get("points") or ""))
            x, y = map(float, np.mean([[float(x), float(y)] for x, y in outline], axis=0))
            fills = [shape.get("fill", "") for shape in shapes]
            hint = next((a.attrib["{http://www.w3.org/1999/xlink}title"] for a in group.iter(f"{SVG}a")), "")
            boxes[title] = Box(classes[1], "".join(classes[2:]), texts(group), x, y, fills, hint)
        elif classes == ["edge"]:
            source, target = title.split("->")
            if group.find(f".//{SVG}polygon[@fill='#8a8f98']") is not None:
                arrows.append((source, target, "".join(texts(group))))
            else:
                links.append((source, target))
        elif classes == ["cluster"]:
            frames.append("".join(texts(group)))
        elif classes == ["graph"]:
            legend = " ".join("".join(text.itertext()) for text in group.findall(f"{SVG}text"))
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    return Read(boxes, arrows, links, frames, legend, (width, height))


def neuron() -> Value:
    """The neuron of the README."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Parameter(-3.0, label="w1"), Parameter(1.0, label="w2")
    b = Parameter(6.8813735870195432, label="b")
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.label = "o"
    return o


def chain(operations: int) -> Value:
    """sin(sin(... sin(x)))."""
    v = Value(0.5, label="x")
    for _ in range(operations):
        v = v.sin()
    return v


@st.composite
def graphs(draw: st.DrawFn, arrays: bool = False) -> list[Value]:
    """Small random graphs with shared values, repeated operands and numbers in the formula; all of their values."""
    values = [Value(draw(st.floats(-2, 2)), label=name) for name in "ab"]
    values.append(Value([draw(st.floats(-2, 2)), 1.0], label="c") if arrays else Parameter(draw(st.floats(-2, 2)), label="c"))
    for _ in range(draw(st.integers(0, 8))):
        x, y = (draw(st.sampled_from(values)) for _ in "xy")
        operation = draw(st.sampled_from([np.add, np.multiply, np.maximum, np.tanh, np.square]))
        values.append(operation(x) if operation.nin == 1 else operation(x, draw(st.sampled_from([y, 1.5]))))
    return values
