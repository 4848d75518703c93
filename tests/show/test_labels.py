"""How the parts of a picture look: labels, numbers, colours and the legend."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given, settings, strategies as st

from engine import Value, draw
from tests.show.pictures import SVG, neuron, read


@settings(max_examples=8)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Z"]), min_size=1, max_size=12), min_size=8, max_size=20))
def test_labels_come_out_as_written(labels: list[str]) -> None:
    shown = read(draw([Value(1.0, label=label) for label in labels]))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == labels


def test_awkward_labels_come_out_as_written() -> None:
    labels = ["<b>&amp;{x|y}\"'", r"\N\G\l\n\\", "&#60;", "learning rate", "a  b", " lead", "∂loss/∂w₁ 漢", "--", "<TABLE>", "%d", "tail "]
    shown = read(draw({label: Value(1.0) for label in labels}))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == labels


def test_labels_that_xml_cannot_hold_still_draw() -> None:
    labels = ["a\nb", "tab\there", "\x00\x1b[0m", "\ud800", ""]
    shown = read(draw([Value(1.0, label=label) for label in labels]))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == ["a", "tab    here", "��[0m", "�", "v4"]
    assert shown.boxes["v0"].lines[1] == "b"


def test_tensors_show_shape_and_summary() -> None:
    x = Value(np.linspace(-1, 1, 200).reshape(20, 10), label="x")
    w = Value(np.ones((10, 1), np.float32), label="w")
    m = Value([[1.0, 2.0], [3.0, 4.0]], label="m")
    loss = (x @ w).sum() + m.sum()
    loss.backward()
    shown = read(draw(loss))
    assert shown.box("x").lines[1].strip() == "(20, 10)"
    whole = {" ".join(box.lines) for box in shown.boxes.values()}
    assert any("-1.0 … 1.0" in text and "mean 0.0" in text for text in whole)
    assert any("(10, 1) float32" in text and "all 1.0" in text for text in whole)
    assert any("[1.0, 2.0]" in text and "[3.0, 4.0]" in text for text in whole)


def test_parameters_of_an_operation_are_shown() -> None:
    shown = read(draw(Value(np.ones((2, 3)), label="x").sum(axis=1, keepdims=True)))
    (operation,) = [box for box in shown.boxes.values() if box.kind == "operation"]
    assert operation.lines[0].strip() == "sum"
    assert {"axis=1", "keepdims=True"} <= {line.strip() for line in operation.lines}


def test_larger_gradients_are_shaded_darker_and_broken_ones_marked() -> None:
    def lightness(color: str) -> int:
        return sum(int(color[i : i + 2], 16) for i in (1, 3, 5))

    a, b, c = Value(1.0, label="a"), Value(1.0, label="b"), Value(1.0, label="c")
    (100 * a + 10 * b + 0 * c).backward()
    shown = read(draw(100 * a + 10 * b + 0 * c))
    shades = [lightness(shown.box(name).fills[-1]) for name in "abc"]
    assert shades[0] < shades[1] < shades[2] == lightness("#ffffff")
    broken = Value(-1.0, label="x").log()
    assert "nan" in read(draw({"nan": broken})).box("nan").lines
    assert len(set(read(draw({"nan": broken})).box("nan").fills)) > 1


def test_every_text_reads_on_its_background_and_every_line_on_light_and_dark() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    def contrast(one: str, other: str) -> float:
        low, high = sorted(map(luminance, (one, other)))
        return (high + 0.05) / (low + 0.05)

    outputs = {"o": neuron(), "t": (Value(np.linspace(0, 1, 100), label="t") * 3).mean()}
    for output in outputs.values():
        output.backward()
    root = ET.fromstring(draw(outputs).pipe("svg"))
    assert root.find(f".//{SVG}g[@class='graph']/{SVG}polygon[@fill='white']") is None, "the page itself is transparent"
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").split()[:1] == ["node"]:
            painted: list[str] = []
            for part in group.iter():
                if part.tag in (f"{SVG}path", f"{SVG}polygon") and part.get("fill") != "none":
                    painted.append(part.attrib["fill"])
                elif part.tag == f"{SVG}text":
                    assert contrast(part.attrib.get("fill", "#000000"), painted[-1]) >= 4.5, ("".join(part.itertext()), painted[-1])
        elif group.get("class") == "edge":
            (line,) = {part.attrib["stroke"] for part in group.iter(f"{SVG}path")}
            assert contrast(line, "#ffffff") >= 3 <= contrast(line, "#1e1e1e")
