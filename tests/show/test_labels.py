"""How the parts of a picture look: labels, numbers, colours and the legend."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from engine import Parameter, Value, draw
from tests.show.pictures import SVG, chain, neuron, read


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
    labels = ["a\n b", "tab\there", "\x00\x1b[0m", "\ud800", ""]
    shown = read(draw([Value(1.0, label=label) for label in labels]))
    assert [shown.boxes[f"v{i}"].lines[0] for i in range(len(labels))] == ["a", "tab    here", "��[0m", "�", "v4"]
    assert shown.boxes["v0"].lines[1] == " b"


def test_spaces_that_a_viewer_would_drop_are_shown() -> None:
    """A viewer of an SVG drops ordinary spaces at the ends of a line, and all but one in a row; hard spaces stay."""
    picture = draw([Value(1.0, label=label) for label in (" a", "b ", "c   d", "e\n f", "g \nh")])
    root = ET.fromstring(picture.pipe("svg"))
    lines = ["".join(text.itertext()) for text in root.iter(f"{SVG}text") if text.get("font-weight") == "bold"]
    assert lines == ["\xa0a", "b\xa0", "c \xa0\xa0d", "e", "\xa0f", "g\xa0", "h"]


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


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
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


def test_the_shade_of_a_gradient_goes_from_white_to_orange_by_its_square_root() -> None:
    leaves = {name: Value(1.0, label=name) for name in "abcd"}
    outputs = [leaves["a"] * 16.0, leaves["b"] * -4.0, leaves["c"] * 0.0, leaves["d"] * np.inf]
    for output in outputs:
        output.backward()
    shown = read(draw(outputs))
    assert {name: shown.box(name).fills[-1] for name in leaves} == {
        "a": "#f2992c",
        "b": "#f8cc96",  # half of the way
        "c": "#ffffff",
        "d": "#ff8a80",  # inf is no size
    }
    assert "size of the gradient 0.0 0.16 4.0 16.0" in shown.legend
    assert "nan or infinite" in shown.legend


def test_the_size_of_a_gradient_is_the_root_of_its_mean_square() -> None:
    a, b, empty = Value([3.0, -4.0] * 5, label="a"), Value(1.0, label="b"), Value(np.ones((0, 2)), label="empty")
    total = (a * a).sum() / 2 + b * np.sqrt(12.5) + empty.sum()
    total.backward()
    shown = read(draw(total))
    assert shown.box("a").fills[-1] == shown.box("b").fills[-1] == "#f2992c"
    assert shown.box("empty").fills[-1] == "#ffffff"
    assert shown.box("empty").lines[3:] == ["empty", "grad", "empty"]


def test_all_gradients_are_zero() -> None:
    x = Value(1.0, label="x")
    x.backward(0.0)
    shown = read(draw(x))
    assert shown.box("x").lines == ["x", "value", "1.0", "grad", "0.0"]
    assert "gradient" not in shown.legend
    assert "no backward pass" not in shown.legend


def test_the_legend_tells_only_what_is_there() -> None:
    a, c = Value(2.0, label="a"), Value(3.0, requires_grad=False)
    legends = {
        "input": read(draw(a)).legend,
        "constant": read(draw(c)).legend,
        "computed": read(draw((a * c).tanh())).legend,
        "parameter": read(draw(Parameter(1.0))).legend,
        "dashed": read(draw(chain(30))).legend,
        "beyond": read(draw(chain(1500), depth=1)).legend,
    }
    assert legends["input"].split() == ["input", *["grad", "—:", "no", "backward", "pass", "yet"]]
    assert legends["constant"].split()[0] == "constant"
    assert legends["computed"].split()[:4] == ["input", "constant", "computed", "output"]
    assert "number on an arrow: ∂result / ∂operand" in legends["computed"]
    assert "number on an arrow" not in legends["input"]
    assert legends["parameter"].split()[0] == "parameter"
    assert legends["dashed"].endswith("dashed: a value that stands elsewhere")
    assert [name for name, legend in legends.items() if "dashed" in legend] == ["dashed"]
    assert legends["beyond"].endswith("⋯ 1,499 more values beyond the depth")
    assert [name for name, legend in legends.items() if "⋯" in legend] == ["beyond"]
    assert not any("nan" in legend for legend in legends.values())
    v = Value([np.inf, 1.0], label="v")
    assert "nan or infinite" in read(draw(v)).legend
    assert "number on an arrow" not in read(draw(v * 2)).legend, "there is none between arrays"


def test_the_legend_stands_below_on_the_left() -> None:
    root = ET.fromstring(draw(chain(8)).pipe("svg"))
    drawn = [text for group in root.iter(f"{SVG}g") if group.get("class", "").startswith("node") for text in group.iter(f"{SVG}text")]
    legend = [text for group in root.iter(f"{SVG}g") if group.get("class") == "graph" for text in group.findall(f"{SVG}text")]
    assert min(float(text.attrib["y"]) for text in legend) > max(float(text.attrib["y"]) for text in drawn)
    assert max(float(text.attrib["x"]) for text in legend) < max(float(text.attrib["x"]) for text in drawn) / 2


def test_what_was_computed_beyond_the_depth_is_shown_as_computed() -> None:
    w = Parameter(2.0, label="w")
    shown = read(draw((w * 3).tanh() * w, depth=1))
    assert {box.lines[0]: box.role for box in shown.boxes.values() if box.kind == "value"} == {
        "w": "parameter",
        "v1": "interior",
        "v2": "output",
    }


def test_a_number_has_no_name_and_a_constant_no_gradient() -> None:
    c = Value(np.ones(2), requires_grad=False, label="c")
    shown = read(draw(c * 2.5))
    assert shown.boxes["v1"].lines == ["2.5"]
    assert [line.strip() for line in shown.boxes["v0"].lines] == ["c", "(2,)", "value", "[1.0, 1.0]"]
    assert "grad" not in [line for box in shown.boxes.values() for line in box.lines]


def test_an_arrow_carries_the_local_derivative() -> None:
    a, b = Value(2.0, label="a"), Value(3.14159, label="b")
    assert sorted(label for _, _, label in read(draw(a * b)).arrows) == ["2.0", "3.142"]
    assert [label for _, _, label in read(draw(a * Value([1.0, 2.0]))).arrows] == ["", ""]


def test_a_small_matrix_stands_row_by_row_and_a_mean_below_the_range() -> None:
    for data, lines in [
        ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], ["[1.0, 2.0]", "[3.0, 4.0]", "[5.0, 6.0]"]),
        ([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]], ["1.0 … 7.0", "mean 4.0"]),
        ([1.0, 2.0], ["[1.0, 2.0]"]),
        ([[[1.0, 2.0]]], ["[[[1.0, 2.0]]]"]),
        (np.ones((2, 0)), ["empty"]),
        (np.ones(9), ["all 1.0"]),
    ]:
        box = read(draw(Value(data, label="m"))).boxes["v0"]
        assert box.lines[box.lines.index("value") + 1 : -2] == lines


def test_tooltips_give_every_digit() -> None:
    x, v = Value(1 / 3, label="x\n\\N<"), Value(np.arange(12.0).reshape(3, 4), label="v")
    total = x * 3 + v.sum(axis=(0, 1))
    total.backward()
    shown = read(draw(total))
    hints = {box.lines[0].strip(): box.tooltip for box in shown.boxes.values()}
    assert f"x ⧵N< = {1 / 3!r} grad 3.0" in hints.values()
    assert "v = (3, 4) 0.0 … 11.0, mean 5.5" in hints.values()
    assert hints["sum"] == "sum axis=(0, 1)"
    assert hints["*"] == "*"
    references = [box for box in read(draw(chain(30))).boxes.values() if box.kind == "reference"]
    assert references
    assert all(box.tooltip.startswith(f"{box.lines[0]} = ") for box in references)


def test_the_type_of_a_picture() -> None:
    """Names are bold, numbers of full size, and everything else is smaller."""
    m = Value(np.arange(12.0).reshape(3, 4), label="m")
    total = m.sum(axis=0)[0] * 2
    root = ET.fromstring(draw(total, groups={"frame": [total]}).pipe("svg"))
    found = {}
    for text in root.iter(f"{SVG}text"):
        assert text.attrib["font-family"] == "Helvetica,Arial,sans-serif"
        found["".join(text.itertext()).replace("\xa0", " ").strip()] = (
            float(text.attrib["font-size"]),
            text.get("font-weight", ""),
        )
    expected = {
        "m": (11, "bold"),
        "(3, 4)": (9, ""),
        "value": (9, ""),
        "0.0 … 11.0": (11, ""),
        "mean 5.5": (9, ""),
        "—": (11, ""),
        "2.0": (11, ""),
        "sum": (12, "bold"),
        "axis=0": (8, ""),
        "v1": (9, ""),
        "frame": (11, "bold"),
        "input": (9, ""),
        "computed": (9, ""),
        "grad —: no backward pass yet": (9, ""),
    }
    assert {text: found.get(text) for text in expected} == expected


def test_the_output_has_the_broader_border_and_the_way_through_the_broader_line() -> None:
    root = ET.fromstring(draw(chain(1)).pipe("svg"))
    widths = {}
    for group in root.iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title", "")
        if group.get("class", "").startswith(("node", "edge")):
            widths[title] = max(float(part.get("stroke-width", 1)) for part in group.iter() if part.get("stroke") not in (None, "none"))
    assert widths == {"v0": 1, "op1": 1, "v1": 2, "v0->op1": 1, "op1->v1": 2}
    arrowheads = [
        g.findtext(f"{SVG}title")
        for g in root.iter(f"{SVG}g")
        if g.get("class") == "edge" and g.find(f".//{SVG}polygon[@stroke]") is not None
    ]
    assert "op1->v1" not in arrowheads


@pytest.mark.filterwarnings("error")
def test_infinite_numbers_draw_without_a_warning() -> None:
    with np.errstate(all="ignore"):
        x = Value(np.array([1e200, np.inf]), label="x")
        y = (x * 1e200 - x).sum()
        y.backward()
    assert "nan or infinite" in read(draw(y)).legend
